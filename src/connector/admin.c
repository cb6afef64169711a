#include "connector/admin.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "connector/admin_priv.h"
#include "crypto/seal.h"
#include "store/change.h"

const struct http_route *const admin_tables[] = {
	admin_connector_routes,  admin_subaccount_routes, admin_mapping_routes,
	admin_resource_routes,   admin_domain_routes,     admin_trust_routes,
	admin_own_routes,        admin_transfer_routes,   admin_ui_certificate_routes,
	admin_audit_routes,      admin_client_routes,     admin_ha_routes,
	admin_login_routes,      admin_renewal_routes,    admin_alert_routes,
	admin_master_key_routes, admin_doctor_routes,     NULL,
};

/* ---- what is asked for at every call ---- */

static bool setting(struct admin *a, const char *name, char *into, size_t size, struct err *err)
{
	AUTO_BUF struct buf value = BUF(size);
	bool found = false;

	if (!state_setting_get(a->settings.store, name, &value, &found, err)) {
		return false;
	}
	into[0] = '\0';
	return !found || str_copy(buf_str(&value), into, size) ||
	       err_set(err, ERR_STORE, "the setting %s is too long", name);
}

bool admin_read_facts(struct admin *a, struct err *err)
{
	struct admin_facts f = {0};
	char must[8];

	if (!setting(a, STATE_SETTING_USER, f.user, sizeof f.user, err) ||
	    !setting(a, STATE_SETTING_PASSWORD_HASH, f.hash, sizeof f.hash, err) ||
	    !setting(a, STATE_SETTING_MUST_CHANGE, must, sizeof must, err) ||
	    !setting(a, STATE_SETTING_HA_ROLE, f.role, sizeof f.role, err) ||
	    !setting(a, STATE_SETTING_DESCRIPTION, f.description, sizeof f.description, err)) {
		return false;
	}
	if (f.user[0] == '\0') {
		snprintf(f.user, sizeof f.user, "Administrator");
	}
	f.must_change = strcmp(must, "1") == 0;
	pthread_mutex_lock(&a->lock);
	a->facts = f;
	a->has_verified = false;
	pthread_mutex_unlock(&a->lock);
	return true;
}

struct admin_facts admin_facts(struct admin *a)
{
	pthread_mutex_lock(&a->lock);
	struct admin_facts f = a->facts;
	pthread_mutex_unlock(&a->lock);
	return f;
}

/* Argon2 takes tens of milliseconds; scripts send the same password with every request. */
bool admin_password_is_right(struct admin *a, struct str password)
{
	uint8_t mac[32];
	struct admin_facts f = admin_facts(a);

	hmac_sha256(str_make(a->secret, sizeof a->secret), password, mac);
	pthread_mutex_lock(&a->lock);
	bool known = a->has_verified && equal_secret(mac, a->verified, sizeof mac);
	pthread_mutex_unlock(&a->lock);
	if (known) {
		return true;
	}
	if (f.hash[0] == '\0' || !password_verify(f.hash, password)) {
		return false;
	}
	pthread_mutex_lock(&a->lock);
	if (strcmp(f.hash, a->facts.hash) == 0) { /* not changed meanwhile */
		memcpy(a->verified, mac, sizeof mac);
		a->has_verified = true;
	}
	pthread_mutex_unlock(&a->lock);
	return true;
}

/* ---- life ---- */

static bool publish(struct admin *a, struct err *err)
{
	struct subaccount_set *set = subaccounts_ref(a->settings.subaccounts);
	bool good = mappings_publish(a->settings.mappings, set, err);

	subaccount_set_unref(set);
	return good;
}

void admin_follow(struct admin *a)
{
	struct err err;

	if (!publish(a, &err)) {
		log_error("access control could not follow a change", LOG_ERR(&err));
	}
}

