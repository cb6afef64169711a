#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "database.h"
#include "unit/unit.h"

static struct store *store_of(void **state)
{
	return ((struct database *)*state)->store;
}

static void make_table(struct database *d)
{
	database_sql(d,
		     d->path[0] != 0
			     ? "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL) STRICT"
			     : "CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)");
	database_sql(d, "INSERT INTO t (id, v) VALUES (1, 0)");
}

static bool put(struct db *db, int64_t id, int64_t v, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "INSERT INTO t (id, v) VALUES ($1, $2)", &st, err)) {
		return false;
	}
	stmt_int(st, 1, id);
	stmt_int(st, 2, v);
	return stmt_run(st, NULL, err);
}

static bool read_one(struct db *db, int64_t *v, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "SELECT v FROM t WHERE id = $1", &st, err)) {
		return false;
	}
	stmt_int(st, 1, 1);
	if (stmt_step(st, err) != STORE_ROW) {
		return false;
	}
	*v = stmt_col_int(st, 0);
	stmt_reset(st);
	return true;
}

static int64_t value_of(struct store *s)
{
	struct err err;
	struct db *db;
	int64_t v = -1;

	assert_true(store_take(s, &db, &err));
	assert_true(read_one(db, &v, &err));
	store_give(s, db);
	return v;
}

static int64_t count_of(struct store *s)
{
	struct err err;
	struct db *db;
	struct stmt *st;

	assert_true(store_take(s, &db, &err));
	assert_true(db_prepare(db, "SELECT COUNT(*) FROM t", &st, &err));
	assert_int_equal(stmt_step(st, &err), STORE_ROW);
	int64_t n = stmt_col_int(st, 0);
	store_give(s, db);
	return n;
}

/* ---- transactions ---- */

static bool put_two(struct db *db, void *user, struct err *err)
{
	const bool *ok = user;

	return put(db, 2, 20, err) && put(db, 3, 30, err) &&
	       (*ok || err_set(err, ERR_DENIED, "changed my mind"));
}

static void a_transaction_is_all_or_nothing(void **state)
{
	struct err err;
	bool ok = false;

	make_table(*state);
	assert_false(store_tx(store_of(state), put_two, &ok, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	assert_int_equal(count_of(store_of(state)), 1);
	ok = true;
	assert_true(store_tx(store_of(state), put_two, &ok, &err));
	assert_int_equal(count_of(store_of(state)), 3);
}

static bool ignore_a_failure(struct db *db, void *user, struct err *err)
{
	struct err ignored;

	(void)user;
	if (!put(db, 5, 1, err)) {
		return false;
	}
	assert_false(put(db, 1, 1, &ignored));
	assert_int_equal(ignored.kind, ERR_CONFLICT);
	return true;
}

static void a_failure_that_was_ignored_dooms_the_transaction(void **state)
{
	struct err err;

	make_table(*state);
	assert_false(store_tx(store_of(state), ignore_a_failure, NULL, &err));
	assert_int_equal(err.kind, ERR_STORE);
	assert_int_equal(count_of(store_of(state)), 1);
}

static bool add_one(struct db *db, void *user, struct err *err)
{
	struct stmt *st;
	int64_t v;

	(void)user;
	if (!read_one(db, &v, err) ||
	    !db_prepare(db, "UPDATE t SET v = v + 1 WHERE id = $1", &st, err)) {
		return false;
	}
	stmt_int(st, 1, 1);
	return stmt_run(st, NULL, err);
}

enum {
	WRITERS = 6,
	ROUNDS = 25,
};

static char failure[] = "failed";

static void *write_rounds(void *user)
{
	struct err err;

	for (int i = 0; i < ROUNDS; i++) {
		if (!store_tx(user, add_one, NULL, &err)) {
			return failure;
		}
	}
	return NULL;
}

static void busy_writers_lose_nothing(void **state)
{
	pthread_t threads[WRITERS];
	struct database *d = *state;
	struct store *second = NULL; /* as another process would */
	struct err err;

	make_table(d);
	assert_true(store_open(d->url, 2, &second, &err));
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(0, pthread_create(&threads[i], NULL, write_rounds,
						   i % 2 == 0 ? d->store : second));
	}
	for (int i = 0; i < WRITERS; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(value_of(d->store), WRITERS * ROUNDS);
	store_close(second);
}

/* ---- retry ---- */

struct crossing {
	pthread_barrier_t both;
	struct store *store;
	atomic_int tries;
};

struct crosser {
	struct crossing *shared;
	int64_t first, second;
	bool met;
};

static bool add_to(struct db *db, int64_t id, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "UPDATE t SET v = v + 1 WHERE id = $1", &st, err)) {
		return false;
	}
	stmt_int(st, 1, id);
	return stmt_run(st, NULL, err);
}

