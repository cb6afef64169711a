/*
 * The CSRF protocol of the original's OData API: a GET with `X-CSRF-Token: Fetch` gives a token and
 * a session cookie, every write sends both, and one that does not is 403 with
 * `X-CSRF-Token: Required`, which client libraries look for.
 */
#include "base/clock.h"
#include "cloud/console/console_priv.h"

/* A user's name holds no colon, so a session of this name logs nobody in without its token. */
static void session_name(const struct directory_caller *c, struct session_user *user)
{
	*user = (struct session_user){.roles = c->user.roles, .stamp = console_stamp_of(&c->user)};
	snprintf(user->name, sizeof(user->name), "%s%.*s", c->is_service_key ? ":" : "",
		 (int)sizeof(user->name) - 2, c->user.name);
}

static bool refuse(struct http_call *call)
{
	http_answer_field(call, "X-CSRF-Token", STR("Required"));
	http_problem(call, 403,
		     "CSRF token validation failed: send the X-CSRF-Token and the cookies that a "
		     "GET with X-CSRF-Token: Fetch answers");
	return false;
}

bool console_csrf_required(struct http_call *call)
{
	return refuse(call);
}

bool console_check_csrf(struct http_call *call, const struct directory_caller *c)
{
	struct sessions *sessions = console_of(call)->settings.sessions;
	struct session_user own, found;

	session_name(c, &own);
	enum session_outcome outcome = session_check(sessions, call, clock_now(), &found);
	bool is_own = outcome == SESSION_GOOD && strcmp(own.name, found.name) == 0;
	if (session_call_writes(call)) {
		return is_own || refuse(call);
	}
	if (!str_eq_nocase(http_value(call->head, STR("X-CSRF-Token")), STR("fetch"))) {
		return true;
	}
	/* one from before its user was changed logs nobody in: its cookie is good for nothing */
	if (is_own && found.stamp == own.stamp) {
		session_repeat_token(sessions, call, clock_now());
	} else {
		session_give(sessions, call, &own, clock_now());
	}
	return true;
}
