#include "cloud/keystore/connection_entries.h"

#include "base/log.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/seal.h"

struct anchor {
	uint8_t subject_sha256[32];
	const char *alias; /* in the arena */
};

struct connection_entries {
	struct keystore *k;
	struct str tenant;
	struct arena *arena;
	struct connection_pair *pairs;
	size_t n_pairs, room_pairs;
	struct anchor *anchors;
	size_t n_anchors, room_anchors;
};

static void *grow(void *array, size_t n, size_t *room, size_t size)
{
	if (n < *room) {
		return array;
	}
	*room = *room == 0 ? 64 : 2 * *room;
	return must_realloc(array, *room * size);
}

/* ---- loading ---- */

static bool is_full(struct err *err)
{
	return err_set(err, ERR_LIMIT, "the keystore's key pairs are more than a test can weigh");
}

static bool add_pair(struct connection_entries *e, const struct keystore_entry *entry,
		     struct str chain, struct err *err)
{
	struct str ders[CONNECTION_CHAIN_MAX];
	struct str copy = arena_str(e->arena, chain);
	const char *alias = arena_text(e->arena, str_of(entry->alias));
	size_t n = copy.at != NULL ? keystore_chain_split(copy, ders, COUNT(ders)) : 0;
	struct str *kept = arena_get(e->arena, sizeof(ders));

	if (chain.len > 0 && (copy.at == NULL || alias == NULL || kept == NULL)) {
		return is_full(err);
	}
	if (n == 0) {
		return true; /* damaged: there is nothing to show */
	}
	memcpy(kept, ders, n * sizeof(*ders));
	e->pairs = grow(e->pairs, e->n_pairs, &e->room_pairs, sizeof(*e->pairs));
	e->pairs[e->n_pairs++] = (struct connection_pair){.alias = alias,
							  .not_before = entry->not_before,
							  .not_after = entry->not_after,
							  .chain = kept,
							  .n = n};
	return true;
}

static bool add_anchor(struct connection_entries *e, const struct keystore_entry *entry,
		       struct str chain, struct err *err)
{
	const char *alias = arena_text(e->arena, str_of(entry->alias));
	struct str der, name;

	if (alias == NULL) {
		return is_full(err);
	}
	if (keystore_chain_split(chain, &der, 1) != 1 || !cert_subject(der, &name)) {
		return true; /* damaged: it vouches for nothing */
	}
	e->anchors = grow(e->anchors, e->n_anchors, &e->room_anchors, sizeof(*e->anchors));
	struct anchor *a = &e->anchors[e->n_anchors++];
	digest_sha256(name, a->subject_sha256);
	a->alias = alias;
	return true;
}

static bool take(struct keystore_content *c, void *user, struct err *err)
{
	struct connection_entries *e = user;
	const struct keystore_entry *entry = keystore_list_at(c->list, 0);

	return entry->kind == KEYS_ENTRY_KEY_PAIR ? add_pair(e, entry, buf_str(&c->chain), err)
						  : add_anchor(e, entry, buf_str(&c->chain), err);
}

static bool read_all(struct db *db, void *user, struct err *err)
{
	struct connection_entries *e = user;
	struct keystore_row row;
	bool found = false;

	arena_reset(e->arena); /* it may be tried again */
	e->n_pairs = e->n_anchors = 0;
	return keystore_read_row(db, e->tenant, &row, &found, err) &&
	       (!found || keystore_walk_contents(db, row.id, 0, take, e, err));
}

bool connection_entries_load(struct keystore *k, struct str tenant, struct connection_entries **out,
			     struct err *err)
{
	AUTO(connection_entries_free)
	struct connection_entries *e = NEW(struct connection_entries);

	e->k = k;
	e->tenant = tenant;
	e->arena = arena_new(KIB(64), CONNECTION_ENTRIES_BYTES_MAX);
	if (!store_read(k->store, read_all, e, err)) {
		return false;
	}
	*out = TAKE(e);
	return true;
}

void connection_entries_free(struct connection_entries *e)
{
	if (e != NULL) {
		arena_free(e->arena);
		free(e->pairs);
		free(e->anchors);
		free(e);
	}
}

/* ---- what the test asks ---- */

static bool is_whole(const struct connection_entries *e, const struct keystore_content *c)
{
	const struct keys_entry entry = keystore_sealed_entry(e->tenant, c);
	const struct str no_key = STR_NONE;
	bool good = false;
	struct err err;

	if (!e->k->keys.check(e->k->keys.user, &entry, &no_key, 1, &good, &err)) {
		log_warning("an anchor could not be checked", LOG_ERR(&err));
	}
	return good;
}

/* False: enough. */
static bool offer(const struct connection_entries *e, const char *alias, tls_der_fn *fn, void *to)
{
	AUTO_CONTENT struct keystore_content c = {0};
	bool found = false;
	struct str der;
	struct err err;

	if (!keystore_read_content(e->k, e->tenant, str_of(alias), &c, &found, &err) || !found ||
	    keystore_chain_split(buf_str(&c.chain), &der, 1) != 1 || !is_whole(e, &c)) {
		return true;
	}
	return fn(der, to);
}

static void find(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to)
{
	const struct connection_entries *e = user;

	for (size_t i = 0; i < e->n_anchors; i++) {
		if (memcmp(e->anchors[i].subject_sha256, subject_sha256, 32) == 0 &&
		    !offer(e, e->anchors[i].alias, fn, to)) {
			return;
		}
	}
}

static bool open_pair(void *user, size_t pair, struct key **out, struct err *err)
{
	const struct connection_entries *e = user;
	AUTO_CONTENT struct keystore_content c = {0};
	bool found = false;

	if (!keystore_read_content(e->k, e->tenant, str_of(e->pairs[pair].alias), &c, &found,
				   err)) {
		return false;
	}
	if (!found) {
		return err_set(err, ERR_MISSING, "the key pair \"%s\" is gone meanwhile",
			       e->pairs[pair].alias);
	}
	const struct keys_entry entry = keystore_sealed_entry(e->tenant, &c);
	return e->k->keys.open(e->k->keys.user, &entry, buf_str(&c.spki), KEYS_FOR_TLS_CLIENT, out,
			       err);
}

void connection_entries_lend(struct connection_entries *e, struct connection_test *t)
{
	t->pairs = e->pairs;
	t->n_pairs = e->n_pairs;
	t->find = find;
	t->open = open_pair;
	t->user = e;
}