/* Two of these with the rows the other way round are a deadlock: the server ends one of them. */
static bool cross(struct db *db, void *user, struct err *err)
{
	struct crosser *c = user;

	atomic_fetch_add(&c->shared->tries, 1);
	if (!add_to(db, c->first, err)) {
		return false;
	}
	if (!c->met) {
		c->met = true;
		pthread_barrier_wait(&c->shared->both);
	}
	return add_to(db, c->second, err);
}

static void *run_cross(void *user)
{
	struct crosser *c = user;
	struct err err;

	return store_tx(c->shared->store, cross, c, &err) ? NULL : failure;
}

static void a_serialization_failure_is_tried_again(void **state)
{
	struct crossing shared = {.store = store_of(state)};
	struct crosser crossers[2] = {{&shared, 1, 2, false}, {&shared, 2, 1, false}};
	pthread_t other;
	void *failed;

	make_table(*state);
	database_sql(*state, "INSERT INTO t (id, v) VALUES (2, 0)");
	pthread_barrier_init(&shared.both, NULL, 2);
	assert_int_equal(0, pthread_create(&other, NULL, run_cross, &crossers[1]));
	assert_null(run_cross(&crossers[0]));
	pthread_join(other, &failed);
	assert_null(failed);
	assert_int_equal(value_of(shared.store), 2);
	/* One of them lost at least once; on a busy machine the second try may meet the first
	 * again. */
	int tries = atomic_load(&shared.tries);
	assert_true(tries >= 3);
	assert_int_equal(store_count(shared.store).retries, tries - 2);
	pthread_barrier_destroy(&shared.both);
}

/* Killed by the administrator in the first try only. */
static bool lose_connection(struct db *db, void *user, struct err *err)
{
	struct database *d = user;
	static bool killed;

	if (!add_to(db, 1, err)) {
		return false;
	}
	if (!killed) {
		killed = true;
		database_sql(d, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
				" WHERE datname = current_database() AND pid <> pg_backend_pid()");
	}
	return add_to(db, 1, err);
}

static void a_lost_connection_is_opened_again(void **state)
{
	struct err err;

	make_table(*state);
	if (!store_tx(store_of(state), lose_connection, *state, &err)) {
		fail_msg("%s", err.text);
	}
	assert_int_equal(value_of(store_of(state)), 2);
}

static void a_server_that_is_gone_is_an_error_that_says_so(void **state)
{
	struct store *s;
	struct err err;

	(void)state;
	assert_false(store_open("postgresql:///x?host=/nonexistent&password=hunter2", 1, &s, &err));
	assert_int_equal(err.kind, ERR_STORE);
	assert_non_null(strstr(err.text, "cannot be reached"));
	assert_null(strstr(err.text, "hunter2"));
}

/* ---- killed in the middle ---- */

static bool die_before_commit(struct db *db, void *user, struct err *err)
{
	(void)user;
	if (!put(db, 7, 7, err)) {
		return false;
	}
	raise(SIGKILL);
	return true;
}

static void a_kill_in_the_middle_leaves_the_old_state(void **state)
{
	struct database *d = *state;
	int status;

	make_table(d);
	store_close(d->store);
	d->store = NULL;
	pid_t child = fork();
	if (child == 0) {
		struct err err;
		database_open(d);
		_exit(store_tx(d->store, die_before_commit, NULL, &err));
	}
	assert_int_equal(child, waitpid(child, &status, 0));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	database_open(d);
	assert_int_equal(count_of(d->store), 1);
	bool ok = true;
	struct err err;
	assert_true(store_tx(d->store, put_two, &ok, &err));
}

/* ---- reading ---- */

static bool read_twice(struct db *db, void *user, struct err *err)
{
	struct database *d = user;
	int64_t before, after;

	if (!read_one(db, &before, err)) {
		return false;
	}
	database_sql(d, "UPDATE t SET v = v + 1 WHERE id = 1");
	if (!read_one(db, &after, err)) {
		return false;
	}
	assert_int_equal(before, after);
	return true;
}

