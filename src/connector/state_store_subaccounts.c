#include "connector/mappings_tx.h"
#include "connector/state_store_priv.h"

/* The columns in the order of read_row() and bind_row(). */
#define COLUMNS                                                                                    \
	"region_host, subaccount, display_name, description, location_id, login, owners, "         \
	"auto_renewal, connected, system_anchors, anchors, created"

struct change_of {
	const struct state_actor *actor;
	const char *what;
	const struct state_subaccount *sa;
	const char *region_host, *subaccount; /* where there is no `sa` */
};

void state_subaccount_fini(struct state_subaccount *sa)
{
	free(sa->anchors_pem);
	sa->anchors_pem = NULL;
}

void state_subaccounts_free(struct state_subaccount *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		state_subaccount_fini(&rows[i]);
	}
	free(rows);
}

static bool read_row(struct stmt *st, struct state_subaccount *sa, struct err *err)
{
	const struct {
		char *into;
		size_t size;
	} texts[] = {
		{sa->region_host, sizeof(sa->region_host)},
		{sa->subaccount, sizeof(sa->subaccount)},
		{sa->display_name, sizeof(sa->display_name)},
		{sa->description, sizeof(sa->description)},
		{sa->location_id, sizeof(sa->location_id)},
		{sa->user, sizeof(sa->user)},
		{sa->owners, sizeof(sa->owners)},
	};

	for (int i = 0; i < (int)COUNT(texts); i++) {
		if (!state_take_text(st, i, texts[i].into, texts[i].size, err)) {
			return false;
		}
	}
	sa->auto_renewal = stmt_col_int(st, 7) != 0;
	sa->connected = stmt_col_int(st, 8) != 0;
	sa->system_anchors = stmt_col_int(st, 9) != 0;
	sa->anchors_pem = str_dup(stmt_col_text(st, 10));
	sa->created = stmt_col_int(st, 11);
	return true;
}

static void bind_row(struct stmt *st, const struct state_subaccount *sa)
{
	stmt_text(st, 1, str_of(sa->region_host));
	stmt_text(st, 2, str_of(sa->subaccount));
	stmt_text(st, 3, str_of(sa->display_name));
	stmt_text(st, 4, str_of(sa->description));
	stmt_text(st, 5, str_of(sa->location_id));
	stmt_text(st, 6, str_of(sa->user));
	stmt_text(st, 7, str_of(sa->owners));
	stmt_int(st, 8, sa->auto_renewal);
	stmt_int(st, 9, sa->connected);
	stmt_int(st, 10, sa->system_anchors);
	stmt_text(st, 11, sa->anchors_pem != NULL ? str_of(sa->anchors_pem) : STR(""));
}

static bool missing(struct err *err, const char *region_host, const char *subaccount)
{
	return err_set(err, ERR_MISSING, "Subaccount with value '%s@%s' does not exist", subaccount,
		       region_host);
}

/* What an audit row tells of it: nothing here is secret. */
static void describe(struct buf *out, const struct state_subaccount *sa)
{
	buf_addf(out,
		 "display name \"%s\", location \"%s\", user \"%s\", auto renewal %s, "
		 "connected %s",
		 sa->display_name, sa->location_id, sa->user, sa->auto_renewal ? "on" : "off",
		 sa->connected ? "yes" : "no");
}

static void record(struct change *c, const struct change_of *of)
{
	AUTO_BUF struct buf after = BUF(KIB(4));

	describe(&after, of->sa);
	state_record(c, of->actor, str_of(of->sa->subaccount), of->what,
		     str_of(of->sa->region_host), buf_str(&after));
}

static bool count_rows(struct db *db, int64_t *n, struct err *err)
{
	struct stmt *st = NULL;
	bool found = false;

	if (!db_prepare(db, "select count(*) from state_subaccount", &st, err) ||
	    !state_step_one(st, &found, err)) {
		return false;
	}
	*n = stmt_col_int(st, 0);
	stmt_reset(st);
	return true;
}

static bool add(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct change_of *of = user;
	struct stmt *st = NULL;
	int64_t n = 0;

	if (!count_rows(db, &n, err)) {
		return false;
	}
	if (n >= STATE_SUBACCOUNTS_MAX) {
		return err_set(err, ERR_LIMIT, "one connector serves at most %d subaccounts",
			       STATE_SUBACCOUNTS_MAX);
	}
	if (!db_prepare(db,
			"insert into state_subaccount (" COLUMNS ") values ($1, $2, $3, $4, $5, "
			"$6, $7, $8, $9, $10, $11, $12)",
			&st, err)) {
		return false;
	}
	bind_row(st, of->sa);
	stmt_int(st, 12, of->sa->created);
	if (!stmt_run(st, NULL, err)) {
		return false;
	}
	record(c, of);
	return true;
}

bool state_subaccount_add(struct store *s, const struct state_actor *actor,
			  const struct state_subaccount *sa, struct err *err)
{
	struct change_of of = {.actor = actor, .what = "subaccount.add", .sa = sa};

	if (store_change(s, add, &of, NULL, err)) {
		return true;
	}
	if (err->kind == ERR_CONFLICT) {
		return err_set(err, ERR_CONFLICT, "Subaccount '%s@%s' exists already",
			       sa->subaccount, sa->region_host);
	}
	return false;
}

