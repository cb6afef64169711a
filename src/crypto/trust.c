#include "crypto/trust.h"

#include "crypto/ossl.h"
#include "crypto/seal.h"

static STACK_OF(X509) * read_all(const struct str *ders, size_t n, struct err *err)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = sk_X509_new_null();

	if (certs == NULL) {
		err_ossl(err, ERR_SYSTEM, "chain");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		X509 *cert = ossl_cert(ders[i], err);
		if (cert == NULL) {
			return NULL;
		}
		if (sk_X509_push(certs, cert) <= 0) {
			X509_free(cert);
			err_ossl(err, ERR_SYSTEM, "chain");
			return NULL;
		}
	}
	return TAKE(certs);
}

static bool add_anchors(X509_STORE *store, const struct str *anchors, size_t n, struct err *err)
{
	struct err unreadable;

	for (size_t i = 0; i < n && i < TRUST_ANCHORS_MAX; i++) {
		AUTO(X509_free) X509 *cert = ossl_cert(anchors[i], &unreadable);
		if (cert != NULL && X509_STORE_add_cert(store, cert) != 1) {
			return err_ossl(err, ERR_SYSTEM, "trust store");
		}
	}
	return true;
}

bool trust_is_anchored(const struct str *chain, size_t n, const struct str *anchors,
		       size_t n_anchors, bool system, bool *anchored, struct err *err)
{
	struct err why;

	*anchored = false;
	if (n == 0) {
		return err_set(err, ERR_CONFIG, "the chain is empty");
	}
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = read_all(chain, n, err);
	if (certs == NULL) {
		return false;
	}
	AUTO(X509_STORE_free) X509_STORE *store = ossl_store(STR_NONE, system, err);
	if (store == NULL || !add_anchors(store, anchors, n_anchors, err)) {
		return false;
	}
	*anchored = ossl_verify(store, sk_X509_value(certs, 0), certs, 0, NULL, &why);
	return true;
}

bool trust_subject_hash(struct str der, uint8_t hash[static 32], struct err *err)
{
	AUTO(X509_free) X509 *cert = ossl_cert(der, err);
	unsigned char *name = NULL;

	if (cert == NULL) {
		return false;
	}
	int len = i2d_X509_NAME(X509_get_subject_name(cert), &name);
	if (len <= 0) {
		return err_ossl(err, ERR_CONFIG, "the certificate's subject is malformed");
	}
	digest_sha256(str_make(name, (size_t)len), hash);
	OPENSSL_free(name);
	return true;
}
