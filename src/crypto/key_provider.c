#include "crypto/key_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <pthread.h>

#include "crypto/ossl.h"

/* The name of our one import parameter: the address of a struct key, only ever set by
 * key_provider_wrap(). */
#define PARAM_KEY "drawbridge-key"

/* ---- key management ---- */

struct keydata {
	struct key *key; /* lent; NULL in a public key that libcrypto imported to compare */
	EVP_PKEY *pub;   /* of the default provider */
	const char *type;
};

static struct keydata *new_keydata(const char *type)
{
	struct keydata *d = NEW(struct keydata);

	d->type = type;
	return d;
}

static void *ec_new(UNUSED void *provctx)
{
	return new_keydata("EC");
}

static void *rsa_new(UNUSED void *provctx)
{
	return new_keydata("RSA");
}

static void keydata_free(void *keydata)
{
	struct keydata *d = keydata;

	if (d != NULL) {
		EVP_PKEY_free(d->pub);
		free(d);
	}
}

static void *keydata_dup(const void *keydata, UNUSED int selection)
{
	const struct keydata *from = keydata;
	struct keydata *d = new_keydata(from->type);

	d->key = from->key;
	d->pub = from->pub;
	if (d->pub != NULL) {
		EVP_PKEY_up_ref(d->pub);
	}
	return d;
}

static int keydata_has(const void *keydata, int selection)
{
	const struct keydata *d = keydata;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && d->key == NULL) {
		return 0;
	}
	return d->pub != NULL;
}

static int keydata_match(const void *a, const void *b, UNUSED int selection)
{
	const struct keydata *one = a, *two = b;

	return EVP_PKEY_eq(one->pub, two->pub) == 1;
}

static int import_wrapped(struct keydata *d, const OSSL_PARAM *key, const OSSL_PARAM *pub)
{
	if (key->data_size != sizeof d->key || pub->data_size != sizeof d->pub) {
		return 0;
	}
	memcpy(&d->key, key->data, sizeof d->key);
	memcpy(&d->pub, pub->data, sizeof d->pub);
	return EVP_PKEY_up_ref(d->pub);
}

/* libcrypto also imports ordinary public keys, to compare a certificate's key with ours. */
static int keydata_import(void *keydata, int selection, const OSSL_PARAM params[])
{
	struct keydata *d = keydata;
	const OSSL_PARAM *key = OSSL_PARAM_locate_const(params, PARAM_KEY);
	const OSSL_PARAM *pub = OSSL_PARAM_locate_const(params, PARAM_KEY "-public");

	if (key != NULL && pub != NULL) {
		return import_wrapped(d, key, pub);
	}
	if (OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PRIV_KEY) != NULL ||
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_D) != NULL ||
	    (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0) {
		return 0; /* private bits have no place here */
	}
	AUTO(EVP_PKEY_CTX_free)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, d->type, NULL);
	OSSL_PARAM *dup = OSSL_PARAM_dup(params);
	int good = ctx != NULL && dup != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		   EVP_PKEY_fromdata(ctx, &d->pub, EVP_PKEY_PUBLIC_KEY, dup) == 1;
	OSSL_PARAM_free(dup);
	return good;
}

static int keydata_export(void *keydata, int selection, OSSL_CALLBACK *cb, void *cbarg)
{
	struct keydata *d = keydata;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || d->pub == NULL) {
		return 0; /* the header says why this must fail */
	}
	return EVP_PKEY_export(d->pub, selection, cb, cbarg);
}

static const OSSL_PARAM *keydata_import_types(UNUSED int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(PARAM_KEY, NULL, 0),
		OSSL_PARAM_octet_string(PARAM_KEY "-public", NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};
	return types;
}

static int keydata_get_params(void *keydata, OSSL_PARAM params[])
{
	struct keydata *d = keydata;

	return d->pub != NULL && EVP_PKEY_get_params(d->pub, params) == 1;
}

static const OSSL_PARAM *keydata_gettable(UNUSED void *provctx)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};
	return params;
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *rsa_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

