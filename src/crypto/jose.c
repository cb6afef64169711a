#include "crypto/jose.h"

#include <cjose/cjose.h>

#include "base/json.h"
#include "crypto/ossl.h"

struct jose_entry {
	cjose_jwk_t *jwk;
	char kid[JOSE_KID_MAX];
	const char *alg; /* the one that fits the key: never taken from the token alone */
};

struct jose_keys {
	size_t n;
	struct jose_entry at[JOSE_KEYS_MAX];
};

void jose_keys_free(struct jose_keys *keys)
{
	for (size_t i = 0; keys != NULL && i < keys->n; i++) {
		cjose_jwk_release(keys->at[i].jwk);
	}
	free(keys);
}

/*
 * cjose asserts inside on base64url that is not clean ("A===QAB"), and an assert ends the process:
 * so numbers are decoded here, and it gets them encoded again.
 */
static bool write_number(struct jsonw *w, const char *name, struct str text)
{
	AUTO_BUF struct buf bytes = BUF(KIB(2));
	AUTO_BUF struct buf clean = BUF(KIB(4));

	if (text.len == 0 || !buf_add_decoded_base64url(&bytes, text) || bytes.len == 0) {
		return false;
	}
	buf_add_base64url(&clean, bytes.at, bytes.len);
	jsonw_key_str(w, name, buf_str(&clean));
	return !buf_failed(&clean);
}

/* A JWK with the members that we know and nothing else goes to cjose. */
static bool write_public(const struct json *jwk, struct buf *text, const char **alg)
{
	static const char *const rsa[] = {"n", "e", NULL};
	static const char *const ec[] = {"x", "y", NULL};
	struct str kty = STR_NONE, crv = STR_NONE, value;
	struct jsonw w = jsonw_to(text);

	if (!json_get_str(jwk, "kty", &kty)) {
		return false;
	}
	bool is_ec = str_eq(kty, STR("EC")) && json_get_str(jwk, "crv", &crv) &&
		     str_eq(crv, STR("P-256"));
	if (!is_ec && !str_eq(kty, STR("RSA"))) {
		return false;
	}
	*alg = is_ec ? "ES256" : "RS256";
	jsonw_object(&w);
	jsonw_key_str(&w, "kty", kty);
	if (is_ec) {
		jsonw_key_str(&w, "crv", crv);
	}
	for (const char *const *name = is_ec ? ec : rsa; *name != NULL; name++) {
		if (!json_get_str(jwk, *name, &value) || !write_number(&w, *name, value)) {
			return false;
		}
	}
	jsonw_object_end(&w);
	return !buf_failed(text);
}

static bool add_key(struct jose_keys *keys, const struct json *jwk, struct err *err)
{
	AUTO_BUF struct buf text = BUF(KIB(8));
	struct jose_entry entry = {0};
	struct str kid = STR_NONE, use = STR_NONE;
	cjose_err why = {0};

	if (json_get_str(jwk, "use", &use) && !str_eq(use, STR("sig"))) {
		return true; /* for encryption: not ours */
	}
	if (!write_public(jwk, &text, &entry.alg)) {
		return true; /* RFC 7517, 5: unknown kinds are ignored */
	}
	if (!json_get_str(jwk, "kid", &kid) || !str_copy(kid, entry.kid, sizeof entry.kid)) {
		return err_set(err, ERR_CONFIG, "a key of the set has no kid, or a long one");
	}
	if (keys->n == JOSE_KEYS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d keys in the set", JOSE_KEYS_MAX);
	}
	entry.jwk = cjose_jwk_import(text.at, text.len, &why);
	ossl_forget();
	if (entry.jwk == NULL) {
		return err_set(err, ERR_CONFIG, "a key of the set is malformed");
	}
	keys->at[keys->n++] = entry;
	if (str_eq(str_of(entry.alg), STR("RS256")) &&
	    cjose_jwk_get_keysize(entry.jwk, &why) < 2048) {
		return err_set(err, ERR_CONFIG, "an RSA key of the set has less than 2048 bits");
	}
	return true;
}