bool state_subaccount_edit_in(struct db *db, const struct state_subaccount *sa, struct err *err)
{
	struct stmt *st = NULL;
	int64_t changed = 0;

	if (!db_prepare(db,
			"update state_subaccount set display_name = $3, description = $4, "
			"location_id = $5, login = $6, owners = $7, auto_renewal = $8, "
			"connected = $9, system_anchors = $10, anchors = $11 "
			"where region_host = $1 and subaccount = $2",
			&st, err)) {
		return false;
	}
	bind_row(st, sa);
	return stmt_run(st, &changed, err) &&
	       (changed > 0 || missing(err, sa->region_host, sa->subaccount));
}

static bool edit(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct change_of *of = user;

	if (!state_subaccount_edit_in(db, of->sa, err)) {
		return false;
	}
	record(c, of);
	return true;
}

bool state_subaccount_edit(struct store *s, const struct state_actor *actor, const char *what,
			   const struct state_subaccount *sa, struct err *err)
{
	struct change_of of = {.actor = actor, .what = what, .sa = sa};

	return store_change(s, edit, &of, NULL, err);
}

static bool run_on(struct stmt *st, const struct change_of *of, int64_t *changed, struct err *err)
{
	stmt_text(st, 1, str_of(of->region_host));
	stmt_text(st, 2, str_of(of->subaccount));
	return stmt_run(st, changed, err);
}

static bool delete_row(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct change_of *of = user;
	struct stmt *st = NULL;
	int64_t changed = 0;

	if (!db_prepare(db,
			"delete from state_subaccount where region_host = $1 and subaccount = $2",
			&st, err) ||
	    !run_on(st, of, &changed, err)) {
		return false;
	}
	if (changed == 0) {
		return missing(err, of->region_host, of->subaccount);
	}
	if (!db_prepare(db,
			"delete from state_certificate where region_host = $1 and subaccount = $2",
			&st, err) ||
	    !run_on(st, of, NULL, err) ||
	    !db_prepare(db, "delete from state_renewal where region_host = $1 and subaccount = $2",
			&st, err) ||
	    !run_on(st, of, NULL, err) ||
	    /* Its rules too: if it is added again later it must not find old ones. */
	    !mappings_purge_in(
		    db, (struct mappings_owner){str_of(of->region_host), str_of(of->subaccount)},
		    err)) {
		return false;
	}
	state_record(c, of->actor, str_of(of->subaccount), "subaccount.delete",
		     str_of(of->region_host), STR(""));
	return true;
}

bool state_subaccount_delete(struct store *s, const struct state_actor *actor,
			     const char *region_host, const char *subaccount, struct err *err)
{
	struct change_of of = {
		.actor = actor, .region_host = region_host, .subaccount = subaccount};

	return store_change(s, delete_row, &of, NULL, err);
}

struct rows_read {
	const char *region_host, *subaccount; /* NULL: all */
	struct state_subaccount *rows;
	size_t n;
};

static bool read_all(struct stmt *st, struct rows_read *r, struct err *err)
{
	enum store_outcome outcome;

	while ((outcome = stmt_step(st, err)) == STORE_ROW) {
		r->rows = must_realloc(r->rows, (r->n + 1) * sizeof(*r->rows));
		r->rows[r->n] = (struct state_subaccount){0};
		if (!read_row(st, &r->rows[r->n++], err)) {
			stmt_reset(st);
			return false;
		}
	}
	stmt_reset(st);
	return outcome == STORE_DONE;
}

static bool read_rows(struct db *db, void *user, struct err *err)
{
	struct rows_read *r = user;
	struct stmt *st = NULL;

	state_subaccounts_free(r->rows, r->n); /* of a try before */
	r->rows = NULL;
	r->n = 0;
	if (r->region_host == NULL) {
		return db_prepare(db,
				  "select " COLUMNS " from state_subaccount "
				  "order by region_host, subaccount",
				  &st, err) &&
		       read_all(st, r, err);
	}
	if (!db_prepare(db,
			"select " COLUMNS " from state_subaccount "
			"where region_host = $1 and subaccount = $2",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(r->region_host));
	stmt_text(st, 2, str_of(r->subaccount));
	return read_all(st, r, err);
}

bool state_subaccount_list(struct store *s, struct state_subaccount **rows, size_t *n,
			   struct err *err)
{
	struct rows_read read = {0};

	if (!store_read(s, read_rows, &read, err)) {
		state_subaccounts_free(read.rows, read.n);
		return err_wrap(err, "subaccounts");
	}
	*rows = read.rows;
	*n = read.n;
	return true;
}

bool state_subaccount_get(struct store *s, const char *region_host, const char *subaccount,
			  struct state_subaccount *out, struct err *err)
{
	struct rows_read read = {.region_host = region_host, .subaccount = subaccount};

	if (!store_read(s, read_rows, &read, err)) {
		state_subaccounts_free(read.rows, read.n);
		return err_wrap(err, "subaccount");
	}
	if (read.n == 0) {
		free(read.rows);
		return missing(err, region_host, subaccount);
	}
	*out = read.rows[0];
	free(read.rows);
	return true;
}

bool state_subaccount_get_in(struct db *db, struct mappings_owner owner,
			     struct state_subaccount *out, struct err *err)
{
	char host[STATE_HOST], uuid[STATE_UUID];
	struct rows_read read = {.region_host = host, .subaccount = uuid};

	if (!str_copy(owner.region_host, host, sizeof(host)) ||
	    !str_copy(owner.subaccount, uuid, sizeof(uuid)) || !read_rows(db, &read, err)) {
		state_subaccounts_free(read.rows, read.n);
		return err_wrap(err, "subaccount");
	}
	if (read.n == 0) {
		free(read.rows);
		return missing(err, host, uuid);
	}
	*out = read.rows[0];
	free(read.rows);
	return true;
}
