#include "crypto/tls.h"

#include <arpa/inet.h>
#include <assert.h>

#include "crypto/ossl.h"
#include "crypto/tls_hello_priv.h"
#include "crypto/tls_probe_priv.h"

struct tls_engine {
	struct tls_config *config; /* counted */
	SSL *ssl;
	struct tls_hello *hello; /* with TLS_PEER_BY_NAME only */
	struct str in;           /* lent ciphertext, or what is left of `kept` */
	struct buf kept;         /* ciphertext that had to outlive the caller's buffer */
	struct buf *out;         /* the caller's, only during a call */
	char *peer_name;         /* for messages; NULL for a server */
	bool failed;             /* SSL must not be used any more, not even for close_notify */
	enum tls_peer_state peer;
	struct cert_facts *facts; /* with a peer's certificate only: 1.2 KB per idle tunnel */
	char *stranger;           /* the issuer that no anchor vouches for, for the error's text */
};

enum {
	/* Two records: what can be behind the last handshake message when a caller feeds at most
	 * what it read at once. Beyond, the peer's flood ends in ERR_LIMIT. */
	KEPT_MAX = 256 * 1024,
};

/* ---- the BIO over our buffers: reads what was fed, and always accepts what is written ---- */

static int bio_read(BIO *bio, char *into, int cap)
{
	struct tls_engine *e = BIO_get_data(bio);
	struct str part = str_first(e->in, cap > 0 ? (size_t)cap : 0);

	BIO_clear_retry_flags(bio);
	if (part.len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(into, part.at, part.len);
	e->in = str_skip(e->in, part.len);
	return (int)part.len;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
	struct tls_engine *e = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (e->out != NULL) {
		buf_add(e->out, bytes, (size_t)len); /* its failure is sticky: seen at the end */
	}
	return len;
}

static long bio_ctrl(UNUSED BIO *bio, int command, UNUSED long n, UNUSED void *p)
{
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "drawbridge buffers");

	if (m == NULL || BIO_meth_set_read(m, bio_read) != 1 ||
	    BIO_meth_set_write(m, bio_write) != 1 || BIO_meth_set_ctrl(m, bio_ctrl) != 1 ||
	    BIO_meth_set_create(m, bio_create) != 1) {
		BIO_meth_free(m);
		return NULL;
	}
	return m;
}

/* Only when nobody vouches for the chain: otherwise its issuer is not what is wrong. */
static bool issuer_is_unknown(int why)
{
	return why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
	       why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
	       why == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	       why == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

/* Changes no verdict: after a failure the chain is gone, so its issuer is noted here. */
static int note_stranger(int ok, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_engine *e = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	char name[CERT_NAME_MAX];

	if (!ok && e != NULL && cert != NULL && e->stranger == NULL &&
	    issuer_is_unknown(X509_STORE_CTX_get_error(ctx))) {
		ossl_name_text(X509_get_issuer_name(cert), name, sizeof(name));
		e->stranger = must_strdup(name);
	}
	return ok;
}

/* ---- life ---- */

static bool name_peer(struct tls_engine *e, const char *name, struct err *err)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(e->ssl);
	unsigned char address[16];
	bool is_address =
		inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;

	e->peer_name = must_strdup(name);
	if (is_address) {
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ||
		       err_ossl(err, ERR_CONFIG, "the peer's address");
	}
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* e->peer_name: the macro casts const away, and that copy is ours */
	return (SSL_set_tlsext_host_name(e->ssl, e->peer_name) == 1 &&
		X509_VERIFY_PARAM_set1_host(param, name, 0) == 1) ||
	       err_ossl(err, ERR_CONFIG, "the peer's name");
}

bool tls_engine_new(struct tls_config *c, const char *peer_name, struct tls_engine **out,
		    struct err *err)
{
	bool verifies = c->peer == TLS_PEER_VERIFY || c->peer == TLS_PEER_PROBE;
	if (verifies && (peer_name == NULL || peer_name[0] == '\0')) {
		return err_set(err, ERR_CONFIG, "without the peer's name nothing can be verified");
	}
	AUTO(tls_engine_free) struct tls_engine *e = NEW(struct tls_engine);
	e->config = tls_config_ref(c);
	e->kept = BUF(KEPT_MAX);
	e->ssl = SSL_new(c->ctx);
	BIO *bio = e->ssl != NULL ? BIO_new(c->bio) : NULL;
	if (bio == NULL) {
		return err_ossl(err, ERR_SYSTEM, "TLS engine");
	}
	BIO_set_data(bio, e);
	SSL_set_bio(e->ssl, bio, bio);
	if (c->peer == TLS_PEER_VERIFY) {
		SSL_set_app_data(e->ssl, e);
		SSL_set_verify(e->ssl, SSL_VERIFY_PEER, note_stranger);
	}
	if (c->peer == TLS_PEER_BY_NAME) {
		e->hello = tls_hello_new(e->ssl, c);
	}
	if (c->peer == TLS_PEER_PROBE) {
		tls_probe_tie(e->ssl, c->probe);
	}
	if (c->server) {
		SSL_set_accept_state(e->ssl);
	} else {
		SSL_set_connect_state(e->ssl);
	}
	if (!c->server && peer_name != NULL && !name_peer(e, peer_name, err)) {
		return false;
	}
	*out = TAKE(e);
	return true;
}