static void a_read_sees_one_moment_and_holds_up_nobody(void **state)
{
	struct err err;

	make_table(*state);
	assert_true(store_read(store_of(state), read_twice, *state, &err));
	assert_int_equal(value_of(store_of(state)), 1);
}

static void connections_that_are_all_taken_are_waited_for(void **state)
{
	struct database *d = *state;
	struct store *s;
	struct err err;

	assert_true(store_open(d->url, 1, &s, &err));
	struct db *db;
	assert_true(store_take(s, &db, &err));
	store_give(s, db);
	assert_true(store_take(s, &db, &err));
	store_give(s, db);
	store_close(s);
}

/* ---- files ---- */

static bool put_much(struct db *db, void *user, struct err *err)
{
	int64_t *id = user;

	for (int i = 0; i < 5000; i++) {
		if (!put(db, ++*id, i, err)) {
			return false;
		}
	}
	return true;
}

static void fill(const char *path, const char *text, size_t times)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < times; i++) {
		fputs(text, f);
	}
	fclose(f);
}

static void a_file_that_is_no_database_is_refused_with_the_next_step(void **state)
{
	struct database *d = *state;
	struct store *s;
	struct err err;

	store_close(d->store);
	d->store = NULL;
	fill(d->path, "this is not a database ", 1000);
	assert_false(store_open(d->url, 1, &s, &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "is damaged"));
	assert_non_null(strstr(err.text, "backup"));
}

static void a_damaged_page_is_found_at_the_start(void **state)
{
	struct database *d = *state;
	struct store *s;
	struct err err;

	make_table(d);
	database_sql(d, "CREATE INDEX i ON t (v); PRAGMA wal_checkpoint(TRUNCATE)");
	store_close(d->store);
	d->store = NULL;
	int fd = open(d->path, O_WRONLY | O_CLOEXEC);
	char junk[512];
	memset(junk, 0xA5, sizeof(junk));
	assert_int_equal(sizeof(junk), pwrite(fd, junk, sizeof(junk), 4096));
	close(fd);
	assert_false(store_open(d->url, 1, &s, &err));
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "is damaged"));
}

static size_t files_in_folder_of(const char *path)
{
	AUTO_FREE char *copy = must_strdup(path);
	DIR *folder = opendir(dirname(copy));
	size_t n = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL) {
		n++;
	}
	closedir(folder);
	return n;
}

static void a_reader_changes_and_makes_nothing(void **state)
{
	struct database *d = *state;
	struct store *reader;
	struct err err;
	int64_t id = 7;

	make_table(d);
	assert_ok(store_open_to_read(d->url, 2, &reader, &err), &err); /* beside its owner */
	assert_int_equal(count_of(reader), 1);
	assert_false(store_tx(reader, put_much, &id, &err));
	store_close(reader);
	store_close(d->store);
	d->store = NULL;
	assert_int_equal(0, chmod(d->path, 0400));
	size_t before = files_in_folder_of(d->path);
	assert_ok(store_open_to_read(d->url, 2, &reader, &err), &err);
	assert_int_equal(count_of(reader), 1);
	assert_int_equal(files_in_folder_of(d->path), before);
	store_close(reader);
	assert_int_equal(files_in_folder_of(d->path), before);
	assert_false(store_open_to_read("sqlite:/nonexistent/x.db", 1, &reader, &err));
}

static void the_file_is_the_owners_alone(void **state)
{
	struct database *d = *state;
	struct stat st;

	assert_int_equal(0, stat(d->path, &st));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_folder_that_does_not_exist_is_named(void **state)
{
	struct store *s;
	struct err err;

	(void)state;
	assert_false(store_open("sqlite:/nonexistent/dir/x.db", 1, &s, &err));
	assert_int_equal(err.kind, ERR_STORE);
	assert_non_null(strstr(err.text, "/nonexistent/dir/x.db"));
	assert_false(store_open("mysql://x", 1, &s, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
}

/* The limit of the file's size stands for the disk: both end in a write that is refused. */
static void a_full_disk_is_an_error_and_what_was_there_stays(void **state)
{
	struct database *d = *state;
	struct err err;
	int64_t id = 100;

	make_table(d);
	database_sql(d, "PRAGMA wal_checkpoint(TRUNCATE)");
	const struct rlimit small = {24 * 1024, RLIM_INFINITY};
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &small));
	bool ok = store_tx(d->store, put_much, &id, &err);
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &none));
	assert_false(ok);
	assert_int_equal(err.kind, ERR_STORE);
	assert_int_equal(count_of(d->store), 1);
	id = 100;
	assert_true(store_tx(d->store, put_much, &id, &err));
	assert_int_equal(count_of(d->store), 5001);
}

