/* The dialect of SQLite 3.40: one file, WAL, several connections. See store_priv.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/store_priv.h"

static sqlite3 *handle(const struct db *db)
{
	return db->native;
}

static sqlite3_stmt *native(const struct stmt *st)
{
	return st->native;
}

/* ---- errors ---- */

static bool fail_damaged(const struct db *db, const char *why, struct err *err)
{
	return err_set(err, ERR_SYSTEM,
		       "the database file %s is damaged (%s): stop the program, keep the file, and "
		       "put a backup in its place, or salvage it with `sqlite3 %s .recover`",
		       db->store->path, why, db->store->path);
}

static bool fail_constraint(const struct db *db, int code, struct err *err)
{
	const char *why = sqlite3_errmsg(handle(db));

	if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
		return err_set(err, ERR_CONFLICT, "it exists already");
	}
	if (code == SQLITE_CONSTRAINT_FOREIGNKEY) {
		return err_set(err, ERR_MISSING, "what it belongs to does not exist");
	}
	return err_set(err, ERR_STORE, "database: %s", why);
}

static bool fail_full(const struct db *db, struct err *err)
{
	return err_set(err, ERR_STORE, "the disk of the database %s is full: make room",
		       db->store->path);
}

static bool fail_read_only(struct db *db, const char *why, struct err *err)
{
	db->stale = true;
	return err_set(err, ERR_STORE,
		       "the database %s cannot be written (%s): look at the rights of the file and "
		       "of its folder, and whether the disk became read-only",
		       db->store->path, why);
}

/* Of a file that SQLite had open already; it keeps the system's word of some failures only. */
static bool fail_io(struct db *db, const char *why, struct err *err)
{
	int code = sqlite3_system_errno(handle(db));

	if (code == 0 && access(db->store->path, W_OK) != 0) {
		code = errno;
	}
	if (code == ENOSPC || code == EDQUOT) {
		return fail_full(db, err);
	}
	if (code == EROFS || code == EPERM || code == EACCES) {
		return fail_read_only(db, strerror(code), err);
	}
	return err_set(
		err, ERR_STORE,
		"reading or writing the database %s failed: %s (%d): look at the disk and at "
		"the system's log",
		db->store->path, why, code);
}

