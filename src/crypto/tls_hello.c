#include "crypto/tls_hello_priv.h"

#include "base/clock.h"
#include "crypto/tls_trusted.h"

struct tls_hello {
	const struct tls_config *config; /* the engine's */
	struct tls_trust trust;
	STACK_OF(X509_NAME) * names; /* what OpenSSL sends, while the trust is held; or NULL */
	bool held;                   /* trust.release is due */
	char *why;                   /* of a refusal; NULL: none */
};

enum {
	NAME_MAX_BYTES = 255, /* a DNS name (RFC 1035, 2.3.4) */
};

/* ---- the name ---- */

static uint16_t get16(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* The first host name of the extension; nothing when it is malformed, which OpenSSL judges. */
static struct str name_of(SSL *ssl)
{
	const unsigned char *at = NULL;
	size_t len = 0;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &len) != 1 || len < 5 ||
	    get16(at) != len - 2 || at[2] != TLSEXT_NAMETYPE_host_name) {
		return STR_NONE;
	}
	size_t n = get16(at + 3);
	return n <= len - 5 && n <= NAME_MAX_BYTES ? str_make((const char *)at + 5, n) : STR_NONE;
}

/* ---- acceptable CA names ---- */

/*
 * A help for clients that have several certificates; no list says "any". The list is OpenSSL's, the
 * names in it are lent by the trust: it is emptied before the trust is let go (forget_names).
 */
static void name_issuers(SSL *ssl, struct tls_hello *h)
{
	h->names = tls_anchors_names(h->trust.anchors);
	SSL_set0_CA_list(ssl, h->names);
}

static void forget_names(struct tls_hello *h)
{
	if (h->names != NULL) {
		sk_X509_NAME_zero(h->names);
		h->names = NULL;
	}
}

/* ---- the hook ---- */

static int on_hello(SSL *ssl, int *alert, UNUSED void *user)
{
	struct tls_hello *h = SSL_get_app_data(ssl);
	struct str name = name_of(ssl);
	char shown[NAME_MAX_BYTES + 1];

	tls_hello_end(h); /* a second ClientHello, after a HelloRetryRequest */
	h->trust = (struct tls_trust){.asks = false};
	if (!h->config->hello(name, h->config->hello_user, &h->trust)) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		(void)snprintf(shown, sizeof(shown), "%.*s", STR_ARGS(name));
		h->why = must_strdup(shown);
		return SSL_CLIENT_HELLO_ERROR;
	}
	h->held = true;
	if (SSL_set_session_id_context(ssl, h->trust.context, TLS_CONTEXT) != 1) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	if (!h->trust.asks && !h->trust.requires) {
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return SSL_CLIENT_HELLO_SUCCESS;
	}
	SSL_set_verify(ssl,
		       SSL_VERIFY_PEER | (h->trust.requires ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
		       NULL);
	name_issuers(ssl, h);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* ---- trust ---- */

static void note_why(struct tls_hello *h, X509 *leaf, int why)
{
	char subject[CERT_NAME_MAX], issuer[CERT_NAME_MAX], text[CERT_NAME_MAX];

	ossl_name_text(X509_get_subject_name(leaf), subject, sizeof(subject));
	ossl_name_text(X509_get_issuer_name(leaf), issuer, sizeof(issuer));
	(void)snprintf(text, sizeof(text), "\"%.120s\", issued by \"%.120s\", is not accepted: %s",
		       subject, issuer, X509_verify_cert_error_string(why));
	free(h->why);
	h->why = must_strdup(text);
}

static int on_verify(X509_STORE_CTX *ctx, UNUSED void *user)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_hello *h = SSL_get_app_data(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	AUTO(ossl_free_certs) STACK_OF(X509) *trusted = sk_X509_new_null();

	if (trusted == NULL || leaf == NULL) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_OUT_OF_MEM);
		return 0;
	}
	const struct tls_source from = {h->trust.anchors, h->trust.find, h->trust.user};
	tls_gather(trusted, &from, leaf, X509_STORE_CTX_get0_untrusted(ctx));
	if (tls_verify_with(ctx, trusted)) {
		return 1;
	}
	note_why(h, leaf, X509_STORE_CTX_get_error(ctx));
	return 0;
}

/* ---- sessions ---- */

static int on_new_ticket(UNUSED SSL *ssl, UNUSED void *user)
{
	return 1;
}

/* The context was compared by OpenSSL, or will be; here: what time and a changed rule make of it.
 */
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, UNUSED const unsigned char *name,
				   UNUSED size_t name_len, SSL_TICKET_STATUS status,
				   UNUSED void *user)
{
	const struct tls_hello *h = SSL_get_app_data(ssl);

	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
	X509 *peer = SSL_SESSION_get0_peer(session);
	time_t now = (time_t)clock_unix();
	bool is_over = peer != NULL && X509_cmp_time(X509_get0_notAfter(peer), &now) < 0;
	if (is_over || (peer == NULL && h->trust.requires)) {
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- what the engine calls ---- */

bool tls_hello_set_up(struct tls_config *c, struct err *err)
{
	static const unsigned char nobody[] = "nobody"; /* until the hook has said whose it is */

	SSL_CTX_set_client_hello_cb(c->ctx, on_hello, NULL);
	SSL_CTX_set_cert_verify_callback(c->ctx, on_verify, NULL);
	SSL_CTX_set_verify_depth(c->ctx, CERT_CHAIN_MAX);
	if (SSL_CTX_set_session_id_context(c->ctx, nobody, sizeof(nobody)) != 1 ||
	    SSL_CTX_set_session_ticket_cb(c->ctx, on_new_ticket, on_ticket, NULL) != 1 ||
	    SSL_CTX_set_num_tickets(c->ctx, 1) != 1) {
		return err_ossl(err, ERR_SYSTEM, "TLS sessions");
	}
	return true;
}

struct tls_hello *tls_hello_new(SSL *ssl, const struct tls_config *c)
{
	struct tls_hello *h = NEW(struct tls_hello);

	h->config = c;
	SSL_set_app_data(ssl, h);
	return h;
}

void tls_hello_end(struct tls_hello *h)
{
	forget_names(h);
	if (h->held && h->trust.release != NULL) {
		h->trust.release(h->trust.user);
	}
	h->held = false;
	h->trust.anchors = NULL;
	h->trust.find = NULL;
}

void tls_hello_free(struct tls_hello *h)
{
	if (h != NULL) {
		tls_hello_end(h);
		free(h->why);
		free(h);
	}
}

const char *tls_hello_owner(const struct tls_hello *h)
{
	return h->trust.owner;
}

bool tls_hello_explain(const struct tls_hello *h, struct err *err)
{
	if (h->why == NULL) {
		return false;
	}
	ossl_forget();
	if (!h->held) { /* it never came to a trust */
		err_set(err, ERR_DENIED, "nobody here is called \"%s\"", h->why);
	} else {
		err_set(err, ERR_DENIED, "the client's certificate for %s %s",
			h->trust.owner[0] != '\0' ? h->trust.owner : "nobody", h->why);
	}
	return true;
}
