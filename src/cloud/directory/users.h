#pragma once
/*
 * Users of the cloud side: people and programs that log in to console and REST, or enrol.
 *
 * Passwords are Argon2id; failed logins of a name are counted and slowed down.
 */
#include "cloud/directory/actor.h"

enum directory_role {
	DIRECTORY_ROLE_ADMINISTRATOR = 1,            /* everything */
	DIRECTORY_ROLE_SUBACCOUNT_ADMINISTRATOR = 2, /* all subaccounts, their owners; no users */
	DIRECTORY_ROLE_DISPLAY = 4,                  /* sees everything, changes nothing */
	/* no bit: sees and edits the subaccounts that it owns */
};

enum {
	DIRECTORY_USER_MAX = 128,      /* a name with its NUL; no control character, no ':' */
	DIRECTORY_PASSWORD_LEAST = 8,  /* bytes */
	DIRECTORY_PASSWORD_MAX = 1024, /* bytes; bounds what Argon2 is fed by a stranger */
	DIRECTORY_LOGIN_FREE =
		5, /* failures of a name before it has to wait; then 1 s, 2 s, 4 s … */
	DIRECTORY_LOGIN_WAIT_MAX_S = 60,
};

struct directory_user {
	char name[DIRECTORY_USER_MAX]; /* the key; compared bytewise */
	char display_name[DIRECTORY_NAME_MAX];
	unsigned roles; /* bits of enum directory_role */
	bool locked;
	bool must_change; /* may only change its password */
	int64_t created;
	int64_t version;
};

/* ERR_CONFLICT when the name exists; ERR_CONFIG for a bad name or a short password. */
NODISCARD bool directory_user_create(struct store *s, const struct directory_actor *actor,
				     struct directory_user *want, struct str password,
				     struct err *err);
NODISCARD bool directory_user_find(struct store *s, struct str name, struct directory_user *out,
				   struct err *err);
/* Ordered by name; `after` is the last name of the page before, or "". */
NODISCARD bool directory_user_list(struct store *s, struct str after, size_t limit,
				   struct directory_user **rows, size_t *n, struct err *err);
NODISCARD bool directory_user_count(struct store *s, int64_t *n, struct err *err);
/*
 * Writes display name, roles, locked, must_change. ERR_CONFLICT when it would lock the last
 * unlocked owner of a subaccount, or take away the last unlocked administrator.
 */
enum directory_edit directory_user_edit(struct store *s, const struct directory_actor *actor,
					struct directory_user *want, int64_t version,
					struct err *err);
/* Same limits as the edit; its ownerships go with it. */
NODISCARD bool directory_user_delete(struct store *s, const struct directory_actor *actor,
				     struct str name, struct err *err);
/* Clears must_change, unless `must_change`. The new one must differ from the old one (ERR_CONFIG).
 */
NODISCARD bool directory_user_set_password(struct store *s, const struct directory_actor *actor,
					   struct str name, struct str password, bool must_change,
					   struct err *err);

enum directory_login {
	DIRECTORY_LOGIN_OK,
	DIRECTORY_LOGIN_WRONG,     /* 401; no such user or wrong password: never told apart */
	DIRECTORY_LOGIN_LOCKED,    /* 403; told only after the right password */
	DIRECTORY_LOGIN_THROTTLED, /* 429; *retry_after_s is set; the password was not looked at */
	DIRECTORY_LOGIN_FAILED,
};
/* Costs one Argon2id also for an unknown name. must_change is the caller's to obey. */
enum directory_login directory_user_login(struct store *s, struct str name, struct str password,
					  int64_t now, struct directory_user *out,
					  int64_t *retry_after_s, struct err *err);
