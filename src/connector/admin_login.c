/*
 * The original's form login (spec 3.1): a page, POST /j_security_check, and the page again where a
 * session has ended. A session that was made so is the same as one that Basic was offered.
 */
#include "base/clock.h"
#include "connector/admin_priv.h"

static const char page[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Drawbridge "
	"connector: log in</title></head><body><h1>Drawbridge connector</h1>"
	"<form method=\"post\" action=\"/j_security_check\">"
	"<p><label>User <input name=\"j_username\" autocomplete=\"username\"></label></p>"
	"<p><label>Password <input name=\"j_password\" type=\"password\" "
	"autocomplete=\"current-password\"></label></p>"
	"<p><button>Log in</button></p></form></body></html>\n";

void admin_login_page(struct http_call *call)
{
	http_answer_field(call, "Content-Security-Policy",
			  STR("default-src 'none'; form-action 'self'; frame-ancestors 'none'"));
	http_answer_field(call, "X-Content-Type-Options", STR("nosniff"));
	http_answer_text(call, 200, "text/html; charset=utf-8", str_of(page));
}

/* A program that asks whether it is logged in gets 204 then, and the page otherwise. */
static void show(struct http_call *call)
{
	struct session_user user = {0};

	if (session_check(admin_of(call)->sessions, call, clock_now(), &user) == SESSION_GOOD) {
		admin_no_content(call);
	} else {
		admin_login_page(call);
	}
}

static void log_in(struct http_call *call)
{
	struct admin *a = admin_of(call);
	struct str name = http_form(call, "j_username"), password = http_form(call, "j_password");
	struct session_user user = {0};

	if (name.at == NULL || password.at == NULL) {
		admin_error(call, 400, "j_username or j_password is missing");
		return;
	}
	if (session_is_cross_site(call)) {
		admin_error(call, 403, "this login comes from another site");
		return;
	}
	switch (admin_judge_login(a, call, name, password, &user)) {
	case ADMIN_LOGIN_GOOD:
		if (session_start(a->sessions, call, &user, clock_now())) {
			call->status = 302;
			http_answer_field(call, "Location", STR("/"));
		}
		break;
	case ADMIN_LOGIN_WRONG:
		admin_login_page(call);
		break;
	case ADMIN_LOGIN_ANSWERED:
		break;
	}
}

const struct http_route admin_login_routes[] = {
	{"GET", "/api/login", show, ADMIN_PUBLIC, "The form to log in by", NULL, "text/html", 0},
	{"POST", "/j_security_check", log_in, ADMIN_PUBLIC, "Logs in by the form",
	 "application/x-www-form-urlencoded", "text/html", 16 * 1024},
	{0},
};
