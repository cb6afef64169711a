/* Subaccounts and their owners. */
#include "cloud/console/console_priv.h"

static struct str subaccount_of(const struct http_call *call)
{
	return str_of(console_caller(call)->subaccount);
}

static bool load(struct http_call *call, struct directory_subaccount *out)
{
	struct err err;

	if (directory_subaccount_find(console_store(call), subaccount_of(call), out, &err)) {
		return true;
	}
	http_problem_err(call, &err);
	return false;
}

static void write_owner(struct jsonw *w, const struct directory_user *user)
{
	jsonw_object(w);
	jsonw_key_text(w, "user", user->name);
	jsonw_key_text(w, "displayName", user->display_name);
	jsonw_key_bool(w, "locked", user->locked);
	jsonw_object_end(w);
}

static bool key_owners(struct http_call *call, struct jsonw *w, struct str id)
{
	AUTO_FREE struct directory_user *rows = NULL;
	struct err err;
	size_t n;

	if (!directory_owner_list(console_store(call), id, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return false;
	}
	jsonw_key(w, "owners");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++) {
		write_owner(w, &rows[i]);
	}
	jsonw_array_end(w);
	return true;
}

/* Without its closing brace. */
static void begin_subaccount(struct http_call *call, struct jsonw *w,
			     const struct directory_subaccount *sa)
{
	jsonw_object(w);
	jsonw_key_text(w, "id", sa->id);
	jsonw_key_text(w, "regionHost", console_of(call)->settings.region_host);
	jsonw_key_text(w, "displayName", sa->display_name);
	jsonw_key_text(w, "subdomain", sa->subdomain);
	jsonw_key_text(w, "description", sa->description);
	jsonw_key_bool(w, "locked", sa->locked);
	jsonw_key_bool(w, "renewalAllowed", sa->renewal_allowed);
	jsonw_key_time(w, "created", sa->created);
	jsonw_key_int(w, "version", sa->version);
}

static bool answer_subaccount(struct http_call *call, const struct directory_subaccount *sa)
{
	const struct console_settings *settings = &console_of(call)->settings;
	AUTO_BUF struct buf pin = BUF(65);
	struct jsonw w = jsonw_to(&call->out);

	buf_add_hex(&pin, settings->root_pin, sizeof(settings->root_pin));
	begin_subaccount(call, &w, sa);
	jsonw_key_text(&w, "tunnelAddress", settings->region_host);
	jsonw_key_str(&w, "rootPin", buf_str(&pin));
	if (!key_owners(call, &w, str_of(sa->id))) {
		return false;
	}
	jsonw_object_end(&w);
	console_answer_version(call, sa->version);
	http_answer_json(call, 200);
	return true;
}

