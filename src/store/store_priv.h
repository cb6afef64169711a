#pragma once
/* Inside of store: what a dialect must do. Two of them: sqlite.c and postgresql.c. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

enum param_kind {
	PARAM_NULL,
	PARAM_INT,
	PARAM_TEXT,
	PARAM_BLOB,
};

struct param {
	enum param_kind kind;
	int64_t number;
	struct str bytes; /* lent */
};

struct stmt {
	struct db *db;
	const char *sql; /* the literal; its address is the key of the cache */
	struct param params[STORE_PARAMS_MAX];
	int n_params; /* highest one bound */
	bool started; /* stepped, not reset */
	void *native; /* sqlite3_stmt, or the result at hand */
	int row;      /* PostgreSQL: row of the result */
	unsigned id;  /* PostgreSQL: its name; 0: not prepared there */
};

enum db_begin {
	DB_BEGIN_WRITE,
	DB_BEGIN_READ,
};

struct dialect {
	const char *int_type, *text_type, *blob_type, *bool_type, *strict, *serial;
	bool (*connect)(struct db *db, struct err *err);
	void (*disconnect)(struct db *db);
	/* Any number of statements without parameters and rows. */
	bool (*exec)(struct db *db, const char *sql, struct err *err);
	bool (*begin)(struct db *db, enum db_begin mode, struct err *err);
	bool (*commit)(struct db *db, struct err *err);
	void (*rollback)(struct db *db);
	bool (*migration_lock)(struct db *db, struct err *err); /* until the transaction ends */
	bool (*prepare)(struct stmt *st, struct err *err);
	void (*finalize)(struct stmt *st);
	bool (*start)(struct stmt *st, struct err *err); /* binds and runs up to before row one */
	enum store_outcome (*next)(struct stmt *st, struct err *err);
	void (*reset)(struct stmt *st);
	int64_t (*changed)(struct stmt *st);
	struct str (*col_bytes)(struct stmt *st, int col);
	int64_t (*col_int)(struct stmt *st, int col);
	bool (*col_is_null)(struct stmt *st, int col);
};

extern const struct dialect sqlite_dialect, postgresql_dialect;

struct db {
	struct store *store;
	const struct dialect *dialect;
	void *native; /* sqlite3, PGconn; NULL when not connected */
	bool taken;
	bool in_tx;
	bool failed;  /* a statement failed in this transaction: it may not commit */
	bool again;   /* ... for a reason that a new try cures */
	bool broken;  /* the connection is of no use any more */
	bool stale;   /* ... after this user: a new one may be allowed more */
	bool is_kept; /* it served a user before: it may be stale */
	unsigned next_id;
	int64_t last_changed;
	struct stmt *stmts[STORE_STATEMENTS_MAX * 2]; /* open addressing by address */
	unsigned n_stmts;
};

struct store {
	const struct dialect *dialect;
	char *url;  /* with a password perhaps: never shown */
	char *path; /* SQLite: the file */
	bool is_only_read;
	char node[128];
	pthread_mutex_t lock; /* taken flags */
	pthread_cond_t freed;
	pthread_mutex_t writer; /* SQLite: writers of this process wait here, not in busy loops */
	struct db *dbs;
	unsigned n_dbs;
	atomic_bool checked; /* SQLite: the file was looked through once */
	atomic_llong head;   /* highest head seen */
	atomic_ullong transactions, retries, reconnects;
};

/* Runs a script of statements without parameters. */
bool db_exec(struct db *db, const char *sql, struct err *err);
/* A read or write transaction in which `db` is the connection; the body of store_tx(). */
bool store_run(struct store *s, enum db_begin mode, store_tx_fn *fn, void *user, struct err *err);
