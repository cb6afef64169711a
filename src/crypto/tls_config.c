#include "crypto/tls_config.h"

#include "crypto/key_provider.h"
#include "crypto/ossl.h"
#include "crypto/tls_hello_priv.h"
#include "crypto/tls_probe_priv.h"

enum {
	TLS_CHAIN_MAX = 64 * 1024, /* bytes of a peer's Certificate message; longer is refused */
};

DEFINE_AUTO(SSL_CTX_free, SSL_CTX *)

static void free_names(STACK_OF(X509_NAME) * names)
{
	sk_X509_NAME_pop_free(names, X509_NAME_free);
}
DEFINE_AUTO(free_names, STACK_OF(X509_NAME) *)

static int accept_for_now(X509_STORE_CTX *ctx, UNUSED void *user)
{
	/* Judged after the handshake, so that a refusal can be explained in HTTP. */
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static int choose_alpn(UNUSED SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *user)
{
	const struct tls_config *c = user;

	for (unsigned at = 0; at < in_len; at += 1U + in[at]) {
		if (in[at] == c->alpn[0] && at + 1 + in[at] <= in_len &&
		    memcmp(in + at, c->alpn, 1U + c->alpn[0]) == 0) {
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol, RFC 7301, 3.2 */
}

static bool set_alpn(struct tls_config *c, const char *alpn, struct err *err)
{
	size_t len = alpn != NULL ? strlen(alpn) : 0;

	if (len == 0) {
		return true;
	}
	if (len > 255) {
		return err_set(err, ERR_CONFIG, "the ALPN name is too long");
	}
	c->has_alpn = true;
	c->alpn[0] = (unsigned char)len;
	memcpy(c->alpn + 1, alpn, len);
	if (c->server) {
		SSL_CTX_set_alpn_select_cb(c->ctx, choose_alpn, c);
		return true;
	}
	if (SSL_CTX_set_alpn_protos(c->ctx, c->alpn, (unsigned)len + 1) != 0) {
		return err_ossl(err, ERR_SYSTEM, "ALPN");
	}
	return true;
}

static bool set_identity(SSL_CTX *ctx, const struct tls_settings *settings, struct err *err)
{
	if (settings->chain_pem.len == 0 || settings->key == NULL) {
		return true;
	}
	AUTO(ossl_free_certs)
	STACK_OF(X509) *chain = ossl_certs(settings->chain_pem, CERT_CHAIN_MAX, err);
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
	if (SSL_CTX_use_PrivateKey(ctx, key_evp(settings->key)) != 1) {
		return err_ossl(err, ERR_CONFIG, "own key does not match the certificate");
	}
	return true;
}

/* The names that help a client choose its certificate, or none when they would be too many. */
static bool set_names(SSL_CTX *ctx, struct str anchors_pem, struct err *err)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = ossl_certs(anchors_pem, 1000, err);
	AUTO(free_names) STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	size_t total = 0;

	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(sk_X509_value(certs, i)));
		if (names == NULL || name == NULL || sk_X509_NAME_push(names, name) <= 0) {
			X509_NAME_free(name);
			return err_ossl(err, ERR_SYSTEM, "names of anchors");
		}
		int len = i2d_X509_NAME(name, NULL);
		total += len > 0 ? (size_t)len + 2 : 0;
	}
	if (total <= TLS_CA_NAMES_MAX) {
		SSL_CTX_set_client_CA_list(ctx, TAKE(names));
	}
	return certs != NULL;
}

static bool set_trust(struct tls_config *c, const struct tls_settings *settings, struct err *err)
{
	if (settings->peer == TLS_PEER_NONE) {
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
		return true;
	}
	if (settings->peer == TLS_PEER_BY_NAME) {
		return tls_hello_set_up(c, err);
	}
	if (settings->peer == TLS_PEER_PROBE) {
		return tls_probe_set_up(c, err);
	}
	AUTO(X509_STORE_free)
	X509_STORE *store = ossl_store(settings->anchors_pem, settings->system_anchors, err);
	if (store == NULL) {
		return err_wrap(err, "trust anchors");
	}
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(c->ctx, CERT_CHAIN_MAX);
	if (settings->peer == TLS_PEER_OPTIONAL) {
		SSL_CTX_set_cert_verify_callback(c->ctx, accept_for_now, NULL);
		c->judges = TAKE(store);
		return !c->server || settings->anchors_pem.len == 0 ||
		       set_names(c->ctx, settings->anchors_pem, err);
	}
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(c->ctx), X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_cert_store(c->ctx, TAKE(store));
	return true;
}

