#include "http/session.h"

#include <pthread.h>

#include "base/map.h"
#include "base/random.h"
#include "http/session_priv.h"

enum {
	ID_BYTES = 32,
	ID_TEXT = 43, /* base64url of 32 bytes */
	HANDLE_TEXT =
		22, /* the part that finds the session; the rest is compared in constant time */
};

struct session {
	struct session *next, *prev; /* of its list, from the one used last */
	bool used;                   /* its cookie came back once */
	struct session_user user;
	msec_t started, last;
	char id[ID_TEXT + 1];
	char token[ID_TEXT + 1];
};

struct session_list {
	struct session *newest, *oldest;
	size_t n, max;
};

struct sessions {
	struct session_settings settings;
	pthread_mutex_t lock;
	struct map *by_handle;
	struct session_list used, offered;
	struct logins *logins;
};

struct sessions *sessions_new(const struct session_settings *settings)
{
	struct sessions *s = NEW(struct sessions);
	s->settings = *settings;
	pthread_mutex_init(&s->lock, NULL);
	s->by_handle = map_new();
	s->used.max = SESSIONS_MAX;
	s->offered.max = SESSIONS_OFFERED_MAX;
	s->logins = logins_new();
	return s;
}

/* ---- lists; all under the lock ---- */

static void unlink_session(struct sessions *s, struct session *one)
{
	struct session_list *list = one->used ? &s->used : &s->offered;
	*(one->prev ? &one->prev->next : &list->newest) = one->next;
	*(one->next ? &one->next->prev : &list->oldest) = one->prev;
	one->next = one->prev = NULL;
	list->n--;
}

static struct str handle_of(const struct session *one)
{
	return str_make(one->id, HANDLE_TEXT);
}

static void drop(struct sessions *s, struct session *one)
{
	if (one == NULL) {
		return;
	}
	unlink_session(s, one);
	map_remove(s->by_handle, handle_of(one));
	explicit_bzero(one, sizeof *one);
	free(one);
}

static void push(struct sessions *s, struct session *one)
{
	struct session_list *list = one->used ? &s->used : &s->offered;
	if (list->n >= list->max) {
		drop(s, list->oldest);
	}
	one->next = list->newest;
	*(list->newest ? &list->newest->prev : &list->oldest) = one;
	list->newest = one;
	list->n++;
}

