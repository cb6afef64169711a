/*
 * The dialect of PostgreSQL 15. Parameters and results travel in binary form, so that a text is
 * bytes with a length and a number eight bytes. See store_priv.h.
 */
#include <assert.h>
#include <libpq-fe.h>

#include "base/log.h"
#include "base/rd.h"
#include "store/store_priv.h"

/* Type numbers of pg_type.dat; they never change. */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
};

/* First half of the key of the advisory lock under which schemas change. */
#define MIGRATION_LOCK "SELECT pg_advisory_xact_lock(68114311, 1)"

/*
 * Without a node that remembers what the inner side of a join gave: ours are looked up by their
 * primary key, each once, and where rows have a history the planner takes them for repeated. It
 * copied 10,000 versions for a list of 10,000 entries and never used one again.
 */
#define SESSION "SET lock_timeout = 10000; SET synchronous_commit = on; SET enable_memoize = off"

static PGconn *handle(const struct db *db)
{
	return db->native;
}

static void auto_clear(PGresult **result)
{
	PQclear(*result);
}
#define AUTO_RESULT __attribute__((cleanup(auto_clear)))

/* ---- errors ---- */

/* libpq's texts end with a newline and may have several lines: the first says it. */
static struct str first_line(const char *text)
{
	struct str s = str_of(text);

	return str_first(s, str_find(s, '\n'));
}

static bool fail_state(struct db *db, struct str state, struct str why, struct err *err)
{
	if (str_eq(state, STR("23505"))) {
		return err_set(err, ERR_CONFLICT, "it exists already");
	}
	if (str_eq(state, STR("23503"))) {
		return err_set(err, ERR_MISSING, "what it belongs to does not exist");
	}
	/* serialization_failure, deadlock_detected, lock_not_available */
	if (str_starts(state, STR("40")) || str_eq(state, STR("55P03"))) {
		db->again = true;
	}
	/* connection_exception; the server shuts down, or was told to end us */
	if (str_starts(state, STR("08")) || str_starts(state, STR("57P"))) {
		db->broken = true;
		return err_set(err, ERR_STORE,
			       "the database server ended the connection, try again when it runs: "
			       "%.*s",
			       STR_ARGS(why));
	}
	/* read_only_sql_transaction: set so by somebody, or a standby */
	if (str_eq(state, STR("25006"))) {
		return err_set(err, ERR_STORE,
			       "the database server is read-only: look at its setting "
			       "default_transaction_read_only, and whether it is the primary");
	}
	if (str_starts(state, STR("53100"))) {
		return err_set(err, ERR_STORE,
			       "the disk of the database server is full: make room");
	}
	return err_set(err, ERR_STORE, "database: %.*s", STR_ARGS(why));
}

static bool fail(struct db *db, const PGresult *result, struct err *err)
{
	const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *why =
		result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	if (PQstatus(handle(db)) != CONNECTION_OK) {
		db->broken = true;
	}
	if (why == NULL) {
		why = PQerrorMessage(handle(db));
	}
	return fail_state(db, str_of(state), first_line(why), err);
}

/* ---- connection ---- */

static void on_notice(void *user, const char *message)
{
	(void)user;
	log_debug("database notice", LOG_STR("text", first_line(message)));
}

static bool pg_exec(struct db *db, const char *sql, struct err *err)
{
	AUTO_RESULT PGresult *result = PQexec(handle(db), sql);
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY || fail(db, result, err);
}

static void pg_disconnect(struct db *db)
{
	PQfinish(handle(db));
}

static bool pg_connect(struct db *db, struct err *err)
{
	/* The URL comes last, so that it may set any of these otherwise. */
	const char *names[] = {"connect_timeout", "tcp_user_timeout", "application_name",
			       "client_encoding", "dbname",           NULL};
	const char *values[] = {"5", "10000", "drawbridge", "UTF8", db->store->url, NULL};
	PGconn *made = PQconnectdbParams(names, values, 1);

	if (PQstatus(made) != CONNECTION_OK) {
		struct str why = first_line(PQerrorMessage(made));
		err_set(err, ERR_STORE,
			"the database server cannot be reached, try again when it runs: %.*s",
			STR_ARGS(why));
		PQfinish(made);
		return false;
	}
	PQsetNoticeProcessor(made, on_notice, NULL);
	db->native = made;
	if (PQserverVersion(made) < 150000) {
		err_set(err, ERR_CONFIG,
			"the database server is PostgreSQL %d; 15 or newer is needed",
			PQserverVersion(made) / 10000);
		pg_disconnect(db);
		db->native = NULL;
		return false;
	}
	if (!pg_exec(db, SESSION, err)) {
		pg_disconnect(db);
		db->native = NULL;
		return false;
	}
	return true;
}

/* ---- transactions ---- */

static bool pg_begin(struct db *db, enum db_begin mode, struct err *err)
{
	return pg_exec(db,
		       mode == DB_BEGIN_WRITE ? "BEGIN ISOLATION LEVEL READ COMMITTED"
					      : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		       err);
}

static bool pg_commit(struct db *db, struct err *err)
{
	AUTO_RESULT PGresult *result = PQexec(handle(db), "COMMIT");

	if (PQresultStatus(result) != PGRES_COMMAND_OK) {
		fail(db, result, err);
		return db->broken ? err_set(err, ERR_STORE,
					    "the database connection was lost during a commit: "
					    "whether it happened is not known")
				  : false;
	}
	/* A transaction in which something failed answers COMMIT with ROLLBACK. */
	if (!str_eq(str_of(PQcmdStatus(result)), STR("COMMIT"))) {
		return err_set(err, ERR_STORE, "the database rolled the transaction back");
	}
	return true;
}

