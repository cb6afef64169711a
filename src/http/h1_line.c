#include "http/h1_priv.h"

enum h1_line h1_take_line(struct str in, size_t max, struct str *line, size_t *used)
{
	const char *lf = in.len ? memchr(in.at, '\n', in.len) : NULL;
	/* With its CR, which may be there without the LF. */
	size_t len = lf ? (size_t)(lf - in.at) : in.len;
	if (len > max + 1) {
		return H1_LINE_LONG;
	}
	if (lf == NULL) {
		return H1_LINE_MORE;
	}
	if (len == 0 || in.at[len - 1] != '\r') {
		return H1_LINE_BARE_LF;
	}
	*line = (struct str){in.at, len - 1};
	*used = len + 1;
	return H1_LINE_OK;
}

const char *h1_parse_field(struct str line, struct http_field *out)
{
	if (line.len && (line.at[0] == ' ' || line.at[0] == '\t')) {
		return "a field folded over two lines";
	}
	struct str name = {line.at, http_token_length(line)};
	if (name.len == line.len) {
		return "a field without a colon";
	}
	if (name.len == 0 || line.at[name.len] != ':') {
		return "a field name that is no token";
	}
	struct str value = str_trim(str_skip(line, name.len + 1));
	if (!http_is_field_value(value)) {
		return "a control character in a field";
	}
	*out = (struct http_field){
		.name = name, .value = value, .sensitive = http_is_sensitive(name)};
	return NULL;
}
