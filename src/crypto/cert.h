#pragma once
/*
 * Certificates as facts. X.509 (RFC 5280) is read and written here; nobody above sees OpenSSL.
 *
 * A parsed X509 costs about 4 KB, so facts are kept and not the object.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	CERT_NAME_MAX = 512,  /* bytes of a DN in RFC 2253 form; longer ones are cut with "…" */
	CERT_SERIAL_MAX = 20, /* RFC 5280, 4.1.2.2 */
	CERT_URI_MAX = 512,   /* bytes of the one URI SAN that we use */
	CERT_DER_MAX = KIB(64),
	CERT_CHAIN_MAX = 10, /* certificates in a chain that a peer may send */
};

struct cert_facts {
	char subject[CERT_NAME_MAX];
	char issuer[CERT_NAME_MAX];
	char serial[CERT_SERIAL_MAX * 3 + 1]; /* "60:b9:cd", lower case */
	int64_t not_before, not_after;        /* Unix seconds, both inclusive (RFC 5280, 4.1.2.5) */
	char uri[CERT_URI_MAX];               /* the URI SAN if there is exactly one; else empty */
	uint8_t sha256[32];                   /* of the DER */
	uint8_t spki_sha256[32];              /* of the SubjectPublicKeyInfo's DER: the pin */
	bool is_ca;
	char key_type[16]; /* "EC P-256", "RSA 2048", … */
};

NODISCARD bool cert_read_der(struct str der, struct cert_facts *out, struct err *err);
/* Appends the DER of its SubjectPublicKeyInfo. */
NODISCARD bool cert_spki(struct str der, struct buf *spki, struct err *err);
/* The first certificate of a PEM text. */
NODISCARD bool cert_read_pem(struct str pem, struct cert_facts *out, struct err *err);
/* The DER of the subject's name in a certificate's DER, lent by it. Looks at nothing else (0.1 us,
 * where a parse takes 200); false when the lengths do not fit. */
NODISCARD bool cert_subject(struct str der, struct str *name);
/* PEM chain to concatenated list: calls back each DER in order; false with err on the first bad
 * one. */
typedef bool cert_each_fn(struct str der, void *user, struct err *err);
NODISCARD bool cert_each_pem(struct str pem, cert_each_fn *fn, void *user, struct err *err);
void cert_add_pem(struct buf *out, struct str der);

/* A certs-only CMS (RFC 7030, 4.1.3 and 4.2.3) of the certificates in a PEM text, as DER. */
NODISCARD bool cert_pem_to_pkcs7(struct str pem, struct buf *der, struct err *err);
NODISCARD bool cert_pkcs7_to_pem(struct str der, struct buf *pem, struct err *err);

/*
 * Verifies that `leaf_pem` (first certificate; the rest are untrusted intermediates) chains to an
 * anchor of `anchors_pem`. With `at` = 0 the clock is not judged (X509_V_FLAG_NO_CHECK_TIME); else
 * at that Unix second.
 */
NODISCARD bool cert_verify_chain(struct str leaf_pem, struct str anchors_pem, int64_t at,
				 struct err *err);

/*
 * The moment to renew: at two thirds of the time from receipt to not-after (DESIGN 6), brought
 * forward by up to 1 % so that a fleet does not renew together.
 */
int64_t cert_renewal_time(int64_t received, int64_t not_after, uint32_t spread);
