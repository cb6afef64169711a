#include "connector/rewrite.h"

#include "net/address.h"

/* An empty array with room for the fields of `in` and ours. */
static bool start_fields(const struct http_head *in, struct arena *arena, struct http_head *out,
			 struct err *err)
{
	*out = *in;
	out->fields = arena_get(arena, (in->n_fields + REWRITE_OWN_FIELDS) * sizeof *out->fields);
	out->n_fields = 0;
	return out->fields != NULL || err_set(err, ERR_LIMIT, "the head does not fit");
}

static void add(struct http_head *out, struct str name, struct str value)
{
	out->fields[out->n_fields++] = (struct http_field){.name = name, .value = value};
}

static struct str internal_authority(const struct access_mapping *m, struct arena *arena)
{
	bool usual = m->internal_port == (m->protocol == ACCESS_HTTPS ? 443 : 80);
	bool v6 = str_find(m->internal_host, ':') < m->internal_host.len;

	if (usual && !v6) {
		return m->internal_host;
	}
	return str_of(arena_printf(arena, v6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARGS(m->internal_host),
				   m->internal_port));
}

static bool body_is_expected(struct str method)
{
	return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
	       str_eq(method, STR("PATCH"));
}

bool rewrite_request(const struct http_head *in, bool has_body, const struct access_mapping *m,
		     struct arena *arena, struct http_head *out, struct err *err)
{
	if (!start_fields(in, arena, out, err)) {
		return false;
	}
	struct str host = m->host_internal ? internal_authority(m, arena) : in->authority;
	if (host.at == NULL) {
		return err_set(err, ERR_LIMIT, "the head does not fit");
	}
	if (m->host_internal) {
		add(out, STR("X-Forwarded-Host"), in->authority);
	}
	for (size_t i = 0; i < in->n_fields; i++) {
		const struct http_field *f = &in->fields[i];
		if (http_is_platform(f->name) || http_is_framing(f->name) ||
		    str_eq_nocase(f->name, STR("te")) || str_eq_nocase(f->name, STR("host")) ||
		    (m->host_internal && str_eq_nocase(f->name, STR("x-forwarded-host")))) {
			continue;
		}
		out->fields[out->n_fields++] = *f;
	}
	out->authority = host; /* the writer makes Host of it */
	out->scheme = STR_NONE;
	out->minor = 1;
	if (!has_body) {
		out->body = body_is_expected(in->method) ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
		out->content_length = 0;
	}
	return true;
}

/* ---- answers ---- */

/* Cuts "scheme://authority" or "//authority" off; the rest is path, query and fragment. */
static bool split_url(struct str url, struct str *scheme, struct str *authority, struct str *rest)
{
	*scheme = STR_NONE;
	if (str_starts_nocase(url, STR("http:")) || str_starts_nocase(url, STR("https:"))) {
		*scheme = str_first(url, str_find(url, ':'));
		url = str_skip(url, scheme->len + 1);
	}
	if (!str_starts(url, STR("//"))) {
		return false;
	}
	url = str_skip(url, 2);
	size_t len = 0;
	while (len < url.len && url.at[len] != '/' && url.at[len] != '?' && url.at[len] != '#') {
		len++;
	}
	*authority = str_first(url, len);
	*rest = str_skip(url, len);
	return len > 0 && str_find(*authority, '@') == len; /* user info: leave it alone */
}

static bool is_own_virtual(const struct access_mapping *m, struct str host, uint16_t port)
{
	return port == m->virtual_port && str_eq_nocase(host, m->virtual_host);
}

struct str rewrite_location(struct str value, const struct access_mapping *m, struct arena *arena)
{
	struct str scheme, authority, rest, host;
	uint16_t port;

	if (!split_url(value, &scheme, &authority, &rest)) {
		return STR_NONE;
	}
	bool https = scheme.len > 0 ? scheme.len == 5 : m->protocol == ACCESS_HTTPS;
	if (!address_split(authority, https ? 443 : 80, &host, &port)) {
		return STR_NONE;
	}
	const struct access_mapping *to = access_reverse(m, host, port);
	if (to == NULL && https && is_own_virtual(m, host, port)) {
		/* It built the address from the Host that we gave; applications say http. */
		to = m;
	}
	if (to == NULL) {
		return STR_NONE;
	}
	char colon_port[8] = "";
	if (to->virtual_port != ACCESS_DEFAULT_PORT) {
		snprintf(colon_port, sizeof colon_port, ":%u", to->virtual_port);
	}
	return str_of(arena_printf(arena, "%s//%.*s%s%.*s", scheme.len > 0 ? "http:" : "",
				   STR_ARGS(to->virtual_host), colon_port, STR_ARGS(rest)));
}