#define FN(f) ((void (*)(void))(f))
#define KEYMGMT_TABLE(new_fn, operation_fn)                                                        \
	{                                                                                          \
		{OSSL_FUNC_KEYMGMT_NEW, FN(new_fn)}, {OSSL_FUNC_KEYMGMT_FREE, FN(keydata_free)},   \
			{OSSL_FUNC_KEYMGMT_DUP, FN(keydata_dup)},                                  \
			{OSSL_FUNC_KEYMGMT_HAS, FN(keydata_has)},                                  \
			{OSSL_FUNC_KEYMGMT_MATCH, FN(keydata_match)},                              \
			{OSSL_FUNC_KEYMGMT_IMPORT, FN(keydata_import)},                            \
			{OSSL_FUNC_KEYMGMT_IMPORT_TYPES, FN(keydata_import_types)},                \
			{OSSL_FUNC_KEYMGMT_EXPORT, FN(keydata_export)},                            \
			{OSSL_FUNC_KEYMGMT_EXPORT_TYPES, FN(keydata_import_types)},                \
			{OSSL_FUNC_KEYMGMT_GET_PARAMS, FN(keydata_get_params)},                    \
			{OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, FN(keydata_gettable)},                 \
			{OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, FN(operation_fn)},                \
		{                                                                                  \
			0, NULL                                                                    \
		}                                                                                  \
	}

/* ---- signatures: one-shot only, since the signer takes the message and hashes itself ---- */

struct sigctx {
	struct key *key;
	EVP_PKEY *pub; /* lent by the key data, which lives as long as the operation */
	char digest[16];
	bool pss;
	bool salt_is_digest;
};

static void *sig_new(UNUSED void *provctx, UNUSED const char *query)
{
	struct sigctx *s = NEW(struct sigctx);

	s->salt_is_digest = true;
	return s;
}

static void sig_free(void *ctx)
{
	free(ctx);
}

static void *sig_dup(void *ctx)
{
	struct sigctx *s = NEW(struct sigctx);

	*s = *(struct sigctx *)ctx;
	return s;
}

static int set_padding(struct sigctx *s, const OSSL_PARAM *p)
{
	const char *text = NULL;
	int mode = 0;

	if (OSSL_PARAM_get_utf8_string_ptr(p, &text) == 1) {
		s->pss = strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
		return s->pss || strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0;
	}
	if (OSSL_PARAM_get_int(p, &mode) != 1) {
		return 0;
	}
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	return s->pss || mode == RSA_PKCS1_PADDING;
}

static int set_salt(struct sigctx *s, const OSSL_PARAM *p)
{
	const char *text = NULL;
	int len = 0;

	if (OSSL_PARAM_get_utf8_string_ptr(p, &text) == 1) {
		s->salt_is_digest = strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	} else if (OSSL_PARAM_get_int(p, &len) == 1) {
		s->salt_is_digest = len == RSA_PSS_SALTLEN_DIGEST;
	}
	return s->salt_is_digest;
}

static int sig_set_params(void *ctx, const OSSL_PARAM params[])
{
	struct sigctx *s = ctx;
	const OSSL_PARAM *p;

	if (params == NULL) {
		return 1;
	}
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p != NULL && !set_padding(s, p)) {
		return 0;
	}
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	return p == NULL || set_salt(s, p);
}

static const OSSL_PARAM *sig_settable(UNUSED void *ctx, UNUSED void *provctx)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};
	return params;
}

static int sig_init(void *ctx, const char *digest, void *keydata, const OSSL_PARAM params[])
{
	struct sigctx *s = ctx;
	struct keydata *d = keydata;
	enum key_scheme scheme;

	if (d != NULL) {
		s->key = d->key;
		s->pub = d->pub;
	}
	if (s->key == NULL || digest == NULL || !str_copy(str_of(digest), s->digest, 16) ||
	    !key_scheme_of(true, true, s->digest, &scheme)) {
		return 0;
	}
	return sig_set_params(s, params);
}

/* The reason travels in OpenSSL's queue, so that err_ossl() can tell it. */
static int refuse(const struct err *err)
{
	ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "%s", err->text);
	return 0;
}

