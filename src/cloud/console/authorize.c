/* Who calls, and whether it may: console_authorize() of console.h. */
#include "base/clock.h"
#include "cloud/console/console_priv.h"

static bool refuse_login(struct http_call *call, const char *why)
{
	/* A browser would ask the user itself; the web app has a page for that. */
	if (http_value(call->head, STR("Sec-Fetch-Mode")).at == NULL) {
		http_answer_field(call, "WWW-Authenticate",
				  STR("Basic realm=\"Drawbridge\", charset=\"UTF-8\""));
	}
	http_problem(call, 401, "%s", why);
	return false;
}

static bool refuse_wait(struct http_call *call, int64_t seconds)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)seconds);
	http_answer_field(call, "Retry-After", str_of(text));
	http_problem(call, 429, "too many failed logins: wait %s s", text);
	return false;
}

/* Judges a name and a password; answers when they are no good. */
bool console_check_password(struct http_call *call, struct str name, struct str password,
			    struct directory_user *out)
{
	struct sessions *sessions = console_of(call)->settings.sessions;
	struct str short_name = str_first(name, SESSION_USER_MAX - 1);
	AUTO_BUF struct buf who = BUF(SESSION_USER_MAX + 8);
	struct err err;
	int64_t wait_s = 0;
	msec_t pause = login_pause(sessions, short_name, &call->peer, clock_now());

	if (pause > 0) {
		return refuse_wait(call, (pause + 999) / 1000);
	}
	enum directory_login outcome = directory_user_login(console_store(call), name, password,
							    clock_unix(), out, &wait_s, &err);
	if (outcome == DIRECTORY_LOGIN_FAILED) {
		http_problem_err(call, &err);
		return false;
	}
	if (outcome == DIRECTORY_LOGIN_THROTTLED) {
		return refuse_wait(call, wait_s);
	}
	bool right = outcome != DIRECTORY_LOGIN_WRONG;
	login_note(sessions, short_name, &call->peer, right, clock_now());
	if (outcome == DIRECTORY_LOGIN_OK) {
		return true;
	}
	buf_addf(&who, "user:%.*s", STR_ARGS(short_name));
	console_note_denied(call, buf_str(&who), err.text);
	if (!right) {
		return refuse_login(call, err.text);
	}
	http_problem(call, 403, "%s", err.text); /* locked */
	return false;
}

int64_t console_stamp_of(const struct directory_user *user)
{
	return user->created * (1 << 20) + user->version;
}

static bool from_basic(struct http_call *call, struct directory_user *out);

/* A session's user as it is now: it may have been locked, have lost a role, or have another
 * password, by a call to another node too. */
static bool from_session(struct http_call *call, const struct session_user *session,
			 struct directory_user *out)
{
	struct err err;

	if (!directory_user_find(console_store(call), str_of(session->name), out, &err)) {
		if (err.kind != ERR_MISSING) {
			http_problem_err(call, &err);
			return false;
		}
		return refuse_login(call, "log in");
	}
	if (out->locked) {
		return refuse_login(call, "log in");
	}
	return console_stamp_of(out) == session->stamp || from_basic(call, out);
}

static bool from_basic(struct http_call *call, struct directory_user *out)
{
	struct sessions *sessions = console_of(call)->settings.sessions;
	struct str name, password;

	if (!http_basic(call, &name, &password)) {
		return refuse_login(call, "log in: no valid session, and no Basic credentials");
	}
	if (session_call_writes(call) && session_is_cross_site(call)) {
		console_note_denied(call, STR("user:?"), "cross-site request");
		http_problem(call, 403, "a write that comes from another site is refused");
		return false;
	}
	if (!console_check_password(call, name, password, out)) {
		return false;
	}
	if ((call->route->roles & ACCESS_TENANT) != 0) {
		return true; /* console_check_csrf() gives one to who fetches it */
	}
	struct session_user user = {.roles = out->roles, .stamp = console_stamp_of(out)};
	(void)!str_copy(str_of(out->name), user.name, sizeof(user.name));
	session_offer(sessions, call, &user, clock_now());
	return true;
}

/* A script that changed its user and kept its cookies means the user that it names. */
static bool is_of_another(struct http_call *call, const struct session_user *session)
{
	struct str name, password;

	return http_basic(call, &name, &password) && !str_eq(name, str_of(session->name));
}

static bool find_user(struct http_call *call, struct directory_user *out)
{
	struct session_user user;

	switch (session_check(console_of(call)->settings.sessions, call, clock_now(), &user)) {
	case SESSION_GOOD:
		return is_of_another(call, &user) ? from_basic(call, out)
						  : from_session(call, &user, out);
	case SESSION_NO_TOKEN:
		if ((call->route->roles & ACCESS_TENANT) != 0) {
			return console_csrf_required(call);
		}
		http_problem(call, 403, "the X-CSRF-Token of this session is missing");
		return false;
	case SESSION_NONE:
	default:
		return from_basic(call, out);
	}
}

