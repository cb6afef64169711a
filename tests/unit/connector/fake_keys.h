#pragma once
/* A key_source of local keys for tests: "sealed" is the plain PKCS#8, a sealed text is reversed. */
#include "connector/key_source.h"
#include "unit/unit.h"

enum {
	FAKE_KEYS_MAX = 64,
};

struct fake_keys {
	struct local_key *keys[FAKE_KEYS_MAX];
	size_t n;
	unsigned generated;
	bool refuses; /* every open fails */
};

static inline bool fake_generate(void *user, struct buf *sealed, struct buf *spki, struct err *err)
{
	struct fake_keys *f = user;
	AUTO(local_key_free) struct local_key *k = NULL;

	f->generated++;
	return local_key_generate(KEY_KIND_P256, &k, err) && local_key_write(k, sealed, err) &&
	       local_key_spki(k, spki, err);
}

static inline bool fake_open(void *user, struct str sealed, struct str spki,
			     enum keys_purpose purpose UNUSED, struct key **out, struct err *err)
{
	struct fake_keys *f = user;

	assert_true(f->n < FAKE_KEYS_MAX);
	if (f->refuses) {
		return err_set(err, ERR_DENIED, "the key does not open");
	}
	if (!local_key_read(sealed, &f->keys[f->n], err)) {
		return false;
	}
	return key_new(spki, local_key_signer, f->keys[f->n++], out, err);
}

static inline void fake_reverse(struct str from, struct buf *to)
{
	for (size_t i = from.len; i > 0; i--) {
		buf_add_c(to, from.at[i - 1]);
	}
}

static inline bool fake_seal(void *user UNUSED, const char *label UNUSED, struct str plain,
			     struct buf *sealed, struct err *err UNUSED)
{
	fake_reverse(plain, sealed);
	return true;
}

static inline struct key_source fake_key_source(struct fake_keys *f)
{
	return (struct key_source){.user = f,
				   .generate = fake_generate,
				   .open = fake_open,
				   .seal = fake_seal,
				   .unseal = fake_seal};
}

static inline void fake_keys_free(struct fake_keys *f)
{
	for (size_t i = 0; i < f->n; i++) {
		local_key_free(f->keys[i]);
	}
}
