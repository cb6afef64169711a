/* Where the cloud side's certificates are, for its alerts, and who may see them. */
#include "cloud/directory/caller.h"
#include "cloud/directory/owners.h"
#include "cloud/directory/subaccounts.h"
#include "crypto/seal.h"
#include "programs/cloud_parts.h"

#include "base/clock.h"

enum {
	PAGE = 500,
	/* Of one tenant. Where there are more, those that end in the next 400 days. */
	ENTRIES_MAX = 2000,
	ENTRIES_AHEAD_S = 400 * 86400,
	ALIAS_SHOWN = 150, /* bytes of an alias in a name */
};

struct giving {
	alert_each_fn *fn;
	void *user;
	struct err *err;
	bool ok, listeners;
};

static void give_own(const char *name, bool is_listener, struct str der, void *user)
{
	struct giving *g = user;
	struct cert_facts facts;
	char label[128];

	if (is_listener != g->listeners) {
		return;
	}
	if (!cert_read_der(der, &facts, g->err)) {
		g->ok = false;
		return;
	}
	(void)snprintf(label, sizeof(label), "certificate of the %s%s", name,
		       is_listener ? "" : " CA");
	const struct alert_certificate base = {
		.source = is_listener ? "listener" : "ca",
		.name = name,
		.label = label,
		.renews_itself = is_listener,
		.next_step =
			is_listener
				? "it is made anew by itself: look into the log why it was not"
				: "plan a new CA: connectors trust it after their next refresh"};
	daemon_alerts_give(&base, &facts, g->fn, g->user);
}

static bool each_own(const struct cloud *c, bool listeners, alert_each_fn *fn, void *fn_user,
		     struct err *err)
{
	struct giving g = {
		.fn = fn, .user = fn_user, .err = err, .ok = true, .listeners = listeners};

	return ca_each_certificate(c->rooms.ca, give_own, &g, err) && g.ok;
}

static bool each_authority(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	return each_own(user, false, fn, fn_user, err);
}

static bool each_listener(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	return each_own(user, true, fn, fn_user, err);
}

static void give_used(const struct directory_certificate_used *u, alert_each_fn *fn, void *user)
{
	const struct directory_certificate *d = &u->certificate;
	AUTO_BUF struct buf name = BUF(KIB(1)), label = BUF(KIB(2));

	buf_addf(&name, "%s/%s", d->subaccount, d->instance);
	buf_addf(&label, "certificate of connector %s in subaccount %s",
		 u->location[0] ? u->location : d->instance, u->display_name);
	const struct alert_certificate c = {
		.source = "connector",
		.name = name.at,
		.label = label.at,
		.subaccount = d->subaccount,
		.subject = "",
		.issuer = "",
		.serial = d->serial,
		.not_before = d->not_before,
		.not_after = d->not_after,
		.received = d->issued,
		.renews_itself = u->renewal_allowed,
		.next_step = "an owner refreshes it on the connector's machine (drawbridge cert "
			     "refresh); a connector that is gone is deleted in the console"};
	fn(&c, user);
}

static bool each_connector(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	const struct cloud *c = user;
	int64_t after = 0;
	size_t n = PAGE;

	while (n == PAGE) {
		AUTO_FREE struct directory_certificate_used *rows = NULL;
		if (!directory_certificate_used(c->store, after, PAGE, &rows, &n, err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			give_used(&rows[i], fn, fn_user);
			after = rows[i].n;
		}
	}
	return true;
}

/* ---- the tenants' keystores ---- */

/* Aliases that begin alike stay apart where they are cut. */
static void add_name(struct buf *name, const char *subaccount, const char *alias)
{
	uint8_t digest[32];

	buf_addf(name, "%s/", subaccount);
	if (strlen(alias) <= ALIAS_SHOWN) {
		buf_add_str(name, str_of(alias));
		return;
	}
	digest_sha256(str_of(alias), digest);
	buf_add_str(name, str_first(str_of(alias), ALIAS_SHOWN));
	buf_add_c(name, '~');
	buf_add_hex(name, digest, 8);
}

static const char *text_in(struct arena *arena, struct str s)
{
	const char *text = arena_text(arena, s);

	return text != NULL ? text : "";
}

static void give_entry(const struct directory_subaccount *sa, const struct keystore_entry *e,
		       alert_each_fn *fn, void *user)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(4), KIB(64));
	AUTO_BUF struct buf name = BUF(KIB(1)), label = BUF(KIB(4));
	bool provided = e->owner == KEYS_OWNER_PROVIDER;

	add_name(&name, sa->id, e->alias);
	buf_addf(&label, "%s %.*s in the keystore of %s",
		 e->kind == KEYS_ENTRY_KEY_PAIR ? "key pair" : "certificate",
		 STR_ARGS(str_first(str_of(e->alias), ALIAS_SHOWN)), sa->display_name);
	const struct alert_certificate c = {
		.source = "keystore",
		.name = name.at,
		.label = label.at,
		.subaccount = sa->id,
		.subject = text_in(arena, e->subject),
		.issuer = text_in(arena, e->issuer),
		.serial = e->serial,
		.not_before = e->not_before / 1000,
		.not_after = e->not_after / 1000,
		.next_step = provided ? "the provider replaces it"
				      : "replace it under Manage Security, Keystore, or let its CA "
					"answer a new signing request"};
	fn(&c, user);
}

