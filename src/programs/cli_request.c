#include "net/address.h"
#include "programs/cli.h"

void cli_add_encoded(struct buf *out, struct str segment)
{
	for (size_t i = 0; i < segment.len; i++) {
		unsigned char c = (unsigned char)segment.at[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("-._~:@+", c) != NULL;
		if (plain && c != '\0') {
			buf_add_c(out, (char)c);
		} else {
			buf_addf(out, "%%%02X", c);
		}
	}
}

/* A resource's path as one segment (spec 3.5): '+' is "+2B", then '-' is "+2D", then '/' is '-'. */
static void add_resource(struct buf *out, struct str path)
{
	for (size_t i = 0; i < path.len; i++) {
		char c = path.at[i];
		if (c == '/') {
			buf_add_c(out, '-');
		} else if (c == '+' || c == '-') {
			buf_add_str(out, c == '+' ? STR("+2B") : STR("+2D"));
		} else {
			cli_add_encoded(out, str_make(&c, 1));
		}
	}
}

void cli_split_subaccount(struct str value, struct str *id, struct str *region)
{
	size_t at = str_find(value, '@');
	*id = str_first(value, at);
	*region = at < value.len ? str_skip(value, at + 1) : STR_NONE;
}

static bool add_subaccount(struct buf *out, struct str value, const char *region, struct err *err)
{
	struct str id = STR_NONE, named = STR_NONE;
	cli_split_subaccount(value, &id, &named);
	struct str host = named.at != NULL ? named : str_of(region);
	if (id.len == 0 || host.len == 0) {
		return err_set(err, ERR_CONFIG, "\"%.*s\" is no ID or ID@REGION-HOST",
			       STR_ARGS(value));
	}
	cli_add_encoded(out, host);
	buf_add_c(out, '/');
	cli_add_encoded(out, id);
	return true;
}

static bool add_parameter(const struct cli_command *c, struct str name, char *const *values,
			  const char *region, struct buf *out, struct err *err)
{
	int row = cli_row_index(c, name);
	if (row < 0 || values[row] == NULL || values[row][0] == '\0') {
		return err_set(err, ERR_CONFIG, "\"%s\" needs %.*s", c->words, STR_ARGS(name));
	}
	struct str value = str_of(values[row]);
	if (c->rows[row].kind == CLI_SUBACCOUNT) {
		return add_subaccount(out, value, region, err);
	}
	if (c->rows[row].kind == CLI_RESOURCE) {
		add_resource(out, value);
	} else if (c->rows[row].kind == CLI_ALIAS) {
		buf_add_hex(out, value.at, value.len);
	} else {
		cli_add_encoded(out, value);
	}
	return true;
}

bool cli_write_path(const struct cli_command *c, char *const *values, const char *region,
		    struct buf *out, struct err *err)
{
	struct str rest = str_of(c->path);
	struct str part = STR_NONE;
	bool literal = true;
	/* braces alternate: literal { name } literal … */
	while (str_next(&rest, literal ? '{' : '}', &part)) {
		if (literal) {
			buf_add_str(out, part);
		} else if (!add_parameter(c, part, values, region, out, err)) {
			return false;
		}
		literal = !literal;
	}
	if (buf_failed(out)) {
		return err_set(err, ERR_CONFIG, "the arguments are too long");
	}
	return true;
}

bool cli_read_switch(struct str value, bool *out)
{
	*out = str_eq(value, STR("on")) || str_eq(value, STR("true")) || str_eq(value, STR("yes"));
	return *out || str_eq(value, STR("off")) || str_eq(value, STR("false")) ||
	       str_eq(value, STR("no"));
}

static bool add_host_port(struct jsonw *w, const struct cli_row *row, struct str value,
			  struct err *err)
{
	struct str host = STR_NONE;
	uint16_t port = 0;
	char key[64], text[8];
	bool prefixed = row->json[0] != '\0';
	if (!address_split(value, 0, &host, &port)) {
		return err_set(err, ERR_CONFIG, "%s needs host:port, not \"%.*s\"", row->name,
			       STR_ARGS(value));
	}
	snprintf(key, sizeof key, "%s%s", row->json, prefixed ? "Host" : "host");
	jsonw_key_str(w, key, host);
	snprintf(key, sizeof key, "%s%s", row->json, prefixed ? "Port" : "port");
	snprintf(text, sizeof text, "%u", port);
	jsonw_key_text(w, key, text);
	return true;
}

static void add_list(struct jsonw *w, struct str value)
{
	struct str member = STR_NONE;
	jsonw_array(w);
	while (str_next_listed(&value, &member)) {
		jsonw_str(w, member);
	}
	jsonw_array_end(w);
}

static bool add_member(struct jsonw *w, const struct cli_row *row, struct str value,
		       struct err *err)
{
	bool yes = false;
	uint64_t number = 0;
	switch (row->kind) {
	case CLI_HOST_PORT:
		return add_host_port(w, row, value, err);
	case CLI_BOOL:
		if (!cli_read_switch(value, &yes)) {
			return err_set(err, ERR_CONFIG, "%s%s is on or off",
				       cli_row_is_argument(row) ? "" : "--", row->name);
		}
		jsonw_key_bool(w, row->json, yes);
		return true;
	case CLI_NUMBER:
		if (!str_to_u64(value, &number) || number > INT64_MAX) {
			return err_set(err, ERR_CONFIG, "%s%s needs a number",
				       cli_row_is_argument(row) ? "" : "--", row->name);
		}
		jsonw_key_int(w, row->json, (int64_t)number);
		return true;
	case CLI_LIST:
		jsonw_key(w, row->json);
		add_list(w, value);
		return true;
	case CLI_TEXT:
	case CLI_SECRET:
	case CLI_SUBACCOUNT:
	case CLI_RESOURCE:
	case CLI_ALIAS:
		jsonw_key_str(w, row->json, value);
		return true;
	}
	return true;
}

static bool sends_body(const struct cli_command *c)
{
	bool sends = c->body != NULL;
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		sends |= c->rows[i].json != NULL;
	}
	return sends;
}

bool cli_write_body(const struct cli_command *c, char *const *values, struct buf *out,
		    struct err *err)
{
	if (!sends_body(c)) {
		return true;
	}
	struct jsonw w = jsonw_to(out);
	jsonw_object(&w);
	if (c->body != NULL) {
		jsonw_raw(&w, str_of(c->body));
	}
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		const struct cli_row *row = &c->rows[i];
		if (row->json == NULL) {
			continue;
		}
		const char *value = values[i] != NULL ? values[i] : row->usual;
		if (value != NULL && !add_member(&w, row, str_of(value), err)) {
			return false;
		}
	}
	jsonw_object_end(&w);
	return !buf_failed(out) || err_set(err, ERR_CONFIG, "the values are too long");
}
