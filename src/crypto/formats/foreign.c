#include "base/rd.h"
#include "crypto/formats/format.h"

/* Formats that begin with fixed bytes. */
static const struct {
	struct str magic;
	enum container_format format;
} magics[] = {
	{{"\xfe\xed\xfe\xed", 4}, CONTAINER_JKS},
	{{"\xce\xce\xce\xce", 4}, CONTAINER_JCEKS},
	{{"PK\x03\x04", 4}, CONTAINER_ZIP},
	{{"PuTTY-User-Key-File-", 20}, CONTAINER_PPK},
	{{"-----BEGIN OPENSSH PRIVATE KEY-----", 35}, CONTAINER_OPENSSH_KEY},
	{{"openssh-key-v1", 15}, CONTAINER_OPENSSH_KEY},
	{{"---- BEGIN SSH2 PUBLIC KEY ----", 31}, CONTAINER_SSH_PUBLIC_KEY},
	{{"ssh-rsa ", 8}, CONTAINER_SSH_PUBLIC_KEY},
	{{"ssh-dss ", 8}, CONTAINER_SSH_PUBLIC_KEY},
	{{"ssh-ed25519 ", 12}, CONTAINER_SSH_PUBLIC_KEY},
	{{"ecdsa-sha2-nistp", 16}, CONTAINER_SSH_PUBLIC_KEY},
	{{"-----BEGIN PGP ", 15}, CONTAINER_PGP},
	{{"-----BEGIN CERTIFICATE REQUEST-----", 35}, CONTAINER_CSR},
	{{"-----BEGIN NEW CERTIFICATE REQUEST-----", 39}, CONTAINER_CSR},
	{{"-----BEGIN PUBLIC KEY-----", 26}, CONTAINER_PUBLIC_KEY},
	{{"-----BEGIN RSA PUBLIC KEY-----", 30}, CONTAINER_PUBLIC_KEY},
	{{"-----BEGIN X509 CRL-----", 24}, CONTAINER_CRL},
};

/* BouncyCastle's own stores: version 1 or 2, then a salt of 20 bytes with its length. */
static bool is_bks(struct str bytes)
{
	struct rd r = rd_over(bytes);
	uint32_t version = rd_u32(&r);
	uint32_t salt = rd_u32(&r);

	return (version == 1 || version == 2) && salt == 20 && !r.failed;
}

/* A secret or public key packet first (RFC 4880, 4.2), old or new form. */
static bool is_pgp(struct str bytes)
{
	struct rd r = rd_over(bytes);
	uint8_t tag = rd_u8(&r);

	if (tag == 0x95 || tag == 0x99) { /* two bytes of length, then the key's version 3 or 4 */
		(void)rd_u16(&r);
	} else if (tag == 0xc5 || tag == 0xc6) {
		uint8_t first = rd_u8(&r);
		if (first >= 192) {
			(void)(first == 255 ? rd_u32(&r) : rd_u8(&r));
		}
	} else {
		return false;
	}
	uint8_t version = rd_u8(&r);
	return version >= 3 && version <= 6 && !r.failed;
}

static bool is_jwk(struct str bytes)
{
	struct str text = bytes;

	while (text.len > 0 && strchr(" \t\r\n", text.at[0]) != NULL && text.at[0] != '\0') {
		text = str_skip(text, 1);
	}
	return str_starts(text, STR("{")) &&
	       (str_contains(str_first(text, KIB(4)), STR("\"kty\"")) ||
		str_contains(str_first(text, KIB(4)), STR("\"keys\"")));
}

enum container_format foreign_detect(struct str bytes)
{
	for (size_t i = 0; i < COUNT(magics); i++) {
		if (str_starts(bytes, magics[i].magic)) {
			return magics[i].format;
		}
	}
	if (is_bks(bytes)) {
		return CONTAINER_BKS;
	}
	if (is_pgp(bytes)) {
		return CONTAINER_PGP;
	}
	if (is_jwk(bytes)) {
		return CONTAINER_JWK;
	}
	/* CertificationRequest: a name, a sequence of sets, where a certificate has an algorithm.
	 */
	if (der_looks(bytes, "0(0(20(1")) {
		return CONTAINER_CSR;
	}
	if (der_looks(bytes, "0(0b") && der_looks(bytes, "0(0(6")) {
		return CONTAINER_PUBLIC_KEY;
	}
	/* CertificateList: a time where a certificate has two of them in a sequence. */
	return der_looks(bytes, "0(0(200t") ? CONTAINER_CRL : CONTAINER_UNKNOWN;
}
