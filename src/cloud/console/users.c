/* Sessions, users and passwords. */
#include "base/clock.h"
#include "cloud/console/console_priv.h"

static const struct {
	enum directory_role bit;
	const char *name;
} roles[] = {
	{DIRECTORY_ROLE_ADMINISTRATOR, "administrator"},
	{DIRECTORY_ROLE_SUBACCOUNT_ADMINISTRATOR, "subaccount-administrator"},
	{DIRECTORY_ROLE_DISPLAY, "display"},
};

static void key_roles(struct jsonw *w, unsigned bits)
{
	jsonw_key(w, "roles");
	jsonw_array(w);
	for (size_t i = 0; i < COUNT(roles); i++) {
		if ((bits & (unsigned)roles[i].bit) != 0) {
			jsonw_str(w, str_of(roles[i].name));
		}
	}
	jsonw_array_end(w);
}

static bool add_role(struct str name, unsigned *bits)
{
	for (size_t i = 0; i < COUNT(roles); i++) {
		if (str_eq(name, str_of(roles[i].name))) {
			*bits |= (unsigned)roles[i].bit;
			return true;
		}
	}
	return false;
}

/* Absent: as they are. */
static bool take_roles(struct http_call *call, const struct json *body, unsigned *into)
{
	const struct json *list = json_get(body, "roles");
	unsigned bits = 0;

	if (list == NULL) {
		return true;
	}
	bool ok = json_is_array(list);
	for (size_t i = 0; ok && i < json_count(list); i++) {
		struct str name;
		ok = json_str(json_at(list, i), &name) && add_role(name, &bits);
	}
	if (!ok) {
		http_problem(call, 400,
			     "\"roles\" must be a list of \"administrator\", "
			     "\"subaccount-administrator\" and \"display\"");
		return false;
	}
	*into = bits;
	return true;
}

/* ---- sessions ---- */

static void answer_session(struct http_call *call, const struct directory_user *user)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "user", user->name);
	jsonw_key_text(&w, "displayName", user->display_name);
	key_roles(&w, user->roles);
	jsonw_key_bool(&w, "mustChangePassword", user->must_change);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void console_session_show(struct http_call *call)
{
	session_repeat_token(console_of(call)->settings.sessions, call, clock_now());
	answer_session(call, &console_caller(call)->user);
}

void console_session_start(struct http_call *call)
{
	const struct json *body;
	struct directory_user user;
	struct session_user session = {0};
	struct str name, password;

	if (session_is_cross_site(call)) {
		http_problem(call, 403, "a login that comes from another site is refused");
		return;
	}
	if (!http_json_object(call, &body)) {
		return;
	}
	if (!json_get_str(body, "user", &name) || !json_get_str(body, "password", &password)) {
		http_problem(call, 400, "\"user\" and \"password\" must be texts");
		return;
	}
	if (!console_check_password(call, name, password, &user)) {
		return;
	}
	session.roles = user.roles;
	session.stamp = console_stamp_of(&user);
	if (!str_copy(str_of(user.name), session.name, sizeof(session.name)) ||
	    !session_start(console_of(call)->settings.sessions, call, &session, clock_now())) {
		http_problem(call, 400, "the user's name is too long for a session");
		return;
	}
	http_answer_field(call, "Cache-Control", STR("no-store"));
	answer_session(call, &user);
}

void console_session_end(struct http_call *call)
{
	session_end(console_of(call)->settings.sessions, call);
	console_answer_empty(call);
}

/* ---- users ---- */

static void write_user(struct jsonw *w, const struct directory_user *user)
{
	jsonw_object(w);
	jsonw_key_text(w, "name", user->name);
	jsonw_key_text(w, "displayName", user->display_name);
	key_roles(w, user->roles);
	jsonw_key_bool(w, "locked", user->locked);
	jsonw_key_bool(w, "mustChangePassword", user->must_change);
	jsonw_key_time(w, "created", user->created);
	jsonw_key_int(w, "version", user->version);
	jsonw_object_end(w);
}

static void answer_user(struct http_call *call, const struct directory_user *user)
{
	struct jsonw w = jsonw_to(&call->out);

	write_user(&w, user);
	console_answer_version(call, user->version);
	http_answer_json(call, 200);
}

