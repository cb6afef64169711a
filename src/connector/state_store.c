#include "connector/state_store_priv.h"

#include "base/random.h"

const struct migration state_migrations[] = {
	{1, "create table state_text (name {text} primary key, value {text} not null){strict};\n"
	    "create table state_proxy (one {int} primary key, host {text} not null, "
	    "port {int} not null, login {text} not null, sealed {blob} not null){strict};\n"
	    "create table state_subaccount (region_host {text} not null, "
	    "subaccount {text} not null, display_name {text} not null, "
	    "description {text} not null, location_id {text} not null, login {text} not null, "
	    "owners {text} not null, auto_renewal {int} not null, connected {int} not null, "
	    "system_anchors {int} not null, anchors {text} not null, created {int} not null, "
	    "primary key (region_host, subaccount)){strict};\n"
	    "create table state_certificate (id {serial}, region_host {text} not null, "
	    "subaccount {text} not null, state {int} not null, sealed {blob} not null, "
	    "spki {blob} not null, chain {text} not null, received {int} not null){strict};\n"
	    "create index state_certificate_of on state_certificate (region_host, subaccount);\n"},
	{2, "create table state_renewal (region_host {text} not null, subaccount {text} not null, "
	    "tried_ms {int} not null, result {int} not null, failures {int} not null, "
	    "why {text} not null, primary key (region_host, subaccount)){strict};\n"},
	{0, NULL},
};

static const char INSTALLATION[] = "installation";

bool state_take_text(struct stmt *st, int col, char *into, size_t size, struct err *err)
{
	return str_copy(stmt_col_text(st, col), into, size) ||
	       err_set(err, ERR_STORE, "a row of the connector's state is corrupt (column %d)",
		       col);
}

bool state_step_one(struct stmt *st, bool *found, struct err *err)
{
	enum store_outcome outcome = stmt_step(st, err);

	*found = outcome == STORE_ROW;
	return outcome != STORE_FAILED;
}

void state_record(struct change *c, const struct state_actor *actor, struct str tenant,
		  const char *what, struct str object, struct str after)
{
	change_record(c, &(struct change_audit){
				 .who = actor->who,
				 .from = actor->from,
				 .tenant = tenant,
				 .what = str_of(what),
				 .object = object,
				 .before = STR(""),
				 .after = after,
			 });
}

/* ---- small values ---- */

struct text_get {
	const char *name;
	struct buf *value;
	bool found;
};

