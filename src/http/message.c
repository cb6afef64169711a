#include "http/message.h"

/* RFC 9110, 5.6.2: tchar */
static const uint8_t token_chars[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
	['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1,
};

size_t http_token_length(struct str s)
{
	size_t n = 0;
	while (n < s.len && token_chars[(uint8_t)s.at[n]]) {
		n++;
	}
	return n;
}

bool http_is_token(struct str s)
{
	return s.len > 0 && http_token_length(s) == s.len;
}

static bool are_value_chars(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)at[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

/* Whether one of eight bytes is below 0x20 or DEL. */
static bool is_suspect(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u;
	const uint64_t tops = 0x8080808080808080u;
	uint64_t del = x ^ (ones * 0x7f);
	return ((((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & tops) != 0;
}

/* Without a branch inside, so that the compiler takes 16 bytes at a time: tokens are long. */
static bool are_64_value_chars(const char *at)
{
	uint8_t bad = 0;
	for (size_t i = 0; i < 64; i++) {
		uint8_t c = (uint8_t)at[i];
		bad |= (uint8_t)((c < 0x20) & (c != '\t')) | (uint8_t)(c == 0x7f);
	}
	return bad == 0;
}

bool http_is_field_value(struct str s)
{
	size_t i = 0;
	for (; i + 64 <= s.len; i += 64) {
		if (!are_64_value_chars(s.at + i)) {
			return false;
		}
	}
	for (; i + 8 <= s.len; i += 8) {
		uint64_t x;
		memcpy(&x, s.at + i, 8);
		if (is_suspect(x) && !are_value_chars(s.at + i, 8)) {
			return false;
		}
	}
	return i == s.len || are_value_chars(s.at + i, s.len - i);
}

const struct http_field *http_find(const struct http_head *head, struct str name, size_t *at)
{
	while (*at < head->n_fields) {
		const struct http_field *f = &head->fields[(*at)++];
		if (str_eq_nocase(f->name, name)) {
			return f;
		}
	}
	return NULL;
}

struct str http_value(const struct http_head *head, struct str name)
{
	size_t at = 0;
	const struct http_field *f = http_find(head, name, &at);
	if (f == NULL) {
		return STR_NONE;
	}
	/* Present but empty: `at` must not be NULL. */
	return f->value.at ? f->value : STR("");
}

bool http_add(struct http_head *head, struct str name, struct str value)
{
	if (head->fields == NULL || head->n_fields >= HTTP_FIELDS_MAX) {
		return false;
	}
	head->fields[head->n_fields++] = (struct http_field){
		.name = name,
		.value = value,
		.sensitive = http_is_sensitive(name),
	};
	return true;
}

bool http_is_platform(struct str name)
{
	static const struct str prefixes[] = {
		STR("sap-connectivity-"),
		STR("sap-cp-connectivity-"),
		STR("drawbridge-"),
		STR("proxy-"),
	};
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		if (str_starts_nocase(name, prefixes[i])) {
			return true;
		}
	}
	return false;
}

/* By length first: names that match nothing cost one jump. */
bool http_is_framing(struct str name)
{
	switch (name.len) {
	case 7:
		return http_is_named(name, STR("upgrade"));
	case 10:
		return http_is_named(name, STR("connection")) ||
		       http_is_named(name, STR("keep-alive"));
	case 14:
		return http_is_named(name, STR("content-length"));
	case 16:
		return http_is_named(name, STR("proxy-connection"));
	case 17:
		return http_is_named(name, STR("transfer-encoding"));
	default:
		return false;
	}
}

bool http_is_sensitive(struct str name)
{
	switch (name.len) {
	case 6:
		return http_is_named(name, STR("cookie"));
	case 10:
		return http_is_named(name, STR("set-cookie"));
	case 12:
		return http_is_named(name, STR("x-user-token"));
	case 13:
		return http_is_named(name, STR("authorization"));
	case 19:
		return http_is_named(name, STR("proxy-authorization"));
	case 31:
		return http_is_named(name, STR("sap-connectivity-authentication"));
	case 41:
		return http_is_named(name, STR("sap-connectivity-technical-authentication"));
	default:
		return false;
	}
}

bool http_is_hop_by_hop(const struct http_head *head, struct str name)
{
	if (http_is_framing(name)) {
		return !str_eq_nocase(name, STR("content-length"));
	}
	if (str_eq_nocase(name, STR("te"))) {
		return true;
	}
	size_t at = 0;
	for (const struct http_field *f; (f = http_find(head, STR("connection"), &at));) {
		struct str rest = f->value;
		struct str member;
		while (str_next_listed(&rest, &member)) {
			if (str_eq_nocase(member, name)) {
				return true;
			}
		}
	}
	return false;
}

static bool names_scheme(struct str value, struct str scheme)
{
	return str_starts_nocase(value, scheme) &&
	       (value.len == scheme.len || value.at[scheme.len] == ' ' ||
		value.at[scheme.len] == '\t');
}

bool http_authenticates_connection(const struct http_head *head)
{
	size_t at = 0;

	/* All of them: which one a back end takes is its own business. */
	for (const struct http_field *f; (f = http_find(head, STR("authorization"), &at));) {
		if (names_scheme(f->value, STR("NTLM")) ||
		    names_scheme(f->value, STR("Negotiate"))) {
			return true;
		}
	}
	return false;
}

static const struct reason {
	unsigned status;
	const char *text;
} reasons[] = {
	{100, "Continue"},
	{101, "Switching Protocols"},
	{103, "Early Hints"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{203, "Non-Authoritative Information"},
	{204, "No Content"},
	{205, "Reset Content"},
	{206, "Partial Content"},
	{207, "Multi-Status"},
	{300, "Multiple Choices"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{402, "Payment Required"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{407, "Proxy Authentication Required"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{423, "Locked"},
	{425, "Too Early"},
	{426, "Upgrade Required"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{451, "Unavailable For Legal Reasons"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

const char *http_reason(unsigned status)
{
	size_t low = 0;
	size_t high = COUNT(reasons);
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (reasons[middle].status == status) {
			return reasons[middle].text;
		}
		if (reasons[middle].status < status) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return "";
}

bool http_method_is_idempotent(struct str method)
{
	static const struct str idempotent[] = {
		STR("GET"), STR("HEAD"), STR("OPTIONS"), STR("TRACE"), STR("PUT"), STR("DELETE"),
	};
	for (size_t i = 0; i < COUNT(idempotent); i++) {
		if (str_eq(method, idempotent[i])) {
			return true;
		}
	}
	return false;
}
