/* /openapi.json (OpenAPI 3.1) out of the route tables: what is served is what is described. */
#include "http/server_priv.h"

static void add_parameter(struct jsonw *w, struct str name)
{
	jsonw_object(w);
	jsonw_key_str(w, "name", name);
	jsonw_key_text(w, "in", "path");
	jsonw_key_bool(w, "required", true);
	jsonw_key(w, "schema");
	jsonw_raw(w, STR("{\"type\":\"string\"}"));
	jsonw_object_end(w);
}

static void add_parameters(struct jsonw *w, const char *pattern)
{
	struct str rest = str_of(pattern), name = STR_NONE;
	jsonw_key(w, "parameters");
	jsonw_array(w);
	while (route_next_param(&rest, &name)) {
		add_parameter(w, name);
	}
	jsonw_array_end(w);
}

static void add_content(struct jsonw *w, const char *type)
{
	jsonw_key(w, "content");
	jsonw_object(w);
	jsonw_key(w, type);
	jsonw_raw(w, STR("{\"schema\":{}}"));
	jsonw_object_end(w);
}

static void add_responses(struct jsonw *w, const struct http_route *r)
{
	jsonw_key(w, "responses");
	jsonw_object(w);
	jsonw_key(w, "2XX");
	jsonw_object(w);
	jsonw_key_text(w, "description", "done");
	if (r->answer != NULL) {
		add_content(w, r->answer);
	}
	jsonw_object_end(w);
	jsonw_key(w, "default");
	jsonw_object(w);
	jsonw_key_text(w, "description", "why it was refused");
	add_content(w, "application/problem+json");
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static void add_operation(struct jsonw *w, const struct http_route *r)
{
	char method[16] = "";
	for (size_t i = 0; r->method[i] != '\0' && i + 1 < sizeof method; i++) {
		method[i] = (char)(r->method[i] | 0x20);
	}
	jsonw_key(w, method);
	jsonw_object(w);
	jsonw_key_text(w, "summary", r->summary);
	add_parameters(w, r->pattern);
	if (r->request != NULL && r->request[0] != '\0') {
		jsonw_key(w, "requestBody");
		jsonw_object(w);
		add_content(w, r->request);
		jsonw_object_end(w);
	}
	add_responses(w, r);
	jsonw_object_end(w);
}

/* Walks all rows: `from` is the row to start behind, NULL for the first. */
static const struct http_route *next_row(const struct http_route *const *tables,
					 const struct http_route *from)
{
	bool due = from == NULL;
	for (; *tables != NULL; tables++) {
		for (const struct http_route *r = *tables; r->method != NULL; r++) {
			if (due) {
				return r;
			}
			due = r == from;
		}
	}
	return NULL;
}

static bool is_first_of_its_pattern(const struct http_route *const *tables,
				    const struct http_route *row)
{
	const struct http_route *r = next_row(tables, NULL);
	while (strcmp(r->pattern, row->pattern) != 0) {
		r = next_row(tables, r);
	}
	return r == row;
}

/* OpenAPI knows no "{rest*}": the star is our router's business. */
static void add_path_key(struct jsonw *w, const char *pattern)
{
	AUTO_BUF struct buf key = BUF(KIB(4));
	for (const char *c = pattern; *c != '\0'; c++) {
		if (*c != '*') {
			buf_add_c(&key, *c);
		}
	}
	jsonw_key(w, key.at);
}

void http_openapi_write(const struct http_route *const *tables, const char *title, struct buf *json)
{
	struct jsonw w = jsonw_to(json);
	jsonw_object(&w);
	jsonw_key_text(&w, "openapi", "3.1.0");
	jsonw_key(&w, "info");
	jsonw_object(&w);
	jsonw_key_text(&w, "title", title ? title : "Drawbridge");
	jsonw_key_text(&w, "version", DRAWBRIDGE_VERSION);
	jsonw_object_end(&w);
	jsonw_key(&w, "paths");
	jsonw_object(&w);
	for (const struct http_route *r = NULL; (r = next_row(tables, r)) != NULL;) {
		if (!is_first_of_its_pattern(tables, r)) {
			continue;
		}
		add_path_key(&w, r->pattern);
		jsonw_object(&w);
		for (const struct http_route *o = r; o != NULL; o = next_row(tables, o)) {
			if (strcmp(o->pattern, r->pattern) == 0) {
				add_operation(&w, o);
			}
		}
		jsonw_object_end(&w);
	}
	jsonw_object_end(&w);
	jsonw_object_end(&w);
}
