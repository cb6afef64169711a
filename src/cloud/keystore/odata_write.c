/* Changes of one entry: rename, delete, certificates, signing responses; and what they answer. */
#include "cloud/keystore/odata_write.h"

bool odata_read_wish(struct http_call *call, bool list_by_default, struct odata_wish *wish)
{
	*wish = (struct odata_wish){.entries = list_by_default};
	return odata_accepts_json(call) &&
	       odata_flag(call, "returnKeystoreEntries", &wish->entries) &&
	       odata_flag(call, "returnHexAlias", &wish->hex) &&
	       odata_flag(call, "fingerprintVerified", &wish->confirmed) &&
	       odata_flag(call, "update", &wish->update);
}

/* 409: the entry itself, without an envelope (spec 3.5). */
static void answer_untrusted(struct http_call *call, const struct keystore_report *report,
			     const struct err *err)
{
	AUTO_ODATA struct odata_writer o = {.w = jsonw_to(&call->out),
					    .set = ODATA_ENTRIES,
					    .selected = UINT64_MAX,
					    .is_bare = true};

	if (report->n == 0 || report->rows[0].entry == NULL) {
		odata_error(call, 409, "%s", err->text);
		return;
	}
	buf_reset(&call->out);
	odata_write(&o, &(struct odata_row){.entry = report->rows[0].entry,
					    .status = "notImported",
					    .validity = "notTrusted"});
	http_answer_json(call, 409);
}

static void answer_hex(struct http_call *call, struct str alias)
{
	AUTO_BUF struct buf hex = BUF(ODATA_HEX_MAX);
	struct jsonw w = jsonw_to(&call->out);

	odata_hex(alias, &hex);
	jsonw_array(&w);
	jsonw_str(&w, buf_str(&hex));
	jsonw_array_end(&w);
	odata_end(call);
}

/* Nothing changed: the list is the entry as it is. */
static void answer_same(struct http_call *call, struct str alias)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	AUTO_ODATA struct odata_writer o = {0};
	struct keystore_place place = {.tenant = str_of(directory_caller(call)->subaccount),
				       .name = KEYSTORE_SYSTEM};
	struct err err;

	if (!keystore_find(odata_keystore(call), &place, alias, &list, &err)) {
		odata_fail(call, &err);
		return;
	}
	struct keystore_report_row row = {.did = KEYSTORE_UNCHANGED,
					  .entry = keystore_list_at(list, 0)};
	const struct keystore_report report = {.n = 1, .rows = &row};
	if (odata_writer_start(call, ODATA_ENTRIES, &o)) {
		odata_write_report(&o, &report);
		odata_end(call);
	}
}

void odata_finish(struct http_call *call, enum keystore_outcome outcome,
		  const struct odata_wish *wish, const struct keystore_report *report,
		  struct str alias, const struct err *err)
{
	AUTO_ODATA struct odata_writer o = {0};

	if (outcome == KEYSTORE_UNTRUSTED) {
		answer_untrusted(call, report, err);
		return;
	}
	if (outcome != KEYSTORE_DONE && outcome != KEYSTORE_SAME) {
		odata_refuse(call, outcome, err);
		return;
	}
	if (wish->entries && report->n == 0 && alias.len > 0) {
		answer_same(call, alias);
	} else if (wish->entries) {
		if (odata_writer_start(call, ODATA_ENTRIES, &o)) {
			odata_write_report(&o, report);
			odata_end(call);
		}
	} else if (wish->hex) {
		answer_hex(call, alias);
	} else {
		odata_empty(call);
	}
}

bool odata_body(struct http_call *call, const struct json **body)
{
	void *iter = NULL;
	struct str key;
	const struct json *value;

	if (!http_json_object(call, body)) {
		return false;
	}
	if (!json_next(*body, &iter, &key, &value)) {
		odata_error(call, 400, "the body must have a property, which may be null");
		return false;
	}
	return true;
}

/* ---- one entry ---- */

void odata_put_entry(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct str alias, to = http_query(call, "renameAlias");
	const struct json *body;
	struct odata_wish wish;
	struct err err = {0};

	if (!odata_read_wish(call, false, &wish) || !odata_alias(call, &alias) ||
	    !odata_body(call, &body)) {
		return;
	}
	if (to.len == 0) {
		odata_error(call, 400, "renameAlias is missing or empty: an entry can be renamed");
		return;
	}
	enum keystore_outcome outcome =
		keystore_rename(odata_keystore(call), &change, alias, to, &report, &err);
	odata_finish(call, outcome, &wish, &report, to, &err);
}

/* Activation takes a pair out of KeyRenewal, which is empty so far. */
static bool is_activation(struct http_call *call, struct str alias, bool *answered)
{
	struct keystore_place place;
	bool activate = false;

	*answered = true;
	if (!odata_place(call, &place) || !odata_flag(call, "activate", &activate)) {
		return true;
	}
	if (strcmp(place.name, KEYSTORE_SYSTEM) == 0 && !activate) {
		*answered = false;
		return false;
	}
	if (strcmp(place.name, KEYSTORE_RENEWAL) == 0 && activate) {
		odata_error(call, 404, "there is no entry \"%.*s\" in the keystore KeyRenewal",
			    STR_ARGS(str_first(alias, 300)));
	} else {
		odata_error(call, 400,
			    "entries are deleted in the keystore system; with activate=true they "
			    "are taken from KeyRenewal");
	}
	return true;
}

void odata_delete_entry(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct odata_wish wish;
	struct str alias;
	struct err err = {0};
	bool answered;

	if (!odata_read_wish(call, false, &wish) || !odata_alias(call, &alias) ||
	    is_activation(call, alias, &answered)) {
		return;
	}
	enum keystore_outcome outcome =
		keystore_delete(odata_keystore(call), &change, &alias, 1, &report, &err);
	odata_finish(call, outcome, &wish, &report, alias, &err);
}

/* ---- certificates ---- */

void odata_put_certificate(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct odata_wish wish;
	struct str alias;
	struct err err = {0};

	if (!odata_read_wish(call, false, &wish) || !odata_alias(call, &alias)) {
		return;
	}
	change.confirmed = wish.confirmed;
	enum keystore_outcome outcome = keystore_put_certificate(
		odata_keystore(call), &change, alias, call->body, wish.update, &report, &err);
	odata_finish(call, outcome, &wish, &report, alias, &err);
}

void odata_put_chain(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct odata_wish wish;
	struct str alias;
	struct err err = {0};

	if (!odata_read_wish(call, false, &wish) || !odata_alias(call, &alias)) {
		return;
	}
	change.confirmed = wish.confirmed;
	enum keystore_outcome outcome =
		keystore_reply(odata_keystore(call), &change, alias, call->body, &report, &err);
	odata_finish(call, outcome, &wish, &report, alias, &err);
}

/* As the original answers (spec 3.3, notes). */
void odata_get_chain_resource(struct http_call *call)
{
	odata_error(call, 400,
		    "CertificateChainResources is only written; a chain is read at "
		    "KeystoreEntries('…')/ChainResource/$value");
}
