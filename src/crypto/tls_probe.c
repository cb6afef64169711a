#include "crypto/tls_probe_priv.h"

#include "base/rd.h"
#include "crypto/key_provider.h"
#include "crypto/tls_trusted.h"

struct tls_asked {
	SSL *ssl;
};

void tls_probe_init(struct tls_probe *p)
{
	*p = (struct tls_probe){.chain = BUF(TLS_PROBE_CHAIN_MAX), .alert = -1};
}

void tls_probe_fini(struct tls_probe *p)
{
	buf_fini(&p->chain);
}

/* ---- the server's certificate ---- */

static enum tls_problem problem_of(int why)
{
	switch (why) {
	case X509_V_OK:
		return TLS_FINE;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return TLS_UNTRUSTED_ROOT;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return TLS_UNKNOWN_ISSUER;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return TLS_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_NOT_YET_VALID;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLS_OTHER_NAME;
	case X509_V_ERR_INVALID_PURPOSE:
		return TLS_OTHER_PURPOSE;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return TLS_WEAK;
	default:
		return TLS_BAD_CHAIN;
	}
}

static void note_chain(struct tls_probe *p, STACK_OF(X509) * sent)
{
	buf_reset(&p->chain);
	for (int i = 0; i < sk_X509_num(sent); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(sent, i), &der);
		if (len > 0) {
			wr_blob(&p->chain, str_make((const char *)der, (size_t)len));
		}
		OPENSSL_free(der);
	}
}

static int on_verify(X509_STORE_CTX *ctx, UNUSED void *user)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_probe *p = SSL_get_app_data(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
	AUTO(ossl_free_certs) STACK_OF(X509) *trusted = sk_X509_new_null();

	if (trusted == NULL || leaf == NULL) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_OUT_OF_MEM);
		return 0;
	}
	note_chain(p, sent);
	tls_gather(trusted, &(struct tls_source){.find = p->find, .user = p->user}, leaf, sent);
	if (tls_verify_with(ctx, trusted)) {
		return 1;
	}
	int why = X509_STORE_CTX_get_error(ctx);
	p->problem = problem_of(why);
	(void)snprintf(p->problem_text, sizeof(p->problem_text), "%s",
		       X509_verify_cert_error_string(why));
	if (p->validate) {
		return 0;
	}
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* ---- our certificate ---- */

static STACK_OF(X509) * read_chain(const struct str *chain, size_t n)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = sk_X509_new_null();
	struct err ignored;

	for (size_t i = 0; i < n && certs != NULL; i++) {
		AUTO(X509_free) X509 *cert = ossl_cert(chain[i], &ignored);
		if (cert == NULL || sk_X509_push(certs, cert) <= 0) {
			return NULL;
		}
		(void)TAKE(cert);
	}
	return sk_X509_num(certs) > 0 ? TAKE(certs) : NULL;
}

static bool names_issuer(const STACK_OF(X509_NAME) * acceptable, STACK_OF(X509) * certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		const X509_NAME *issuer = X509_get_issuer_name(sk_X509_value(certs, i));
		for (int j = 0; j < sk_X509_NAME_num(acceptable); j++) {
			if (X509_NAME_cmp(sk_X509_NAME_value(acceptable, j), issuer) == 0) {
				return true;
			}
		}
	}
	return sk_X509_NAME_num(acceptable) <= 0;
}

struct tls_fit tls_asked_judge(const struct tls_asked *a, const struct str *chain, size_t n)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = read_chain(chain, n);
	struct tls_fit fit = {.issuer = false};

	if (certs == NULL) {
		ossl_forget();
		return fit;
	}
	X509 *leaf = sk_X509_value(certs, 0);
	EVP_PKEY *pkey = X509_get0_pubkey(leaf);
	int takes = pkey != NULL ? SSL_check_chain(a->ssl, leaf, pkey, certs) : 0;
	/* The type of key was said by a list of its own before TLS 1.3 (RFC 5246, 7.4.4). */
	int wants = CERT_PKEY_SIGN | CERT_PKEY_EE_PARAM |
		    (SSL_version(a->ssl) < TLS1_3_VERSION ? CERT_PKEY_CERT_TYPE : 0);
	fit.signature = (takes & wants) == wants;
	fit.issuer = names_issuer(SSL_get0_peer_CA_list(a->ssl), certs);
	fit.client_auth = (X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT) != 0;
	ossl_forget();
	return fit;
}

static bool use(SSL *ssl, const struct tls_identity *id)
{
	AUTO(ossl_free_certs) STACK_OF(X509) *certs = read_chain(id->chain, id->n);

	if (certs == NULL) {
		return false;
	}
	AUTO(X509_free) X509 *leaf = sk_X509_shift(certs);
	return key_evp(id->key) != NULL &&
	       SSL_use_cert_and_key(ssl, leaf, key_evp(id->key), certs, 1) == 1;
}

/* Only called when the server asks. */
static int on_asked(SSL *ssl, UNUSED void *user)
{
	struct tls_probe *p = SSL_get_app_data(ssl);
	const struct tls_asked asked = {.ssl = ssl};
	struct tls_identity id = {.n = 0};
	int names = sk_X509_NAME_num(SSL_get0_peer_CA_list(ssl));

	p->asked = true;
	p->n_acceptable = names > 0 ? (size_t)names : 0;
	if (p->choose != NULL && p->choose(p->user, &asked, &id)) {
		p->sent = use(ssl, &id);
		return p->sent ? 1 : 0;
	}
	ossl_forget();
	return 1;
}

/* ---- what else it says ---- */

static int on_ticket(SSL *ssl, UNUSED SSL_SESSION *session)
{
	struct tls_probe *p = SSL_get_app_data(ssl);

	p->ticket = true;
	return 0; /* not kept */
}

static void on_info(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL) {
		struct tls_probe *p = SSL_get_app_data(ssl);
		p->alert = value & 0xff;
	}
}

bool tls_probe_set_up(struct tls_config *c, struct err *err)
{
	if (c->server || c->probe == NULL) {
		return err_set(err, ERR_CONFIG, "a probe is a client's");
	}
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(c->ctx, CERT_CHAIN_MAX);
	SSL_CTX_set_cert_verify_callback(c->ctx, on_verify, NULL);
	SSL_CTX_set_cert_cb(c->ctx, on_asked, NULL);
	SSL_CTX_set_info_callback(c->ctx, on_info);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_ticket);
	SSL_CTX_clear_options(c->ctx, SSL_OP_NO_TICKET);
	return true;
}

void tls_probe_tie(SSL *ssl, struct tls_probe *p)
{
	SSL_set_app_data(ssl, p);
}
