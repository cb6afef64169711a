#include "crypto/tls_trusted.h"

#include "base/clock.h"
#include "crypto/seal.h"

enum {
	LOOKED_UP = 2 * CERT_CHAIN_MAX, /* names in one chain */
};

struct candidates {
	STACK_OF(X509) * certs;
	uint8_t looked_up[LOOKED_UP][32];
	size_t n;
};

static bool add_candidate(struct str der, void *to)
{
	struct candidates *c = to;
	struct err ignored;
	AUTO(X509_free) X509 *cert = ossl_cert(der, &ignored);

	if (cert != NULL && sk_X509_push(c->certs, cert) > 0) {
		(void)TAKE(cert);
	}
	return sk_X509_num(c->certs) < TLS_CANDIDATES_MAX;
}

static void look_up(struct candidates *c, const struct tls_source *from, const X509_NAME *name)
{
	const unsigned char *der = NULL;
	size_t len = 0;

	if (c->n == COUNT(c->looked_up) || X509_NAME_get0_der(name, &der, &len) != 1) {
		return;
	}
	uint8_t *hash = c->looked_up[c->n];
	digest_sha256(str_make((const char *)der, len), hash);
	for (size_t i = 0; i < c->n; i++) {
		if (memcmp(c->looked_up[i], hash, 32) == 0) {
			return;
		}
	}
	c->n++;
	if (tls_anchors_are_read(from->read)) {
		tls_anchors_find(from->read, hash, c->certs);
	} else if (from->find != NULL && sk_X509_num(c->certs) < TLS_CANDIDATES_MAX) {
		from->find(from->user, hash, add_candidate, c);
	}
}

void tls_gather(STACK_OF(X509) * trusted, const struct tls_source *from, X509 *leaf,
		STACK_OF(X509) * sent)
{
	struct candidates c = {.certs = trusted};

	look_up(&c, from, X509_get_issuer_name(leaf));
	look_up(&c, from, X509_get_subject_name(leaf));
	for (int i = 0; i < sk_X509_num(sent) && i < CERT_CHAIN_MAX; i++) {
		look_up(&c, from, X509_get_issuer_name(sk_X509_value(sent, i)));
		look_up(&c, from, X509_get_subject_name(sk_X509_value(sent, i)));
	}
	ossl_forget();
}

bool tls_verify_with(X509_STORE_CTX *ctx, STACK_OF(X509) * trusted)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_STORE_CTX_set0_trusted_stack(ctx, trusted);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(param, (time_t)clock_unix());
	return X509_verify_cert(ctx) == 1;
}