void console_users_list(struct http_call *call)
{
	AUTO_FREE struct directory_user *rows = NULL;
	struct console_page page;
	struct err err;
	size_t n;

	if (!console_read_page(call, &page)) {
		return;
	}
	if (!directory_user_list(console_store(call), page.after, page.limit, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		write_user(&w, &rows[i]);
	}
	console_end_list(call, &w, n == page.limit ? rows[n - 1].name : NULL);
}

void console_users_create(struct http_call *call)
{
	const struct json *body;
	struct directory_user user = {0};
	struct str password;
	struct err err;

	if (!http_json_object(call, &body) ||
	    !console_take_text(call, body, "name", true, user.name, sizeof(user.name)) ||
	    !console_take_text(call, body, "displayName", false, user.display_name,
			       sizeof(user.display_name)) ||
	    !console_take_bool(call, body, "mustChangePassword", &user.must_change) ||
	    !take_roles(call, body, &user.roles)) {
		return;
	}
	if (!json_get_str(body, "password", &password)) {
		http_problem(call, 400, "\"password\" must be a text");
		return;
	}
	if (!directory_user_create(console_store(call), &console_caller(call)->actor, &user,
				   password, &err)) {
		http_problem_err(call, &err);
		return;
	}
	answer_user(call, &user);
	console_answer_created(call, "/api/drawbridge/v1/users/%s", user.name);
}

void console_user_show(struct http_call *call)
{
	struct directory_user user;
	struct err err;

	if (!directory_user_find(console_store(call), http_param(call, "user"), &user, &err)) {
		http_problem_err(call, &err);
		return;
	}
	answer_user(call, &user);
}

void console_user_edit(struct http_call *call)
{
	const struct json *body;
	struct directory_user user;
	struct err err;
	int64_t version;

	if (!http_json_object(call, &body) || !console_read_match(call, &version)) {
		return;
	}
	if (!directory_user_find(console_store(call), http_param(call, "user"), &user, &err)) {
		http_problem_err(call, &err);
		return;
	}
	if (!console_take_text(call, body, "displayName", false, user.display_name,
			       sizeof(user.display_name)) ||
	    !console_take_bool(call, body, "locked", &user.locked) ||
	    !take_roles(call, body, &user.roles)) {
		return;
	}
	/* without If-Match the edit still must not undo one that came between */
	enum directory_edit outcome = directory_user_edit(
		console_store(call), &console_caller(call)->actor, &user,
		version == DIRECTORY_ANY_VERSION ? user.version : version, &err);
	if (outcome == DIRECTORY_EDITED) {
		session_end_user(console_of(call)->settings.sessions, str_of(user.name));
		answer_user(call, &user);
	} else if (outcome == DIRECTORY_STALE) {
		http_problem(call, version == DIRECTORY_ANY_VERSION ? 409 : 412, "%s", err.text);
	} else {
		http_problem_err(call, &err);
	}
}

void console_user_delete(struct http_call *call)
{
	struct str name = http_param(call, "user");
	struct err err = {0};
	bool ok = directory_user_delete(console_store(call), &console_caller(call)->actor, name,
					&err);

	if (ok) {
		session_end_user(console_of(call)->settings.sessions, name);
	}
	console_finish(call, ok, &err);
}

/* ---- passwords ---- */

/* One's own needs the old one; an administrator's choice for another must be changed by that one.
 */
void console_password(struct http_call *call)
{
	const struct json *body;
	struct str name = http_param(call, "user"), old, new;
	struct directory_user user;
	struct err err = {0};
	bool own = str_eq(name, str_of(console_caller(call)->user.name));

	if (!http_json_object(call, &body)) {
		return;
	}
	if (!json_get_str(body, "newPassword", &new)) {
		http_problem(call, 400, "\"newPassword\" must be a text");
		return;
	}
	if (own && !json_get_str(body, "oldPassword", &old)) {
		http_problem(call, 400, "\"oldPassword\" is needed for one's own password");
		return;
	}
	if (own && !console_check_password(call, name, old, &user)) {
		return;
	}
	bool ok = directory_user_set_password(console_store(call), &console_caller(call)->actor,
					      name, new, !own, &err);
	if (ok) {
		console_password_changed(call, name);
		session_end_user(console_of(call)->settings.sessions, name);
	}
	console_finish(call, ok, &err);
}
