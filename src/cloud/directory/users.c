#include "cloud/directory/users.h"

#include "base/clock.h"
#include "cloud/directory/directory_priv.h"
#include "cloud/directory/users_priv.h"
#include "crypto/seal.h"

static bool check_name(struct str name, struct err *err)
{
	if (!directory_check_text("user name", name, 1, DIRECTORY_USER_MAX, err)) {
		return false;
	}
	if (str_find(name, ':') < name.len || str_find(name, ',') < name.len) {
		return err_set(err, ERR_CONFIG, "user name: may not hold ':' or ','");
	}
	return directory_is_segment(name) ||
	       err_set(err, ERR_CONFIG,
		       "user name: may not hold '/' or '\\', be '.' or '..', begin or end blank");
}

static bool check_password(struct str password, struct err *err)
{
	if (password.len < DIRECTORY_PASSWORD_LEAST) {
		return err_set(err, ERR_CONFIG, "password: at least %d characters are needed",
			       DIRECTORY_PASSWORD_LEAST);
	}
	return password.len <= DIRECTORY_PASSWORD_MAX ||
	       err_set(err, ERR_CONFIG, "password: longer than %d bytes", DIRECTORY_PASSWORD_MAX);
}

bool directory_user_create(struct store *s, const struct directory_actor *actor,
			   struct directory_user *want, struct str password, struct err *err)
{
	char hash[USER_HASH_MAX];

	if (!check_name(str_of(want->name), err) ||
	    !directory_check_text("display name", str_of(want->display_name), 0,
				  sizeof(want->display_name), err) ||
	    !check_password(password, err) || !password_hash(password, hash, err)) {
		return false;
	}
	return directory_user_insert(s, actor, want, hash, err);
}

bool directory_user_set_password(struct store *s, const struct directory_actor *actor,
				 struct str name, struct str password, bool must_change,
				 struct err *err)
{
	struct user_secret secret;
	char hash[USER_HASH_MAX];

	if (!check_password(password, err) || !directory_user_secret(s, name, &secret, err)) {
		return false;
	}
	if (password_verify(secret.hash, password)) {
		return err_set(err, ERR_CONFIG, "password: must differ from the one before");
	}
	return password_hash(password, hash, err) &&
	       directory_user_write_password(s, actor, name, hash, must_change, err);
}

/* ---- login ---- */

/* Costs the same whether the user exists or not. */
static bool is_right(struct store *s, struct str name, struct str password,
		     struct user_secret *secret, bool *right, struct err *err)
{
	char hash[USER_HASH_MAX];

	*right = false;
	if (directory_user_secret(s, name, secret, err)) {
		*right = password_verify(secret->hash, password);
		return true;
	}
	/* ERR_CONFIG: the name is no text that could be stored, so nobody's */
	if (err->kind != ERR_MISSING && err->kind != ERR_CONFIG) {
		return false;
	}
	return password_hash(password, hash, err);
}

static int64_t wait_after(int64_t failures)
{
	int64_t doublings = failures - DIRECTORY_LOGIN_FREE;

	if (doublings < 0) {
		return 0;
	}
	int64_t wait = doublings < 10 ? 1 << doublings : DIRECTORY_LOGIN_WAIT_MAX_S;
	return wait < DIRECTORY_LOGIN_WAIT_MAX_S ? wait : DIRECTORY_LOGIN_WAIT_MAX_S;
}

static enum directory_login refuse(struct store *s, const uint8_t key[static 32],
				   struct login_failures *failures, int64_t now, struct err *err)
{
	failures->failures++;
	failures->wait_until = now + wait_after(failures->failures);
	if (!directory_login_note(s, key, failures, now, err)) {
		return DIRECTORY_LOGIN_FAILED;
	}
	err_set(err, ERR_DENIED, "wrong user name or password");
	return DIRECTORY_LOGIN_WRONG;
}

enum directory_login directory_user_login(struct store *s, struct str name, struct str password,
					  int64_t now, struct directory_user *out,
					  int64_t *retry_after_s, struct err *err)
{
	struct login_failures failures;
	struct user_secret secret = {0};
	uint8_t key[32];
	bool right;

	digest_sha256(name, key);
	if (!directory_login_failures(s, key, &failures, err)) {
		return DIRECTORY_LOGIN_FAILED;
	}
	if (failures.wait_until > now) {
		*retry_after_s = failures.wait_until - now;
		err_set(err, ERR_LIMIT, "too many failed logins: wait %lld s",
			(long long)*retry_after_s);
		return DIRECTORY_LOGIN_THROTTLED;
	}
	/* What is longer than a password may be is hashed as nothing: it is wrong anyway. */
	struct str shown = password.len <= DIRECTORY_PASSWORD_MAX ? password : STR("");
	if (!is_right(s, name, shown, &secret, &right, err)) {
		return DIRECTORY_LOGIN_FAILED;
	}
	if (!right) {
		return refuse(s, key, &failures, now, err);
	}
	if (failures.failures > 0 && !directory_login_forget(s, key, err)) {
		return DIRECTORY_LOGIN_FAILED;
	}
	if (secret.user.locked) {
		err_set(err, ERR_DENIED, "user %s is locked: an administrator can unlock it",
			secret.user.name);
		return DIRECTORY_LOGIN_LOCKED;
	}
	*out = secret.user;
	return DIRECTORY_LOGIN_OK;
}
