/* What the handlers of our own API share; and the table. */
#include "cloud/keystore/api.h"

#include "base/clock.h"

enum {
	PAGE_DEFAULT = 100,
	UPLOAD = ODATA_BODY_MAX,
	SEE = ACCESS_KEYSTORE_READ,
	CHANGE = ACCESS_KEYSTORE_EDIT,
	PROVIDER = ACCESS_A,
};

bool api_read_page(struct http_call *call, struct api_page *page)
{
	struct str limit = http_query(call, "limit");
	uint64_t n = PAGE_DEFAULT;

	if (limit.at != NULL && (!str_to_u64(limit, &n) || n < 1 || n > KEYSTORE_PAGE_MAX)) {
		http_problem(call, 400, "limit must be a number from 1 to %d", KEYSTORE_PAGE_MAX);
		return false;
	}
	page->limit = (size_t)n;
	page->after = http_query(call, "after");
	return true;
}

bool api_read_match(struct http_call *call, int64_t *version)
{
	struct str match = http_value(call->head, STR("If-Match"));
	uint64_t n;

	*version = DIRECTORY_ANY_VERSION;
	if (match.at == NULL || str_eq(match, STR("*"))) {
		return true;
	}
	if (match.len < 3 || match.at[0] != '"' || match.at[match.len - 1] != '"' ||
	    !str_to_u64(str_make(match.at + 1, match.len - 2), &n) || n > INT64_MAX) {
		http_problem(call, 400, "If-Match must be an ETag that this server gave out, or *");
		return false;
	}
	*version = (int64_t)n;
	return true;
}

void api_answer_version(struct http_call *call, int64_t version)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "\"%lld\"", (long long)version);
	http_answer_field(call, "ETag", str_of(tag));
}

bool api_alias(struct http_call *call, struct str *alias)
{
	struct str hex = http_param(call, "alias");
	uint8_t *bytes = arena_get(call->arena, hex.len / 2 + 1);

	if (hex.len % 2 == 0 && hex.len <= ODATA_HEX_MAX && bytes != NULL &&
	    str_to_hex_bytes(hex, bytes, hex.len / 2)) {
		*alias = str_make(bytes, hex.len / 2);
		if (str_is_utf8(*alias) && str_find(*alias, '\0') == alias->len) {
			return true;
		}
	}
	http_problem(call, 404, "no such entry: the path has the alias in hex of its UTF-8");
	return false;
}

struct keystore_place api_place(const struct http_call *call)
{
	return (struct keystore_place){.tenant = str_of(directory_caller(call)->subaccount),
				       .name = KEYSTORE_SYSTEM};
}

void api_refuse(struct http_call *call, enum keystore_outcome outcome, const struct err *err)
{
	unsigned status = keystore_status(outcome, err);

	odata_note_denied(call, outcome, err->text);
	if (status == 503) {
		http_answer_field(call, "Retry-After", STR("1"));
	}
	http_problem(call, status, "%s", err->text);
}

void api_write_entry(struct jsonw *w, const struct keystore_entry *e)
{
	char print[KEYSTORE_PRINT_TEXT];

	jsonw_key_text(w, "alias", e->alias);
	jsonw_key(w, "hexAlias");
	jsonw_raw(w, STR("\""));
	odata_hex(str_of(e->alias), w->out);
	buf_add_c(w->out, '"');
	jsonw_key_text(w, "kind", e->kind == KEYS_ENTRY_KEY_PAIR ? "keyPair" : "certificate");
	jsonw_key_text(w, "owner", e->owner == KEYS_OWNER_PROVIDER ? "provider" : "tenant");
	jsonw_key_bool(w, "trustedForInbound", (e->flags & KEYS_FLAG_INBOUND) != 0);
	jsonw_key_str(w, "subject", e->subject);
	jsonw_key_str(w, "issuer", e->issuer);
	jsonw_key_text(w, "serialNumber", e->serial);
	jsonw_key_text(w, "keyType", e->key_type);
	jsonw_key_int(w, "keySize", e->key_size);
	jsonw_key_text(w, "curve", e->curve);
	jsonw_key_text(w, "signatureAlgorithm", e->signature);
	jsonw_key_time_ms(w, "notBefore", e->not_before);
	jsonw_key_time_ms(w, "notAfter", e->not_after);
	jsonw_key_text(w, "sha256", keystore_print(e, KEYSTORE_SHA256, print));
	jsonw_key_int(w, "chainLength", e->chain_length);
	jsonw_key_str(w, "createdBy", odata_user(e, e->created_by));
	jsonw_key_time_ms(w, "created", e->created);
	jsonw_key_str(w, "modifiedBy", odata_user(e, e->modified_by));
	jsonw_key_time_ms(w, "modified", e->modified);
	jsonw_key_int(w, "version", e->version);
}

