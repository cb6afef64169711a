#include "connector/subaccounts_priv.h"

#include "base/crash.h"

#include <string.h>

#include "net/address.h"

/* ---- the snapshot ---- */

bool subaccounts_reload(struct subaccounts *s, struct err *err)
{
	struct subaccount_set *before = subaccounts_ref(s);
	struct subaccount_set *set = NULL;
	bool ok = subaccounts_build(s, before, &set, err);

	subaccount_set_unref(before);
	if (ok) {
		snapshot_publish(&s->cell, &set->snapshot);
	}
	return ok;
}

static void tell(const struct subaccounts *s)
{
	if (s->settings.on_change != NULL) {
		s->settings.on_change(s->settings.user);
	}
}

bool subaccounts_new(const struct subaccounts_settings *settings, struct subaccounts **out,
		     struct err *err)
{
	struct subaccounts *s = NEW(struct subaccounts);

	s->settings = *settings;
	s->settings.anchors_pem = NULL; /* lent for this call only */
	s->anchors_pem = str_dup(str_of(settings->anchors_pem));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->left, NULL);
	snapshot_cell_init(&s->cell);
	if (!state_installation(settings->store, s->instance, err) || !subaccounts_reload(s, err)) {
		subaccounts_free(s);
		return false;
	}
	*out = s;
	return true;
}

void subaccounts_free(struct subaccounts *s)
{
	if (s != NULL) {
		snapshot_cell_fini(&s->cell);
		pthread_cond_destroy(&s->left);
		pthread_mutex_destroy(&s->lock);
		free(s->anchors_pem);
		free(s);
	}
}

bool subaccounts_set_anchors(struct subaccounts *s, const char *anchors_pem, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	char *before = s->anchors_pem;
	s->anchors_pem = str_dup(str_of(anchors_pem));
	bool changed = strcmp(before, s->anchors_pem) != 0;
	bool ok = !changed || subaccounts_reload(s, err);
	if (!ok) {
		free(s->anchors_pem);
		s->anchors_pem = TAKE(before);
	}
	pthread_mutex_unlock(&s->lock);
	free(before);
	if (ok && changed) {
		tell(s);
	}
	return ok;
}

struct subaccount_set *subaccounts_ref(struct subaccounts *s)
{
	struct snapshot *snapshot = snapshot_ref(&s->cell);

	return snapshot != NULL ? CONTAINER_OF(snapshot, struct subaccount_set, snapshot) : NULL;
}

struct subaccount_set *subaccount_set_ref(struct subaccount_set *set)
{
	atomic_fetch_add(&set->snapshot.refs, 1);
	return set;
}

void subaccount_set_unref(struct subaccount_set *set)
{
	if (set != NULL) {
		snapshot_unref(&set->snapshot);
	}
}

const struct subaccount *subaccount_find(const struct subaccount_set *set, struct str region_host,
					 struct str subaccount)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct state_subaccount *row = &set->rows[i].state;
		if (str_eq_nocase(str_of(row->subaccount), subaccount) &&
		    str_eq_nocase(str_of(row->region_host), region_host)) {
			return &set->rows[i];
		}
	}
	return NULL;
}

/* ---- what users give ---- */

static bool copy_lower(struct str from, char *into, size_t size)
{
	if (!str_copy(from, into, size)) {
		return false;
	}
	for (char *c = into; *c != '\0'; c++) {
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
	}
	return true;
}

/* Letters, digits and what stands in "[::1]:443": nothing that could change the URL. */
static bool is_host_text(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]")] == '\0';
}

bool subaccounts_read_names(struct str region_host, struct str subaccount,
			    char host[static STATE_HOST], char uuid[static STATE_UUID],
			    struct err *err)
{
	struct str name;
	uint16_t port = 0;

	if (!str_is_uuid(subaccount)) {
		return err_set(err, ERR_CONFIG, "subaccount must be a UUID");
	}
	if (region_host.len == 0 || !copy_lower(region_host, host, STATE_HOST) ||
	    !is_host_text(host) || !address_split(str_of(host), ENROL_PORT, &name, &port) ||
	    name.len == 0) {
		return err_set(err, ERR_CONFIG,
			       "regionHost must be a host name, with \":port\" "
			       "where it is not 443");
	}
	return copy_lower(subaccount, uuid, STATE_UUID);
}