void tls_engine_free(struct tls_engine *e)
{
	if (e == NULL) {
		return;
	}
	if (e->hello != NULL) {
		tls_hello_end(e->hello); /* before what it lent to OpenSSL is freed */
	}
	SSL_free(e->ssl);
	tls_hello_free(e->hello);
	tls_config_unref(e->config);
	buf_fini(&e->kept);
	free(e->stranger);
	free(e->peer_name);
	free(e->facts);
	free(e);
}

/* ---- bytes ---- */

/* Copies what is still unread of the lent bytes, so that the loan ends. */
static void keep_input(struct tls_engine *e)
{
	if (e->in.len == 0) {
		buf_reset(&e->kept);
		return;
	}
	if (e->kept.len > 0 && e->in.at + e->in.len == e->kept.at + e->kept.len) {
		buf_drop_front(&e->kept, e->kept.len - e->in.len);
	} else {
		buf_reset(&e->kept);
		buf_add_str(&e->kept, e->in);
	}
	e->in = buf_str(&e->kept);
}

void tls_feed(struct tls_engine *e, struct str ciphertext)
{
	if (e->in.len == 0) {
		e->in = ciphertext;
		return;
	}
	keep_input(e);
	buf_add_str(&e->kept, ciphertext);
	e->in = buf_str(&e->kept);
}

static bool explain_certificate(const struct tls_engine *e, struct err *err)
{
	if (e->hello != NULL) {
		return tls_hello_explain(e->hello, err);
	}
	long why = SSL_get_verify_result(e->ssl);
	const char *name = e->peer_name != NULL ? e->peer_name : "the peer";

	bool verifies = e->config->peer == TLS_PEER_VERIFY || e->config->peer == TLS_PEER_PROBE;
	if (!verifies || why == X509_V_OK) {
		return false;
	}
	ossl_forget();
	bool by_clock = why == X509_V_ERR_CERT_HAS_EXPIRED || why == X509_V_ERR_CERT_NOT_YET_VALID;
	err_set(err, ERR_DENIED, "the certificate of %s is not accepted: %s%s%s%.120s%s", name,
		X509_verify_cert_error_string(why),
		by_clock ? ", by this machine's clock: is that right?" : "",
		e->stranger ? "; its issuer is \"" : "", e->stranger ? e->stranger : "",
		e->stranger ? "\"" : "");
	return true;
}

/* A client that meets another protocol, a wrong port mostly; OpenSSL names what it took for a
 * version. */
static bool explain_no_tls(const struct tls_engine *e, const char *what, struct err *err)
{
	if (SSL_is_server(e->ssl) || SSL_is_init_finished(e->ssl) ||
	    ERR_GET_REASON(ERR_peek_error()) != SSL_R_WRONG_VERSION_NUMBER) {
		return false;
	}
	ossl_forget();
	err_set(err, ERR_PROTOCOL, "%s: the other side speaks no TLS: is the port right?", what);
	return true;
}

/* The one place that turns what OpenSSL returned into an outcome, and leaves its queue empty. */
static enum tls_outcome outcome_of(struct tls_engine *e, int returned, const char *what,
				   struct err *err)
{
	int code = SSL_get_error(e->ssl, returned);

	if (e->out != NULL && buf_failed(e->out)) {
		e->failed = true;
		ossl_forget();
		err_set(err, ERR_LIMIT, "%s: no room for the ciphertext", what);
		return TLS_FAILED;
	}
	switch (code) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		ossl_forget();
		if (buf_failed(&e->kept)) {
			e->failed = true;
			err_set(err, ERR_LIMIT, "%s: too much unread ciphertext", what);
			return TLS_FAILED;
		}
		return TLS_WANT_INPUT;
	case SSL_ERROR_ZERO_RETURN:
		ossl_forget();
		return TLS_CLOSED;
	default:
		e->failed = true;
		if (!explain_certificate(e, err) && !explain_no_tls(e, what, err)) {
			err_ossl(err, ERR_PROTOCOL, what);
		}
		return TLS_FAILED;
	}
}

static bool usable(const struct tls_engine *e, struct err *err)
{
	return !e->failed || err_set(err, ERR_PROTOCOL, "the TLS connection has failed before");
}

/*
 * DESIGN, "who is let in": OpenSSL keeps one error only, so a forged expired certificate would look
 * like an expired one. Without the clock, what is left is a reason not to believe it at all.
 */
