#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/random.h"
#include "store/store_priv.h"

enum {
	CONNECTIONS_MAX = 64,
	PAUSE_FIRST_US = 500,
	PAUSE_MOST_US = 100 * 1000,
};

static bool choose_dialect(struct store *s, const char *url, struct err *err)
{
	struct str text = str_of(url);

	if (str_starts(text, STR("sqlite:"))) {
		s->dialect = &sqlite_dialect;
		s->path = str_dup(str_skip(text, STR("sqlite:").len));
		if (s->path[0] == 0) {
			return err_set(err, ERR_CONFIG, "database: no file behind \"sqlite:\"");
		}
		return true;
	}
	if (str_starts(text, STR("postgresql://")) || str_starts(text, STR("postgres://"))) {
		s->dialect = &postgresql_dialect;
		return true;
	}
	return err_set(err, ERR_CONFIG,
		       "database: want \"sqlite:/path/file.db\" or \"postgresql://…\"");
}

static bool open_store(const char *url, unsigned connections, bool to_read, struct store **out,
		       struct err *err)
{
	AUTO(store_close) struct store *s = NEW(struct store);

	assert(connections > 0 && connections <= CONNECTIONS_MAX);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->writer, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->freed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	s->url = must_strdup(url);
	s->is_only_read = to_read;
	store_set_node(s, "local");
	if (!choose_dialect(s, url, err)) {
		return false;
	}
	s->dbs = NEW_ARRAY(struct db, connections);
	s->n_dbs = connections;
	for (unsigned i = 0; i < connections; i++) {
		s->dbs[i].store = s;
		s->dbs[i].dialect = s->dialect;
	}
	struct db *db;
	if (!store_take(s, &db, err)) {
		return false;
	}
	store_give(s, db);
	*out = TAKE(s);
	return true;
}

bool store_open(const char *url, unsigned connections, struct store **out, struct err *err)
{
	return open_store(url, connections, false, out, err);
}

bool store_open_to_read(const char *url, unsigned connections, struct store **out, struct err *err)
{
	return open_store(url, connections, true, out, err);
}

static void disconnect(struct db *db)
{
	for (size_t i = 0; i < COUNT(db->stmts); i++) {
		if (db->stmts[i] != NULL) {
			db->dialect->finalize(db->stmts[i]);
			free(TAKE(db->stmts[i]));
		}
	}
	db->n_stmts = 0;
	if (db->native != NULL) {
		db->dialect->disconnect(db);
		db->native = NULL;
	}
	db->broken = false;
	db->stale = false;
	db->is_kept = false;
}

void store_close(struct store *s)
{
	if (s == NULL) {
		return;
	}
	for (unsigned i = 0; i < s->n_dbs; i++) {
		assert(!s->dbs[i].taken);
		disconnect(&s->dbs[i]);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->writer);
	pthread_cond_destroy(&s->freed);
	free(s->dbs);
	free(s->url);
	free(s->path);
	free(s);
}

void store_set_node(struct store *s, const char *node)
{
	snprintf(s->node, sizeof(s->node), "%s", node);
}

const char *store_node(const struct store *s)
{
	return s->node;
}

struct store_counters store_count(const struct store *s)
{
	return (struct store_counters){
		.transactions = atomic_load(&s->transactions),
		.retries = atomic_load(&s->retries),
		.reconnects = atomic_load(&s->reconnects),
	};
}

/* ---- connections ---- */

/* A free one, an open one if there is; NULL when all are taken. Under the lock. */
static struct db *find_free(struct store *s)
{
	struct db *found = NULL;

	for (unsigned i = 0; i < s->n_dbs; i++) {
		struct db *db = &s->dbs[i];
		if (!db->taken && (found == NULL || found->native == NULL)) {
			found = db;
		}
	}
	return found;
}

static struct db *wait_for_free(struct store *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STORE_TAKE_WAIT_MS / 1000;
	pthread_mutex_lock(&s->lock);
	struct db *db = find_free(s);
	while (db == NULL && pthread_cond_timedwait(&s->freed, &s->lock, &until) != ETIMEDOUT) {
		db = find_free(s);
	}
	if (db != NULL) {
		db->taken = true;
	}
	pthread_mutex_unlock(&s->lock);
	return db;
}

