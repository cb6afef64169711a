#include "crypto/formats/ssh_line.h"

#include <openssl/core_names.h>

#include "base/rd.h"
#include "crypto/ossl.h"
#include "crypto/seal.h"

/* mpint (RFC 4251, section 5): big-endian, with a zero in front of a set top bit. */
static bool add_number(EVP_PKEY *pkey, const char *param, struct buf *blob)
{
	BIGNUM *n = NULL;
	unsigned char bytes[2050] = {0};

	if (EVP_PKEY_get_bn_param(pkey, param, &n) != 1) {
		return false;
	}
	AUTO(BN_free) BIGNUM *owned = n;
	int len = BN_num_bytes(owned);
	if (len <= 0 || len > 2048 || BN_bn2bin(owned, bytes + 1) != len) {
		return false;
	}
	bool high = (bytes[1] & 0x80) != 0;
	wr_blob(blob, high ? str_make(bytes, (size_t)len + 1) : str_make(bytes + 1, (size_t)len));
	return true;
}

static bool add_point(EVP_PKEY *pkey, struct buf *blob, const char **type)
{
	static const struct {
		const char *group, *type, *curve;
		size_t len; /* of an uncompressed point */
	} rows[] = {
		{"prime256v1", "ecdsa-sha2-nistp256", "nistp256", 65},
		{"secp384r1", "ecdsa-sha2-nistp384", "nistp384", 97},
		{"secp521r1", "ecdsa-sha2-nistp521", "nistp521", 133},
	};
	char group[64] = "";
	unsigned char point[256];
	size_t len = 0;

	if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
					   NULL) != 1 ||
	    EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
					    &len) != 1) {
		return false;
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strcmp(group, rows[i].group) == 0 && len == rows[i].len && point[0] == 0x04) {
			*type = rows[i].type;
			wr_blob(blob, str_of(*type));
			wr_blob(blob, str_of(rows[i].curve));
			wr_blob(blob, str_make(point, len));
			return true;
		}
	}
	return false;
}

static bool add_key(EVP_PKEY *pkey, struct buf *blob, const char **type)
{
	unsigned char raw[32];
	size_t len = sizeof raw;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		*type = "ssh-rsa";
		wr_blob(blob, str_of(*type));
		return add_number(pkey, OSSL_PKEY_PARAM_RSA_E, blob) &&
		       add_number(pkey, OSSL_PKEY_PARAM_RSA_N, blob);
	}
	if (EVP_PKEY_is_a(pkey, "DSA")) {
		*type = "ssh-dss";
		wr_blob(blob, str_of(*type));
		return add_number(pkey, OSSL_PKEY_PARAM_FFC_P, blob) &&
		       add_number(pkey, OSSL_PKEY_PARAM_FFC_Q, blob) &&
		       add_number(pkey, OSSL_PKEY_PARAM_FFC_G, blob) &&
		       add_number(pkey, OSSL_PKEY_PARAM_PUB_KEY, blob);
	}
	if (EVP_PKEY_is_a(pkey, "ED25519")) {
		*type = "ssh-ed25519";
		wr_blob(blob, str_of(*type));
		bool good = EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1;
		wr_blob(blob, str_make(raw, len));
		return good;
	}
	return EVP_PKEY_is_a(pkey, "EC") && add_point(pkey, blob, type);
}

/* `type` comes from a table. */
static bool make_blob(struct str spki, struct buf *blob, const char **type, struct err *err)
{
	AUTO(EVP_PKEY_free) EVP_PKEY *pkey = ossl_tenant_public_key(spki, err);

	if (pkey == NULL) {
		return false;
	}
	if (!add_key(pkey, blob, type) || buf_failed(blob)) {
		ossl_forget();
		return err_set(
			err, ERR_CONFIG,
			"OpenSSH has no form for this key: only for RSA, DSA, Ed25519 and the "
			"curves P-256, P-384 and P-521");
	}
	return true;
}

bool ssh_line_write(struct str spki, struct str comment, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf blob = BUF(SSH_LINE_MAX);
	const char *type = NULL;

	if (!make_blob(spki, &blob, &type, err)) {
		return false;
	}
	buf_add_str(out, str_of(type));
	buf_add_c(out, ' ');
	buf_add_base64(out, blob.at, blob.len);
	buf_add_c(out, ' ');
	for (size_t i = 0; i < comment.len; i++) {
		unsigned char c = (unsigned char)comment.at[i];
		buf_add_c(out, (char)(c < ' ' || c == 0x7f ? '?' : c));
	}
	return !buf_failed(out) || err_set(err, ERR_LIMIT, "no room for the public key");
}

bool ssh_line_fingerprint(struct str spki, char into[static SSH_FINGERPRINT_MAX], struct err *err)
{
	AUTO_BUF struct buf blob = BUF(SSH_LINE_MAX);
	AUTO_BUF struct buf text = BUF(SSH_FINGERPRINT_MAX);
	const char *type = NULL;
	uint8_t digest[32];

	if (!make_blob(spki, &blob, &type, err)) {
		return false;
	}
	digest_sha256(buf_str(&blob), digest);
	buf_add_base64(&text, digest, sizeof digest);
	snprintf(into, SSH_FINGERPRINT_MAX, "SHA256:%.*s", (int)str_find(buf_str(&text), '='),
		 text.at);
	return true;
}
