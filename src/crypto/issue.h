#pragma once
/*
 * Certificates from fixed profiles. Called by the key process only: it has the CA's key.
 *
 * Nobody hands a to-be-signed certificate in; what may vary are the facts below.
 */
#include "crypto/csr.h"

enum issue_profile {
	ISSUE_ROOT,         /* self-signed, CA:TRUE pathlen 1, keyCertSign cRLSign */
	ISSUE_INTERMEDIATE, /* CA:TRUE pathlen 0 */
	ISSUE_CONNECTOR,    /* CA:FALSE, one URI SAN (SPIFFE), clientAuth, digitalSignature */
	ISSUE_SERVER,       /* CA:FALSE, DNS and IP SANs, serverAuth */
	ISSUE_SELF,         /* a tenant's key pair: self-signed, CA:FALSE, for any use */
};

enum {
	ISSUE_SANS_MAX = 16,
	ISSUE_LEAF_SECONDS_MAX = 825 * 86400, /* longest validity of a connector or server */
	ISSUE_NAME_PART_MAX = 500, /* bytes; the original's limit, RFC 5280 has 64 for most */
};

/* The parts of a name that a tenant chooses; NULL or empty: left out. */
struct issue_name {
	const char *common_name; /* required */
	const char *organizational_unit, *organization, *locality, *state;
	const char *country; /* two letters */
	const char *email;
};

struct issue_facts {
	enum issue_profile profile;
	const char *subject;              /* "CN=…,O=…"; NULL for ISSUE_SELF */
	const struct issue_name *name;    /* ISSUE_SELF */
	const char *digest;               /* ISSUE_SELF: "SHA1" to "SHA512"; NULL: SHA256 */
	const char *uri;                  /* ISSUE_CONNECTOR: the SPIFFE id; else NULL */
	const char *sans[ISSUE_SANS_MAX]; /* ISSUE_SERVER: names and addresses */
	size_t n_sans;
	/* Unix seconds; capped by the issuer's not_after. ISSUE_SELF: until the year 9999. */
	int64_t not_before, not_after;
	uint8_t serial[16]; /* random; the top bit is cleared by issue_certificate() */
};

/*
 * Builds and signs. `spki` is the subject's public key. `issuer_der` is empty for ISSUE_ROOT, and
 * for an ISSUE_SERVER that signs itself (a connector's first UI certificate),
 * and for ISSUE_SELF, whose key may be any that tenants have (crypto/tenant_key.h).
 * Appends the certificate's DER.
 */
NODISCARD bool issue_certificate(const struct issue_facts *facts, struct str spki,
				 struct str issuer_der, const struct local_key *issuer_key,
				 struct buf *der, struct err *err);
