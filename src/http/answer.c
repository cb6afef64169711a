/* What a handler answers. */
#include "http/server.h"

#include <stdarg.h>

void http_answer_field(struct http_call *call, const char *name, struct str value)
{
	struct str copy = arena_str(call->arena, value);
	if (copy.at == NULL || !http_is_field_value(copy) ||
	    call->n_fields == COUNT(call->fields)) {
		return;
	}
	call->fields[call->n_fields++] = (struct http_field){.name = str_of(name), .value = copy};
}

static void set_type(struct http_call *call, unsigned status, const char *type)
{
	call->status = status;
	for (size_t i = 0; i < call->n_fields; i++) {
		if (str_eq_nocase(call->fields[i].name, STR("content-type"))) {
			call->fields[i].value = str_of(type);
			return;
		}
	}
	http_answer_field(call, "Content-Type", str_of(type));
}

void http_answer_json(struct http_call *call, unsigned status)
{
	set_type(call, status, "application/json");
}

void http_answer_text(struct http_call *call, unsigned status, const char *type, struct str body)
{
	set_type(call, status, type);
	buf_reset(&call->out);
	buf_add_str(&call->out, body);
}

static void write_problem(struct http_call *call, unsigned status, const char *detail)
{
	buf_reset(&call->out);
	call->status = status;
	if (call->settings->render_error != NULL &&
	    call->settings->render_error(call, status, detail)) {
		return;
	}
	buf_reset(&call->out);
	set_type(call, status, "application/problem+json");
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key_text(&w, "type", "about:blank");
	jsonw_key_text(&w, "title", http_reason(status));
	jsonw_key_int(&w, "status", status);
	jsonw_key_text(&w, "detail", detail);
	jsonw_object_end(&w);
}

void http_problem(struct http_call *call, unsigned status, const char *fmt, ...)
{
	char detail[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(detail, sizeof detail, fmt, args);
	va_end(args);
	write_problem(call, status, detail);
}

unsigned http_status_of(enum err_kind kind)
{
	switch (kind) {
	case ERR_CONFIG:
	case ERR_PROTOCOL:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_MISSING:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_LIMIT:
		return 429;
	case ERR_NETWORK:
		return 502;
	case ERR_STORE:
		return 503;
	case ERR_NONE:
	case ERR_SYSTEM:
		break;
	}
	return 500;
}

void http_problem_err(struct http_call *call, const struct err *err)
{
	unsigned status = http_status_of(err->kind);

	write_problem(call, status, err->text);
	if (status == 503) {
		http_answer_field(call, "Retry-After", STR("1"));
	}
}
