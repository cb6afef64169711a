#include "crypto/tls_guest.h"

#include <openssl/ssl.h>

#include "base/clock.h"
#include "crypto/key_provider.h"
#include "crypto/ossl.h"

static bool pin_of(X509 *cert, uint8_t pin[static 32])
{
	struct cert_facts facts;
	struct err err;
	if (!ossl_cert_facts(cert, &facts, &err)) {
		return false;
	}
	memcpy(pin, facts.spki_sha256, sizeof facts.spki_sha256);
	return true;
}

/* A store that holds only the presented certificate with the pinned key; NULL: there is none. */
static X509_STORE *pinned_store(STACK_OF(X509) * presented, const uint8_t *pin)
{
	for (int i = 0; i < sk_X509_num(presented); i++) {
		uint8_t own[32];
		X509 *cert = sk_X509_value(presented, i);
		if (!pin_of(cert, own) || memcmp(own, pin, sizeof own) != 0) {
			continue;
		}
		AUTO(X509_STORE_free) X509_STORE *store = X509_STORE_new();
		if (store != NULL && X509_STORE_add_cert(store, cert) == 1) {
			return TAKE(store);
		}
	}
	return NULL;
}

static bool judge(struct tls_guest *g, X509 *leaf, STACK_OF(X509) * presented)
{
	AUTO(X509_STORE_free) X509_STORE *store = NULL;
	if (g->root_pin != NULL) {
		store = pinned_store(presented, g->root_pin);
		if (store == NULL) {
			return err_set(&g->why, ERR_CONFLICT,
				       "the server's chain does not hold the pinned root");
		}
	} else if (g->anchors_pem.len == 0 && !g->system_anchors) {
		return err_set(&g->why, ERR_CONFLICT, "no root is trusted yet");
	} else {
		store = ossl_store(g->anchors_pem, g->system_anchors, &g->why);
	}
	return store != NULL &&
	       ossl_verify(store, leaf, presented, clock_unix(), "ssl_server", &g->why);
}

static int on_verify(X509_STORE_CTX *ctx, void *user)
{
	struct tls_guest *g = user;
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	STACK_OF(X509) *presented = X509_STORE_CTX_get0_untrusted(ctx);
	if (leaf != NULL && judge(g, leaf, presented)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	int n = sk_X509_num(presented);
	g->untrusted = true;
	g->why.kind = ERR_CONFLICT;
	if (!pin_of(n > 0 ? sk_X509_value(presented, n - 1) : leaf, g->peer_root_pin)) {
		memset(g->peer_root_pin, 0, sizeof g->peer_root_pin);
	}
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	return 0;
}

static bool set_identity(SSL_CTX *ctx, const struct tls_guest *g, struct err *err)
{
	if (g->key == NULL || g->chain_pem.len == 0) {
		return true;
	}
	AUTO(ossl_free_certs) STACK_OF(X509) *chain = ossl_certs(g->chain_pem, CERT_CHAIN_MAX, err);
	if (chain == NULL) {
		return err_wrap(err, "own certificate");
	}
	if (SSL_CTX_use_certificate(ctx, sk_X509_value(chain, 0)) != 1) {
		return err_ossl(err, ERR_CONFIG, "own certificate");
	}
	for (int i = 1; i < sk_X509_num(chain); i++) {
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)) != 1) {
			return err_ossl(err, ERR_CONFIG, "own certificate chain");
		}
	}
	if (SSL_CTX_use_PrivateKey(ctx, key_evp(g->key)) != 1) {
		return err_ossl(err, ERR_CONFIG, "own key does not match the certificate");
	}
	return true;
}

bool tls_guest_set_up(void *ssl_ctx, struct tls_guest *g, struct err *err)
{
	SSL_CTX *ctx = ssl_ctx;
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, g);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_security_level(ctx, 2); /* 112 bits: RSA 2048, SHA-2 */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		return err_ossl(err, ERR_SYSTEM, "TLS versions");
	}
	return set_identity(ctx, g, err);
}
