#pragma once
/*
 * One-time authentication data: how a connector enrols without a password.
 *
 * What the user copies is base64url of JSON {"version":1,"regionHost","subaccount","displayName",
 * "expires" (Unix ms),"token","rootPin" (hex SHA-256 of the root's SPKI)}. Only the token's hash is
 * stored. At first use it is bound to the CSR's public key; a retry with that key succeeds until it
 * expires.
 */
#include "cloud/directory/subaccounts.h"

enum {
	DIRECTORY_AUTHDATA_LIFE_S = 300,
	DIRECTORY_AUTHDATA_TOKEN_MAX = 64, /* base64url of 32 bytes is 43 */
	DIRECTORY_AUTHDATA_OPEN_MAX = 100, /* unexpired ones of one subaccount: ERR_LIMIT */
};

/*
 * Appends the text to a wiping buffer; *expires is its end. `region_host` is what connectors dial,
 * with the port. ERR_MISSING: no such subaccount.
 */
NODISCARD bool directory_authdata_create(struct store *s, const struct directory_actor *actor,
					 struct str subaccount, struct str region_host,
					 const uint8_t root_pin[static 32], int64_t now,
					 struct buf *text, int64_t *expires, struct err *err);

enum directory_authdata {
	DIRECTORY_AUTHDATA_OK,
	DIRECTORY_AUTHDATA_UNKNOWN, /* 401: no such token for this subaccount */
	DIRECTORY_AUTHDATA_EXPIRED, /* 401 */
	DIRECTORY_AUTHDATA_USED,    /* 403: bound to another key */
	DIRECTORY_AUTHDATA_LOCKED,  /* 403: the subaccount is locked */
	DIRECTORY_AUTHDATA_FAILED,
};
/* Binds it. *creator (of DIRECTORY_NAME_MAX bytes) gets who made it, e.g. "user:alice". */
enum directory_authdata directory_authdata_use(struct store *s, struct str subaccount,
					       struct str token,
					       const uint8_t spki_sha256[static 32], int64_t now,
					       char *creator, struct err *err);
unsigned directory_authdata_status(enum directory_authdata outcome);
