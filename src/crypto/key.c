#include "crypto/key.h"

#include <stdatomic.h>

#include "crypto/key_provider.h"
#include "crypto/ossl.h"

struct key {
	atomic_uint refs;
	key_sign_fn *sign;
	void *user;                  /* lent, or freed by on_free */
	void (*on_free)(void *user); /* NULL: none */
	EVP_PKEY *pkey;
	bool rsa;
	size_t spki_len;
	char spki[]; /* DER */
};

bool key_new(struct str spki, key_sign_fn *sign, void *user, struct key **out, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pub = ossl_tenant_public_key(spki, err);

	if (pub == NULL) {
		return false;
	}
	AUTO(key_free) struct key *k = must_alloc(sizeof *k + spki.len);
	atomic_init(&k->refs, 1);
	memcpy(k->spki, spki.at, spki.len);
	k->spki_len = spki.len;
	k->sign = sign;
	k->user = user;
	k->rsa = EVP_PKEY_is_a(pub, "RSA");
	bool for_tls = k->rsa || EVP_PKEY_is_a(pub, "EC");
	k->pkey = for_tls ? key_provider_wrap(k, pub, err) : NULL;
	if (for_tls && k->pkey == NULL) {
		return false;
	}
	*out = TAKE(k);
	return true;
}

struct key *key_ref(struct key *k)
{
	atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void key_free(struct key *k)
{
	if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	EVP_PKEY_free(k->pkey);
	if (k->on_free) {
		k->on_free(k->user);
	}
	free(k);
}

void key_on_free(struct key *k, void (*fn)(void *user))
{
	k->on_free = fn;
}

struct str key_spki(const struct key *k)
{
	return (struct str){k->spki, k->spki_len};
}

bool key_is_rsa(const struct key *k)
{
	return k->rsa;
}

EVP_PKEY *key_evp(struct key *k)
{
	return k->pkey;
}

bool key_sign(struct key *k, enum key_scheme scheme, struct str message, struct buf *signature,
	      struct err *err)
{
	if (message.len > KEY_TBS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %zu bytes to sign", (size_t)KEY_TBS_MAX);
	}
	return k->sign(k->user, scheme, message, signature, err);
}

bool key_scheme_of(bool rsa, bool pss, const char *digest, enum key_scheme *out)
{
	static const struct {
		const char *digest;
		enum key_scheme ecdsa, pkcs1, pss;
	} rows[] = {
		{"SHA256", KEY_ECDSA_SHA256, KEY_RSA_PKCS1_SHA256, KEY_RSA_PSS_SHA256},
		{"SHA2-256", KEY_ECDSA_SHA256, KEY_RSA_PKCS1_SHA256, KEY_RSA_PSS_SHA256},
		{"SHA384", KEY_ECDSA_SHA384, KEY_RSA_PKCS1_SHA384, KEY_RSA_PSS_SHA384},
		{"SHA2-384", KEY_ECDSA_SHA384, KEY_RSA_PKCS1_SHA384, KEY_RSA_PSS_SHA384},
		{"SHA512", KEY_ECDSA_SHA512, KEY_RSA_PKCS1_SHA512, KEY_RSA_PSS_SHA512},
		{"SHA2-512", KEY_ECDSA_SHA512, KEY_RSA_PKCS1_SHA512, KEY_RSA_PSS_SHA512},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (str_eq_nocase(str_of(rows[i].digest), str_of(digest))) {
			*out = !rsa ? rows[i].ecdsa : pss ? rows[i].pss : rows[i].pkcs1;
			return true;
		}
	}
	return false;
}