bool admin_new(const struct admin_settings *settings, struct admin **out, struct err *err)
{
	static const struct session_settings sessions = {
		.cookie = "JSESSIONID",
		.idle = SEC(20 * 60),
		.absolute = SEC(12 * 3600),
	};
	struct admin *a = NEW(struct admin);

	a->settings = *settings;
	a->sessions = sessions_new(&sessions);
	pthread_mutex_init(&a->lock, NULL);
	random_bytes(a->secret, sizeof a->secret);
	if (!admin_read_facts(a, err) || !publish(a, err)) {
		admin_free(a);
		return false;
	}
	*out = a;
	return true;
}

void admin_free(struct admin *a)
{
	if (a == NULL) {
		return;
	}
	sessions_free(a->sessions);
	pthread_mutex_destroy(&a->lock);
	seal_wipe(a, sizeof *a);
	free(a);
}

struct admin *admin_of(const struct http_call *call)
{
	return call->user;
}

/* ---- who may ---- */

struct identity {
	char user[ADMIN_NAME_MAX];
};

/* How many were left out since the last row; -1: leave this one out too. */
static int may_note(struct admin *a, int64_t now)
{
	int skipped = -1;

	pthread_mutex_lock(&a->lock);
	if (a->denied_s != now) {
		a->denied_s = now;
		a->denied = 0;
	}
	if (a->denied < ADMIN_DENIED_PER_S) {
		a->denied++;
		skipped = (int)a->skipped;
		a->skipped = 0;
	} else {
		a->skipped++;
	}
	pthread_mutex_unlock(&a->lock);
	return skipped;
}

/* Into the chain of denied attempts. */
static void note_denied(struct admin *a, struct http_call *call, struct str who, const char *why)
{
	AUTO_BUF struct buf name = BUF(ADMIN_NAME_MAX + 8), what = BUF(64), after = BUF(KIB(1));
	struct jsonw w = jsonw_to(&after);
	struct err err;
	char from[64] = "";
	int skipped = may_note(a, clock_unix());

	if (skipped < 0) {
		return;
	}
	buf_addf(&name, "user:%.*s",
		 STR_ARGS(str_is_utf8(who) ? str_first(who, ADMIN_NAME_MAX) : STR("?")));
	buf_addf(&what, "denied %.*s", STR_ARGS(str_first(call->head->method, 32)));
	address_format(&call->peer, from, sizeof from);
	jsonw_object(&w);
	jsonw_key_text(&w, "reason", why);
	jsonw_key_int(&w, "left out before", skipped);
	jsonw_object_end(&w);
	const struct change_audit audit = {.who = buf_str(&name),
					   .from = str_of(from),
					   .what = buf_str(&what),
					   .object = str_first(call->path, 500),
					   .after = buf_str(&after)};
	if (!store_denied(a->settings.store, &audit, &err)) {
		log_error("a denied attempt could not be recorded", LOG_ERR(&err));
	}
}

static bool unauthorized(struct http_call *call)
{
	http_answer_field(call, "WWW-Authenticate", STR("Basic realm=\"Drawbridge connector\""));
	admin_error(call, 401, "user or password is wrong, or missing");
	return false;
}

/* A wrong name costs one Argon2 too, so the time does not tell which names there are. It does not
 * ask for a remembered password: that would answer fast, and so confirm it. */
static bool is_right(struct admin *a, const struct admin_facts *f, struct str name,
		     struct str password)
{
	if (str_eq(name, str_of(f->user))) {
		return admin_password_is_right(a, password);
	}
	(void)(f->hash[0] != '\0' && password_verify(f->hash, password));
	return false;
}

enum admin_login admin_judge_login(struct admin *a, struct http_call *call, struct str name,
				   struct str password, struct session_user *user)
{
	struct admin_facts f = admin_facts(a);
	msec_t now = clock_now();
	msec_t pause = login_pause(a->sessions, name, &call->peer, now);

