/* KeystoreResources: import of whole keystores, back up, restore, delete of many. */
#include "cloud/keystore/odata_write.h"

enum {
	ALIASES_MAX = 10000, /* in one list: as many as a keystore holds */
};

static bool read_mode(struct http_call *call, enum keystore_import_mode *mode)
{
	static const char *const names[] = {[KEYSTORE_OVERWRITE] = "overwrite",
					    [KEYSTORE_MERGE] = "merge",
					    [KEYSTORE_REPLACE] = "replace"};
	struct str text = http_query(call, "importOption");

	*mode = KEYSTORE_OVERWRITE;
	if (text.len == 0) {
		return true;
	}
	for (size_t i = 0; i < COUNT(names); i++) {
		if (str_eq(text, str_of(names[i]))) {
			*mode = (enum keystore_import_mode)i;
			return true;
		}
	}
	odata_error(call, 400, "importOption must be overwrite, merge or replace");
	return false;
}

static void import(struct http_call *call, const struct json *body, const struct odata_wish *wish)
{
	AUTO_BUF struct buf file = BUF_SECRET(ODATA_BODY_MAX);
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	enum keystore_import_mode mode;
	struct str password;
	struct err err = {0};

	if (!read_mode(call, &mode) || !odata_text(call, body, "Password", &password) ||
	    !odata_bytes(call, body, "Resource", &file)) {
		return;
	}
	/* without a list nobody would learn of what was left out: then all or nothing (spec 1.4) */
	enum keystore_outcome outcome =
		keystore_import(odata_keystore(call), &change, buf_str(&file), password, mode,
				wish->entries, &report, &err);
	odata_finish(call, outcome, wish, &report, STR_NONE, &err);
}

static void back_up(struct http_call *call, const struct odata_wish *wish)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct keystore_pin pin;
	struct err err = {0};
	enum keystore_outcome outcome = keystore_back_up(
		odata_keystore(call), &change, STR(""), &pin, wish->entries ? &report : NULL, &err);

	odata_finish(call, outcome, wish, &report, STR_NONE, &err);
}

void odata_post_resource(struct http_call *call)
{
	const struct json *body;
	struct odata_wish wish;
	struct str name;

	if (!odata_read_wish(call, true, &wish) || !odata_body(call, &body) ||
	    !odata_text(call, body, "Name", &name)) {
		return;
	}
	if (str_eq(name, STR(KEYSTORE_SYSTEM))) {
		import(call, body, &wish);
	} else if (str_eq(name, STR(KEYSTORE_BACKUP))) {
		back_up(call, &wish);
	} else {
		odata_error(call, 400,
			    "Name is \"%.*s\": it must be system, to import, or "
			    "backup_admin_system, to back up",
			    STR_ARGS(str_first(name, 100)));
	}
}

/* ---- restore ---- */

static void restore(struct http_call *call, struct str from, const struct odata_wish *wish)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	enum keystore_import_mode mode;
	struct err err = {0};

	if (!read_mode(call, &mode)) {
		return;
	}
	if (!str_eq(from, STR(KEYSTORE_BACKUP)) || mode == KEYSTORE_MERGE) {
		odata_error(call, 400,
			    "retrieveBackup must be backup_admin_system, and importOption replace "
			    "or overwrite");
		return;
	}
	enum keystore_outcome outcome = keystore_restore(
		odata_keystore(call), &change, 0,
		mode == KEYSTORE_REPLACE ? KEYSTORE_RESTORE_REPLACE : KEYSTORE_RESTORE_OVERWRITE,
		&report, &err);
	odata_finish(call, outcome, wish, &report, STR_NONE, &err);
}

/* ---- delete of many ---- */

bool odata_split_aliases(struct str list, struct arena *arena, struct str *out, size_t max,
			 size_t *n)
{
	char *text = arena_get(arena, list.len + 1);
	size_t len = 0, start = 0;

	*n = 0;
	for (size_t i = 0; text != NULL && i <= list.len; i++) {
		char c = i < list.len ? list.at[i] : ';';
		if (c == ';') {
			if (len > start && *n == max) {
				return false;
			}
			if (len > start) {
				out[(*n)++] = str_make(text + start, len - start);
			}
			start = len;
			continue;
		}
		if (c == '\\') { /* only "\;" and "\\" are escapes */
			if (i + 1 >= list.len ||
			    (list.at[i + 1] != ';' && list.at[i + 1] != '\\')) {
				return false;
			}
			c = list.at[++i];
		}
		text[len++] = c;
	}
	return text != NULL;
}

static void delete_many(struct http_call *call, const struct json *body,
			const struct odata_wish *wish)
{
	AUTO_REPORT struct keystore_report report = {0};
	AUTO_FREE struct str *aliases = NEW_ARRAY(struct str, ALIASES_MAX);
	struct keystore_change change = odata_change(call);
	struct str list;
	struct err err = {0};
	size_t n;

	if (!odata_text(call, body, "Aliases", &list)) {
		return;
	}
	if (!odata_split_aliases(list, call->arena, aliases, ALIASES_MAX, &n)) {
		odata_error(call, 400,
			    "Aliases must be at most %d, with ; between them, and \\; and \\\\ for "
			    "; and \\ within them",
			    ALIASES_MAX);
		return;
	}
	if (n == 0) {
		odata_error(call, 400, "Aliases is empty");
		return;
	}
	enum keystore_outcome outcome =
		keystore_delete(odata_keystore(call), &change, aliases, n, &report, &err);
	if (outcome == KEYSTORE_MISSING) { /* one unknown alias is still success in a list */
		outcome = KEYSTORE_SAME;
	}
	odata_finish(call, outcome, wish, &report, STR_NONE, &err);
}

void odata_put_resource(struct http_call *call)
{
	struct str name = http_param(call, "name"), from = http_query(call, "retrieveBackup");
	const struct json *body;
	struct odata_wish wish;
	bool deletes = false;

	if (!odata_read_wish(call, true, &wish) || !odata_flag(call, "deleteEntries", &deletes) ||
	    !odata_body(call, &body)) {
		return;
	}
	if (!str_eq(name, STR(KEYSTORE_SYSTEM))) {
		odata_error(call, 400, "only the keystore system can be changed");
	} else if (deletes == (from.at != NULL)) {
		odata_error(call, 400,
			    "say retrieveBackup=backup_admin_system, or deleteEntries=true");
	} else if (deletes) {
		delete_many(call, body, &wish);
	} else {
		restore(call, from, &wish);
	}
}