static bool get_text(struct db *db, void *user, struct err *err)
{
	struct text_get *g = user;
	struct stmt *st = NULL;

	if (!db_prepare(db, "select value from state_text where name = $1", &st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(g->name));
	if (!state_step_one(st, &g->found, err)) {
		return false;
	}
	if (g->found) {
		buf_add_str(g->value, stmt_col_text(st, 0));
	}
	stmt_reset(st);
	return true;
}

bool state_setting_get(struct store *s, const char *name, struct buf *value, bool *found,
		       struct err *err)
{
	AUTO_BUF struct buf text = BUF(STATE_TEXT);
	struct text_get get = {.name = name, .value = &text};

	if (!store_read(s, get_text, &get, err)) {
		return err_wrap(err, "setting %s", name);
	}
	*found = get.found;
	buf_add_str(value, buf_str(&text));
	return true;
}

static bool put_text(struct db *db, const struct state_setting *setting, struct err *err)
{
	struct stmt *st = NULL;
	bool removes = setting->value.at == NULL;

	if (removes && !db_prepare(db, "delete from state_text where name = $1", &st, err)) {
		return false;
	}
	if (!removes && !db_prepare(db,
				    "insert into state_text (name, value) values ($1, $2) "
				    "on conflict (name) do update set value = excluded.value",
				    &st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(setting->name));
	if (!removes) {
		stmt_text(st, 2, setting->value);
	}
	return stmt_run(st, NULL, err);
}

struct texts_put {
	const struct state_actor *actor;
	const char *what;
	const struct state_setting *settings;
	size_t n;
};

static bool put_texts(struct db *db, struct change *c, void *user, struct err *err)
{
	struct texts_put *p = user;
	AUTO_BUF struct buf names = BUF(KIB(4));

	for (size_t i = 0; i < p->n; i++) {
		if (!put_text(db, &p->settings[i], err)) {
			return false;
		}
		buf_addf(&names, "%s%s", i > 0 ? ", " : "", p->settings[i].name);
	}
	state_record(c, p->actor, STR(""), p->what, buf_str(&names), STR(""));
	return true;
}

bool state_settings_set(struct store *s, const struct state_actor *actor, const char *what,
			const struct state_setting *settings, size_t n, struct err *err)
{
	struct texts_put put = {.actor = actor, .what = what, .settings = settings, .n = n};

	for (size_t i = 0; i < n; i++) {
		if (settings[i].value.len >= STATE_TEXT) {
			return err_set(err, ERR_CONFIG, "%s is longer than %d bytes",
				       settings[i].name, STATE_TEXT - 1);
		}
	}
	return store_change(s, put_texts, &put, NULL, err);
}

bool state_installation(struct store *s, char into[static STATE_UUID], struct err *err)
{
	AUTO_BUF struct buf value = BUF(STATE_TEXT);
	const struct state_actor system = {.who = STR("system"), .from = STR("")};
	bool found = false;

	if (!state_setting_get(s, INSTALLATION, &value, &found, err)) {
		return false;
	}
	if (!found) {
		char fresh[STATE_UUID];
		random_uuid(fresh);
		struct state_setting set = {.name = INSTALLATION, .value = str_of(fresh)};
		if (!state_settings_set(s, &system, "installation.create", &set, 1, err)) {
			return false;
		}
		buf_add_str(&value, str_of(fresh));
	}
	if (!str_is_uuid(buf_str(&value))) {
		return err_set(err, ERR_STORE, "the id of this installation is corrupt");
	}
	return str_copy(buf_str(&value), into, STATE_UUID);
}

/* ---- the corporate proxy ---- */

static bool get_proxy(struct db *db, void *user, struct err *err)
{
	struct state_proxy *p = user;
	struct stmt *st = NULL;
	bool found = false;

	if (!db_prepare(db, "select host, port, login, sealed from state_proxy where one = 1", &st,
			err) ||
	    !state_step_one(st, &found, err)) {
		return false;
	}
	buf_reset(&p->sealed_password);
	bool ok = true;
	if (found) {
		ok = state_take_text(st, 0, p->host, sizeof(p->host), err) &&
		     state_take_text(st, 2, p->user, sizeof(p->user), err);
		p->port = (uint16_t)stmt_col_int(st, 1);
		buf_add_str(&p->sealed_password, stmt_col_text(st, 3));
	}
	stmt_reset(st);
	return ok;
}

bool state_proxy_get(struct store *s, struct state_proxy *out, struct err *err)
{
	*out = (struct state_proxy){.sealed_password = BUF(KIB(4))};
	return store_read(s, get_proxy, out, err) || err_wrap(err, "the corporate proxy");
}

struct proxy_put {
	const struct state_actor *actor;
	const struct state_proxy *proxy;
};

static bool put_proxy(struct db *db, struct change *c, void *user, struct err *err)
{
	struct proxy_put *p = user;
	struct stmt *st = NULL;
	AUTO_BUF struct buf after = BUF(KIB(1));

	if (!db_prepare(db,
			"insert into state_proxy (one, host, port, login, sealed) "
			"values (1, $1, $2, $3, $4) on conflict (one) do update set "
			"host = excluded.host, port = excluded.port, login = excluded.login, "
			"sealed = excluded.sealed",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(p->proxy->host));
	stmt_int(st, 2, p->proxy->port);
	stmt_text(st, 3, str_of(p->proxy->user));
	stmt_blob(st, 4,
		  p->proxy->sealed_password.len > 0 ? buf_str(&p->proxy->sealed_password)
						    : STR(""));
	if (!stmt_run(st, NULL, err)) {
		return false;
	}
	buf_addf(&after, "%s:%u", p->proxy->host, p->proxy->port);
	state_record(c, p->actor, STR(""), "proxy.set", STR("corporate proxy"),
		     p->proxy->host[0] != '\0' ? buf_str(&after) : STR("none"));
	return true;
}

bool state_proxy_set(struct store *s, const struct state_actor *actor,
		     const struct state_proxy *proxy, struct err *err)
{
	struct proxy_put put = {.actor = actor, .proxy = proxy};

	return store_change(s, put_proxy, &put, NULL, err);
}

const struct reseal_table state_reseal[] = {
	{.kind = RESEAL_KEY,
	 .what = "keys of subaccount certificates",
	 .select = "select sealed from state_certificate",
	 .update = "update state_certificate set sealed = $1 where sealed = $2"},
	{.kind = RESEAL_SECRET,
	 .what = "password of the proxy",
	 .select = "select sealed from state_proxy",
	 .update = "update state_proxy set sealed = $1 where sealed = $2",
	 .label = STATE_PROXY_LABEL},
	{.select = NULL},
};
