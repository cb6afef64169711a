#pragma once
/*
 * A statement with its parameters in one expression, for the x_store.c files.
 *
 *     struct query q = {.sql = "SELECT name, roles FROM person WHERE name > $1 LIMIT $2",
 *                       .params = {QUERY_TEXT(after), QUERY_INT(limit)}, .n_params = 2,
 *                       .read = read_user, .row_bytes = sizeof(struct user)};
 *     return query_list(s, &q, &rows, &n, err);
 */
#include "store/store.h"

enum {
	QUERY_PARAMS_MAX = 16,
};

struct query_param {
	enum {
		QUERY_PARAM_INT,
		QUERY_PARAM_TEXT,
		QUERY_PARAM_BLOB
	} kind;
	int64_t number;
	struct str bytes; /* at == NULL: NULL */
};

#define QUERY_INT(n)                                                                               \
	{                                                                                          \
		.kind = QUERY_PARAM_INT, .number = (int64_t)(n)                                    \
	}
#define QUERY_TEXT(s)                                                                              \
	{                                                                                          \
		.kind = QUERY_PARAM_TEXT, .bytes = (s)                                             \
	}
#define QUERY_BLOB(s)                                                                              \
	{                                                                                          \
		.kind = QUERY_PARAM_BLOB, .bytes = (s)                                             \
	}
#define QUERY_CHARS(array)                                                                         \
	{                                                                                          \
		.kind = QUERY_PARAM_TEXT, .bytes = {(array), strlen(array) }                       \
	}

/* Fills one zeroed row from the columns of the statement at hand. */
typedef void query_read_fn(struct stmt *st, void *row);

struct query {
	const char *sql; /* a literal, see db_prepare() */
	struct query_param params[QUERY_PARAMS_MAX];
	int n_params;
	query_read_fn *read;
	size_t row_bytes;
};

/* In a transaction: runs it to its end; *changed may be NULL. */
NODISCARD bool query_run(struct db *db, const struct query *q, int64_t *changed, struct err *err);
/* The first row, if there is one. `row` may be NULL when only *found matters. */
NODISCARD bool query_row(struct db *db, const struct query *q, void *row, bool *found,
			 struct err *err);
/*
 * All rows as an array for free(); NULL when there are none. The query limits their number. `rows`
 * is the address of a pointer to the row's type.
 */
NODISCARD bool query_rows(struct db *db, const struct query *q, void *rows, size_t *n,
			  struct err *err);

/* The same in a read of its own. query_find(): ERR_MISSING with `missing` as text. */
NODISCARD bool query_find(struct store *s, const struct query *q, void *row, const char *missing,
			  struct err *err);
NODISCARD bool query_list(struct store *s, const struct query *q, void *rows, size_t *n,
			  struct err *err);

/* For read functions: copies a column into an array, cut to its size (NULL is empty). */
void query_copy(struct stmt *st, int col, char *into, size_t size);
