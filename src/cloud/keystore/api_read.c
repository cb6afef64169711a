/* Reading: head, entries, history, health. */
#include "base/clock.h"
#include "cloud/keystore/api.h"

enum {
	DAMAGE_MAX = 1000, /* rows of one answer; the rest is counted */
};

/* The current backup, out of all pins. */
static const struct keystore_pin *current_backup(const struct keystore_pin *pins, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (pins[i].is_current) {
			return &pins[i];
		}
	}
	return NULL;
}

static void write_pin(struct jsonw *w, const struct keystore_pin *pin)
{
	jsonw_object(w);
	jsonw_key_int(w, "backup", pin->id);
	jsonw_key_text(w, "kind", pin->is_backup ? "backup" : "safety");
	jsonw_key_bool(w, "current", pin->is_current);
	jsonw_key_int(w, "generation", pin->generation);
	jsonw_key_time_ms(w, "at", pin->at);
	jsonw_key_str(w, "by", odata_user(NULL, pin->by));
	jsonw_key_text(w, "note", pin->note);
	jsonw_key_int(w, "entries", pin->entries);
	jsonw_object_end(w);
}

static void write_expiry(struct jsonw *w, const struct keystore_head *head)
{
	jsonw_key(w, "expiry");
	jsonw_object(w);
	jsonw_key_int(w, "expired", head->expired);
	jsonw_key_int(w, "critical", head->critical);
	jsonw_key_int(w, "warning", head->warning);
	jsonw_key_int(w, "notice", head->notice);
	jsonw_object_end(w);
}

static void write_undo(struct jsonw *w, const struct keystore_head *head)
{
	jsonw_key(w, "undo");
	if (head->restored_from == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	jsonw_key_int(w, "backup", head->restored_from);
	jsonw_object_end(w);
}

void api_head(struct http_call *call)
{
	AUTO_FREE struct keystore_pin *pins = NULL;
	struct keystore_place place = api_place(call);
	struct keystore_head head;
	struct err err;
	size_t n;

	if (!keystore_head(odata_keystore(call), &place, clock_unix_ms(), &head, &err) ||
	    !keystore_pins(odata_keystore(call), place.tenant, &pins, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	const struct keystore_pin *backup = current_backup(pins, n);
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_int(&w, "generation", head.generation);
	jsonw_key_int(&w, "entries", head.entries);
	jsonw_key_int(&w, "tenantEntries", head.tenant_entries);
	jsonw_key_int(&w, "bytes", head.bytes);
	jsonw_key_time_ms(&w, "modified", head.modified);
	jsonw_key_str(&w, "modifiedBy", odata_user(NULL, head.modified_by));
	write_expiry(&w, &head);
	jsonw_key(&w, "backup");
	if (backup != NULL) {
		write_pin(&w, backup);
	} else {
		jsonw_null(&w);
	}
	write_undo(&w, &head);
	jsonw_object_end(&w);
	api_answer_version(call, head.generation);
	http_answer_json(call, 200);
}

/* ---- entries ---- */

static bool read_backup_flag(struct http_call *call, struct keystore_place *place)
{
	struct str backup = http_query(call, "backup");

	*place = api_place(call);
	if (str_eq(backup, STR("true"))) {
		place->name = KEYSTORE_BACKUP;
	} else if (backup.at != NULL && !str_eq(backup, STR("false"))) {
		http_problem(call, 400, "backup must be true or false");
		return false;
	}
	return true;
}

static bool read_filter(struct http_call *call, struct keystore_place *place,
			struct keystore_filter *filter)
{
	struct str within = http_query(call, "expiringWithin");
	struct str generation = http_query(call, "generation");
	uint64_t n = 0;
	msec_t ms = 0;

	if (!read_backup_flag(call, place)) {
		return false;
	}
	if (within.at != NULL && !clock_parse_duration(within, &ms)) {
		http_problem(call, 400, "expiringWithin must be a time like 30d");
		return false;
	}
	if (generation.at != NULL && (!str_to_u64(generation, &n) || n > INT64_MAX)) {
		http_problem(call, 400, "generation must be a number");
		return false;
	}
	place->generation = (int64_t)n;
	filter->text = http_query(call, "filter");
	filter->expires_before = within.at != NULL ? clock_unix_ms() + ms : 0;
	return true;
}

void api_entries(struct http_call *call)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	struct keystore_filter filter = {.limit = 0};
	struct keystore_place place;
	struct api_page page;
	struct err err;

	if (!api_read_page(call, &page) || !read_filter(call, &place, &filter)) {
		return;
	}
	filter.limit = page.limit;
	filter.after = page.after.at != NULL ? page.after : STR("");
	if (!keystore_list(odata_keystore(call), &place, &filter, &list, &err)) {
		http_problem_err(call, &err);
		return;
	}
	size_t n = keystore_list_count(list);
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&w);
		api_write_entry(&w, keystore_list_at(list, i));
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "next");
	if (n == page.limit) {
		jsonw_str(&w, str_of(keystore_list_at(list, n - 1)->alias));
	} else {
		jsonw_null(&w);
	}
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void api_entry(struct http_call *call)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	struct keystore_place place;
	struct str alias;
	struct err err;

	if (!api_alias(call, &alias) || !read_backup_flag(call, &place)) {
		return;
	}
	if (!keystore_find(odata_keystore(call), &place, alias, &list, &err)) {
		http_problem_err(call, &err);
		return;
	}
	const struct keystore_entry *e = keystore_list_at(list, 0);
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	api_write_entry(&w, e);
	jsonw_object_end(&w);
	api_answer_version(call, e->version);
	http_answer_json(call, 200);
}

