/* Versions that are to be: alias, facts and chain first, then sealed, then part of a change. */
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

enum {
	SEALED_MAX = 64 * 1024,
	SPKI_MAX = 8 * 1024,
};

struct keystore_draft *keystore_drafts_add(struct keystore_drafts *ds)
{
	if ((ds->n & (ds->n - 1)) == 0) { /* 0 or a power of two: full */
		size_t room = ds->n == 0 ? 1 : ds->n * 2;
		ds->all = must_realloc(ds->all, room * sizeof(struct keystore_draft *));
	}
	struct keystore_draft *d = NEW(struct keystore_draft);
	ds->all[ds->n++] = d;
	d->entry = (struct keystore_entry){.alias = d->alias,
					   .created_by = d->created_by,
					   .modified_by = d->modified_by,
					   .key_type = d->key_type,
					   .curve = d->curve,
					   .signature = d->signature,
					   .serial = d->serial,
					   .prints = d->prints};
	return d;
}

static void draft_free(struct keystore_draft *d)
{
	free(d->subject);
	free(d->issuer);
	buf_fini(&d->fold);
	buf_fini(&d->chain);
	buf_fini(&d->sealed);
	buf_fini(&d->spki);
	free(d);
}

void keystore_drafts_drop_last(struct keystore_drafts *ds)
{
	draft_free(ds->all[--ds->n]);
}

void keystore_drafts_settle(struct keystore_drafts *ds, bool committed)
{
	for (size_t i = 0; i < ds->n; i++) {
		ds->all[i]->is_used = ds->all[i]->is_used && committed;
	}
}

void keystore_drafts_fini(struct keystore_drafts *ds)
{
	for (size_t i = 0; i < ds->n; i++) {
		draft_free(ds->all[i]);
	}
	free(ds->all);
	*ds = (struct keystore_drafts){0};
}

static bool add_chain(struct keystore_draft *d, const struct str *chain, size_t n, struct err *err)
{
	if (n == 0 || n > KEYSTORE_CHAIN_MAX) {
		return err_set(err, ERR_LIMIT, "a chain has 1 to %d certificates, and not %zu",
			       (int)KEYSTORE_CHAIN_MAX, n);
	}
	for (size_t i = 0; i < n; i++) {
		wr_blob(&d->chain, chain[i]);
	}
	if (buf_failed(&d->chain)) {
		return err_set(err, ERR_LIMIT, "the chain is longer than %d bytes",
			       (int)KEYSTORE_CHAIN_BYTES_MAX);
	}
	digest_sha256(buf_str(&d->chain), d->chain_sha256);
	d->entry.chain_length = (uint32_t)n;
	return true;
}

bool keystore_draft_make(struct keystore_draft *d, struct str alias, enum keys_entry_kind kind,
			 enum keys_owner owner, const struct str *chain, size_t n, struct err *err)
{
	struct keystore_entry *e = &d->entry;

	d->fold = BUF(KEYSTORE_ALIAS_MAX);
	d->chain = BUF(KEYSTORE_CHAIN_BYTES_MAX);
	d->sealed = BUF(SEALED_MAX);
	d->spki = BUF(SPKI_MAX);
	e->version = keystore_new_id();
	e->kind = kind;
	e->owner = owner;
	if (!str_copy(alias, d->alias, sizeof(d->alias))) {
		return err_set(err, ERR_CONFIG, "the alias is too long");
	}
	keystore_alias_fold(alias, &d->fold);
	return add_chain(d, chain, n, err) && keystore_facts(chain[0], d, err);
}

bool keystore_draft_seal(struct keystore *k, struct str tenant, struct str wrapped,
			 struct keystore_draft *d, struct keys_stage *stage, size_t item,
			 struct err *err)
{
	const struct keys_binding b = keystore_binding(tenant, &d->entry, d->chain_sha256);
	bool ok = stage != NULL ? k->keys.stage_seal(stage, item, wrapped, &b, &d->sealed, err)
				: k->keys.tag(k->keys.user, wrapped, &b, &d->sealed, err);

	return ok && keystore_draft_sealed(d, wrapped, err);
}

bool keystore_draft_sealed(struct keystore_draft *d, struct str wrapped, struct err *err)
{
	struct str id = keys_data_key_id(wrapped);

	if (id.len != sizeof(d->data_key) || buf_failed(&d->sealed) || d->sealed.len == 0) {
		return err_set(err, ERR_SYSTEM, "the key process sealed nothing");
	}
	memcpy(d->data_key, id.at, id.len);
	d->entry.bytes = (uint32_t)(d->chain.len + d->sealed.len);
	return true;
}
