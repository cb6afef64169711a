#pragma once
/*
 * The console on a fresh database: calls go through the route table and the authorize hook, as the
 * server would make them, but without a socket. log_in() keeps a session, since each Basic login
 * costs an Argon2.
 */
#include "base/clock.h"
#include "cloud/console/console_priv.h"
#include "cloud/directory/users_priv.h"
#include "crypto/seal.h"
#include "database.h"
#include "http/router.h"
#include "unit/http/call_fixture.h"

#define V1         "/api/drawbridge/v1"
#define SETUP_CODE "the setup code"
#define PASSWORD   "correct horse"

struct login {
	char cookie[128], token[64];
};

struct world {
	struct database *database;
	struct sessions *sessions;
	struct console *console;
	struct cloud_rooms rooms;
	unsigned changes; /* told to the workers */
	int passwords;    /* changed by Administrator */
	struct login admin, alice;
	char subaccount[DIRECTORY_UUID]; /* Plant, which alice owns */
	/* the last answer */
	unsigned status;
	struct json *body; /* NULL: none */
	char text[4096];
	char location[300], etag[40], retry_after[20], set_cookie[200], token[64];
	/* extra fields of the next request */
	const char *if_match, *user, *password, *sec_fetch_site, *bearer, *csrf;
	const char *authority;         /* Host; NULL: cloud.example:9443 */
	const struct http_route *more; /* another room's table; may be NULL */
};

static bool fake_service_key(void *user UNUSED, const struct directory_binding *b,
			     const char *secret, struct buf *json, struct err *err UNUSED)
{
	buf_addf(json, "{\"clientid\":\"%s\",\"clientsecret\":\"%s\"}", b->client_id, secret);
	return true;
}

static void count_change(void *user)
{
	unsigned *n = user;

	(*n)++;
}

static void count_password(void *user)
{
	CONTAINER_OF(user, struct world, changes)->passwords++;
}

static void keep_answer(struct world *w, struct fixture *f)
{
	struct err err;

	json_free(TAKE(w->body));
	w->status = f->call.status;
	if (f->call.out.len > 0) {
		assert_ok(json_parse(buf_str(&f->call.out), 100000, &w->body, &err), &err);
	}
	snprintf(w->text, sizeof(w->text), "%.*s", STR_ARGS(buf_str(&f->call.out)));
	snprintf(w->location, sizeof(w->location), "%.*s",
		 STR_ARGS(fixture_answered(f, "Location")));
	snprintf(w->etag, sizeof(w->etag), "%.*s", STR_ARGS(fixture_answered(f, "ETag")));
	snprintf(w->retry_after, sizeof(w->retry_after), "%.*s",
		 STR_ARGS(fixture_answered(f, "Retry-After")));
	snprintf(w->set_cookie, sizeof(w->set_cookie), "%.*s",
		 STR_ARGS(fixture_answered(f, "Set-Cookie")));
	snprintf(w->token, sizeof(w->token), "%.*s", STR_ARGS(fixture_answered(f, "X-CSRF-Token")));
}

static void add_credentials(struct world *w, struct fixture *f, const struct login *login,
			    struct buf *basic)
{
	char pair[200];

	if (login != NULL) {
		fixture_field(f, "Cookie", login->cookie);
		fixture_field(f, "X-CSRF-Token", login->token);
	}
	if (w->user != NULL) {
		int len = snprintf(pair, sizeof(pair), "%s:%s", w->user, w->password);
		buf_addf(basic, "Basic ");
		buf_add_base64(basic, pair, (size_t)len);
		fixture_field(f, "Authorization", basic->at);
	}
}

/* One request; the answer is in `w`. */
static unsigned ask(struct world *w, const struct login *login, const char *method,
		    const char *target, const char *body)
{
	const struct http_route *const tables[] = {console_routes, w->more, NULL};
	AUTO_BUF struct buf allow = BUF(200), basic = BUF(400), bearer = BUF(KIB(4));
	struct http_path path;
	struct fixture f;
	struct err err;

	fixture_start(&f, "", body != NULL ? body : "");
	f.head.method = str_of(method);
	f.head.keep_alive = true;
	f.head.authority = str_of(w->authority ? w->authority : "cloud.example:9443");
	if (body != NULL) {
		fixture_field(&f, "Content-Type", "application/json");
	}
	add_credentials(w, &f, login, &basic);
	if (w->bearer != NULL) {
		buf_addf(&bearer, "Bearer %s", w->bearer);
		fixture_field(&f, "Authorization", bearer.at);
	}
	if (w->csrf != NULL) {
		fixture_field(&f, "X-CSRF-Token", w->csrf);
	}
	if (w->if_match != NULL) {
		fixture_field(&f, "If-Match", w->if_match);
	}
	if (w->sec_fetch_site != NULL) {
		fixture_field(&f, "Sec-Fetch-Site", w->sec_fetch_site);
	}
	assert_ok(http_path_read(str_of(target), f.call.arena, &path, &err), &err);
	f.call.path = path.path;
	f.call.query = path.query;
	f.call.user = &w->rooms;
	assert_int_equal(
		route_find(tables, &path, str_of(method), &f.call.route, f.call.params, &allow),
		ROUTE_FOUND);
	if (console_authorize(&f.call, w->console)) {
		f.call.route->handler(&f.call);
	}
	keep_answer(w, &f);
	fixture_end(&f);
	w->if_match = w->user = w->password = w->sec_fetch_site = w->bearer = w->csrf = NULL;
	w->authority = NULL;
	return w->status;
}