/* ---- history ---- */

void api_backups(struct http_call *call)
{
	AUTO_FREE struct keystore_pin *pins = NULL;
	struct err err;
	size_t n;

	if (!keystore_pins(odata_keystore(call), api_place(call).tenant, &pins, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_pin(&w, &pins[i]);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "next"); /* all of them: keystore.backups.max bounds their number */
	jsonw_null(&w);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void api_generations(struct http_call *call)
{
	AUTO_FREE struct keystore_generation *rows = NULL;
	struct api_page page;
	uint64_t before = 0;
	struct err err;
	size_t n;

	if (!api_read_page(call, &page)) {
		return;
	}
	if (page.after.at != NULL && (!str_to_u64(page.after, &before) || before > INT64_MAX)) {
		http_problem(call, 400, "after must be the number of a generation");
		return;
	}
	if (!keystore_generations(odata_keystore(call), api_place(call).tenant, (int64_t)before,
				  page.limit, &rows, &n, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&w);
		jsonw_key_int(&w, "generation", rows[i].n);
		jsonw_key_time_ms(&w, "at", rows[i].at);
		jsonw_key_str(&w, "by", odata_user(NULL, rows[i].by));
		jsonw_key_text(&w, "what", rows[i].what);
		jsonw_key_int(&w, "opened", rows[i].opened);
		jsonw_key_int(&w, "closed", rows[i].closed);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "next");
	if (n == page.limit) {
		char text[24];
		snprintf(text, sizeof(text), "%lld", (long long)rows[n - 1].n);
		jsonw_str(&w, str_of(text));
	} else {
		jsonw_null(&w);
	}
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

/* ---- health ---- */

struct damages {
	struct jsonw w;
	size_t n;
};

static void on_damage(struct str alias, const char *what, void *user)
{
	struct damages *d = user;

	if (d->n++ < DAMAGE_MAX) {
		jsonw_object(&d->w);
		jsonw_key_str(&d->w, "alias", alias);
		jsonw_key_text(&d->w, "what", what);
		jsonw_object_end(&d->w);
	}
}

void api_verify(struct http_call *call)
{
	AUTO_BUF struct buf rows = BUF(MIB(1));
	struct damages found = {.w = jsonw_to(&rows)};
	struct err err;
	int64_t checked;

	if (!keystore_verify(odata_keystore(call), api_place(call).tenant, on_damage, &found,
			     &checked, &err)) {
		http_problem_err(call, &err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_int(&w, "checked", checked);
	jsonw_key_int(&w, "damaged", (int64_t)found.n);
	jsonw_key(&w, "damage");
	jsonw_array(&w);
	if (rows.len > 0) {
		jsonw_raw(&w, buf_str(&rows));
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	http_answer_json(call, 200);
}

void api_export(struct http_call *call)
{
	struct keystore_place place;
	struct err err;

	if (!read_backup_flag(call, &place)) {
		return;
	}
	if (!keystore_public_file(odata_keystore(call), &place, &call->out, &err)) {
		buf_reset(&call->out);
		http_problem_err(call, &err);
		return;
	}
	if (!odata_note_export(call, str_of(place.name), "whole keystore")) {
		return;
	}
	odata_file(call, "application/octet-stream",
		   strcmp(place.name, KEYSTORE_BACKUP) == 0 ? STR("PublicContentBackupKeystore")
							    : STR("PublicContentKeystore"),
		   ".jks");
}
