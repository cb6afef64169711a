#include "store/migrate.h"

#include <assert.h>

#include "base/clock.h"
#include "store/store_priv.h"

enum {
	SCRIPT_MAX = KIB(256), /* ours, so larger is a bug */
};

static const char *macro(const struct dialect *d, struct str name)
{
	const struct {
		struct str name;
		const char *text;
	} macros[] = {
		{STR("int"), d->int_type},   {STR("text"), d->text_type},
		{STR("blob"), d->blob_type}, {STR("bool"), d->bool_type},
		{STR("strict"), d->strict},  {STR("serial"), d->serial},
	};

	for (size_t i = 0; i < COUNT(macros); i++) {
		if (str_eq(macros[i].name, name)) {
			return macros[i].text;
		}
	}
	abort(); /* our own mistake: a migration names a macro that does not exist */
}

static void expand(const struct dialect *d, const char *sql, struct buf *out)
{
	struct str rest = str_of(sql);

	while (rest.len > 0) {
		size_t open = str_find(rest, '{');
		buf_add_str(out, str_first(rest, open));
		rest = str_skip(rest, open + 1);
		size_t close = str_find(rest, '}');
		if (rest.len > 0 && close < rest.len) {
			buf_add_str(out, str_of(macro(d, str_first(rest, close))));
			rest = str_skip(rest, close + 1);
		}
	}
}

static bool exec_expanded(struct db *db, const char *sql, struct err *err)
{
	AUTO_BUF struct buf script = BUF(SCRIPT_MAX);

	expand(db->dialect, sql, &script);
	assert(!buf_failed(&script));
	return db_exec(db, script.at, err);
}

static int last_number(const struct migration_set *set)
{
	int n = 0;

	while (set->steps[n].number != 0) {
		assert(set->steps[n].number == n + 1);
		n++;
	}
	return n;
}

static bool read_applied(struct db *db, const char *module, int64_t *n, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "SELECT COALESCE(MAX(number), 0) FROM migration WHERE module = $1", &st,
			err)) {
		return false;
	}
	stmt_text(st, 1, str_of(module));
	if (stmt_step(st, err) != STORE_ROW) {
		return false;
	}
	*n = stmt_col_int(st, 0);
	stmt_reset(st);
	return true;
}

static bool note_applied(struct db *db, const char *module, int number, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "INSERT INTO migration (module, number, at) VALUES ($1, $2, $3)", &st,
			err)) {
		return false;
	}
	stmt_text(st, 1, str_of(module));
	stmt_int(st, 2, number);
	stmt_int(st, 3, clock_unix());
	return stmt_run(st, NULL, err);
}

struct step {
	const struct migration_set *set;
	bool more; /* another step may follow */
};

/* Applies the next missing step of a set. Several programs may start at once: hence the lock. */
static bool next_step(struct db *db, void *user, struct err *err)
{
	struct step *step = user;
	const struct migration_set *set = step->set;
	int last = last_number(set);
	int64_t applied;

	step->more = false;
	if (!db->dialect->migration_lock(db, err) ||
	    !exec_expanded(db,
			   "CREATE TABLE IF NOT EXISTS migration (module {text} NOT NULL,"
			   " number {int} NOT NULL, at {int} NOT NULL,"
			   " PRIMARY KEY (module, number)) {strict}",
			   err) ||
	    !read_applied(db, set->module, &applied, err)) {
		return false;
	}
	if (applied > last + 1) {
		return err_set(err, ERR_CONFIG,
			       "the database is at version %lld of \"%s\", this program knows %d: "
			       "it was written by a newer version, use that one",
			       (long long)applied, set->module, last);
	}
	if (applied >= last) {
		return true;
	}
	const struct migration *m = &set->steps[applied];
	step->more = true;
	if (!exec_expanded(db, m->sql, err)) {
		return err_wrap(err, "migration %s %d", set->module, m->number);
	}
	return note_applied(db, set->module, m->number, err);
}

bool store_migrate(struct store *s, const struct migration_set *sets, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct step step = {.set = &sets[i], .more = true};
		while (step.more) {
			if (!store_tx(s, next_step, &step, err)) {
				return false;
			}
		}
	}
	return true;
}