bool jose_keys_read(struct str jwks_json, struct jose_keys **out, struct err *err)
{
	AUTO(json_free) struct json *root = NULL;
	AUTO(jose_keys_free) struct jose_keys *keys = NEW(struct jose_keys);

	if (!json_parse(jwks_json, KIB(64), &root, err)) {
		return err_wrap(err, "key set");
	}
	const struct json *list = json_get(root, "keys");
	if (!json_is_array(list)) {
		return err_set(err, ERR_CONFIG, "a key set has an array \"keys\"");
	}
	for (size_t i = 0; i < json_count(list); i++) {
		if (!add_key(keys, json_at(list, i), err)) {
			return false;
		}
	}
	*out = TAKE(keys);
	return true;
}

/* Three parts of base64url without padding (RFC 7515, 3.1); nothing else reaches cjose. */
static bool is_compact(struct str token)
{
	size_t dots = 0;

	for (size_t i = 0; i < token.len; i++) {
		char c = token.at[i];
		bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (!plain && c != '.') {
			return false;
		}
		dots += c == '.';
	}
	return dots == 2;
}

/* What we need of the protected header; anything that must be understood (crit) is refused. */
static bool read_header(struct str token, struct json **header, struct err *err)
{
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct str part = str_first(token, str_find(token, '.'));

	if (!buf_add_decoded_base64url(&text, part) ||
	    !json_parse(buf_str(&text), KIB(4), header, err) || !json_is_object(*header)) {
		return err_set(err, ERR_DENIED, "not a JWT");
	}
	if (json_get(*header, "crit") != NULL) {
		return err_set(err, ERR_DENIED, "the token wants an extension that is unknown");
	}
	return true;
}

static const struct jose_entry *choose(const struct jose_keys *keys, const struct json *header,
				       struct err *err)
{
	struct str kid = STR_NONE, alg = STR_NONE;

	if (!json_get_str(header, "alg", &alg) ||
	    (!str_eq(alg, STR("RS256")) && !str_eq(alg, STR("ES256")))) {
		err_set(err, ERR_DENIED, "the token's algorithm is not accepted");
		return NULL;
	}
	if (!json_get_str(header, "kid", &kid)) {
		err_set(err, ERR_DENIED, "the token names no kid");
		return NULL;
	}
	for (size_t i = 0; i < keys->n; i++) {
		const struct jose_entry *k = &keys->at[i];
		if (str_eq(kid, str_of(k->kid)) && str_eq(alg, str_of(k->alg))) {
			return k;
		}
	}
	err_set(err, ERR_DENIED, "unknown kid");
	return NULL;
}

static bool verify(const struct jose_entry *key, struct str token, struct buf *claims,
		   struct err *err)
{
	cjose_err why = {0};
	uint8_t *text = NULL;
	size_t len = 0;
	cjose_jws_t *jws = cjose_jws_import(token.at, token.len, &why);

	if (jws == NULL) {
		ossl_forget();
		return err_set(err, ERR_DENIED, "not a JWT");
	}
	bool good = cjose_jws_verify(jws, key->jwk, &why) &&
		    cjose_jws_get_plaintext(jws, &text, &len, &why);
	if (good) {
		buf_add(claims, text, len);
	}
	cjose_jws_release(jws);
	ossl_forget();
	if (!good) {
		return err_set(err, ERR_DENIED, "bad signature");
	}
	return !buf_failed(claims) || err_set(err, ERR_LIMIT, "the token's claims are too long");
}

bool jose_verify(const struct jose_keys *keys, struct str token, struct buf *claims,
		 struct err *err)
{
	AUTO(json_free) struct json *header = NULL;

	if (token.len == 0 || token.len > JOSE_TOKEN_MAX) {
		return err_set(err, ERR_DENIED, "the token is empty or longer than %d bytes",
			       (int)JOSE_TOKEN_MAX);
	}
	if (!is_compact(token)) {
		return err_set(err, ERR_DENIED, "not a JWT");
	}
	if (!read_header(token, &header, err)) {
		return false;
	}
	const struct jose_entry *key = choose(keys, header, err);
	return key != NULL && verify(key, token, claims, err);
}