void sessions_free(struct sessions *s)
{
	if (s == NULL) {
		return;
	}
	while (s->used.newest != NULL) {
		drop(s, s->used.newest);
	}
	while (s->offered.newest != NULL) {
		drop(s, s->offered.newest);
	}
	map_free(s->by_handle);
	logins_free(s->logins);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The session of the call's cookie, if it is good still. */
static struct session *find(struct sessions *s, struct http_call *call, msec_t now)
{
	struct str id = http_cookie(call, s->settings.cookie);
	struct session *one = map_get(s->by_handle, str_first(id, HANDLE_TEXT));
	if (one == NULL ||
	    !str_eq_secret(str_skip(id, HANDLE_TEXT), str_skip(str_of(one->id), HANDLE_TEXT))) {
		return NULL;
	}
	if (now - one->last > s->settings.idle || now - one->started > s->settings.absolute) {
		drop(s, one);
		return NULL;
	}
	return one;
}

/* ---- judging ---- */

bool session_call_writes(const struct http_call *call)
{
	struct str method = call->head->method;
	return !str_eq(method, STR("GET")) && !str_eq(method, STR("HEAD")) &&
	       !str_eq(method, STR("OPTIONS"));
}

bool session_is_cross_site(const struct http_call *call)
{
	struct str site = http_value(call->head, STR("sec-fetch-site"));
	struct str origin = http_value(call->head, STR("origin"));
	if (site.at != NULL && !str_eq(site, STR("same-origin")) && !str_eq(site, STR("none"))) {
		return true;
	}
	if (origin.at == NULL) {
		return false;
	}
	struct str host = STR_NONE;
	if (str_starts(origin, STR("https://"))) {
		host = str_skip(origin, 8);
	} else if (str_starts(origin, STR("http://"))) {
		host = str_skip(origin, 7);
	}
	return host.len == 0 || !str_eq_nocase(host, call->head->authority);
}

enum session_outcome session_check(struct sessions *s, struct http_call *call, msec_t now,
				   struct session_user *user)
{
	enum session_outcome outcome = SESSION_NONE;
	pthread_mutex_lock(&s->lock);
	struct session *one = find(s, call, now);
	if (one != NULL) {
		struct str token = http_value(call->head, STR("x-csrf-token"));
		bool good = !session_call_writes(call) || str_eq_secret(token, str_of(one->token));
		outcome = good ? SESSION_GOOD : SESSION_NO_TOKEN;
		if (good) {
			unlink_session(s, one);
			one->used = true;
			one->last = now;
			push(s, one);
			*user = one->user;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return outcome;
}

/* ---- life ---- */

static void draw(char into[static ID_TEXT + 1])
{
	uint8_t bytes[ID_BYTES];
	AUTO_BUF struct buf text = BUF_SECRET(ID_TEXT);
	random_bytes(bytes, sizeof bytes);
	buf_add_base64url(&text, bytes, sizeof bytes);
	memcpy(into, text.at, ID_TEXT + 1);
	explicit_bzero(bytes, sizeof bytes);
}

static void set_cookie(const struct sessions *s, struct http_call *call, const char *id,
		       const char *more)
{
	AUTO_BUF struct buf text = BUF_SECRET(KIB(1));
	buf_addf(&text, "%s=%s; Path=/; Secure; HttpOnly; SameSite=Strict%s", s->settings.cookie,
		 id, more);
	http_answer_field(call, "Set-Cookie", buf_str(&text));
}

static void start(struct sessions *s, struct http_call *call, const struct session_user *user,
		  bool used, msec_t now)
{
	struct session *one = NEW(struct session);
	one->user = *user;
	one->used = used;
	one->started = one->last = now;
	draw(one->id);
	draw(one->token);
	set_cookie(s, call, one->id, "");
	http_answer_field(call, "X-CSRF-Token", str_of(one->token));
	pthread_mutex_lock(&s->lock);
	drop(s, find(s, call, now)); /* the id from before the login is worth nothing after it */
	push(s, one);
	map_put(s->by_handle, handle_of(one), one);
	pthread_mutex_unlock(&s->lock);
}

bool session_start(struct sessions *s, struct http_call *call, const struct session_user *user,
		   msec_t now)
{
	if (user->name[0] == '\0' || memchr(user->name, '\0', sizeof user->name) == NULL) {
		return false;
	}
	start(s, call, user, true, now);
	return true;
}

void session_offer(struct sessions *s, struct http_call *call, const struct session_user *user,
		   msec_t now)
{
	if (call->head->keep_alive) {
		start(s, call, user, false, now);
		return;
	}
	pthread_mutex_lock(&s->lock);
	drop(s, find(s, call, now));
	pthread_mutex_unlock(&s->lock);
}

void session_give(struct sessions *s, struct http_call *call, const struct session_user *user,
		  msec_t now)
{
	start(s, call, user, false, now);
}

void session_repeat_token(struct sessions *s, struct http_call *call, msec_t now)
{
	pthread_mutex_lock(&s->lock);
	const struct session *one = find(s, call, now);
	if (one != NULL) {
		http_answer_field(call, "X-CSRF-Token", str_of(one->token));
	}
	pthread_mutex_unlock(&s->lock);
}

void session_end(struct sessions *s, struct http_call *call)
{
	pthread_mutex_lock(&s->lock);
	/* at time 0 nothing has expired: what the cookie names is dropped either way */
	drop(s, find(s, call, 0));
	pthread_mutex_unlock(&s->lock);
	set_cookie(s, call, "", "; Max-Age=0");
}

static void end_of_user(struct sessions *s, struct session_list *list, struct str name)
{
	struct session *one = list->newest;
	while (one != NULL) {
		struct session *next = one->next;
		if (str_eq(str_of(one->user.name), name)) {
			drop(s, one);
		}
		one = next;
	}
}

void session_end_user(struct sessions *s, struct str name)
{
	pthread_mutex_lock(&s->lock);
	end_of_user(s, &s->used, name);
	end_of_user(s, &s->offered, name);
	pthread_mutex_unlock(&s->lock);
}

size_t sessions_count(struct sessions *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->used.n + s->offered.n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* ---- the throttle, under the same lock ---- */

msec_t login_pause(struct sessions *s, struct str user, const struct address *from, msec_t now)
{
	pthread_mutex_lock(&s->lock);
	msec_t pause = logins_pause(s->logins, user, from, now);
	pthread_mutex_unlock(&s->lock);
	return pause;
}

void login_note(struct sessions *s, struct str user, const struct address *from, bool good,
		msec_t now)
{
	pthread_mutex_lock(&s->lock);
	logins_note(s->logins, user, from, good, now);
	pthread_mutex_unlock(&s->lock);
}
