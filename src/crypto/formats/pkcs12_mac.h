#pragma once
/*
 * The password of a PKCS#12 file in its spellings, and the MAC that proves it: the one of RFC 7292,
 * and PBMAC1 (RFC 9579), which OpenSSL 3.0 does not know. Internal to formats.
 */
#include <openssl/pkcs12.h>

#include "crypto/formats/gather.h"

struct pkcs12_password {
	struct str utf8; /* what PBES2 and PBMAC1 hash; at NULL: absent, which is not empty */
	struct str old;  /* what becomes a BMPString for the schemes of RFC 7292 */
};

enum {
	PKCS12_PASSWORDS_MAX = 2,
};

/*
 * None or an empty one: absent, then empty. With letters beyond ASCII: as UTF-8, then as OpenSSL
 * before 1.1 took it, every byte a character of Latin-1.
 */
struct pkcs12_passwords {
	struct pkcs12_password tries[PKCS12_PASSWORDS_MAX];
	size_t n;
	char *latin; /* owned, wiped */
};

void pkcs12_passwords_init(struct pkcs12_passwords *all, const struct str *password);
void pkcs12_passwords_fini(struct pkcs12_passwords *all);
struct str pkcs12_password_for(const struct pkcs12_password *p, const X509_ALGOR *algorithm);

enum pkcs12_mac {
	PKCS12_MAC_GOOD,
	PKCS12_MAC_BAD,
	PKCS12_MAC_REFUSED, /* err: too many iterations, or malformed */
};

/* `bytes` is the whole file; its iterations are booked before they run. */
NODISCARD enum pkcs12_mac pkcs12_mac_check(const PKCS12 *p12, struct str bytes,
					   const struct pkcs12_password *password, struct gather *g,
					   struct err *err);
