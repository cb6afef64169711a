#pragma once
/* Between users.c (names, passwords, login) and users_store.c (its SQL). */
#include "cloud/directory/users.h"
#include "store/query.h"

enum {
	USER_HASH_MAX = 128, /* an Argon2id string with its NUL, see crypto/seal.h */
};

struct user_secret {
	struct directory_user user;
	char hash[USER_HASH_MAX];
};

struct login_failures {
	int64_t failures, wait_until;
};

#define USER_COLUMNS                                                                               \
	"p.name, p.display_name, p.roles, p.locked, p.must_change, p.created, p.version"
void directory_read_user(struct stmt *st, void *row);

NODISCARD bool directory_user_insert(struct store *s, const struct directory_actor *actor,
				     struct directory_user *made, const char *hash,
				     struct err *err);
/* ERR_MISSING when there is none. */
NODISCARD bool directory_user_secret(struct store *s, struct str name, struct user_secret *out,
				     struct err *err);
NODISCARD bool directory_user_write_password(struct store *s, const struct directory_actor *actor,
					     struct str name, const char *hash, bool must_change,
					     struct err *err);

/* Failed logins of a name (by its SHA-256). Not found: zeros. */
NODISCARD bool directory_login_failures(struct store *s, const uint8_t name[static 32],
					struct login_failures *out, struct err *err);
NODISCARD bool directory_login_note(struct store *s, const uint8_t name[static 32],
				    const struct login_failures *now_has, int64_t now,
				    struct err *err);
NODISCARD bool directory_login_forget(struct store *s, const uint8_t name[static 32],
				      struct err *err);
