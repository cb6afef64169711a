#pragma once
/* Certificate signing requests (PKCS#10, RFC 2986), made and read. */
#include "crypto/key.h"

enum {
	CSR_DER_MAX = 16 * 1024, /* bytes; a longer request is refused before it is parsed */
	CSR_SANS_MAX = 100,      /* alternative names that a caller may ask for */
};

struct csr_facts {
	char subject[512];    /* RFC 2253 form */
	char common_name[65]; /* ub-common-name, RFC 5280 A.1; empty when absent or longer */
	uint8_t spki_sha256[32];
	uint8_t spki[KEY_SPKI_MAX]; /* DER, for issue_certificate() */
	size_t spki_len;
	char key_type[16];
};

/* `subject` as "CN=…,O=…". Signed by `k`, DER appended. */
NODISCARD bool csr_make(struct key *k, const char *subject, struct buf *der, struct err *err);
/* The same with a wish for names: hosts and addresses as subject alternative names (RFC 2985,
 * 5.4.2). */
NODISCARD bool csr_make_for_hosts(struct key *k, const char *subject, const char *const *hosts,
				  size_t n, struct buf *der, struct err *err);
/* With the subject of a certificate (DER), byte for byte, and the digest of its signature where
 * that is SHA-256, 384 or 512. For any kind of key that tenants have, RSASSA-PSS excepted. */
NODISCARD bool csr_make_like(struct key *k, struct str certificate, const char *const *hosts,
			     size_t n, struct buf *der, struct err *err);
/* A DER request as PEM (RFC 7468, 7). */
void csr_add_pem(struct buf *out, struct str der);
/* Checks the self-signature too (proof of possession) and refuses RSA below 2048 bits. */
NODISCARD bool csr_read(struct str der, struct csr_facts *out, struct err *err);