static bool list_entries(const struct cloud *c, const struct directory_subaccount *sa,
			 struct keystore_list **out, struct err *err)
{
	const struct keystore_place place = {.tenant = str_of(sa->id), .name = KEYSTORE_SYSTEM};
	struct keystore_filter filter = {
		.after = STR(""), .text = STR(""), .limit = ENTRIES_MAX + 1};
	AUTO(keystore_list_free) struct keystore_list *some = NULL;

	if (!keystore_list(c->rooms.keystore, &place, &filter, &some, err)) {
		return false;
	}
	if (keystore_list_count(some) <= ENTRIES_MAX) {
		*out = TAKE(some);
		return true;
	}
	filter.limit = 0;
	filter.expires_before = clock_unix_ms() + SEC(ENTRIES_AHEAD_S);
	return keystore_list(c->rooms.keystore, &place, &filter, out, err);
}

static bool each_entry(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	const struct cloud *c = user;
	char after[DIRECTORY_UUID] = "";
	size_t n = PAGE;

	while (n == PAGE) {
		AUTO_FREE struct directory_subaccount *rows = NULL;
		if (!directory_subaccount_list(c->store, STR(""), str_of(after), PAGE, &rows, &n,
					       err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			AUTO(keystore_list_free) struct keystore_list *list = NULL;
			if (!list_entries(c, &rows[i], &list, err)) {
				return false;
			}
			for (size_t k = 0; k < keystore_list_count(list); k++) {
				give_entry(&rows[i], keystore_list_at(list, k), fn, fn_user);
			}
			memcpy(after, rows[i].id, sizeof(after));
		}
	}
	return true;
}

bool cloud_open_alerts(struct cloud *c, struct err *err)
{
	const struct alert_source sources[] = {{"ca", each_authority, c},
					       {"listener", each_listener, c},
					       {"connector", each_connector, c},
					       {"keystore", each_entry, c}};

	c->alerts = daemon_alerts_new(c->store, cloud_program.name);
	for (size_t i = 0; i < COUNT(sources); i++) {
		alerts_add_source(c->alerts, &sources[i]);
	}
	return daemon_alerts_configure(c->alerts, &c->options.alert, err);
}

/* ---- the API ---- */

/* Who has no role sees what belongs to its own subaccounts. */
struct sight {
	const struct cloud *cloud;
	const struct directory_caller *caller;
	char last[DIRECTORY_UUID]; /* rows of one subaccount often come together */
	bool last_may;
};

static bool may_see(void *user, const char *subaccount)
{
	struct sight *s = user;
	struct str name = str_of(s->caller->user.name);
	struct err err;
	bool owner = false;

	if (s->caller->user.roles != 0) {
		return true;
	}
	if (subaccount[0] == '\0') {
		return false;
	}
	if (strcmp(s->last, subaccount) != 0) {
		s->last_may = directory_owner_is(s->cloud->store, str_of(subaccount), name, &owner,
						 &err) &&
			      owner;
		(void)!str_copy(str_of(subaccount), s->last, sizeof(s->last));
	}
	return s->last_may;
}

static void list(struct http_call *call)
{
	const struct cloud *c = call->user;
	struct sight sight = {.cloud = c, .caller = directory_caller(call)};
	const struct alert_view view = {may_see, &sight};

	alerts_answer_list(c->alerts, call, &view);
}

static void certificates(struct http_call *call)
{
	const struct cloud *c = call->user;
	struct sight sight = {.cloud = c, .caller = directory_caller(call)};
	const struct alert_view view = {may_see, &sight};

	alerts_answer_certificates(c->alerts, call, &view);
}

static void test_mail(struct http_call *call)
{
	alerts_answer_test(((const struct cloud *)call->user)->alerts, call, ALERT_MAIL);
}

static void test_webhook(struct http_call *call)
{
	alerts_answer_test(((const struct cloud *)call->user)->alerts, call, ALERT_WEBHOOK);
}

#define V1   "/api/drawbridge/v1"
#define JSON "application/json"

const struct http_route cloud_alert_routes[] = {
	{"GET", V1 "/alerts", list, ACCESS_ANYBODY, "Alerts of certificates, and their delivery",
	 NULL, JSON, 0},
	{"GET", V1 "/certificates", certificates, ACCESS_ANYBODY,
	 "Every certificate that the user may see, the first to end first", NULL, JSON, 0},
	{"POST", V1 "/alerts/test-mail", test_mail, ACCESS_A | HTTP_ROUTE_SLOW,
	 "Sends a test mail now", NULL, JSON, 0},
	{"POST", V1 "/alerts/test-webhook", test_webhook, ACCESS_A | HTTP_ROUTE_SLOW,
	 "Calls the webhook now", NULL, JSON, 0},
	{.method = NULL},
};
