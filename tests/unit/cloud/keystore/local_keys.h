#pragma once
/*
 * A struct keystore_keys without a key process: it seals, binds, checks and makes MACs for real,
 * with keys of this process. Its data keys are wrapped by nothing.
 */
#include <stdatomic.h>

#include "base/random.h"
#include "base/rd.h"
#include "cloud/keystore/keys.h"
#include "crypto/formats/container.h"
#include "crypto/issue.h"
#include "crypto/seal.h"
#include "unit/unit.h"

struct local_item {
	struct keys_staged staged;
	struct buf key, spki;
};

struct keys_stage {
	struct container *box;
	struct local_item *items;
	size_t n;
};

static atomic_int local_keys_calls; /* of all kinds, for tests that count */
static atomic_bool local_keys_down; /* every call fails, as when keyd is gone */

static bool local_is_up(struct err *err)
{
	atomic_fetch_add(&local_keys_calls, 1);
	return !atomic_load(&local_keys_down) ||
	       err_set(err, ERR_STORE, "the key process does not answer");
}

/* form 1, id 16, key 32 */
static const uint8_t *local_data_key(struct str wrapped)
{
	assert_int_equal(wrapped.len, 1 + 16 + 32);
	return (const uint8_t *)wrapped.at + 17;
}

static bool local_data_key_new(void *user UNUSED, struct str tenant UNUSED, struct buf *wrapped,
			       struct err *err)
{
	uint8_t bytes[1 + 16 + 32];

	random_bytes(bytes, sizeof(bytes));
	bytes[0] = 1;
	buf_add(wrapped, bytes, sizeof(bytes));
	return local_is_up(err);
}

static void local_aad(const struct keys_binding *b, struct str wrapped, struct buf *out)
{
	wr_blob(out, keys_data_key_id(wrapped));
	wr_blob(out, b->tenant);
	wr_blob(out, b->keystore);
	wr_blob(out, b->alias);
	wr_u8(out, (uint8_t)b->owner);
	wr_u8(out, (uint8_t)b->kind);
	wr_u8(out, b->flags);
	wr_u64(out, (uint64_t)b->version);
	buf_add(out, b->chain_sha256, 32);
}

static bool local_seal(struct str wrapped, const struct keys_binding *b, struct str plain,
		       struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf aad = BUF(KIB(4));

	local_aad(b, wrapped, &aad);
	return local_is_up(err) && seal(local_data_key(wrapped), plain, buf_str(&aad), sealed, err);
}

static bool local_unseal(const struct keys_entry *e, struct buf *plain, struct err *err)
{
	AUTO_BUF struct buf aad = BUF(KIB(4));

	if (e->wrapped.len != 1 + 16 + 32) {
		return err_set(err, ERR_DENIED, "no data key");
	}
	local_aad(&e->binding, e->wrapped, &aad);
	return unseal(local_data_key(e->wrapped), e->sealed, buf_str(&aad), plain, err);
}

static bool local_tag(void *user UNUSED, struct str wrapped, const struct keys_binding *binding,
		      struct buf *sealed, struct err *err)
{
	return local_seal(wrapped, binding, STR(""), sealed, err);
}

static bool local_rebind(void *user UNUSED, const struct keys_entry *entry, struct str wrapped,
			 const struct keys_binding *binding, struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(64));

	return local_unseal(entry, &plain, err) &&
	       local_seal(wrapped, binding, buf_str(&plain), sealed, err);
}

static bool local_fits(struct str plain, struct str spki)
{
	AUTO(local_key_free) struct local_key *key = NULL;
	AUTO_BUF struct buf found = BUF(KEY_SPKI_MAX);
	struct err err;

	if (spki.at == NULL) {
		return plain.len == 0;
	}
	return local_key_read(plain, &key, &err) && local_key_spki(key, &found, &err) &&
	       str_eq(buf_str(&found), spki);
}

static bool local_check(void *user UNUSED, const struct keys_entry *entries, const struct str *spki,
			size_t n, bool *good, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf plain = BUF_SECRET(KIB(64));
		struct err why;
		good[i] = local_unseal(&entries[i], &plain, &why) &&
			  local_fits(plain.len == 0 ? STR("") : buf_str(&plain), spki[i]);
	}
	return local_is_up(err);
}

static bool local_sign(void *user, enum key_scheme scheme, struct str message,
		       struct buf *signature, struct err *err)
{
	return local_key_signer(user, scheme, message, signature, err);
}

/* The key leaks: tests open few. */
static bool local_open(void *user UNUSED, const struct keys_entry *entry, struct str spki,
		       enum keys_purpose purpose UNUSED, struct key **out, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(KIB(64));
	static struct local_key *kept[16];
	static size_t n;

	assert_true(n < COUNT(kept));
	return local_unseal(entry, &plain, err) && local_key_read(buf_str(&plain), &kept[n], err) &&
	       key_new(spki, local_sign, kept[n++], out, err);
}

static void local_take_key(struct local_item *item, struct str pkcs8)
{
	AUTO(local_key_free) struct local_key *key = NULL;
	struct err err;

	item->key = BUF_SECRET(KIB(64));
	item->spki = BUF(KEY_SPKI_MAX);
	buf_add_str(&item->key, pkcs8);
	assert_ok(local_key_read(pkcs8, &key, &err), &err);
	assert_ok(local_key_spki(key, &item->spki, &err), &err);
	item->staged.spki = buf_str(&item->spki);
}

