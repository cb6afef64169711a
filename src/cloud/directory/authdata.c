#include "cloud/directory/authdata.h"

#include "base/json.h"
#include "base/random.h"
#include "cloud/directory/authdata_priv.h"
#include "crypto/seal.h"

enum {
	TOKEN_BYTES = 32,
	JSON_MAX = KIB(4),
};

static void write_text(const struct directory_subaccount *sa, struct str region_host,
		       struct str token, int64_t expires, const uint8_t root_pin[static 32],
		       struct buf *text)
{
	AUTO_BUF struct buf json = BUF_SECRET(JSON_MAX);
	AUTO_BUF struct buf pin = BUF(65);
	struct jsonw w = jsonw_to(&json);

	buf_add_hex(&pin, root_pin, 32);
	jsonw_object(&w);
	jsonw_key_int(&w, "version", 1);
	jsonw_key_str(&w, "regionHost", region_host);
	jsonw_key_text(&w, "subaccount", sa->id);
	jsonw_key_text(&w, "displayName", sa->display_name);
	jsonw_key_int(&w, "expires", expires * 1000);
	jsonw_key_str(&w, "token", token);
	jsonw_key_str(&w, "rootPin", buf_str(&pin));
	jsonw_object_end(&w);
	buf_add_base64url(text, json.at, json.len);
}

bool directory_authdata_create(struct store *s, const struct directory_actor *actor,
			       struct str subaccount, struct str region_host,
			       const uint8_t root_pin[static 32], int64_t now, struct buf *text,
			       int64_t *expires, struct err *err)
{
	AUTO_BUF struct buf token = BUF_SECRET(DIRECTORY_AUTHDATA_TOKEN_MAX);
	struct directory_subaccount sa;
	uint8_t secret[TOKEN_BYTES], hash[32];
	int64_t end = now + DIRECTORY_AUTHDATA_LIFE_S;

	if (!directory_subaccount_find(s, subaccount, &sa, err)) {
		return false;
	}
	random_bytes(secret, sizeof(secret));
	buf_add_base64url(&token, secret, sizeof(secret));
	seal_wipe(secret, sizeof(secret));
	digest_sha256(buf_str(&token), hash);
	if (!directory_authdata_insert(s, actor, subaccount, hash, now, end, err)) {
		return false;
	}
	write_text(&sa, region_host, buf_str(&token), end, root_pin, text);
	*expires = end;
	return true;
}

static enum directory_authdata judge(const struct authdata_row *row, const uint8_t spki[static 32],
				     int64_t now, struct err *err)
{
	if (now >= row->expires) {
		err_set(err, ERR_DENIED, "the authentication data has expired: download new ones");
		return DIRECTORY_AUTHDATA_EXPIRED;
	}
	if (!row->is_bound || memcmp(row->spki, spki, 32) != 0) {
		err_set(err, ERR_DENIED,
			"the authentication data was used already, with another key: download new "
			"ones");
		return DIRECTORY_AUTHDATA_USED;
	}
	return DIRECTORY_AUTHDATA_OK;
}

enum directory_authdata directory_authdata_use(struct store *s, struct str subaccount,
					       struct str token,
					       const uint8_t spki_sha256[static 32], int64_t now,
					       char *creator, struct err *err)
{
	struct authdata_row row;
	struct directory_subaccount sa;
	uint8_t hash[32];

	digest_sha256(token, hash);
	if (!directory_authdata_bind(s, subaccount, hash, spki_sha256, now, &row, err)) {
		if (err->kind != ERR_MISSING) {
			return DIRECTORY_AUTHDATA_FAILED;
		}
		err_set(err, ERR_DENIED, "the authentication data is not known here");
		return DIRECTORY_AUTHDATA_UNKNOWN;
	}
	enum directory_authdata outcome = judge(&row, spki_sha256, now, err);
	if (outcome != DIRECTORY_AUTHDATA_OK) {
		return outcome;
	}
	if (!directory_subaccount_find(s, subaccount, &sa, err)) {
		return DIRECTORY_AUTHDATA_FAILED;
	}
	if (sa.locked) {
		err_set(err, ERR_DENIED, "subaccount %s is locked", sa.display_name);
		return DIRECTORY_AUTHDATA_LOCKED;
	}
	memcpy(creator, row.creator, sizeof(row.creator));
	return DIRECTORY_AUTHDATA_OK;
}

unsigned directory_authdata_status(enum directory_authdata outcome)
{
	switch (outcome) {
	case DIRECTORY_AUTHDATA_OK:
		return 200;
	case DIRECTORY_AUTHDATA_UNKNOWN:
	case DIRECTORY_AUTHDATA_EXPIRED:
		return 401;
	case DIRECTORY_AUTHDATA_USED:
	case DIRECTORY_AUTHDATA_LOCKED:
		return 403;
	case DIRECTORY_AUTHDATA_FAILED:
	default:
		return 503;
	}
}