/* Who has no role sees its own. */
void console_subaccounts_list(struct http_call *call)
{
	AUTO_FREE struct directory_subaccount *rows = NULL;
	const struct directory_user *user = &console_caller(call)->user;
	struct console_page page;
	struct err err;
	size_t n;

	if (!console_read_page(call, &page)) {
		return;
	}
	if (!directory_subaccount_list(console_store(call),
				       user->roles != 0 ? STR("") : str_of(user->name), page.after,
				       page.limit, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		begin_subaccount(call, &w, &rows[i]);
		jsonw_object_end(&w);
	}
	console_end_list(call, &w, n == page.limit ? rows[n - 1].id : NULL);
}

static bool set_region(struct http_call *call, struct directory_subaccount *sa)
{
	struct str host;
	uint16_t port;

	if (!address_split(str_of(console_of(call)->settings.region_host), 443, &host, &port) ||
	    !str_copy(host, sa->region_host, sizeof(sa->region_host))) {
		http_problem(call, 500, "region.host is no host name");
		return false;
	}
	for (char *c = sa->region_host; *c != 0; c++) {
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	}
	return true;
}

static bool take_fields(struct http_call *call, const struct json *body, bool new,
			struct directory_subaccount *sa)
{
	return console_take_text(call, body, "displayName", new, sa->display_name,
				 sizeof(sa->display_name)) &&
	       console_take_text(call, body, "subdomain", false, sa->subdomain,
				 sizeof(sa->subdomain)) &&
	       console_take_text(call, body, "description", false, sa->description,
				 sizeof(sa->description)) &&
	       console_take_bool(call, body, "locked", &sa->locked) &&
	       console_take_bool(call, body, "renewalAllowed", &sa->renewal_allowed);
}

void console_subaccounts_create(struct http_call *call)
{
	const struct json *body;
	struct directory_subaccount sa = {.renewal_allowed = true};
	struct err err;
	char owner[DIRECTORY_USER_MAX];

	snprintf(owner, sizeof(owner), "%s", console_caller(call)->user.name);
	if (!http_json_object(call, &body) || !take_fields(call, body, true, &sa) ||
	    !console_take_text(call, body, "id", false, sa.id, sizeof(sa.id)) ||
	    !console_take_text(call, body, "owner", false, owner, sizeof(owner)) ||
	    !set_region(call, &sa)) {
		return;
	}
	if (!directory_subaccount_create(console_store(call), &console_caller(call)->actor, &sa,
					 str_of(owner), &err)) {
		/* the owner is part of the body, so its absence is no 404 of this path */
		http_problem(call, err.kind == ERR_MISSING ? 400 : http_status_of(err.kind), "%s",
			     err.text);
		return;
	}
	console_changed(call);
	if (!answer_subaccount(call, &sa)) {
		return;
	}
	console_answer_created(call, "/api/drawbridge/v1/subaccounts/%s", sa.id);
}

void console_subaccount_show(struct http_call *call)
{
	struct directory_subaccount sa;

	if (load(call, &sa)) {
		(void)answer_subaccount(call, &sa);
	}
}

void console_subaccount_edit(struct http_call *call)
{
	const struct json *body;
	struct directory_subaccount sa;
	struct err err;
	int64_t version;

	if (!http_json_object(call, &body) || !console_read_match(call, &version) ||
	    !load(call, &sa)) {
		return;
	}
	bool was_locked = sa.locked;
	if (!take_fields(call, body, false, &sa)) {
		return;
	}
	if (sa.locked != was_locked && !console_may(call, ACCESS_A | ACCESS_S)) {
		console_note_denied(call, console_caller(call)->actor.who, "lock");
		http_problem(call, 403, "only an administrator may lock or unlock a subaccount");
		return;
	}
	enum directory_edit outcome = directory_subaccount_edit(
		console_store(call), &console_caller(call)->actor, &sa,
		version == DIRECTORY_ANY_VERSION ? sa.version : version, &err);
	if (outcome == DIRECTORY_EDITED) {
		console_changed(call);
		(void)answer_subaccount(call, &sa);
	} else if (outcome == DIRECTORY_STALE) {
		http_problem(call, version == DIRECTORY_ANY_VERSION ? 409 : 412, "%s", err.text);
	} else {
		http_problem_err(call, &err);
	}
}

void console_subaccount_delete(struct http_call *call)
{
	struct err err = {0};
	const struct console_settings *s = &console_of(call)->settings;
	bool ok = directory_subaccount_delete(console_store(call), &console_caller(call)->actor,
					      subaccount_of(call), &err);

	if (ok && s->subaccount_deleted != NULL) {
		s->subaccount_deleted(s->changed_user, &console_caller(call)->actor,
				      subaccount_of(call));
	}
	console_finish(call, ok, &err);
}

/* ---- owners ---- */

void console_owners_list(struct http_call *call)
{
	AUTO_FREE struct directory_user *rows = NULL;
	struct err err;
	size_t n;

	if (!directory_owner_list(console_store(call), subaccount_of(call), &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		write_owner(&w, &rows[i]);
	}
	console_end_list(call, &w, NULL); /* all of them: there are few */
}

void console_owner_add(struct http_call *call)
{
	struct err err = {0};
	bool ok = directory_owner_add(console_store(call), &console_caller(call)->actor,
				      subaccount_of(call), http_param(call, "user"), &err);

	/* PUT is idempotent: who is one already stays one */
	if (!ok && err.kind == ERR_CONFLICT) {
		console_answer_empty(call);
		return;
	}
	console_finish(call, ok, &err);
}

void console_owner_remove(struct http_call *call)
{
	struct err err = {0};
	bool ok = directory_owner_remove(console_store(call), &console_caller(call)->actor,
					 subaccount_of(call), http_param(call, "user"), &err);

	console_finish(call, ok, &err);
}
