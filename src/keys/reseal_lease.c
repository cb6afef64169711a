#include "keys/reseal_lease.h"

#include "store/query.h"

const struct migration reseal_migrations[] = {
	{1, "CREATE TABLE reseal_run (one {int} PRIMARY KEY CHECK (one = 1), id {text} NOT NULL,"
	    " node {text} NOT NULL, until_ms {int} NOT NULL, progress {text} NOT NULL,"
	    " last {text} NOT NULL) {strict};\n"
	    "INSERT INTO reseal_run (one, id, node, until_ms, progress, last)"
	    " VALUES (1, '', '', 0, '', '')"},
	{0, NULL},
};

/* ---- reading ---- */

struct row {
	char id[RESEAL_ID_MAX + 1], node[256];
	int64_t until_ms;
	struct buf *progress, *last; /* NULL: not wanted */
};

static bool read_row(struct db *db, struct row *row, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db,
			"SELECT id, node, until_ms, progress, last FROM reseal_run WHERE one = 1",
			&st, err)) {
		return false;
	}
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome != STORE_ROW) {
		return outcome == STORE_FAILED
			       ? false
			       : err_set(err, ERR_STORE, "the row of reseal_run is missing");
	}
	query_copy(st, 0, row->id, sizeof(row->id));
	query_copy(st, 1, row->node, sizeof(row->node));
	row->until_ms = stmt_col_int(st, 2);
	if (row->progress != NULL) {
		buf_reset(row->progress);
		buf_add_str(row->progress, stmt_col_text(st, 3));
	}
	if (row->last != NULL) {
		buf_reset(row->last);
		buf_add_str(row->last, stmt_col_text(st, 4));
	}
	stmt_reset(st);
	return true;
}

void reseal_state_init(struct reseal_state *s)
{
	*s = (struct reseal_state){.progress = BUF(RESEAL_TEXT_MAX), .last = BUF(RESEAL_TEXT_MAX)};
}

void reseal_state_fini(struct reseal_state *s)
{
	buf_fini(&s->progress);
	buf_fini(&s->last);
}

static bool read_in(struct db *db, void *user, struct err *err)
{
	return read_row(db, user, err);
}

bool reseal_lease_read(struct store *s, int64_t now_ms, struct reseal_state *out, struct err *err)
{
	struct row row = {.progress = &out->progress, .last = &out->last};

	if (!store_read(s, read_in, &row, err)) {
		return false;
	}
	out->runs = row.id[0] != '\0' && row.until_ms >= now_ms;
	memcpy(out->node, row.node, sizeof(out->node));
	return true;
}

/* ---- the lease ---- */

bool reseal_lease_take(struct db *db, const char *id, const char *node, int64_t now_ms,
		       struct str progress, struct err *err)
{
	struct query q = {.sql = "UPDATE reseal_run SET id = $1, node = $2, until_ms = $3,"
				 " progress = $4 WHERE one = 1 AND (id = '' OR until_ms < $5)",
			  .params = {QUERY_CHARS(id), QUERY_CHARS(node),
				     QUERY_INT(now_ms + RESEAL_LEASE_MS), QUERY_TEXT(progress),
				     QUERY_INT(now_ms)},
			  .n_params = 5};
	struct row row = {.progress = NULL};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	if (changed == 1) {
		return true;
	}
	return read_row(db, &row, err) &&
	       err_set(err, ERR_CONFLICT,
		       "it is being sealed again already, on node %s: GET shows how far it is",
		       row.node);
}

struct renewing {
	const char *id;
	int64_t until_ms;
	struct str progress;
	int64_t changed;
};

static bool renew(struct db *db, void *user, struct err *err)
{
	struct renewing *r = user;
	struct query q = {
		.sql = "UPDATE reseal_run SET until_ms = $1, progress = $2"
		       " WHERE one = 1 AND id = $3",
		.params = {QUERY_INT(r->until_ms), QUERY_TEXT(r->progress), QUERY_CHARS(r->id)},
		.n_params = 3};

	return query_run(db, &q, &r->changed, err);
}

bool reseal_lease_renew(struct store *s, const char *id, int64_t now_ms, struct str progress,
			bool *held, struct err *err)
{
	struct renewing r = {id, now_ms + RESEAL_LEASE_MS, progress, 0};

	if (!store_tx(s, renew, &r, err)) {
		return false;
	}
	*held = r.changed == 1;
	return true;
}

bool reseal_lease_end(struct db *db, const char *id, struct str last, struct err *err)
{
	struct query q = {.sql = "UPDATE reseal_run SET id = '', until_ms = 0, progress = '',"
				 " last = $1 WHERE one = 1 AND id = $2",
			  .params = {QUERY_TEXT(last), QUERY_CHARS(id)},
			  .n_params = 2};

	return query_run(db, &q, NULL, err);
}

/* ---- a run that was killed ---- */

struct orphan {
	const char *node;
	struct buf *progress;
	bool found;
};

static bool free_own(struct db *db, void *user, struct err *err)
{
	struct orphan *o = user;
	struct row row = {.progress = o->progress};
	struct query q = {.sql = "UPDATE reseal_run SET id = '', until_ms = 0, progress = ''"
				 " WHERE one = 1 AND id = $1",
			  .params = {QUERY_CHARS(row.id)},
			  .n_params = 1};

	if (!read_row(db, &row, err)) {
		return false;
	}
	o->found = row.id[0] != '\0' && strcmp(row.node, o->node) == 0;
	q.params[0].bytes = str_of(row.id);
	return !o->found || query_run(db, &q, NULL, err);
}

bool reseal_lease_orphan(struct store *s, const char *node, struct buf *progress, bool *found,
			 struct err *err)
{
	struct orphan o = {.node = node, .progress = progress};

	if (!store_tx(s, free_own, &o, err)) {
		return false;
	}
	*found = o.found;
	return true;
}

static bool set_last(struct db *db, void *user, struct err *err)
{
	const struct str *last = user;
	struct query q = {.sql = "UPDATE reseal_run SET last = $1 WHERE one = 1 AND id = ''",
			  .params = {QUERY_TEXT(*last)},
			  .n_params = 1};

	return query_run(db, &q, NULL, err);
}

bool reseal_lease_set_last(struct store *s, struct str last, struct err *err)
{
	return store_tx(s, set_last, &last, err);
}