static int sig_sign(void *ctx, unsigned char *sig, size_t *len, size_t size,
		    const unsigned char *tbs, size_t tbs_len)
{
	struct sigctx *s = ctx;
	enum key_scheme scheme;
	AUTO_BUF struct buf out = BUF(KEY_SIGNATURE_MAX);
	struct err err = {0};
	int most = EVP_PKEY_get_size(s->pub);

	if (most <= 0 || !key_scheme_of(key_is_rsa(s->key), s->pss, s->digest, &scheme)) {
		return 0;
	}
	if (sig == NULL) {
		*len = (size_t)most;
		return 1;
	}
	if (!key_sign(s->key, scheme, str_make(tbs, tbs_len), &out, &err)) {
		return refuse(&err);
	}
	if (out.len == 0 || out.len > size) {
		err_set(&err, ERR_SYSTEM, "the signature has %zu bytes", out.len);
		return refuse(&err);
	}
	memcpy(sig, out.at, out.len);
	*len = out.len;
	return 1;
}

static const OSSL_DISPATCH ec_keymgmt[] = KEYMGMT_TABLE(ec_new, ec_operation);
static const OSSL_DISPATCH rsa_keymgmt[] = KEYMGMT_TABLE(rsa_new, rsa_operation);
static const OSSL_DISPATCH signature[] = {
	{OSSL_FUNC_SIGNATURE_NEWCTX, FN(sig_new)},
	{OSSL_FUNC_SIGNATURE_FREECTX, FN(sig_free)},
	{OSSL_FUNC_SIGNATURE_DUPCTX, FN(sig_dup)},
	{OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(sig_init)},
	{OSSL_FUNC_SIGNATURE_DIGEST_SIGN, FN(sig_sign)},
	{OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, FN(sig_set_params)},
	{OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, FN(sig_settable)},
	{0, NULL},
};

static const OSSL_ALGORITHM *query(UNUSED void *provctx, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keymgmts[] = {
		{"EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=drawbridge", ec_keymgmt, NULL},
		{"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=drawbridge", rsa_keymgmt,
		 NULL},
		{NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM signatures[] = {
		{"ECDSA", "provider=drawbridge", signature, NULL},
		{"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=drawbridge", signature, NULL},
		{NULL, NULL, NULL, NULL},
	};

	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT) {
		return keymgmts;
	}
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int provider_init(UNUSED const OSSL_CORE_HANDLE *handle, UNUSED const OSSL_DISPATCH *core,
			 const OSSL_DISPATCH **out, void **provctx)
{
	static const OSSL_DISPATCH table[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, FN(query)},
		{0, NULL},
	};

	*out = table;
	*provctx = NULL;
	return 1;
}

/* ---- the library context ----
 * Like OpenSSL's own default context it is one per process, made at first use and never freed:
 * keys and TLS configurations of all threads must share it.
 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *library;

static void make_library(void)
{
	OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();

	if (lib != NULL && OSSL_PROVIDER_add_builtin(lib, "drawbridge", provider_init) == 1 &&
	    OSSL_PROVIDER_load(lib, "default") != NULL &&
	    OSSL_PROVIDER_load(lib, "drawbridge") != NULL) {
		library = lib;
		return;
	}
	OSSL_LIB_CTX_free(lib);
}

OSSL_LIB_CTX *key_library(struct err *err)
{
	pthread_once(&once, make_library);
	if (library == NULL) {
		err_ossl(err, ERR_SYSTEM, "the provider for keys does not load");
	}
	return library;
}

EVP_PKEY *key_provider_wrap(struct key *k, EVP_PKEY *pub, struct err *err)
{
	OSSL_LIB_CTX *lib = key_library(err);
	const char *type = EVP_PKEY_is_a(pub, "RSA") ? "RSA" : "EC";
	EVP_PKEY *pkey = NULL;

	if (lib == NULL) {
		return NULL;
	}
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(PARAM_KEY, &k, sizeof k),
		OSSL_PARAM_construct_octet_string(PARAM_KEY "-public", &pub, sizeof pub),
		OSSL_PARAM_construct_end(),
	};
	AUTO(EVP_PKEY_CTX_free)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, type, "provider=drawbridge");
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1) {
		err_ossl(err, ERR_SYSTEM, "the key cannot be given to the TLS library");
		return NULL;
	}
	return pkey;
}