/* Whether another process sees a lock of ours where SQLite keeps those of a shared reader. */
static bool is_locked_for_others(const char *path)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		struct flock lock = {.l_type = F_WRLCK, .l_start = 0x40000002, .l_len = 510};
		_exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void a_second_connection_leaves_the_locks_of_the_first(void **state)
{
	struct database *d = *state;
	struct db *a, *b;
	struct err err;

	assert_ok(store_take(d->store, &a, &err), &err);
	assert_true(is_locked_for_others(d->path));
	assert_ok(store_take(d->store, &b, &err), &err);
	assert_true(is_locked_for_others(d->path));
	store_give(d->store, b);
	store_give(d->store, a);
}

/* Of the database and of its log; root may write in spite of it, and is somebody else meanwhile. */
static void forbid_writing(const struct database *d, bool forbid)
{
	AUTO_BUF struct buf wal = BUF(KIB(1));
	AUTO_BUF struct buf shm = BUF(KIB(1));
	AUTO_FREE char *copy = must_strdup(d->path);
	mode_t mode = forbid ? 0444 : 0600;

	buf_addf(&wal, "%s-wal", d->path);
	buf_addf(&shm, "%s-shm", d->path);
	assert_true(forbid || geteuid() == getuid() || seteuid(getuid()) == 0);
	assert_int_equal(0, chmod(dirname(copy), 0755));
	assert_int_equal(0, chmod(d->path, mode));
	assert_int_equal(0, chmod(wal.at, mode));
	assert_int_equal(0, chmod(shm.at, 0666));
	assert_true(!forbid || geteuid() != 0 || seteuid(65534) == 0);
}

static void a_connection_from_when_writing_was_forbidden_is_not_kept(void **state)
{
	struct database *d = *state;
	struct db *busy;
	struct err err;
	int64_t id = 100;

	make_table(d);
	assert_ok(store_take(d->store, &busy, &err), &err); /* the next one is opened anew */
	forbid_writing(d, true);
	bool ok = store_tx(d->store, put_much, &id, &err);
	int64_t seen = ok ? -1 : count_of(d->store);
	forbid_writing(d, false);
	assert_int_equal(seen, 1); /* reading went on */
	assert_int_equal(err.kind, ERR_STORE);
	assert_non_null(strstr(err.text, "cannot be written"));
	assert_ok(store_tx(d->store, put_much, &id, &err), &err);
	assert_int_equal(count_of(d->store), 5001);
	store_give(d->store, busy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_SQLITE(a_second_connection_leaves_the_locks_of_the_first),
		ON_BOTH(a_transaction_is_all_or_nothing),
		ON_BOTH(a_failure_that_was_ignored_dooms_the_transaction),
		ON_BOTH(busy_writers_lose_nothing),
		ON_POSTGRESQL(a_serialization_failure_is_tried_again),
		ON_POSTGRESQL(a_lost_connection_is_opened_again),
		ON_POSTGRESQL(a_server_that_is_gone_is_an_error_that_says_so),
		ON_BOTH(a_kill_in_the_middle_leaves_the_old_state),
		ON_BOTH(a_read_sees_one_moment_and_holds_up_nobody),
		ON_BOTH(connections_that_are_all_taken_are_waited_for),
		ON_SQLITE(a_file_that_is_no_database_is_refused_with_the_next_step),
		ON_SQLITE(a_damaged_page_is_found_at_the_start),
		ON_SQLITE(a_reader_changes_and_makes_nothing),
		ON_SQLITE(the_file_is_the_owners_alone),
		ON_SQLITE(a_folder_that_does_not_exist_is_named),
		ON_SQLITE(a_full_disk_is_an_error_and_what_was_there_stays),
		ON_SQLITE(a_connection_from_when_writing_was_forbidden_is_not_kept),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