static bool take(struct str from, const char *name, char *into, size_t size, struct err *err)
{
	if (from.at == NULL) {
		return true;
	}
	return str_copy(from, into, size) ||
	       err_set(err, ERR_CONFIG, "%s is longer than %zu bytes", name, size - 1);
}

bool subaccounts_apply(const struct subaccount_edit *edit, struct state_subaccount *row,
		       struct err *err)
{
	if (edit->auto_renewal != NULL) {
		row->auto_renewal = *edit->auto_renewal;
	}
	return take(edit->display_name, "displayName", row->display_name, STATE_NAME, err) &&
	       take(edit->description, "description", row->description, STATE_TEXT, err) &&
	       take(edit->location_id, "locationID", row->location_id, STATE_LOCATION, err);
}

/* ---- changes ---- */

static bool change_locked(struct subaccounts *s, const struct state_actor *actor, const char *what,
			  const char *host, const char *uuid, subaccounts_change_fn *fn,
			  const void *user, struct err *err)
{
	struct state_subaccount row = {0};

	if (!state_subaccount_get(s->settings.store, host, uuid, &row, err)) {
		return false;
	}
	bool ok = fn(&row, user, err) &&
		  state_subaccount_edit(s->settings.store, actor, what, &row, err) &&
		  subaccounts_reload(s, err);
	state_subaccount_fini(&row);
	return ok;
}

bool subaccounts_change(struct subaccounts *s, const struct state_actor *actor, const char *what,
			const char *host, const char *uuid, subaccounts_change_fn *fn,
			const void *user, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	bool ok = change_locked(s, actor, what, host, uuid, fn, user, err);
	pthread_mutex_unlock(&s->lock);
	if (ok) {
		tell(s);
	}
	return ok;
}

static bool change_named(struct subaccounts *s, const struct state_actor *actor, const char *what,
			 struct str region_host, struct str subaccount, subaccounts_change_fn *fn,
			 const void *user, struct err *err)
{
	char host[STATE_HOST], uuid[STATE_UUID];

	if (!subaccounts_read_names(region_host, subaccount, host, uuid, err)) {
		return err_set(err, ERR_MISSING, "Subaccount with value '%.*s@%.*s' does not exist",
			       STR_ARGS(subaccount), STR_ARGS(region_host));
	}
	return subaccounts_change(s, actor, what, host, uuid, fn, user, err);
}

static bool apply_edit(struct state_subaccount *row, const void *user, struct err *err)
{
	return subaccounts_apply(user, row, err);
}

bool subaccounts_edit(struct subaccounts *s, const struct state_actor *actor,
		      struct str region_host, struct str subaccount,
		      const struct subaccount_edit *edit, struct err *err)
{
	return change_named(s, actor, "subaccount.edit", region_host, subaccount, apply_edit, edit,
			    err);
}

static bool apply_wish(struct state_subaccount *row, const void *user, struct err *err)
{
	(void)err;
	row->connected = *(const bool *)user;
	return true;
}

bool subaccounts_connect(struct subaccounts *s, const struct state_actor *actor,
			 struct str region_host, struct str subaccount, bool connected,
			 struct err *err)
{
	return change_named(s, actor, connected ? "subaccount.connect" : "subaccount.disconnect",
			    region_host, subaccount, apply_wish, &connected, err);
}

bool subaccounts_delete(struct subaccounts *s, const struct state_actor *actor,
			struct str region_host, struct str subaccount, struct err *err)
{
	char host[STATE_HOST], uuid[STATE_UUID];

	if (!subaccounts_read_names(region_host, subaccount, host, uuid, err)) {
		return err_set(err, ERR_MISSING, "Subaccount with value '%.*s@%.*s' does not exist",
			       STR_ARGS(subaccount), STR_ARGS(region_host));
	}
	pthread_mutex_lock(&s->lock);
	bool ok = state_subaccount_delete(s->settings.store, actor, host, uuid, err) &&
		  subaccounts_reload(s, err);
	pthread_mutex_unlock(&s->lock);
	if (ok) {
		tell(s);
	}
	return ok;
}

