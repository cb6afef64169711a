#pragma once
/*
 * State in SQLite or PostgreSQL with the same SQL.
 *
 * The subset: `$1` parameters (bound by name on SQLite: an index goes by first appearance there,
 * and a statement that begins with `$3` would run and do nothing), ON CONFLICT, RETURNING, STRICT
 * tables on SQLite. Types in migrations are written as macros: {int} {text} {blob} {bool}, see
 * migrate.h. BEGIN IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL.
 *
 * Threads: struct store is shared; a struct db is one connection and belongs to one thread between
 * store_take() and store_give(). Everything blocks: only in jobs.
 */
#include "base/buf.h"
#include "base/err.h"

struct store;
struct db;
struct stmt;

enum {
	STORE_PARAMS_MAX = 24,      /* $1 to $24 */
	STORE_STATEMENTS_MAX = 256, /* different texts of one connection: ours, so more is a bug */
	STORE_TAKE_WAIT_MS = 10000, /* for a free connection, and for SQLite's write lock */
	STORE_RETRIES_MAX = 20,     /* of one transaction (serialization failure, busy) */
};

/*
 * "sqlite:/path/file.db" (WAL, synchronous=FULL, mode 0600) or "postgresql://…". Opens one
 * connection to see that it works; a corrupt file is ERR_SYSTEM with the next step in the text.
 * Connections that broke are opened again when they are taken.
 */
NODISCARD bool store_open(const char *url, unsigned connections, struct store **out,
			  struct err *err);
/*
 * To look only: the file, its folder and the disk may be read-only, and nothing is changed or made.
 * A SQLite file without a -wal beside it is taken as one that nobody writes meanwhile.
 */
NODISCARD bool store_open_to_read(const char *url, unsigned connections, struct store **out,
				  struct err *err);
void store_close(struct store *s);
DEFINE_AUTO(store_close, struct store *)

NODISCARD bool store_take(struct store *s, struct db **out, struct err *err); /* waits up to 10 s */
void store_give(struct store *s, struct db *db);                              /* takes NULL */
/* Name of this node, for the chain of denied attempts. Before the first use; "local" without. */
void store_set_node(struct store *s, const char *node);
const char *store_node(const struct store *s);
struct store_counters {
	uint64_t transactions, retries, reconnects;
};
struct store_counters store_count(const struct store *s);

/* ---- statements: prepared once per connection and text, then reused ---- */
enum store_outcome {
	STORE_ROW,
	STORE_DONE,
	STORE_FAILED,
};

/* `sql` must be a literal: its address is the cache's key. */
NODISCARD bool db_prepare(struct db *db, const char *sql, struct stmt **out, struct err *err);
/*
 * Values are lent until the first step after them; then they are copied. Texts must be UTF-8
 * without NUL (else ERR_CONFIG from the step, on both databases). at == NULL binds NULL. What was
 * bound stays bound until db_prepare() gives the statement out again, which clears it.
 */
void stmt_text(struct stmt *st, int param, struct str value);
void stmt_blob(struct stmt *st, int param, struct str value);
void stmt_int(struct stmt *st, int param, int64_t value);
enum store_outcome stmt_step(struct stmt *st, struct err *err);
/* Columns from 0; lent until the next step or reset. */
struct str stmt_col_text(struct stmt *st, int col); /* at == NULL for NULL; blobs too */
int64_t stmt_col_int(struct stmt *st, int col);     /* 0 for NULL */
bool stmt_col_is_null(struct stmt *st, int col);
void stmt_reset(struct stmt *st); /* ends the statement; it may be bound and stepped again */
/* For statements without rows; *changed may be NULL. Resets. */
NODISCARD bool stmt_run(struct stmt *st, int64_t *changed, struct err *err);

/* ---- transactions ---- */
/* Return false to roll back. May be called again from the start (serialization failure, busy). */
typedef bool store_tx_fn(struct db *db, void *user, struct err *err);
/* Reads and writes of leases, sessions, throttling: no head. */
NODISCARD bool store_tx(struct store *s, store_tx_fn *fn, void *user, struct err *err);
/*
 * Several reads of one moment: a read-only transaction that waits for no writer (REPEATABLE READ on
 * PostgreSQL, a WAL snapshot on SQLite).
 */
NODISCARD bool store_read(struct store *s, store_tx_fn *fn, void *user, struct err *err);
/*
 * Errors of statements: a unique violation is ERR_CONFLICT, a foreign key without its row
 * ERR_MISSING, an unreachable, damaged or full database ERR_STORE. A statement that failed inside a
 * transaction dooms it on both databases: the commit is refused even when the failure was ignored.
 */