static struct str virtual_domain(struct str domain, const struct access_mapping *m)
{
	struct str plain = str_starts(domain, STR(".")) ? str_skip(domain, 1) : domain;
	struct str found = access_cookie_domain(m, plain);

	if (found.at != NULL) {
		return found;
	}
	const struct access_mapping *to = access_reverse(m, plain, 0);
	return to ? to->virtual_host : STR_NONE;
}

struct str rewrite_cookie(struct str value, const struct access_mapping *m, struct arena *arena)
{
	struct str rest = value, part;
	bool first = true;

	while (str_next(&rest, ';', &part)) {
		struct str attribute = str_trim(part);
		bool names_domain =
			!first && str_starts_nocase(attribute, STR("domain")) &&
			str_eq(str_trim(str_first(str_skip(attribute, 6),
						  str_find(str_skip(attribute, 6), '='))),
			       STR(""));
		first = false;
		if (!names_domain || str_find(attribute, '=') == attribute.len) {
			continue;
		}
		struct str domain = str_trim(str_skip(attribute, str_find(attribute, '=') + 1));
		struct str to = virtual_domain(domain, m);
		if (to.at == NULL) {
			return STR_NONE;
		}
		size_t before = (size_t)(domain.at - value.at);
		struct str after = str_skip(value, before + domain.len);
		return str_of(arena_printf(arena, "%.*s%.*s%.*s", (int)before, value.at,
					   STR_ARGS(to), STR_ARGS(after)));
	}
	return STR_NONE;
}

static struct str new_value(const struct http_head *in, const struct http_field *f,
			    const struct access_mapping *m, struct arena *arena)
{
	if (in->status >= 300 && in->status < 400 && str_eq_nocase(f->name, STR("location"))) {
		return rewrite_location(f->value, m, arena);
	}
	if (str_eq_nocase(f->name, STR("set-cookie"))) {
		return rewrite_cookie(f->value, m, arena);
	}
	return STR_NONE;
}

/* Whether Connection names fields, not only "close" and the like: then each field is looked up. */
static bool lists_fields(const struct http_head *in)
{
	size_t at = 0;
	for (const struct http_field *f; (f = http_find(in, STR("connection"), &at));) {
		struct str rest = f->value;
		struct str member;
		while (str_next_listed(&rest, &member)) {
			if (!http_is_framing(member) && !str_eq_nocase(member, STR("close"))) {
				return true;
			}
		}
	}
	return false;
}

static bool is_dropped(const struct http_head *in, struct str name, bool lists)
{
	return http_is_framing(name) || str_starts_nocase(name, STR("drawbridge-")) ||
	       (lists && http_is_hop_by_hop(in, name));
}

bool rewrite_response(const struct http_head *in, const struct access_mapping *m,
		      struct arena *arena, struct http_head *out, struct err *err)
{
	if (!start_fields(in, arena, out, err)) {
		return false;
	}
	bool lists = lists_fields(in);
	for (size_t i = 0; i < in->n_fields; i++) {
		const struct http_field *f = &in->fields[i];
		if (is_dropped(in, f->name, lists)) {
			continue;
		}
		struct http_field *copy = &out->fields[out->n_fields++];
		*copy = *f;
		struct str value = new_value(in, f, m, arena);
		if (value.at != NULL) {
			copy->value = value;
		}
	}
	return true;
}

bool rewrite_trailers(const struct http_head *in, struct arena *arena, struct http_head *out,
		      struct err *err)
{
	if (!start_fields(in, arena, out, err)) {
		return false;
	}
	for (size_t i = 0; i < in->n_fields; i++) {
		struct str name = in->fields[i].name;
		if (!http_is_platform(name) && !http_is_framing(name) &&
		    !str_eq_nocase(name, STR("host"))) {
			out->fields[out->n_fields++] = in->fields[i];
		}
	}
	return true;
}