/* The stored password goes nowhere but to the proxy that it was entered for. */
static bool may_keep_password(const struct state_proxy *old, const struct state_proxy *fresh,
			      struct err *err)
{
	return old->sealed_password.len == 0 ||
	       (str_eq_nocase(str_of(old->host), str_of(fresh->host)) &&
		strcmp(old->user, fresh->user) == 0) ||
	       err_set(err, ERR_CONFIG,
		       "the stored password is of user %s at %s: enter the one of this proxy",
		       old->user, old->host);
}

static bool set_proxy_locked(struct subaccounts *s, const struct state_actor *actor,
			     struct state_proxy *proxy, struct str password, struct err *err)
{
	const struct key_source *keys = &s->settings.keys;
	struct state_proxy old;
	bool ok = state_proxy_get(s->settings.store, &old, err);

	proxy->sealed_password = BUF(KIB(4));
	if (ok && password.at == NULL && proxy->host[0] != '\0') {
		ok = may_keep_password(&old, proxy, err);
		buf_add_str(&proxy->sealed_password, buf_str(&old.sealed_password));
	} else if (ok && password.len > 0) {
		ok = keys->seal(keys->user, STATE_PROXY_LABEL, password, &proxy->sealed_password,
				err);
	}
	buf_fini(&old.sealed_password);
	ok = ok && state_proxy_set(s->settings.store, actor, proxy, err) &&
	     subaccounts_reload(s, err);
	buf_fini(&proxy->sealed_password);
	return ok;
}

bool subaccounts_set_proxy(struct subaccounts *s, const struct state_actor *actor, struct str host,
			   uint16_t port, struct str user, struct str password, struct err *err)
{
	struct state_proxy proxy = {.port = port};

	if (!take(host, "host", proxy.host, STATE_NAME, err) ||
	    !take(user, "user", proxy.user, STATE_NAME, err)) {
		return false;
	}
	if (password.len >= STATE_NAME) {
		return err_set(err, ERR_CONFIG, "password is longer than %d bytes", STATE_NAME - 1);
	}
	if (host.len > 0 && (port == 0 || strpbrk(proxy.host, " /@\r\n\t") != NULL)) {
		return err_set(err, ERR_CONFIG, "a proxy has a host name and a port");
	}
	pthread_mutex_lock(&s->lock);
	bool ok = set_proxy_locked(s, actor, &proxy, password, err);
	pthread_mutex_unlock(&s->lock);
	if (ok) {
		tell(s);
	}
	return ok;
}

bool subaccounts_confirm(struct subaccounts *s, int64_t certificate_id, struct err *err)
{
	const struct state_actor system = {.who = STR("system"), .from = STR("")};

	CRASH_POINT("connector.tunnel.opened");
	pthread_mutex_lock(&s->lock);
	bool ok = state_certificate_confirm(s->settings.store, &system, certificate_id, err);
	CRASH_POINT("connector.certificate.confirmed");
	if (!ok && err->kind == ERR_MISSING) {
		ok = true; /* confirmed before, or deleted meanwhile */
	}
	ok = ok && subaccounts_reload(s, err);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static bool apply_owners(struct state_subaccount *row, const void *user, struct err *err)
{
	return take(str_of(user), "owners", row->owners, sizeof(row->owners), err);
}

bool subaccounts_learn_owners(struct subaccounts *s, const char *key, const char *owners,
			      struct err *err)
{
	const struct state_actor system = {.who = STR("system"), .from = STR("")};
	struct str host = str_of(key), uuid;

	if (!str_next(&host, '@', &uuid) || host.at == NULL) {
		return err_set(err, ERR_MISSING, "\"%s\" names no subaccount", key);
	}
	struct subaccount_set *set = subaccounts_ref(s);
	const struct subaccount *sa = subaccount_find(set, host, uuid);
	bool is_news = sa != NULL && strcmp(sa->state.owners, owners) != 0;
	subaccount_set_unref(set);
	return !is_news ||
	       change_named(s, &system, "subaccount.owners", host, uuid, apply_owners, owners, err);
}

bool subaccounts_around(struct subaccounts *s, bool (*fn)(void *user, struct err *err), void *user,
			struct err *err)
{
	pthread_mutex_lock(&s->lock);
	bool ok = fn(user, err) && subaccounts_reload(s, err);
	pthread_mutex_unlock(&s->lock);
	if (ok) {
		tell(s);
	}
	return ok;
}