static void pg_rollback(struct db *db)
{
	bool again = db->again;
	struct err err;

	if (PQtransactionStatus(handle(db)) != PQTRANS_IDLE && !pg_exec(db, "ROLLBACK", &err)) {
		log_debug("rollback failed", LOG_ERR(&err));
		db->broken = true;
	}
	db->again = again;
}

static bool pg_migration_lock(struct db *db, struct err *err)
{
	return pg_exec(db, MIGRATION_LOCK, err);
}

/* ---- statements ---- */

/* Nothing yet: types of parameters are known when they are bound. */
static bool pg_prepare(struct stmt *st, struct err *err)
{
	(void)st;
	(void)err;
	return true;
}

static void pg_finalize(struct stmt *st)
{
	PQclear(st->native);
	st->native = NULL;
}

struct bound {
	Oid types[STORE_PARAMS_MAX];
	const char *values[STORE_PARAMS_MAX];
	int lengths[STORE_PARAMS_MAX];
	int formats[STORE_PARAMS_MAX];
	uint8_t numbers[STORE_PARAMS_MAX][8];
};

static void bind_int(struct bound *b, int i, int64_t number)
{
	uint64_t n = (uint64_t)number;

	for (int byte = 7; byte >= 0; byte--) {
		b->numbers[i][byte] = (uint8_t)n;
		n >>= 8;
	}
	b->types[i] = OID_INT8;
	b->values[i] = (const char *)b->numbers[i];
	b->lengths[i] = 8;
}

static void bind_all(const struct stmt *st, struct bound *b)
{
	for (int i = 0; i < st->n_params; i++) {
		const struct param *p = &st->params[i];
		b->formats[i] = 1;
		if (p->kind == PARAM_INT) {
			bind_int(b, i, p->number);
		} else if (p->kind != PARAM_NULL) {
			assert(p->bytes.len <= INT32_MAX);
			b->types[i] = p->kind == PARAM_TEXT ? OID_TEXT : OID_BYTEA;
			b->values[i] = p->bytes.len == 0 ? "" : p->bytes.at;
			b->lengths[i] = (int)p->bytes.len;
		}
	}
}

static bool prepare_there(struct stmt *st, const struct bound *b, struct err *err)
{
	char name[16];
	unsigned id = ++st->db->next_id;

	snprintf(name, sizeof(name), "s%u", id);
	AUTO_RESULT PGresult *result =
		PQprepare(handle(st->db), name, st->sql, st->n_params, b->types);
	if (PQresultStatus(result) != PGRES_COMMAND_OK) {
		return fail(st->db, result, err);
	}
	st->id = id;
	return true;
}

static bool pg_start(struct stmt *st, struct err *err)
{
	struct bound b = {0};
	char name[16];

	bind_all(st, &b);
	if (st->id == 0 && !prepare_there(st, &b, err)) {
		return false;
	}
	snprintf(name, sizeof(name), "s%u", st->id);
	PGresult *result = PQexecPrepared(handle(st->db), name, st->n_params, b.values, b.lengths,
					  b.formats, 1);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fail(st->db, result, err);
		PQclear(result);
		return false;
	}
	st->native = result;
	st->row = -1;
	return true;
}

static enum store_outcome pg_next(struct stmt *st, struct err *err)
{
	(void)err;
	if (st->row + 1 >= PQntuples(st->native)) {
		return STORE_DONE;
	}
	st->row++;
	return STORE_ROW;
}

static void pg_reset(struct stmt *st)
{
	PQclear(st->native);
	st->native = NULL;
}

static int64_t pg_changed(struct stmt *st)
{
	uint64_t n = 0;

	return str_to_u64(str_of(PQcmdTuples(st->native)), &n) ? (int64_t)n : 0;
}

static struct str pg_col_bytes(struct stmt *st, int col)
{
	int len = PQgetlength(st->native, st->row, col);

	if (len == 0 && PQgetisnull(st->native, st->row, col)) {
		return STR_NONE;
	}
	return str_make(PQgetvalue(st->native, st->row, col), (size_t)len);
}

static int64_t pg_col_int(struct stmt *st, int col)
{
	struct rd r = rd_over(pg_col_bytes(st, col));

	switch (PQftype(st->native, col)) {
	case OID_INT8:
		return (int64_t)rd_u64(&r);
	case OID_INT4:
		return (int32_t)rd_u32(&r);
	case OID_INT2:
		return (int16_t)rd_u16(&r);
	case OID_BOOL:
		return rd_u8(&r);
	default:
		abort(); /* our own mistake: a number was asked of a column that holds none */
	}
}

static bool pg_col_is_null(struct stmt *st, int col)
{
	return PQgetisnull(st->native, st->row, col);
}

const struct dialect postgresql_dialect = {
	.int_type = "BIGINT",
	.text_type = "TEXT COLLATE \"C\"", /* bytewise, as SQLite sorts */
	.blob_type = "BYTEA",
	.bool_type = "BIGINT",
	.strict = "",
	.serial = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
	.connect = pg_connect,
	.disconnect = pg_disconnect,
	.exec = pg_exec,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.migration_lock = pg_migration_lock,
	.prepare = pg_prepare,
	.finalize = pg_finalize,
	.start = pg_start,
	.next = pg_next,
	.reset = pg_reset,
	.changed = pg_changed,
	.col_bytes = pg_col_bytes,
	.col_int = pg_col_int,
	.col_is_null = pg_col_is_null,
};
