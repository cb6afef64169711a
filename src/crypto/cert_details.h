#pragma once
/*
 * All that a person or the keystore's API wants to know of a certificate (spec/keystore.md 3.4).
 * The data path uses the smaller struct cert_facts of crypto/cert.h.
 */
#include "base/arena.h"
#include "base/err.h"

enum {
	CERT_DETAILS_LIST_MAX = 200, /* extended key usages or alternative names that are listed */
};

/* Texts are UTF-8, end in NUL, and live in the caller's arena. None is NULL. */
struct cert_details {
	int version;        /* 1 to 3 */
	const char *serial; /* "0x51A2"; "-0x…" for what should not exist */
	/* RFC 4514, complete, and reversible: special characters escaped, unknown types as OID. */
	const char *subject, *issuer;
	const char *common_name;         /* of the subject; empty when there is none */
	int64_t not_before, not_after;   /* Unix seconds, both inclusive */
	const char *key_type;            /* "RSA", "RSASSA-PSS", "DSA", "EC", "Ed25519", … */
	int key_bits;                    /* of the modulus, the prime or the order */
	const char *curve;               /* EC: "secp256r1"; else empty */
	const char *signature_algorithm; /* JCA: "SHA256withRSA", "SHA256withECDSA", "RSASSA-PSS" */
	/* "9A:04:…" over the DER. */
	const char *sha1, *sha256, *sha512;
	const char *ssh_sha256; /* "SHA256:…", as ssh-keygen -l shows it; empty for other keys */
	const char **usages;    /* extended: "serverAuth", "clientAuth", …, or OIDs */
	size_t n_usages;
	const char **names; /* "DNS:x", "IP:10.0.0.1", "URI:…", "email:…", "dirName:…" */
	size_t n_names;
	bool is_ca;
	bool is_self_signed; /* by name, and its own key verifies it */
	bool weak_signature; /* MD5, SHA-1 and older */
	bool weak_key;       /* RSA below 2048, DSA, curves below 224 bits */
};

/* ERR_CONFIG when it is no certificate, ERR_LIMIT when the arena is full. */
NODISCARD bool cert_details_read(struct str der, struct arena *a, struct cert_details *out,
				 struct err *err);
