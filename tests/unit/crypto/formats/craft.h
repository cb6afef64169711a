#pragma once
/* Containers that no honest program writes, put together byte by byte or by libcrypto. */
#include <openssl/pkcs12.h>

#include "unit/crypto/formats/material.h"

#define OID_DATA          "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
#define OID_SAFE_CONTENTS "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x06"

/* Puts tag and length before what is in `b`. */
static inline void wrap(struct buf *b, uint8_t tag)
{
	AUTO_BUF struct buf out = BUF(MIB(16));
	size_t len = b->len;

	buf_add_c(&out, (char)tag);
	if (len < 0x80) {
		buf_add_c(&out, (char)len);
	} else {
		buf_add_c(&out, (char)0x83);
		buf_add_c(&out, (char)(len >> 16));
		buf_add_c(&out, (char)(len >> 8));
		buf_add_c(&out, (char)len);
	}
	buf_add_str(&out, buf_str(b));
	buf_reset(b);
	buf_add_str(b, buf_str(&out));
}

static inline void prepend(struct buf *b, const char *bytes, size_t len)
{
	AUTO_BUF struct buf out = BUF(MIB(16));

	buf_add(&out, bytes, len);
	buf_add_str(&out, buf_str(b));
	buf_reset(b);
	buf_add_str(b, buf_str(&out));
}

/* ContentInfo of type data around what is in `b`. */
static inline void wrap_data(struct buf *b)
{
	wrap(b, 0x04);
	wrap(b, 0xa0);
	prepend(b, "\x06\x09" OID_DATA, 11);
	wrap(b, 0x30);
}

/* SafeContents to a PFX without a MAC. */
static inline void wrap_pfx(struct buf *b)
{
	wrap_data(b);
	wrap(b, 0x30); /* AuthenticatedSafe */
	wrap_data(b);
	prepend(b, "\x02\x01\x03", 3);
	wrap(b, 0x30);
}

typedef STACK_OF(PKCS12_SAFEBAG) safebags;

static inline void add_cert_bag(safebags **bags, const struct testcert *c, const char *name)
{
	const unsigned char *at = (const unsigned char *)c->der.at;
	X509 *cert = d2i_X509(NULL, &at, (long)c->der.len);
	PKCS12_SAFEBAG *bag = PKCS12_add_cert(bags, cert);

	assert_non_null(bag);
	if (name != NULL) {
		assert_int_equal(PKCS12_add_friendlyname_utf8(bag, name, -1), 1);
	}
	X509_free(cert);
}

/* `password` NULL: unencrypted. */
static inline PKCS12_SAFEBAG *add_key_bag(safebags **bags, const struct testcert *c,
					  const char *name, const char *password)
{
	AUTO_BUF struct buf der = BUF_SECRET(KIB(16));
	struct err err = {0};

	assert_true(local_key_write(c->local, &der, &err));
	const unsigned char *at = (const unsigned char *)der.at;
	EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
	PKCS12_SAFEBAG *bag = PKCS12_add_key(bags, pkey, 0, 10,
					     password != NULL ? NID_aes_256_cbc : -1, password);
	assert_non_null(bag);
	if (name != NULL) {
		assert_int_equal(PKCS12_add_friendlyname_utf8(bag, name, -1), 1);
	}
	EVP_PKEY_free(pkey);
	return bag;
}

/* Takes the bags, into one safe; encrypted where `password` is given, and with a MAC of it. */
static inline void write_p12(safebags *bags, const char *password, struct buf *out)
{
	STACK_OF(PKCS7) *safes = NULL;
	unsigned char *der = NULL;

	assert_int_equal(PKCS12_add_safe(&safes, bags, password != NULL ? NID_aes_128_cbc : -1, 10,
					 password),
			 1);
	PKCS12 *p12 = PKCS12_add_safes(safes, 0);
	assert_non_null(p12);
	if (password != NULL) {
		assert_int_equal(PKCS12_set_mac(p12, password, -1, NULL, 0, 10, NULL), 1);
	}
	int len = i2d_PKCS12(p12, &der);
	assert_true(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	PKCS12_free(p12);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
