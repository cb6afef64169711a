#pragma once
/*
 * JSON Web Tokens (RFC 7519) as JWS compact (RFC 7515): verified with cjose, signed by a struct
 * key.
 *
 * Only RS256 and ES256 are accepted; `none`, symmetric algorithms and a `jku` pointing anywhere are
 * not followed: keys come from the key set given here, chosen by `kid`.
 */
#include "crypto/key.h"

enum {
	JOSE_TOKEN_MAX = KIB(16), /* bytes of a token that is looked at; longer ones are refused */
	JOSE_KEYS_MAX = 16,
	JOSE_KID_MAX = 128, /* bytes of a key's name, with its NUL */
};

struct jose_keys; /* a key set (RFC 7517, 5); immutable, safe from several threads */

NODISCARD bool jose_keys_read(struct str jwks_json, struct jose_keys **out, struct err *err);
void jose_keys_free(struct jose_keys *keys);
DEFINE_AUTO(jose_keys_free, struct jose_keys *)
/* Appends one public JWK with `kid` (RFC 7638 thumbprint when NULL), `use` "sig" and `alg`. */
NODISCARD bool jose_add_jwk(struct buf *json, struct str spki, const char *kid, struct err *err);
NODISCARD bool jose_thumbprint(struct str spki, char into[static 44], struct err *err);

/* Signs `claims` (JSON) as RS256 or ES256 after the key's type; appends the compact form. */
NODISCARD bool jose_sign(struct key *k, const char *kid, const char *jku, struct str claims,
			 struct buf *token, struct err *err);
/*
 * Verifies the signature and appends the claims' JSON. Time is not judged here. ERR_DENIED with the
 * reason ("unknown kid", "bad signature", "not a JWT") otherwise.
 */
NODISCARD bool jose_verify(const struct jose_keys *keys, struct str token, struct buf *claims,
			   struct err *err);
