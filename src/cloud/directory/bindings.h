#pragma once
/*
 * Bindings: the client id and secret with which an application asks for tokens of a subaccount.
 * The secret is 256 random bits, shown once, stored as SHA-256.
 */
#include "cloud/directory/members.h"

struct directory_binding {
	char id[DIRECTORY_UUID];       /* instance_guid of the service key */
	char name[DIRECTORY_NAME_MAX]; /* unique within the subaccount */
	char subaccount[DIRECTORY_UUID];
	char client_id[128]; /* "sb-{id}!drawbridge" */
	char created_by[DIRECTORY_NAME_MAX];
	unsigned roles; /* in the tenant's keystore: enum directory_member_role, as given */
	int64_t created;
};

enum {
	DIRECTORY_SECRET_MAX = 64,     /* base64url text with its NUL */
	DIRECTORY_BINDINGS_MAX = 1000, /* of one subaccount: ERR_LIMIT */
};

/* Fills `out` and the secret (wipe it after use). ERR_CONFLICT: the name exists; ERR_MISSING. */
NODISCARD bool directory_binding_create(struct store *s, const struct directory_actor *actor,
					struct str subaccount, struct str name, unsigned roles,
					int64_t now, struct directory_binding *out,
					char secret[static DIRECTORY_SECRET_MAX], struct err *err);
/* Ordered by name. */
NODISCARD bool directory_binding_list(struct store *s, struct str subaccount, struct str after,
				      size_t limit, struct directory_binding **rows, size_t *n,
				      struct err *err);
/* Tokens issued to it end with the next snapshot. */
NODISCARD bool directory_binding_delete(struct store *s, const struct directory_actor *actor,
					struct str subaccount, struct str name, struct err *err);

enum directory_client {
	DIRECTORY_CLIENT_OK,
	DIRECTORY_CLIENT_WRONG,  /* 401 invalid_client; unknown id and wrong secret look alike */
	DIRECTORY_CLIENT_LOCKED, /* 403: the subaccount is locked */
	DIRECTORY_CLIENT_FAILED,
};
/* Of a token that was verified: WRONG when the binding is gone. */
enum directory_client directory_binding_of_client(struct store *s, struct str client_id,
						  struct directory_binding *out, struct err *err);
enum directory_client directory_binding_verify(struct store *s, struct str client_id,
					       struct str secret, struct directory_binding *out,
					       struct err *err);