static void judge_peer(struct tls_engine *e)
{
	AUTO(X509_free) X509 *leaf = SSL_get1_peer_certificate(e->ssl);
	struct err ignored = {0};

	if (leaf == NULL) {
		e->peer = TLS_PEER_ABSENT;
		return;
	}
	e->facts = NEW(struct cert_facts);
	e->peer = TLS_PEER_UNTRUSTED;
	if (!ossl_cert_facts(leaf, e->facts, &ignored)) {
		*e->facts = (struct cert_facts){0};
		return;
	}
	if (e->config->peer == TLS_PEER_VERIFY || e->config->peer == TLS_PEER_BY_NAME ||
	    (e->config->judges != NULL &&
	     ossl_verify(e->config->judges, leaf, SSL_get_peer_cert_chain(e->ssl), 0,
			 e->config->server ? "ssl_client" : "ssl_server", &ignored))) {
		e->peer = TLS_PEER_TRUSTED;
	}
}

enum tls_outcome tls_handshake(struct tls_engine *e, struct buf *out, struct err *err)
{
	if (!usable(e, err)) {
		return TLS_FAILED;
	}
	if (SSL_is_init_finished(e->ssl)) {
		return TLS_OK;
	}
	ossl_forget();
	e->out = out;
	enum tls_outcome o = outcome_of(e, SSL_do_handshake(e->ssl), "TLS handshake", err);
	e->out = NULL;
	keep_input(e);
	if (o == TLS_OK) {
		judge_peer(e);
	}
	if (e->hello != NULL && o != TLS_WANT_INPUT) {
		tls_hello_end(e->hello);
	}
	return o;
}

enum tls_outcome tls_read(struct tls_engine *e, void *into, size_t cap, size_t *n, struct buf *out,
			  struct err *err)
{
	size_t got = 0;

	if (!usable(e, err)) {
		return TLS_FAILED;
	}
	ossl_forget();
	e->out = out;
	enum tls_outcome o = outcome_of(e, SSL_read_ex(e->ssl, into, cap, &got), "TLS", err);
	e->out = NULL;
	if (o == TLS_OK) {
		*n = got;
	} else {
		buf_reset(&e->kept); /* all was taken */
		e->in = STR_NONE;
	}
	return o;
}

bool tls_write(struct tls_engine *e, struct str plain, struct buf *out, struct err *err)
{
	if (!usable(e, err)) {
		return false;
	}
	if (!SSL_is_init_finished(e->ssl)) {
		return err_set(err, ERR_PROTOCOL, "the TLS handshake has not ended");
	}
	ossl_forget();
	e->out = out;
	enum tls_outcome o = TLS_OK;
	while (plain.len > 0 && o == TLS_OK) {
		struct str part = str_first(plain, TLS_RECORD_MAX);
		size_t written = 0;
		o = outcome_of(e, SSL_write_ex(e->ssl, part.at, part.len, &written), "TLS", err);
		plain = str_skip(plain, written);
	}
	e->out = NULL;
	if (o == TLS_WANT_INPUT || o == TLS_CLOSED) {
		return err_set(err, ERR_PROTOCOL, "TLS: writing waits for the peer");
	}
	return o == TLS_OK;
}

void tls_carries_traffic(struct tls_engine *e)
{
	SSL_clear_options(e->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

void tls_close_notify(struct tls_engine *e, struct buf *out)
{
	if (e->failed || !SSL_is_init_finished(e->ssl)) {
		return; /* RFC 8446, 6.1: only of a connection that stands */
	}
	ossl_forget();
	e->out = out;
	(void)SSL_shutdown(e->ssl);
	e->out = NULL;
	ossl_forget();
}

/* ---- what is known of the peer ---- */

enum tls_peer_state tls_peer(const struct tls_engine *e, struct cert_facts *facts)
{
	if (facts != NULL && e->facts != NULL) {
		*facts = *e->facts;
	}
	return e->peer;
}

const char *tls_owner(const struct tls_engine *e)
{
	return e->hello != NULL ? tls_hello_owner(e->hello) : "";
}

bool tls_resumed(const struct tls_engine *e)
{
	return SSL_session_reused(e->ssl) == 1;
}

bool tls_peer_chain_pem(const struct tls_engine *e, struct buf *pem)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(e->ssl);
	size_t before = pem->len;

	if (e->config->server) { /* there the chain comes without its leaf */
		AUTO(X509_free) X509 *leaf = SSL_get1_peer_certificate(e->ssl);
		if (leaf == NULL || !ossl_cert_pem(leaf, pem)) {
			return false;
		}
	}
	for (int i = 0; i < sk_X509_num(chain); i++) {
		if (!ossl_cert_pem(sk_X509_value(chain, i), pem)) {
			return false;
		}
	}
	return pem->len > before && !buf_failed(pem);
}

const char *tls_alpn(const struct tls_engine *e)
{
	const unsigned char *name = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(e->ssl, &name, &len);
	/* Only our own one can have been chosen, and the configuration has it with a NUL behind. */
	return len > 0 && e->config->has_alpn ? (const char *)e->config->alpn + 1 : "";
}

const char *tls_version(const struct tls_engine *e)
{
	return SSL_get_version(e->ssl);
}

const char *tls_cipher(const struct tls_engine *e)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(e->ssl);

	return cipher != NULL ? SSL_CIPHER_get_name(cipher) : "";
}