	if (pause > 0) {
		char seconds[24];
		snprintf(seconds, sizeof seconds, "%lld", (long long)(pause + 999) / 1000);
		http_answer_field(call, "Retry-After", str_of(seconds));
		admin_error(call, 429, "too many wrong passwords: wait %s s", seconds);
		return ADMIN_LOGIN_ANSWERED;
	}
	bool good = is_right(a, &f, name, password);
	login_note(a->sessions, name, &call->peer, good, now);
	if (!good) {
		note_denied(a, call, name, "wrong user name or password");
	}
	return good && str_copy(name, user->name, sizeof user->name) ? ADMIN_LOGIN_GOOD
								     : ADMIN_LOGIN_WRONG;
}

static enum admin_login by_password(struct admin *a, struct http_call *call,
				    struct session_user *user)
{
	struct str name, password;

	if (!http_basic(call, &name, &password)) {
		return ADMIN_LOGIN_WRONG;
	}
	if (session_call_writes(call) && session_is_cross_site(call)) {
		note_denied(a, call, name, "cross-site request");
		admin_error(call, 403, "this write comes from another site");
		return ADMIN_LOGIN_ANSWERED;
	}
	enum admin_login login = admin_judge_login(a, call, name, password, user);
	if (login == ADMIN_LOGIN_GOOD) {
		session_offer(a->sessions, call, user, clock_now());
	}
	return login;
}

/* A program whose session ended is shown the page, as by the original; one that came with
 * credentials, or without any, and a browser's script are told so by the status (DESIGN 8). */
static bool wants_page(struct http_call *call)
{
	return http_cookie(call, "JSESSIONID").len > 0 &&
	       http_value(call->head, STR("Authorization")).at == NULL &&
	       http_value(call->head, STR("Sec-Fetch-Mode")).at == NULL &&
	       !str_starts(call->path, STR("/api/drawbridge/"));
}

static bool know(struct admin *a, struct http_call *call, struct session_user *user)
{
	switch (session_check(a->sessions, call, clock_now(), user)) {
	case SESSION_GOOD:
		return true;
	case SESSION_NO_TOKEN:
		note_denied(a, call, str_of(user->name), "no X-CSRF-Token");
		admin_error(call, 403, "the X-CSRF-Token of this session is missing or wrong");
		return false;
	case SESSION_NONE:
		break;
	}
	switch (by_password(a, call, user)) {
	case ADMIN_LOGIN_GOOD:
		return true;
	case ADMIN_LOGIN_ANSWERED:
		return false;
	case ADMIN_LOGIN_WRONG:
		break;
	}
	if (wants_page(call)) {
		admin_login_page(call);
		return false;
	}
	return unauthorized(call);
}

bool admin_authorize(struct http_call *call)
{
	struct admin *a = admin_of(call);
	unsigned roles = call->route ? call->route->roles : ADMIN_LOGIN;
	struct session_user user = {0};

	http_answer_field(call, "Cache-Control", STR("no-store"));
	if (roles & ADMIN_PUBLIC) {
		return true;
	}
	if (!know(a, call, &user)) {
		return false;
	}
	call->identity = arena_text(call->arena, str_of(user.name));
	struct admin_facts f = admin_facts(a);
	if (f.must_change && !(roles & ADMIN_EARLY)) {
		admin_error(call, 403, "operation unavailable unless initial password is changed");
		return false;
	}
	if (f.role[0] == '\0' && !(roles & (ADMIN_UNDECIDED | ADMIN_EARLY))) {
		admin_error(call, 403,
			    "method is not allowed for connector running with HA role undefined");
		return false;
	}
	return true;
}

struct state_actor admin_actor(struct http_call *call)
{
	char from[64];
	const char *user = call->identity ? call->identity : "unknown";

	address_format(&call->peer, from, sizeof from);
	return (struct state_actor){str_of(arena_printf(call->arena, "user:%s", user)),
				    arena_str(call->arena, str_of(from))};
}
