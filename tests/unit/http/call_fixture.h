#pragma once
/* A call without a connection, for the tests of what handlers ask and answer. */
#include "http/router.h"
#include "unit/unit.h"

struct fixture {
	struct http_server_settings settings;
	struct http_head head;
	struct http_field fields[8];
	struct http_call call;
};

static inline void fixture_start(struct fixture *f, const char *query, const char *body)
{
	*f = (struct fixture){0};
	f->head.fields = f->fields;
	f->call = (struct http_call){.arena = arena_new(1000, 100000),
				     .head = &f->head,
				     .query = str_of(query),
				     .body = str_of(body),
				     .status = 200,
				     .out = BUF(100000),
				     .settings = &f->settings};
}

static inline void fixture_field(struct fixture *f, const char *name, const char *value)
{
	f->fields[f->head.n_fields++] =
		(struct http_field){.name = str_of(name), .value = str_of(value)};
}

static inline void fixture_end(struct fixture *f)
{
	arena_free(f->call.arena);
	json_free(f->call.json);
	buf_fini(&f->call.out);
}

static inline struct str fixture_answered(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->call.n_fields; i++) {
		if (str_eq_nocase(f->call.fields[i].name, str_of(name))) {
			return f->call.fields[i].value;
		}
	}
	return STR_NONE;
}
