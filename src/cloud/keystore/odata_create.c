/* New key pairs: made here, or out of an uploaded file. */
#include "base/clock.h"
#include "cloud/keystore/odata_write.h"

enum {
	TEN_YEARS_DAYS = 3652,
};
#define DAY_MS INT64_C(86400000)

/* An absent date leaves the default, which the caller set. */
static bool read_date(struct http_call *call, const struct json *body, const char *name,
		      int64_t *unix_ms)
{
	struct str text;

	if (!odata_text(call, body, name, &text)) {
		return false;
	}
	if (text.len > 0 && !odata_read_date(text, unix_ms)) {
		odata_error(call, 400, "the property %s must be like /Date(1492098664000)/", name);
		return false;
	}
	return true;
}

static bool read_size(struct http_call *call, const struct json *body, uint32_t *size)
{
	const struct json *member = json_get(body, "KeySize");
	int64_t n;

	if (member == NULL || json_is_null(member)) {
		return true;
	}
	if (!json_int(member, &n) || n < 1 || n > 65536) {
		odata_error(call, 400, "the property KeySize must be a number of bits");
		return false;
	}
	*size = (uint32_t)n;
	return true;
}

static bool read_texts(struct http_call *call, const struct json *body, struct keystore_request *r)
{
	const struct {
		const char *name;
		struct str *to;
	} texts[] = {
		{"Alias", &r->alias},
		{"KeyType", &r->key_type},
		{"KeyAlgorithmParameter", &r->curve},
		{"SignatureAlgorithm", &r->signature},
		{"CommonName", &r->common_name},
		{"OrganizationUnit", &r->unit},
		{"Organization", &r->organization},
		{"Locality", &r->locality},
		{"State", &r->state},
		{"Country", &r->country},
		{"Email", &r->email},
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		if (!odata_text(call, body, texts[i].name, texts[i].to)) {
			return false;
		}
	}
	return true;
}

static bool read_request(struct http_call *call, const struct json *body,
			 struct keystore_request *r)
{
	return read_texts(call, body, r) && read_size(call, body, &r->key_size) &&
	       read_date(call, body, "ValidNotBefore", &r->not_before) &&
	       read_date(call, body, "ValidNotAfter", &r->not_after);
}

void odata_post_generation(struct http_call *call)
{
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	struct keystore_request request = {.key_size = 0};
	const struct json *body;
	struct odata_wish wish;
	struct err err = {0};

	if (!odata_read_wish(call, false, &wish) || !odata_body(call, &body) ||
	    !read_request(call, body, &request)) {
		return;
	}
	if (request.key_type.len == 0) {
		request.key_type = STR("RSA");
	}
	enum keystore_outcome outcome =
		keystore_create(odata_keystore(call), &change, &request, &report, &err);
	odata_finish(call, outcome, &wish, &report, request.alias, &err);
}

void odata_post_key_pair(struct http_call *call)
{
	AUTO_BUF struct buf file = BUF_SECRET(ODATA_BODY_MAX);
	AUTO_REPORT struct keystore_report report = {0};
	struct keystore_change change = odata_change(call);
	const struct json *body;
	struct str alias, password;
	struct odata_wish wish;
	struct err err = {0};

	if (!odata_read_wish(call, false, &wish) || !odata_body(call, &body) ||
	    !odata_text(call, body, "Alias", &alias) ||
	    !odata_text(call, body, "Password", &password) ||
	    !odata_bytes(call, body, "Resource", &file)) {
		return;
	}
	change.confirmed = wish.confirmed;
	enum keystore_outcome outcome =
		keystore_put_key_pair(odata_keystore(call), &change, alias, buf_str(&file),
				      password, wish.update, &report, &err);
	odata_finish(call, outcome, &wish, &report, alias, &err);
}

/* ---- private keys without a certificate ---- */

struct upload {
	struct keystore_request request;
	struct odata_wish wish;
	struct keystore_report report;
	enum keystore_outcome outcome;
};

/* Wrapped in a certificate of its own, for ten years unless said. */
static bool put_key(struct http_call *call, const char *member, struct upload *u, struct err *err)
{
	AUTO_BUF struct buf file = BUF_SECRET(ODATA_BODY_MAX);
	struct keystore_change change = odata_change(call);
	const struct json *body;
	struct str password;

	u->request.not_before = change.now;
	u->request.not_after = 0;
	if (!odata_read_wish(call, false, &u->wish) || !odata_body(call, &body) ||
	    !read_request(call, body, &u->request) ||
	    !odata_text(call, body, "Password", &password) ||
	    !odata_bytes(call, body, member, &file)) {
		return false;
	}
	if (u->request.not_after == 0) {
		u->request.not_after = u->request.not_before + TEN_YEARS_DAYS * DAY_MS;
	}
	change.confirmed = u->wish.confirmed;
	u->outcome = keystore_put_key(odata_keystore(call), &change, &u->request, buf_str(&file),
				      password, u->wish.update, &u->report, err);
	return true;
}

void odata_post_rsa_key(struct http_call *call)
{
	struct upload u = {.outcome = KEYSTORE_DONE};
	struct err err = {0};

	if (put_key(call, "RSAFile", &u, &err)) {
		if (u.outcome == KEYSTORE_BUSY) { /* of all uploads this one has 423 (spec 1.9) */
			odata_error(call, 423, "%s", err.text);
		} else {
			odata_finish(call, u.outcome, &u.wish, &u.report, u.request.alias, &err);
		}
	}
	keystore_report_fini(&u.report);
}

static void answer_alias(struct http_call *call, struct str alias)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key(&w, "d");
	jsonw_object(&w);
	jsonw_key_str(&w, "Alias", alias);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	odata_end(call);
}

void odata_post_ssh_key(struct http_call *call)
{
	struct upload u = {.outcome = KEYSTORE_DONE};
	struct err err = {0};

	if (put_key(call, "SSHFile", &u, &err)) {
		bool done = u.outcome == KEYSTORE_DONE || u.outcome == KEYSTORE_SAME;
		if (done && !u.wish.entries) {
			answer_alias(call, u.request.alias);
		} else {
			odata_finish(call, u.outcome, &u.wish, &u.report, u.request.alias, &err);
		}
	}
	keystore_report_fini(&u.report);
}
