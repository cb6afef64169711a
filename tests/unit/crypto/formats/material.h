#pragma once
/*
 * Files for the tests of formats. Most were made by other programs (see the script `make-material`
 * beside this file) and lie in tests/fuzz/corpus, where the fuzzers start from them too.
 */
#include "crypto/formats/container.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "unit/crypto/testca.h"

/* tests/fuzz/corpus/`name`; the caller frees with buf_fini(). */
static inline struct buf material(const char *name)
{
	struct buf out = BUF(MIB(4));
	char path[4096];
	char piece[4096];

	snprintf(path, sizeof path, "%s/%s", TEST_CORPUS, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		fail_msg("%s: not there", path);
		return out;
	}
	for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) {
		buf_add(&out, piece, n);
	}
	fclose(f);
	return out;
}

/* Opens or fails with the reason. */
static inline struct container *opened(struct str bytes, const char *password)
{
	struct container *c = NULL;
	struct err err = {0};
	struct str pass = str_of(password);

	enum container_outcome outcome =
		container_open(bytes, password != NULL ? &pass : NULL, NULL, &c, &err);
	if (outcome != CONTAINER_OPENED) {
		fail_msg("outcome %d: %s", (int)outcome, err.text);
	}
	return c;
}

static inline struct container *opened_file(const char *name, const char *password)
{
	AUTO_BUF struct buf bytes = material(name);

	return opened(buf_str(&bytes), password);
}

/* The outcome of what must not open; the text of the error goes to `err`. */
static inline enum container_outcome refused(struct str bytes, const char *password,
					     const struct container_limits *limits, struct err *err)
{
	AUTO(container_free) struct container *c = NULL;
	struct str pass = str_of(password);

	*err = (struct err){0};
	enum container_outcome outcome =
		container_open(bytes, password != NULL ? &pass : NULL, limits, &c, err);
	assert_true(outcome != CONTAINER_OPENED);
	assert_null(c);
	assert_true(err->kind != ERR_NONE && err->text[0] != '\0');
	return outcome;
}

static inline const struct container_item *item_named(const struct container *c, const char *alias)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->items[i].alias, alias) == 0) {
			return &c->items[i];
		}
	}
	fail_msg("no item %s", alias);
	return NULL;
}

static inline size_t count_kind(const struct container *c, enum container_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		n += c->items[i].kind == kind;
	}
	return n;
}

/* The key of a key pair is the one that its first certificate is for. */
static inline void assert_pair(const struct container_item *item)
{
	struct cert_facts facts;
	struct err err = {0};

	assert_int_equal(item->kind, CONTAINER_KEY_PAIR);
	assert_int_equal(item->reason, CONTAINER_TAKEN);
	assert_true(item->n_chain >= 1);
	assert_true(item->key.wipes);
	assert_true(cert_read_der(item->chain[0], &facts, &err));

	const unsigned char *at = (const unsigned char *)item->key.at;
	EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)item->key.len);
	assert_non_null(pkey);
	assert_ptr_equal(at, item->key.at + item->key.len);
	at = (const unsigned char *)item->chain[0].at;
	X509 *cert = d2i_X509(NULL, &at, (long)item->chain[0].len);
	assert_int_equal(X509_check_private_key(cert, pkey), 1);
	X509_free(cert);
	EVP_PKEY_free(pkey);
}