static const char *did_text(enum keystore_did did)
{
	switch (did) {
	case KEYSTORE_CHANGED:
		return "changed";
	case KEYSTORE_NEW:
		return "new";
	case KEYSTORE_REMOVED:
		return "removed";
	case KEYSTORE_NOT_IMPORTED:
		return "notImported";
	case KEYSTORE_UNCHANGED:
	default:
		return "unchanged";
	}
}

void api_finish(struct http_call *call, enum keystore_outcome outcome,
		const struct keystore_report *report, const struct err *err)
{
	if (outcome != KEYSTORE_DONE && outcome != KEYSTORE_SAME) {
		api_refuse(call, outcome, err);
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_int(&w, "generation", report->generation);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	for (size_t i = 0; i < report->n; i++) {
		const struct keystore_report_row *row = &report->rows[i];
		jsonw_object(&w);
		jsonw_key_text(&w, "status", did_text(row->did));
		if (row->did == KEYSTORE_NOT_IMPORTED) {
			jsonw_key_text(&w, "reason", row->reason);
		}
		if (row->entry != NULL) {
			api_write_entry(&w, row->entry);
		} else {
			jsonw_key_text(&w, "alias", row->alias);
		}
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	api_answer_version(call, report->generation);
	http_answer_json(call, 200);
}

#define K    "/api/drawbridge/v1/subaccounts/{sa}/keystore"
#define JSON "application/json"

const struct http_route keystore_own_routes[] = {
	/* clang-format off */
	{"GET", K, api_head, SEE, "The keystore: generation, counts, backup, undo", NULL, JSON, 0},
	{"GET", K "/entries", api_entries, SEE, "Entries, by text and expiry", NULL, JSON, 0},
	{"GET", K "/entries/{alias}", api_entry, SEE, "An entry", NULL, JSON, 0},
	{"PUT", K "/entries/{alias}", api_put_entry, CHANGE, "Trust an entry for inbound client certificates, or not", JSON, JSON, 0},
	{"GET", K "/preview", api_preview, SEE, "What a restore would do", NULL, JSON, 0},
	{"POST", K "/restore", api_restore, CHANGE, "Restore a backup", JSON, JSON, 0},
	{"POST", K "/undo", api_undo, CHANGE, "Undo the last restore", NULL, JSON, 0},
	{"GET", K "/backups", api_backups, SEE, "Backups and safety copies, newest first", NULL, JSON, 0},
	{"POST", K "/backups", api_back_up, CHANGE, "Back up, with a note", JSON, JSON, 0},
	{"GET", K "/generations", api_generations, SEE, "What happened to the keystore, newest first", NULL, JSON, 0},
	{"GET", K "/verify", api_verify, SEE | HTTP_ROUTE_SLOW, "Check every entry against its seal", NULL, JSON, 0},
	{"GET", K "/export", api_export, SEE, "The public content as a JCEKS file", NULL, "application/octet-stream", 0},
	{"POST", K "/provider/entries", api_provider_import, PROVIDER | HTTP_ROUTE_SLOW, "Add or update provider-owned entries", JSON, JSON, UPLOAD},
	{"DELETE", K "/provider/entries/{alias}", api_provider_delete, PROVIDER, "Delete a provider-owned entry", NULL, JSON, 0},
	{"GET", K "/settings", api_settings, SEE, "What is demanded of clients of the TLS proxy", NULL, JSON, 0},
	{"PUT", K "/settings", api_put_settings, CHANGE, "Demand client certificates of the TLS proxy's clients", JSON, JSON, 0},
	{NULL, NULL, NULL, 0, NULL, NULL, NULL, 0},
	/* clang-format on */
};
