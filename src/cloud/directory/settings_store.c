#include "cloud/directory/settings.h"

#include "cloud/directory/directory_priv.h"

struct setting {
	const struct directory_actor *actor;
	struct str name, value;
	struct buf *out;
	bool won;
};

static bool get(struct db *db, void *user, struct err *err)
{
	struct setting *g = user;
	struct stmt *st;

	if (!db_prepare(db, "SELECT value FROM setting WHERE name = $1", &st, err)) {
		return false;
	}
	stmt_text(st, 1, g->name);
	enum store_outcome outcome = stmt_step(st, err);
	if (outcome == STORE_ROW) {
		buf_add_str(g->out, stmt_col_text(st, 0));
	}
	stmt_reset(st);
	return outcome != STORE_FAILED;
}

bool directory_setting_get(struct store *s, struct str name, struct buf *value, struct err *err)
{
	struct setting g = {.name = name, .out = value};

	if (!store_read(s, get, &g, err)) {
		return false;
	}
	return !buf_failed(value) ||
	       err_set(err, ERR_LIMIT, "setting %.*s: its value is too long", STR_ARGS(name));
}

static bool check(const struct setting *p, struct err *err)
{
	return p->value.len <= DIRECTORY_SETTING_MAX ||
	       err_set(err, ERR_LIMIT, "setting %.*s: longer than %zu bytes", STR_ARGS(p->name),
		       (size_t)DIRECTORY_SETTING_MAX);
}

static void record(struct change *c, const struct setting *p)
{
	directory_record(c, &(struct directory_record){
				    .actor = p->actor, .what = "setting.set", .object = p->name});
}

static bool set(struct db *db, struct change *c, void *user, struct err *err)
{
	struct setting *p = user;
	struct query q = {.sql = "INSERT INTO setting (name, value) VALUES ($1, $2)"
				 " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			  .params = {QUERY_TEXT(p->name), QUERY_TEXT(p->value)},
			  .n_params = 2};

	record(c, p);
	return query_run(db, &q, NULL, err);
}

bool directory_setting_set(struct store *s, const struct directory_actor *actor, struct str name,
			   struct str value, struct err *err)
{
	struct setting p = {.actor = actor, .name = name, .value = value};

	return check(&p, err) && store_change(s, set, &p, NULL, err);
}

static bool init(struct db *db, struct change *c, void *user, struct err *err)
{
	struct setting *p = user;
	struct query q = {.sql = "INSERT INTO setting (name, value) VALUES ($1, $2)"
				 " ON CONFLICT (name) DO NOTHING",
			  .params = {QUERY_TEXT(p->name), QUERY_TEXT(p->value)},
			  .n_params = 2};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	p->won = changed == 1;
	record(c, p);
	return p->won || err_set(err, ERR_CONFLICT, "it is set already");
}

bool directory_setting_init(struct store *s, const struct directory_actor *actor, struct str name,
			    struct str value, bool *won, struct err *err)
{
	struct setting p = {.actor = actor, .name = name, .value = value, .won = true};

	if (!check(&p, err)) {
		return false;
	}
	if (!store_change(s, init, &p, NULL, err) && p.won) {
		return false;
	}
	*won = p.won;
	return true;
}
