#include "cloud/directory/owners.h"

#include "cloud/directory/directory_priv.h"
#include "cloud/directory/subaccounts.h"

enum {
	NAMES_SHOWN = 10,
	NAMES_MAX = KIB(2),
};

bool directory_owner_names(struct store *s, struct str subaccount, struct buf *out, struct err *err)
{
	AUTO_FREE struct directory_user *rows = NULL;
	size_t n, shown = 0, more = 0;

	if (!directory_owner_list(s, subaccount, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (rows[i].locked) {
			continue;
		}
		if (shown == NAMES_SHOWN) {
			more++;
			continue;
		}
		buf_addf(out, "%s%s", shown > 0 ? ", " : "", rows[i].name);
		shown++;
	}
	if (more > 0) {
		buf_addf(out, " and %zu more", more);
	}
	return true;
}

static enum directory_enrol judge_login(enum directory_login login)
{
	switch (login) {
	case DIRECTORY_LOGIN_OK:
		return DIRECTORY_ENROL_ALLOWED;
	case DIRECTORY_LOGIN_WRONG:
		return DIRECTORY_ENROL_WRONG;
	case DIRECTORY_LOGIN_LOCKED:
		return DIRECTORY_ENROL_USER_LOCKED;
	case DIRECTORY_LOGIN_THROTTLED:
		return DIRECTORY_ENROL_THROTTLED;
	case DIRECTORY_LOGIN_FAILED:
	default:
		return DIRECTORY_ENROL_FAILED;
	}
}

static enum directory_enrol refuse_stranger(struct store *s, struct str subaccount,
					    const struct directory_user *user, struct err *err)
{
	AUTO_BUF struct buf names = BUF(NAMES_MAX);

	if (!directory_owner_names(s, subaccount, &names, err)) {
		return DIRECTORY_ENROL_FAILED;
	}
	struct str owners = names.len > 0 ? buf_str(&names) : STR("none: is the ID right?");
	err_set(err, ERR_DENIED,
		"%s is not an owner of subaccount %.*s (owners: %.*s): an owner is added in the "
		"cloud "
		"console under System > Administration > Data Source Configuration > Core Account",
		user->name, STR_ARGS(subaccount), STR_ARGS(str_first(owners, 150)));
	return DIRECTORY_ENROL_NOT_OWNER;
}

static enum directory_enrol judge_subaccount(struct store *s, struct str subaccount,
					     const struct directory_user *user, struct err *err)
{
	struct directory_subaccount found;
	bool is;

	if (!directory_subaccount_find(s, subaccount, &found, err)) {
		if (err->kind != ERR_MISSING) {
			return DIRECTORY_ENROL_FAILED;
		}
		return user->roles != 0 ? DIRECTORY_ENROL_NO_SUBACCOUNT
					: refuse_stranger(s, subaccount, user, err);
	}
	if (!directory_owner_is(s, subaccount, str_of(user->name), &is, err)) {
		return DIRECTORY_ENROL_FAILED;
	}
	if (!is) {
		return refuse_stranger(s, subaccount, user, err);
	}
	if (found.locked) {
		err_set(err, ERR_DENIED, "subaccount %s is locked", found.display_name);
		return DIRECTORY_ENROL_LOCKED;
	}
	return DIRECTORY_ENROL_ALLOWED;
}

enum directory_enrol directory_owner_judge(struct store *s, struct str subaccount, struct str user,
					   struct str password, int64_t now, int64_t *retry_after_s,
					   struct err *err)
{
	struct directory_user found;
	enum directory_enrol outcome = judge_login(
		directory_user_login(s, user, password, now, &found, retry_after_s, err));

	if (outcome != DIRECTORY_ENROL_ALLOWED) {
		return outcome;
	}
	if (found.must_change) {
		err_set(err, ERR_DENIED,
			"operation unavailable unless initial password is changed");
		return DIRECTORY_ENROL_MUST_CHANGE;
	}
	return judge_subaccount(s, subaccount, &found, err);
}

unsigned directory_enrol_status(enum directory_enrol outcome)
{
	switch (outcome) {
	case DIRECTORY_ENROL_ALLOWED:
		return 200;
	case DIRECTORY_ENROL_WRONG:
		return 401;
	case DIRECTORY_ENROL_THROTTLED:
		return 429;
	case DIRECTORY_ENROL_USER_LOCKED:
	case DIRECTORY_ENROL_MUST_CHANGE:
	case DIRECTORY_ENROL_NOT_OWNER:
	case DIRECTORY_ENROL_LOCKED:
		return 403;
	case DIRECTORY_ENROL_NO_SUBACCOUNT:
		return 404;
	case DIRECTORY_ENROL_FAILED:
	default:
		return 503;
	}
}