bool store_take(struct store *s, struct db **out, struct err *err)
{
	struct db *db = wait_for_free(s);

	if (db == NULL) {
		return err_set(err, ERR_STORE, "all %u database connections were busy for %d s",
			       s->n_dbs, STORE_TAKE_WAIT_MS / 1000);
	}
	if (db->broken) {
		disconnect(db);
		atomic_fetch_add(&s->reconnects, 1);
	}
	if (db->native == NULL && !db->dialect->connect(db, err)) {
		store_give(s, db);
		return false;
	}
	db->again = false;
	*out = db;
	return true;
}

void store_give(struct store *s, struct db *db)
{
	if (db == NULL) {
		return;
	}
	assert(db->store == s && db->taken && !db->in_tx);
	for (size_t i = 0; i < COUNT(db->stmts); i++) {
		if (db->stmts[i] != NULL && db->stmts[i]->started) {
			stmt_reset(db->stmts[i]);
		}
	}
	if (db->broken || db->stale) {
		disconnect(db);
	} else {
		db->is_kept = db->native != NULL;
	}
	pthread_mutex_lock(&s->lock);
	db->taken = false;
	pthread_cond_signal(&s->freed);
	pthread_mutex_unlock(&s->lock);
}

/* ---- transactions ---- */

bool db_exec(struct db *db, const char *sql, struct err *err)
{
	if (!db->dialect->exec(db, sql, err)) {
		db->failed = true;
		return false;
	}
	return true;
}

static void reset_all(struct db *db)
{
	for (size_t i = 0; i < COUNT(db->stmts); i++) {
		if (db->stmts[i] != NULL && db->stmts[i]->started) {
			stmt_reset(db->stmts[i]);
		}
	}
}

static bool try_once(struct db *db, enum db_begin mode, store_tx_fn *fn, void *user,
		     struct err *err)
{
	db->failed = false;
	db->again = false;
	if (!db->dialect->begin(db, mode, err)) {
		db->again |= db->broken; /* nothing was done yet: a new connection may do it */
		return false;
	}
	db->in_tx = true;
	bool ok = fn(db, user, err);
	reset_all(db);
	if (ok && db->failed) {
		ok = err_set(err, ERR_STORE, "a statement of the transaction failed unnoticed");
	}
	db->again |= !ok && db->broken; /* lost before the commit was sent: it did not happen */
	db->again &= !ok;
	if (ok) {
		ok = db->dialect->commit(db, err);
	}
	if (!ok && !db->broken) {
		db->dialect->rollback(db);
	}
	db->in_tx = false;
	return ok;
}

static void pause_before_retry(unsigned attempt)
{
	uint64_t seed;
	uint64_t most = (uint64_t)PAUSE_FIRST_US << (attempt < 8 ? attempt : 8);

	most = most > PAUSE_MOST_US ? PAUSE_MOST_US : most;
	random_bytes(&seed, sizeof(seed));
	struct timespec pause = {.tv_nsec = (long)(random_jitter(&seed) % most) * 1000};
	nanosleep(&pause, NULL);
}

static bool run_on(struct store *s, enum db_begin mode, store_tx_fn *fn, void *user, bool *again,
		   struct err *err)
{
	struct db *db;

	if (!store_take(s, &db, err)) {
		*again = false;
		return false;
	}
	bool alone = mode == DB_BEGIN_WRITE && s->dialect == &sqlite_dialect;
	if (alone) {
		pthread_mutex_lock(&s->writer);
	}
	bool ok = try_once(db, mode, fn, user, err);
	if (alone) {
		pthread_mutex_unlock(&s->writer);
	}
	*again = db->again;
	store_give(s, db);
	return ok;
}

bool store_run(struct store *s, enum db_begin mode, store_tx_fn *fn, void *user, struct err *err)
{
	atomic_fetch_add(&s->transactions, 1);
	for (unsigned attempt = 0;; attempt++) {
		bool again;
		if (run_on(s, mode, fn, user, &again, err)) {
			return true;
		}
		if (!again || attempt == STORE_RETRIES_MAX) {
			return false;
		}
		atomic_fetch_add(&s->retries, 1);
		pause_before_retry(attempt);
	}
}

bool store_tx(struct store *s, store_tx_fn *fn, void *user, struct err *err)
{
	return store_run(s, DB_BEGIN_WRITE, fn, user, err);
}

bool store_read(struct store *s, store_tx_fn *fn, void *user, struct err *err)
{
	return store_run(s, DB_BEGIN_READ, fn, user, err);
}
