#include "crypto/formats/gather.h"

#include "crypto/seal.h"

static size_t or_default(size_t n, size_t usual)
{
	return n != 0 ? n : usual;
}

void gather_init(struct gather *g, const struct container_limits *limits,
		 const struct str *password)
{
	*g = (struct gather){.password = password};
	if (limits != NULL) {
		g->limits = *limits;
	}
	g->limits.file_bytes = or_default(g->limits.file_bytes, CONTAINER_FILE_MAX);
	g->limits.iterations = or_default(g->limits.iterations, CONTAINER_ITERATIONS_MAX);
	g->limits.key_work = or_default(g->limits.key_work, CONTAINER_KEY_WORK_MAX);
	g->limits.entries = or_default(g->limits.entries, CONTAINER_ENTRIES_MAX);
	g->limits.depth = (unsigned)or_default(g->limits.depth, CONTAINER_DEPTH_MAX);
}

void gather_forget(struct gather *g)
{
	for (size_t i = 0; i < g->n_certs; i++) {
		X509_free(g->certs[i].cert);
		OPENSSL_free((void *)(uintptr_t)g->certs[i].der.at);
		free((void *)(uintptr_t)g->certs[i].id.at);
		free(g->certs[i].name);
	}
	for (size_t i = 0; i < g->n_keys; i++) {
		EVP_PKEY_free(g->keys[i].pkey);
		free((void *)(uintptr_t)g->keys[i].id.at);
		free(g->keys[i].name);
	}
	for (size_t i = 0; i < g->n_skips; i++) {
		free(g->skips[i].name);
	}
	g->n_certs = g->n_keys = g->n_skips = 0;
	g->locked = g->unlocked = 0;
	g->marks_trust = false;
}

void gather_fini(struct gather *g)
{
	gather_forget(g);
	free(g->certs);
	free(g->keys);
	free(g->skips);
	*g = (struct gather){0};
}

static bool room(const struct gather *g, struct err *err)
{
	if (g->n_certs + g->n_keys + g->n_skips >= g->limits.entries) {
		return err_set(err, ERR_LIMIT, "the file has more than %zu entries (entries)",
			       g->limits.entries);
	}
	return true;
}

/* One more place in an array; sizes are powers of two. */
static void *grow(void *array, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0) {
		return array;
	}
	return must_realloc(array, (n == 0 ? 1 : n * 2) * size);
}

static struct str keep(struct str s)
{
	if (s.at == NULL) {
		return STR_NONE;
	}
	char *copy = must_alloc(s.len + 1);
	memcpy(copy, s.at, s.len);
	return str_make(copy, s.len);
}

static char *keep_name(struct gather_name name)
{
	return name.text.at != NULL && name.text.len > 0 ? str_dup(name.text) : NULL;
}

bool gather_skip(struct gather *g, struct gather_name name, enum container_reason reason,
		 const char *why, struct err *err)
{
	if (!room(g, err)) {
		return false;
	}
	g->skips = grow(g->skips, g->n_skips, sizeof *g->skips);
	struct gather_skip *s = &g->skips[g->n_skips++];
	*s = (struct gather_skip){.name = keep_name(name), .reason = reason};
	(void)!str_copy(str_first(str_of(why), sizeof s->why - 1), s->why, sizeof s->why);
	return true;
}

static bool spki_digest(X509 *cert, uint8_t out[static 32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len <= 0) {
		return false;
	}
	digest_sha256(str_make(der, (size_t)len), out);
	OPENSSL_free(der);
	return true;
}

/* The certificate that has these bytes already, or n_certs. */
static size_t find_same(const struct gather *g, struct str der, const uint8_t spki[static 32])
{
	for (size_t i = 0; i < g->n_certs; i++) {
		if (memcmp(g->certs[i].spki, spki, 32) == 0 && str_eq(g->certs[i].der, der)) {
			return g->certs[i].same;
		}
	}
	return g->n_certs;
}

bool gather_cert(struct gather *g, X509 *given, struct gather_name name, struct str id,
		 bool trusted, struct err *err)
{
	AUTO(X509_free) X509 *cert = given;
	struct gather_cert c = {.trusted = trusted, .bad_name = name.bad};
	unsigned char *der = NULL;

	if (!room(g, err)) {
		return false;
	}
	int len = i2d_X509(cert, &der);
	if (len <= 0 || X509_get0_pubkey(cert) == NULL || !spki_digest(cert, c.spki)) {
		OPENSSL_free(der);
		ossl_forget();
		return gather_skip(g, name, CONTAINER_UNSUPPORTED,
				   "the certificate's public key is malformed or not supported",
				   err);
	}
	if ((size_t)len > CERT_DER_MAX) {
		OPENSSL_free(der);
		return gather_skip(g, name, CONTAINER_CERTIFICATE_LONG,
				   "the certificate has more than 64 KiB", err);
	}
	c.der = str_make(der, (size_t)len);
	c.same = find_same(g, c.der, c.spki);
	c.cert = TAKE(cert);
	c.id = keep(id);
	c.name = keep_name(name);
	g->marks_trust |= trusted;
	g->certs = grow(g->certs, g->n_certs, sizeof *g->certs);
	g->certs[g->n_certs++] = c;
	return true;
}

/* What a signature and its verification cost; private RSA operations grow with the cube. */
static uint64_t price(EVP_PKEY *pkey)
{
	int known = EVP_PKEY_get_bits(pkey);
	uint64_t bits = known > 0 ? (uint64_t)known : 0;

	if (EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS") ||
	    EVP_PKEY_is_a(pkey, "DSA")) {
		uint64_t size = (bits + 2047) / 2048;
		return size > 1000 ? UINT64_MAX / 2 : size * size * size;
	}
	return bits <= 256 ? 1 : 4;
}

static bool spend_work(struct gather *g, EVP_PKEY *pkey, struct err *err)
{
	uint64_t n = price(pkey);

	if (n > g->limits.key_work || g->key_work > g->limits.key_work - n) {
		return err_set(err, ERR_LIMIT,
			       "the keys of the file take too long to check (key_work)");
	}
	g->key_work += n;
	return true;
}

bool gather_key(struct gather *g, EVP_PKEY *given, struct gather_name name, struct str id,
		struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = given;
	struct err why = {0};

	if (!room(g, err)) {
		return false;
	}
	if (ossl_tenant_public_key_is_accepted(pkey, &why) && !spend_work(g, pkey, err)) {
		return false;
	}
	if (!ossl_tenant_key_is_accepted(pkey, &why)) {
		return gather_skip(g, name, CONTAINER_KEY_REFUSED, why.text, err);
	}
	g->keys = grow(g->keys, g->n_keys, sizeof *g->keys);
	g->keys[g->n_keys++] = (struct gather_key){
		.pkey = TAKE(pkey), .id = keep(id), .name = keep_name(name), .bad_name = name.bad};
	return true;
}

bool gather_spend(struct gather *g, uint64_t n, struct err *err)
{
	if (n > g->limits.iterations || g->iterations > g->limits.iterations - n) {
		return err_set(err, ERR_LIMIT,
			       "the file wants more than %llu iterations of key derivation "
			       "(iterations): write it again with fewer",
			       (unsigned long long)g->limits.iterations);
	}
	g->iterations += n;
	return true;
}
