#include <stdarg.h>

#include "connector/admin_priv.h"
#include "connector/rules.h"

/* ---- errors ---- */

static const char *type_of(unsigned status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
		return "INVALID_REQUEST";
	case 401:
	case 403:
	case 429:
		return "FORBIDDEN_REQUEST";
	case 404:
		return "NOT_FOUND";
	case 409:
		return "ILLEGAL_STATE";
	default:
		return status < 500 ? "INVALID_REQUEST" : "RUNTIME_FAILURE";
	}
}

bool admin_render_error(struct http_call *call, unsigned status, const char *detail)
{
	if (str_starts(call->path, STR("/api/drawbridge/"))) {
		return false;
	}
	buf_reset(&call->out);
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	/* One call of the original's has a name of its own for the same (spec 3.1). */
	bool renewal = status == 400 && str_ends(call->path, STR("/validity"));
	jsonw_key_text(&w, "type", renewal ? "BAD_REQUEST" : type_of(status));
	jsonw_key_text(&w, "message", detail);
	jsonw_object_end(&w);
	http_answer_json(call, status);
	return true;
}

void admin_error(struct http_call *call, unsigned status, const char *fmt, ...)
{
	char text[800];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!admin_render_error(call, status, text)) {
		http_problem(call, status, "%s", text);
	}
}

void admin_error_err(struct http_call *call, const struct err *err)
{
	admin_error(call, http_status_of(err->kind), "%s", err->text);
}

/* ---- success ---- */

void admin_no_content(struct http_call *call)
{
	call->status = 204;
	buf_reset(&call->out);
}

static const char *here(struct http_call *call, const char *path)
{
	return arena_printf(call->arena, "https://%.*s%s", STR_ARGS(call->head->authority), path);
}

void admin_created(struct http_call *call, const char *path)
{
	call->status = 201;
	http_answer_field(call, "Location", str_of(here(call, path)));
}

void admin_link(struct http_call *call, struct jsonw *w, const char *name, const char *base,
		const char *more)
{
	AUTO_BUF struct buf href = BUF(KIB(16)); /* not in the arena: lists have thousands */

	buf_addf(&href, "https://%.*s%s%s", STR_ARGS(call->head->authority), base, more);
	jsonw_key(w, name);
	jsonw_object(w);
	jsonw_key_str(w, "href", buf_str(&href));
	jsonw_object_end(w);
}

/* ---- input ---- */

struct str admin_text(struct http_call *call, const struct json *object, const char *name)
{
	return rules_text(call->arena, object, name);
}

bool admin_fits(struct http_call *call, const char *name, struct str value, size_t max)
{
	if (value.len <= max) {
		return true;
	}
	admin_error(call, 400, "%s is longer than %zu bytes", name, max);
	return false;
}

bool admin_body(struct http_call *call, const char *texts, const struct json **out)
{
	struct err err = {0};

	if (!http_json_object(call, out)) {
		return false;
	}
	if (!rules_are_texts(*out, texts, &err)) {
		admin_error_err(call, &err);
		return false;
	}
	return true;
}

struct str admin_decode_id(struct http_call *call, struct str encoded)
{
	char *into = arena_get(call->arena, encoded.len + 1);
	size_t n = 0;

	for (size_t i = 0; into != NULL && i < encoded.len; i++) {
		struct str rest = str_skip(encoded, i);
		if (str_starts(rest, STR("+2D")) || str_starts(rest, STR("+2B"))) {
			into[n++] = rest.at[2] == 'D' ? '-' : '+';
			i += 2;
		} else {
			into[n++] = encoded.at[i] == '-' ? '/' : encoded.at[i];
		}
	}
	return str_make(into, n);
}

void admin_encode_id(struct buf *out, struct str id)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < id.len; i++) {
		unsigned char c = (unsigned char)id.at[i];
		if (c == '+') {
			buf_add_str(out, STR("+2B"));
		} else if (c == '-') {
			buf_add_str(out, STR("+2D"));
		} else if (c == '/') {
			buf_add_c(out, '-');
		} else if (c <= 0x20 || c >= 0x7f || c == '%' || c == '?' || c == '#') {
			buf_add_c(out, '%');
			buf_add_c(out, digits[c >> 4]);
			buf_add_c(out, digits[c & 15]);
		} else {
			buf_add_c(out, (char)c);
		}
	}
}

/* ---- places ---- */

bool admin_place(struct http_call *call, struct admin_place *out)
{
	struct str rh = http_param(call, "rh"), sa = http_param(call, "sa");

	*out = (struct admin_place){.set = subaccounts_ref(admin_of(call)->settings.subaccounts)};
	out->row = subaccount_find(out->set, rh, sa);
	if (out->row == NULL) {
		admin_error(call, 404, "Subaccount with value '%.*s@%.*s' does not exist",
			    STR_ARGS(str_first(sa, 100)), STR_ARGS(str_first(rh, 300)));
		return false;
	}
	out->owner = (struct mappings_owner){str_of(out->row->state.region_host),
					     str_of(out->row->state.subaccount)};
	out->path = arena_printf(call->arena, "/api/v1/configuration/subaccounts/%s/%s",
				 out->row->state.region_host, out->row->state.subaccount);
	return true;
}

void admin_place_fini(struct admin_place *p)
{
	subaccount_set_unref(p->set);
}

bool admin_mapping(struct http_call *call, const struct admin_place *p, struct mapping_row *out)
{
	struct str name = http_param(call, "vhvp");
	size_t colon = str_find_last(name, ':');
	struct err err = {0};

	if (mappings_get(admin_of(call)->settings.store, call->arena, p->owner,
			 str_first(name, colon), str_skip(name, colon + 1), out, &err)) {
		return true;
	}
	admin_error_err(call, &err);
	return false;
}

bool admin_publish(struct http_call *call)
{
	struct admin *a = admin_of(call);
	struct subaccount_set *set = subaccounts_ref(a->settings.subaccounts);
	struct err err = {0};
	bool good = mappings_publish(a->settings.mappings, set, &err);

	subaccount_set_unref(set);
	if (!good) {
		admin_error(call, 500, "stored, but not in force: %s", err.text);
	}
	return good;
}