static void local_take(struct local_item *item, struct container_item *from)
{
	item->staged = (struct keys_staged){.is_taken = from->kind != CONTAINER_SKIPPED,
					    .kind = from->kind == CONTAINER_KEY_PAIR
							    ? KEYS_ENTRY_KEY_PAIR
							    : KEYS_ENTRY_CERTIFICATE,
					    .alias = str_of(from->alias),
					    .n_chain = from->n_chain,
					    .chain = from->chain,
					    .problem = from->why};
	if (from->kind == CONTAINER_KEY_PAIR) {
		local_take_key(item, buf_str(&from->key));
	}
}

static bool local_open_with(struct str bytes, struct str password,
			    const struct container_limits *limits, unsigned *format,
			    struct keys_stage **out, struct err *err)
{
	struct container *box = NULL;

	*format = container_detect(bytes);
	if (!local_is_up(err) ||
	    container_open(bytes, &password, limits, &box, err) != CONTAINER_OPENED) {
		return false;
	}
	struct keys_stage *s = NEW(struct keys_stage);
	s->box = box;
	s->n = box->n;
	s->items = NEW_ARRAY(struct local_item, s->n + 1);
	for (size_t i = 0; i < s->n; i++) {
		local_take(&s->items[i], &box->items[i]);
	}
	*out = s;
	return true;
}

static bool local_stage_open(void *user UNUSED, struct str bytes, struct str password,
			     unsigned *format, struct keys_stage **out, struct err *err)
{
	return local_open_with(bytes, password, NULL, format, out, err);
}

static bool local_stage_open_keys(void *user UNUSED, struct str bytes, struct str password,
				  unsigned *format, struct keys_stage **out, struct err *err)
{
	const struct container_limits limits = {.lone_keys = true};

	return local_open_with(bytes, password, &limits, format, out, err);
}

static bool local_generate(void *user UNUSED, const char *type, unsigned bits UNUSED,
			   const char *curve UNUSED, struct keys_stage **out, struct err *err)
{
	AUTO(local_key_free) struct local_key *key = NULL;
	AUTO_BUF struct buf pkcs8 = BUF_SECRET(KIB(64));
	enum key_kind kind = strcmp(type, "RSA") == 0 ? KEY_KIND_RSA_2048 : KEY_KIND_P256;

	if (!local_is_up(err) || !local_key_generate(kind, &key, err) ||
	    !local_key_write(key, &pkcs8, err)) {
		return false;
	}
	struct keys_stage *s = NEW(struct keys_stage);
	s->n = 1;
	s->items = NEW(struct local_item);
	s->items[0].staged = (struct keys_staged){.is_taken = true, .kind = KEYS_ENTRY_KEY_PAIR};
	local_take_key(&s->items[0], buf_str(&pkcs8));
	*out = s;
	return true;
}

static size_t local_count(const struct keys_stage *s)
{
	return s->n;
}

static const struct keys_staged *local_item_at(const struct keys_stage *s, size_t i)
{
	return &s->items[i].staged;
}

static bool local_self_sign(struct keys_stage *s, size_t i, const struct keys_self *facts,
			    struct buf *der, struct err *err)
{
	AUTO(local_key_free) struct local_key *key = NULL;
	struct issue_facts f = {.profile = ISSUE_SELF,
				.name = facts->name,
				.digest = facts->digest,
				.not_before = facts->not_before,
				.not_after = facts->not_after};

	memcpy(f.serial, facts->serial, sizeof(f.serial));
	return local_is_up(err) && local_key_read(buf_str(&s->items[i].key), &key, err) &&
	       issue_certificate(&f, buf_str(&s->items[i].spki), STR_NONE, key, der, err);
}

static bool local_stage_seal(struct keys_stage *s, size_t i, struct str wrapped,
			     const struct keys_binding *binding, struct buf *sealed,
			     struct err *err)
{
	struct local_item *item = &s->items[i];

	return local_seal(wrapped, binding,
			  item->staged.kind == KEYS_ENTRY_KEY_PAIR ? buf_str(&item->key) : STR(""),
			  sealed, err);
}

static void local_end(struct keys_stage *s)
{
	if (s == NULL) {
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		buf_fini(&s->items[i].key);
		buf_fini(&s->items[i].spki);
	}
	container_free(s->box);
	free(s->items);
	free(s);
}

static bool local_mac(void *user UNUSED, struct str tenant UNUSED, struct str wrapped,
		      const char *label, struct str message, uint8_t mac[static KEYS_MAC],
		      struct err *err)
{
	AUTO_BUF struct buf labelled = BUF(KIB(64));

	if (wrapped.len != 1 + 16 + 32) {
		return err_set(err, ERR_DENIED, "no data key"); /* as the key process says it */
	}
	wr_blob(&labelled, str_of(label));
	wr_blob(&labelled, message);
	hmac_sha256(str_make(local_data_key(wrapped), 32), buf_str(&labelled), mac);
	return local_is_up(err);
}

static inline struct keystore_keys local_keys(void)
{
	return (struct keystore_keys){.data_key_new = local_data_key_new,
				      .tag = local_tag,
				      .rebind = local_rebind,
				      .check = local_check,
				      .open = local_open,
				      .stage_open = local_stage_open,
				      .stage_open_keys = local_stage_open_keys,
				      .stage_generate = local_generate,
				      .stage_count = local_count,
				      .stage_item = local_item_at,
				      .stage_self_sign = local_self_sign,
				      .stage_seal = local_stage_seal,
				      .stage_end = local_end,
				      .mac = local_mac};
}