/* Turns a result code into an err; says whether a new try may cure it. */
static bool fail(struct db *db, int code, struct err *err)
{
	const char *why = db->native != NULL ? sqlite3_errmsg(handle(db)) : sqlite3_errstr(code);

	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		return fail_constraint(db, code, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		db->again = true;
		return err_set(err, ERR_STORE, "the database %s is busy: another program holds it",
			       db->store->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return fail_damaged(db, why, err);
	case SQLITE_FULL:
		return fail_full(db, err);
	case SQLITE_READONLY:
		/* What may not be written is opened to be read, and stays so when that is over.
		 * It is said before anything was written. */
		db->again = db->is_kept;
		return fail_read_only(db, why, err);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return fail_read_only(db, why, err);
	case SQLITE_IOERR:
		return fail_io(db, why, err);
	default:
		return err_set(err, ERR_STORE, "database: %s", why);
	}
}

/* ---- connection ---- */

static bool sqlite_exec(struct db *db, const char *sql, struct err *err)
{
	int code = sqlite3_exec(handle(db), sql, NULL, NULL, NULL);

	return code == SQLITE_OK || fail(db, sqlite3_extended_errcode(handle(db)), err);
}

/*
 * Made here, since SQLite would make it readable for everyone. Never opened when it is there: the
 * close would drop this process's POSIX locks on it, those of other connections too, and the next
 * process that looks into the database would take itself for the last and remove the log.
 */
static bool make_file(const char *path, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 || errno == EEXIST ||
	       err_errno(err, ERR_STORE, "cannot open the database %s", path);
}

static bool look_through(struct db *db, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int code = sqlite3_prepare_v2(handle(db), "PRAGMA quick_check(1)", -1, &st, NULL);

	if (code == SQLITE_OK) {
		code = sqlite3_step(st);
	}
	if (code != SQLITE_ROW) {
		fail(db, sqlite3_extended_errcode(handle(db)), err);
		sqlite3_finalize(st);
		return false;
	}
	const char *found = (const char *)sqlite3_column_text(st, 0);
	bool ok = found != NULL && str_eq(str_of(found), STR("ok"));
	if (!ok) {
		fail_damaged(db, found != NULL ? found : "no answer", err);
	}
	sqlite3_finalize(st);
	return ok;
}

static void sqlite_disconnect(struct db *db)
{
	int code = sqlite3_close(handle(db));

	assert(code == SQLITE_OK); /* every statement was finalized */
}

/*
 * The cache of 8 MiB, for each connection that needs so much, holds what a list of 10,000 entries
 * of a keystore reads, in the order of their aliases and therefore all over the table. SQLite's own
 * 2 MiB make a system call of nearly every row.
 */
static bool configure(struct db *db, struct err *err)
{
	sqlite3_busy_timeout(handle(db), STORE_TAKE_WAIT_MS);
	sqlite3_db_config(handle(db), SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(handle(db), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (db->store->is_only_read) {
		return sqlite_exec(db, "PRAGMA query_only=ON; PRAGMA cell_size_check=ON;", err);
	}
	return sqlite_exec(db,
			   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			   "PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON;"
			   "PRAGMA cache_size=-8192;",
			   err);
}

/*
 * Without a -wal nobody has it open, and SQLite would want to make one even for a reader: told that
 * the file does not change, it does not.
 */
static void write_uri(const char *path, struct buf *uri)
{
	AUTO_BUF struct buf wal = BUF(KIB(8));

	buf_addf(&wal, "%s-wal", path);
	bool is_open = wal.at != NULL && access(wal.at, F_OK) == 0;
	buf_add_str(uri, STR("file:"));
	for (const char *c = path; *c != '\0'; c++) {
		if (*c == '?' || *c == '#' || *c == '%') {
			buf_addf(uri, "%%%02X", (unsigned char)*c);
		} else {
			buf_add_c(uri, *c);
		}
	}
	buf_add_str(uri, is_open ? STR("?mode=ro") : STR("?immutable=1"));
}

static int open_file(struct store *s, sqlite3 **opened, struct err *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	AUTO_BUF struct buf uri = BUF(KIB(16));

	if (!s->is_only_read) {
		return make_file(s->path, err)
			       ? sqlite3_open_v2(s->path, opened, flags | SQLITE_OPEN_READWRITE,
						 NULL)
			       : -1;
	}
	write_uri(s->path, &uri);
	return sqlite3_open_v2(uri.at, opened, flags | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
			       NULL);
}

static bool sqlite_connect(struct db *db, struct err *err)
{
	sqlite3 *opened = NULL;
	int code = open_file(db->store, &opened, err);

	if (code < 0) { /* err says why */
		return false;
	}
	if (code != SQLITE_OK) {
		fail(db, code, err);
		sqlite3_close(opened);
		return false;
	}
	db->native = opened;
	bool ok = configure(db, err);
	if (ok && !atomic_load(&db->store->checked)) {
		ok = look_through(db, err);
		atomic_store(&db->store->checked, ok);
	}
	if (!ok) {
		sqlite_disconnect(db);
		db->native = NULL;
	}
	return ok;
}

/* ---- transactions ---- */

static bool sqlite_begin(struct db *db, enum db_begin mode, struct err *err)
{
	return sqlite_exec(db, mode == DB_BEGIN_WRITE ? "BEGIN IMMEDIATE" : "BEGIN", err);
}

static bool sqlite_commit(struct db *db, struct err *err)
{
	return sqlite_exec(db, "COMMIT", err);
}

static void sqlite_rollback(struct db *db)
{
	bool again = db->again;
	struct err err;

	/* SQLite rolls back by itself when the disk is full, among others. */
	if (!sqlite3_get_autocommit(handle(db)) && !sqlite_exec(db, "ROLLBACK", &err)) {
		log_debug("rollback failed", LOG_ERR(&err));
		db->broken = true;
	}
	db->again = again;
}

static bool sqlite_migration_lock(struct db *db, struct err *err)
{
	(void)db; /* BEGIN IMMEDIATE is the lock */
	(void)err;
	return true;
}

/* ---- statements ---- */

static bool sqlite_prepare(struct stmt *st, struct err *err)
{
	sqlite3_stmt *made = NULL;
	int code = sqlite3_prepare_v3(handle(st->db), st->sql, -1, SQLITE_PREPARE_PERSISTENT, &made,
				      NULL);

	if (code != SQLITE_OK) {
		return fail(st->db, code, err);
	}
	st->native = made;
	return true;
}

static void sqlite_finalize(struct stmt *st)
{
	sqlite3_finalize(native(st));
}

static int bind_one(struct stmt *st, int at, const struct param *p)
{
	const char *bytes = p->bytes.len == 0 ? "" : p->bytes.at;

	switch (p->kind) {
	case PARAM_INT:
		return sqlite3_bind_int64(native(st), at, p->number);
	case PARAM_TEXT:
		return sqlite3_bind_text64(native(st), at, bytes, p->bytes.len, SQLITE_TRANSIENT,
					   SQLITE_UTF8);
	case PARAM_BLOB:
		return sqlite3_bind_blob64(native(st), at, bytes, p->bytes.len, SQLITE_TRANSIENT);
	case PARAM_NULL:
	default:
		return sqlite3_bind_null(native(st), at);
	}
}

/* `$3` is a name here; an index would go by first appearance in the text. */
static bool sqlite_start(struct stmt *st, struct err *err)
{
	if (sqlite3_bind_parameter_count(native(st)) != st->n_params) {
		return err_set(err, ERR_STORE, "statement wants %d parameters, not %d: %.80s",
			       sqlite3_bind_parameter_count(native(st)), st->n_params, st->sql);
	}
	for (int i = 0; i < st->n_params; i++) {
		char name[16];
		snprintf(name, sizeof(name), "$%d", i + 1);
		int at = sqlite3_bind_parameter_index(native(st), name);
		if (at == 0) {
			return err_set(err, ERR_STORE, "statement has no %s: %.80s", name, st->sql);
		}
		int code = bind_one(st, at, &st->params[i]);
		if (code != SQLITE_OK) {
			return fail(st->db, code, err);
		}
	}
	return true;
}

static enum store_outcome sqlite_next(struct stmt *st, struct err *err)
{
	int code = sqlite3_step(native(st));

	if (code == SQLITE_ROW) {
		return STORE_ROW;
	}
	if (code == SQLITE_DONE) {
		st->db->last_changed = sqlite3_changes64(handle(st->db));
		return STORE_DONE;
	}
	fail(st->db, code, err);
	return STORE_FAILED;
}

static void sqlite_reset(struct stmt *st)
{
	sqlite3_reset(native(st));
	sqlite3_clear_bindings(native(st));
}

static int64_t sqlite_changed(struct stmt *st)
{
	return st->db->last_changed;
}

static struct str sqlite_col_bytes(struct stmt *st, int col)
{
	const void *at = sqlite3_column_blob(native(st), col); /* NULL of an empty one, too */

	if (at == NULL) {
		return sqlite3_column_type(native(st), col) == SQLITE_NULL ? STR_NONE : STR("");
	}
	return str_make(at, (size_t)sqlite3_column_bytes(native(st), col));
}

static int64_t sqlite_col_int(struct stmt *st, int col)
{
	return sqlite3_column_int64(native(st), col);
}

static bool sqlite_col_is_null(struct stmt *st, int col)
{
	return sqlite3_column_type(native(st), col) == SQLITE_NULL;
}

const struct dialect sqlite_dialect = {
	.int_type = "INTEGER",
	.text_type = "TEXT",
	.blob_type = "BLOB",
	.bool_type = "INTEGER",
	.strict = "STRICT",
	.serial = "INTEGER PRIMARY KEY AUTOINCREMENT",
	.connect = sqlite_connect,
	.disconnect = sqlite_disconnect,
	.exec = sqlite_exec,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.migration_lock = sqlite_migration_lock,
	.prepare = sqlite_prepare,
	.finalize = sqlite_finalize,
	.start = sqlite_start,
	.next = sqlite_next,
	.reset = sqlite_reset,
	.changed = sqlite_changed,
	.col_bytes = sqlite_col_bytes,
	.col_int = sqlite_col_int,
	.col_is_null = sqlite_col_is_null,
};