/* {sa} may be an id or a subdomain. An unknown one is told only to who may see all. */
static bool resolve_subaccount(struct http_call *call, struct directory_caller *c)
{
	struct str named = http_param(call, "sa");
	struct directory_subaccount sa;
	struct err err;

	if (named.at == NULL) {
		return true;
	}
	if (!directory_subaccount_resolve(console_store(call), named, &sa, &err)) {
		if (err.kind != ERR_MISSING && err.kind != ERR_CONFIG) {
			http_problem_err(call, &err);
			return false;
		}
		if (c->user.roles != 0) {
			http_problem(call, 404, "no such subaccount");
			return false;
		}
		c->keystore = 0;
		return true; /* no owner of it: 403 */
	}
	if (c->is_service_key && strcmp(c->subaccount, sa.id) != 0) {
		c->keystore = 0; /* it speaks for its own tenant only */
	}
	memcpy(c->subaccount, sa.id, sizeof(c->subaccount));
	return true;
}

enum {
	KEYSTORE = ACCESS_KEYSTORE_READ | ACCESS_KEYSTORE_EDIT,
};

/* What the caller is to the subaccount, as far as the route asks. */
static bool look_up(struct http_call *call, struct directory_caller *c, bool *is_owner)
{
	unsigned wanted = call->route->roles;
	struct err err = {0};

	*is_owner = false;
	if (c->subaccount[0] == 0 || c->is_service_key) {
		return true;
	}
	if (((wanted & ACCESS_OWNER) != 0 &&
	     !directory_owner_is(console_store(call), str_of(c->subaccount), str_of(c->user.name),
				 is_owner, &err)) ||
	    ((wanted & KEYSTORE) != 0 &&
	     !directory_member_find(console_store(call), str_of(c->subaccount), &c->user,
				    &c->keystore, &err))) {
		http_problem_err(call, &err);
		return false;
	}
	return true;
}

static bool is_allowed(const struct http_call *call, const struct directory_caller *c,
		       bool is_owner)
{
	unsigned wanted = call->route->roles;

	return (c->user.roles & wanted) != 0 || (wanted & ACCESS_ANYBODY) != 0 ||
	       ((wanted & ACCESS_OWNER) != 0 && is_owner) ||
	       ((wanted & ACCESS_KEYSTORE_READ) != 0 &&
		(c->keystore & DIRECTORY_MEMBER_READ) != 0) ||
	       ((wanted & ACCESS_KEYSTORE_EDIT) != 0 &&
		(c->keystore & DIRECTORY_MEMBER_EDIT) != 0) ||
	       ((wanted & ACCESS_SELF) != 0 &&
		str_eq(http_param(call, "user"), str_of(c->user.name)));
}

static bool refuse_role(struct http_call *call, const struct directory_caller *c)
{
	console_note_denied(call, c->actor.who, "no permission");
	if ((call->route->roles & KEYSTORE) != 0) {
		http_problem(call, 403,
			     "%s may not do this in this tenant's keystore: it needs the role %s",
			     c->user.name,
			     (call->route->roles & ACCESS_KEYSTORE_READ) != 0
				     ? "NodeManager.read"
				     : "NodeManager.deploysecuritycontent");
		return false;
	}
	http_problem(call, 403,
		     "user %s may not do this: an administrator, or for a "
		     "subaccount one of its owners, may",
		     c->user.name);
	return false;
}

static bool judge(struct http_call *call, struct directory_caller *c)
{
	bool is_tenant = (call->route->roles & ACCESS_TENANT) != 0, is_owner;

	if (c->user.must_change && (call->route->roles & ACCESS_INITIAL) == 0) {
		http_problem(call, 403, "operation unavailable unless initial password is changed");
		return false;
	}
	if (!(is_tenant ? console_find_tenant(call, c) : resolve_subaccount(call, c)) ||
	    !look_up(call, c, &is_owner)) {
		return false;
	}
	if (!is_allowed(call, c, is_owner)) {
		return refuse_role(call, c);
	}
	return !is_tenant || console_check_csrf(call, c);
}

/* Tokens of service keys are for the keystore only. */
static bool find_caller(struct http_call *call, struct directory_caller *c)
{
	if ((call->route->roles & KEYSTORE) != 0 && console_has_bearer(call)) {
		return console_from_bearer(call, c);
	}
	return find_user(call, &c->user);
}

bool console_authorize(struct http_call *call, struct console *c)
{
	if (call->route != NULL && (call->route->roles & (ACCESS_PUBLIC | HTTP_ROUTE_OPEN)) != 0) {
		return true;
	}
	/* Other rooms' routes share the server; on one without a console nobody can log in. */
	if (call->route == NULL || c == NULL) {
		return refuse_login(call, "log in");
	}
	struct directory_caller *caller = arena_get_zeroed(call->arena, sizeof(*caller));
	if (caller == NULL) {
		http_problem(call, 503, "the request used up its memory");
		return false;
	}
	if (!find_caller(call, caller)) {
		return false;
	}
	snprintf(caller->who, sizeof(caller->who), "%s:%s",
		 caller->is_service_key ? "client" : "user", caller->user.name);
	address_format(&call->peer, caller->from, sizeof(caller->from));
	caller->actor = (struct directory_actor){str_of(caller->who), str_of(caller->from)};
	call->identity = caller;
	http_answer_field(call, "Cache-Control", STR("no-store"));
	return judge(call, caller);
}