static bool set_protocol(SSL_CTX *ctx, const struct tls_settings *settings, struct err *err)
{
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			   SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_CIPHER_SERVER_PREFERENCE |
			   SSL_OP_PRIORITIZE_CHACHA;

	if (!settings->tickets) {
		options |= SSL_OP_NO_TICKET;
		if (SSL_CTX_set_num_tickets(ctx, 0) != 1) {
			return err_ossl(err, ERR_SYSTEM, "TLS tickets");
		}
	}
	SSL_CTX_set_options(ctx, options);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_MAX);
	SSL_CTX_set_security_level(ctx, 2); /* 112 bits: RSA 2048, SHA-2 */
	int least = settings->allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	int most = settings->only_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	if (SSL_CTX_set_min_proto_version(ctx, least) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, most) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:"
					 "ECDHE+AES:!aNULL:!PSK") != 1) {
		return err_ossl(err, ERR_SYSTEM, "TLS versions");
	}
	return true;
}

static bool check(const struct tls_settings *s, struct err *err)
{
	if (s->server && (s->chain_pem.len == 0 || s->key == NULL)) {
		return err_set(err, ERR_CONFIG, "a TLS server needs a certificate and its key");
	}
	if (s->server && s->peer == TLS_PEER_VERIFY) {
		return err_set(err, ERR_CONFIG, "a TLS server judges clients after the handshake");
	}
	if ((s->peer == TLS_PEER_BY_NAME) != (s->hello != NULL) || (s->hello && !s->server)) {
		return err_set(err, ERR_CONFIG, "trust by name is a server's, and needs a hook");
	}
	/* A resumed session has no chain to judge, and outlives the trust it was made under. */
	if (s->tickets && s->peer == TLS_PEER_OPTIONAL) {
		return err_set(err, ERR_CONFIG, "no tickets where client certificates are asked");
	}
	return true;
}

bool tls_config_new(const struct tls_settings *settings, struct tls_config **out, struct err *err)
{
	if (!check(settings, err)) {
		return false;
	}
	OSSL_LIB_CTX *lib = key_library(err);
	if (lib == NULL) {
		return false;
	}
	AUTO(tls_config_unref) struct tls_config *c = NEW(struct tls_config);
	atomic_init(&c->refs, 1);
	c->server = settings->server;
	c->peer = settings->peer;
	c->hello = settings->hello;
	c->hello_user = settings->hello_user;
	c->probe = settings->probe;
	c->key = settings->key != NULL ? key_ref(settings->key) : NULL;
	c->bio = tls_bio_method();
	c->ctx = SSL_CTX_new_ex(lib, KEY_LIBRARY_QUERY,
				c->server ? TLS_server_method() : TLS_client_method());
	if (c->ctx == NULL || c->bio == NULL) {
		return err_ossl(err, ERR_SYSTEM, "TLS context");
	}
	if (!set_protocol(c->ctx, settings, err) || !set_alpn(c, settings->alpn, err) ||
	    !set_identity(c->ctx, settings, err) || !set_trust(c, settings, err)) {
		return false;
	}
	*out = TAKE(c);
	return true;
}

struct tls_config *tls_config_ref(struct tls_config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

bool tls_config_certificate(const struct tls_config *c, struct cert_facts *out)
{
	X509 *own = SSL_CTX_get0_certificate(c->ctx);
	struct err ignored;

	return own != NULL && ossl_cert_facts(own, out, &ignored);
}

void tls_config_unref(struct tls_config *c)
{
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	SSL_CTX_free(c->ctx);
	key_free(c->key);
	X509_STORE_free(c->judges);
	BIO_meth_free(c->bio);
	free(c);
}
