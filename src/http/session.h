#pragma once
/*
 * Sessions of people in a browser, and the throttle of logins. Shared by the administration APIs of
 * both programs. Cookie and token as the original has them (JSESSIONID, X-CSRF-Token).
 *
 * A session is a random 256-bit id in a cookie (Secure, HttpOnly, SameSite=Strict) and a CSRF token
 * of its own. What writes under a cookie must send the token in X-CSRF-Token. A program that logs
 * in by Basic each time and ignores cookies may write without one; because a browser may repeat
 * Basic credentials by itself, such a write is refused when the browser says that it comes from
 * another site (Sec-Fetch-Site, Origin).
 *
 * Sessions live in memory: a restart logs out. Threads: any; one lock. `now` is clock_now().
 */
#include "http/server.h"

struct sessions;

enum {
	SESSIONS_MAX = 1000, /* logged-in sessions; the one longest unused gives way */
	SESSIONS_OFFERED_MAX =
		200,            /* made for Basic logins and never used: their own, small room */
	SESSION_USER_MAX = 128, /* bytes of a user's name */
	LOGINS_MAX = 4096,      /* users and addresses whose failures are remembered */
	LOGIN_FREE_TRIES = 5,   /* failures before the first pause */
	LOGIN_PAUSE_FIRST_MS = 1000,
	LOGIN_PAUSE_USER_MAX_MS = 30 * 1000,     /* short: others must not lock a user out */
	LOGIN_PAUSE_ADDRESS_MAX_MS = 300 * 1000, /* per address, whatever the user */
	LOGIN_FORGET_MS = 15 * 60 * 1000,
};

struct session_settings {
	const char *cookie; /* "JSESSIONID" */
	msec_t idle;        /* without a request: 20 min */
	msec_t absolute;    /* since the login: 12 h */
};

/* Who the session is. Roles are the program's own bits, as of the login. */
struct session_user {
	char name[SESSION_USER_MAX];
	unsigned roles;
	int64_t stamp; /* the program's own: of which state of the user this is */
};

enum session_outcome {
	SESSION_NONE,     /* no cookie of ours, or it expired: log in */
	SESSION_GOOD,     /* *user is who */
	SESSION_NO_TOKEN, /* the session is good, but this write lacks its X-CSRF-Token: 403 */
};

struct sessions *sessions_new(const struct session_settings *settings);
void sessions_free(struct sessions *s);
DEFINE_AUTO(sessions_free, struct sessions *)

/* Judges the call's cookie and, for methods that write, its token. */
enum session_outcome session_check(struct sessions *s, struct http_call *call, msec_t now,
				   struct session_user *user);
/*
 * After a login: a new session, its cookie and X-CSRF-Token on the answer; an older session of the
 * same cookie ends (no fixation). False, with 400 not answered, when the name is too long.
 */
NODISCARD bool session_start(struct sessions *s, struct http_call *call,
			     const struct session_user *user, msec_t now);
/*
 * After Basic credentials without a session: offers one, as session_start() does, unless the
 * request says `Connection: close`; then the session of its cookie ends instead.
 */
void session_offer(struct sessions *s, struct http_call *call, const struct session_user *user,
		   msec_t now);
/* The same whether the connection stays or not: who asks for a token comes back with it. */
void session_give(struct sessions *s, struct http_call *call, const struct session_user *user,
		  msec_t now);
/* Puts the token of the call's session on the answer again (a reloaded page has lost it). */
void session_repeat_token(struct sessions *s, struct http_call *call, msec_t now);
void session_end(struct sessions *s, struct http_call *call); /* log out; clears the cookie */
/* All sessions of a user: its password, roles or lock changed. */
void session_end_user(struct sessions *s, struct str name);
size_t sessions_count(struct sessions *s);

/* GET, HEAD, OPTIONS write nothing. */
bool session_call_writes(const struct http_call *call);
/* A browser says that the request comes from another site. */
bool session_is_cross_site(const struct http_call *call);

/* ---- throttling ---- */
/* Before the password is looked at: how long this user from this address has to wait; 0: go on. */
msec_t login_pause(struct sessions *s, struct str user, const struct address *from, msec_t now);
/* After it was. A good login forgets the user's failures, and the address only as many
 * as those: who has one account cannot wipe away guesses at others. */
void login_note(struct sessions *s, struct str user, const struct address *from, bool good,
		msec_t now);