/* A member of the last answer, "" when there is none. */
UNUSED static const char *said(struct world *w, const char *name)
{
	static char text[4096];
	struct str value;

	text[0] = 0;
	if (w->body != NULL && json_get_str(w->body, name, &value)) {
		snprintf(text, sizeof(text), "%.*s", STR_ARGS(value));
	}
	return text;
}

UNUSED static size_t listed(struct world *w)
{
	return json_count(json_get(w->body, "items"));
}

#define assert_status(w, expected)                                                                 \
	do {                                                                                       \
		if ((w)->status != (expected)) {                                                   \
			fail_msg("status %u: %s", (w)->status, (w)->text);                         \
		}                                                                                  \
	} while (0)

#define asks(w, login, method, target, body, expected)                                             \
	do {                                                                                       \
		(void)ask(w, login, method, target, body);                                         \
		assert_status(w, expected);                                                        \
	} while (0)

UNUSED static struct login log_in(struct world *w, const char *user, const char *password)
{
	struct login login;
	char body[300];

	snprintf(body, sizeof(body), "{\"user\":\"%s\",\"password\":\"%s\"}", user, password);
	asks(w, NULL, "POST", V1 "/session", body, 200);
	assert_true(str_copy(str_first(str_of(w->set_cookie), str_find(str_of(w->set_cookie), ';')),
			     login.cookie, sizeof(login.cookie)));
	memcpy(login.token, w->token, sizeof(login.token));
	return login;
}

/* Nobody is there yet. */
UNUSED static struct world *empty(void **state)
{
	struct world *w = NEW(struct world);
	const struct session_settings sessions = {
		.cookie = "JSESSIONID", .idle = SEC(1200), .absolute = SEC(43200)};
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"directory", directory_migrations}};
	struct err err;

	w->database = *state;
	assert_ok(store_migrate(w->database->store, sets, COUNT(sets), &err), &err);
	w->sessions = sessions_new(&sessions);
	const struct console_settings settings = {.store = w->database->store,
						  .sessions = w->sessions,
						  .region_host = "Cloud.example:9444",
						  .root_pin = {0xab},
						  .root_pem = STR("root"),
						  .issuing_pem = STR("issuing"),
						  .service_key = fake_service_key,
						  .changed = count_change,
						  .password_changed = count_password,
						  .changed_user = &w->changes};
	assert_ok(console_new(&settings, &w->console, &err), &err);
	assert_ok(console_set_names(w->console, "cloud.example, *.plants.example,127.0.0.1", &err),
		  &err);
	w->rooms.console = w->console;
	return w;
}

/* As after the very first start: Administrator has the setup code. */
UNUSED static struct world *fresh(void **state)
{
	struct world *w = empty(state);
	struct err err;
	bool made;

	assert_ok(console_first_start(w->database->store, STR(SETUP_CODE), &made, &err), &err);
	assert_true(made);
	return w;
}

/* A user with PASSWORD, hashed once per program, and its session: logins cost an Argon2 each. */
UNUSED static struct login add_user(struct world *w, const char *name, unsigned roles)
{
	static char hash[USER_HASH_MAX];
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	struct directory_user user = {.roles = roles};
	struct session_user session = {.roles = roles};
	struct login login;
	struct fixture f;
	struct err err;

	if (hash[0] == 0) {
		assert_ok(password_hash(STR(PASSWORD), hash, &err), &err);
	}
	assert_true(str_copy(str_of(name), user.name, sizeof(user.name)));
	assert_true(str_copy(str_of(name), session.name, sizeof(session.name)));
	assert_ok(directory_user_insert(w->database->store, &system, &user, hash, &err), &err);
	assert_ok(directory_user_find(w->database->store, str_of(name), &user, &err), &err);
	session.stamp = console_stamp_of(&user);
	fixture_start(&f, "", "");
	assert_true(session_start(w->sessions, &f.call, &session, clock_now()));
	struct str cookie = fixture_answered(&f, "Set-Cookie");
	assert_true(str_copy(str_first(cookie, str_find(cookie, ';')), login.cookie,
			     sizeof(login.cookie)));
	assert_true(
		str_copy(fixture_answered(&f, "X-CSRF-Token"), login.token, sizeof(login.token)));
	fixture_end(&f);
	return login;
}

/* Administrator, alice, and a subaccount that she owns. */
UNUSED static struct world *ready(void **state)
{
	struct world *w = empty(state);

	w->admin = add_user(w, "Administrator", DIRECTORY_ROLE_ADMINISTRATOR);
	w->alice = add_user(w, "alice", 0);
	asks(w, &w->admin, "POST", V1 "/subaccounts",
	     "{\"displayName\":\"Plant\",\"owner\":\"alice\"}", 201);
	assert_true(str_copy(str_of(said(w, "id")), w->subaccount, sizeof(w->subaccount)));
	return w;
}

UNUSED static void end(struct world *w)
{
	json_free(w->body);
	console_free(w->console);
	sessions_free(w->sessions);
	free(w);
}

/* V1 "/subaccounts/{id}" and what follows. */
UNUSED static const char *at(struct world *w, const char *rest)
{
	static char path[400];

	snprintf(path, sizeof(path), V1 "/subaccounts/%s%s", w->subaccount, rest);
	return path;
}
