#pragma once
/*
 * Small named values that the rooms share: what the REST API changes and is not in a file, and
 * public things that one room publishes for others. Values are text; never a secret in the clear.
 */
#include "cloud/directory/actor.h"

enum {
	DIRECTORY_SETTING_MAX = KIB(64), /* bytes of a value */
};

/* Known names. */
#define DIRECTORY_SETTING_JWKS        "token.jwks" /* public keys of the token server (RFC 7517) */
#define DIRECTORY_SETTING_ANCHORS     "ca.anchors" /* PEM: root and issuing CA */
#define DIRECTORY_SETTING_REGION_HOST "region.host"

/* Appends the value; an unset one appends nothing and is no error. */
NODISCARD bool directory_setting_get(struct store *s, struct str name, struct buf *value,
				     struct err *err);
NODISCARD bool directory_setting_set(struct store *s, const struct directory_actor *actor,
				     struct str name, struct str value, struct err *err);
/* As set, only if it is unset; *won tells. For first starts of several nodes at once. */
NODISCARD bool directory_setting_init(struct store *s, const struct directory_actor *actor,
				      struct str name, struct str value, bool *won,
				      struct err *err);
