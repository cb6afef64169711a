#include "connector/state_store_priv.h"

enum {
	SEALED_MAX = 16 * 1024, /* bytes of a sealed private key; RSA 8192 needs 5 KiB */
	SPKI_MAX = 4 * 1024,
};

struct key_change {
	const struct state_actor *actor;
	const char *region_host, *subaccount;
	struct str sealed, spki, chain;
	int64_t id, now;
	char tenant[STATE_UUID]; /* found with `id` */
};

void state_certificate_fini(struct state_certificate *c)
{
	buf_fini(&c->sealed);
	buf_fini(&c->spki);
	buf_fini(&c->chain_pem);
}

static bool read_row(struct stmt *st, struct state_certificate *c, struct err *err)
{
	c->id = stmt_col_int(st, 0);
	c->state = (enum state_cert_state)stmt_col_int(st, 3);
	buf_add_str(&c->sealed, stmt_col_text(st, 4));
	buf_add_str(&c->spki, stmt_col_text(st, 5));
	buf_add_str(&c->chain_pem, stmt_col_text(st, 6));
	c->received = stmt_col_int(st, 7);
	if (buf_failed(&c->sealed) || buf_failed(&c->spki) || buf_failed(&c->chain_pem)) {
		return err_set(err, ERR_STORE, "certificate %lld is corrupt: too long",
			       (long long)c->id);
	}
	return state_take_text(st, 1, c->region_host, sizeof(c->region_host), err) &&
	       state_take_text(st, 2, c->subaccount, sizeof(c->subaccount), err);
}

struct certificate_read {
	const char *region_host, *subaccount;
	enum state_cert_state least, most;
	struct state_certificate *out;
	bool found;
};

static bool read_newest(struct db *db, void *user, struct err *err)
{
	struct certificate_read *r = user;
	struct stmt *st = NULL;

	state_certificate_fini(r->out); /* of a try before */
	if (!db_prepare(db,
			"select id, region_host, subaccount, state, sealed, spki, chain, received "
			"from state_certificate where region_host = $1 and subaccount = $2 "
			"and state >= $3 and state <= $4 order by id desc limit 1",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(r->region_host));
	stmt_text(st, 2, str_of(r->subaccount));
	stmt_int(st, 3, r->least);
	stmt_int(st, 4, r->most);
	bool ok = state_step_one(st, &r->found, err);
	if (ok && r->found) {
		ok = read_row(st, r->out, err);
	}
	stmt_reset(st);
	return ok;
}

static bool find(struct store *s, struct certificate_read *r, struct err *err)
{
	*r->out = (struct state_certificate){.sealed = BUF(SEALED_MAX),
					     .spki = BUF(SPKI_MAX),
					     .chain_pem = BUF(STATE_CHAIN_MAX)};
	if (!store_read(s, read_newest, r, err)) {
		state_certificate_fini(r->out);
		return err_wrap(err, "certificates of %s", r->subaccount);
	}
	return true;
}

bool state_key_pending(struct store *s, const char *region_host, const char *subaccount,
		       struct state_certificate *out, bool *found, struct err *err)
{
	struct certificate_read read = {.region_host = region_host,
					.subaccount = subaccount,
					.least = STATE_CERT_KEY,
					.most = STATE_CERT_KEY,
					.out = out};

	if (!find(s, &read, err)) {
		return false;
	}
	*found = read.found;
	return true;
}

bool state_certificate_newest(struct store *s, const char *region_host, const char *subaccount,
			      bool confirmed_only, struct state_certificate *out, struct err *err)
{
	struct certificate_read read = {.region_host = region_host,
					.subaccount = subaccount,
					.least = confirmed_only ? STATE_CERT_ACTIVE
								: STATE_CERT_UNCONFIRMED,
					.most = STATE_CERT_ACTIVE,
					.out = out};

	if (!find(s, &read, err)) {
		return false;
	}
	return read.found ||
	       err_set(err, ERR_MISSING, "subaccount %s has no certificate yet", subaccount);
}

static bool drop_pending(struct db *db, const struct key_change *k, struct err *err)
{
	struct stmt *st = NULL;

	if (!db_prepare(db,
			"delete from state_certificate where region_host = $1 and "
			"subaccount = $2 and state = $3",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(k->region_host));
	stmt_text(st, 2, str_of(k->subaccount));
	stmt_int(st, 3, STATE_CERT_KEY);
	return stmt_run(st, NULL, err);
}

static bool insert_key(struct db *db, struct key_change *k, struct err *err)
{
	struct stmt *st = NULL;
	bool found = false;

	if (!db_prepare(db,
			"insert into state_certificate (region_host, subaccount, state, sealed, "
			"spki, chain, received) values ($1, $2, $3, $4, $5, '', 0) returning id",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(k->region_host));
	stmt_text(st, 2, str_of(k->subaccount));
	stmt_int(st, 3, STATE_CERT_KEY);
	stmt_blob(st, 4, k->sealed);
	stmt_blob(st, 5, k->spki);
	if (!state_step_one(st, &found, err)) {
		return false;
	}
	k->id = stmt_col_int(st, 0);
	stmt_reset(st);
	return true;
}

static bool add_key(struct db *db, struct change *c, void *user, struct err *err)
{
	struct key_change *k = user;

	if (!drop_pending(db, k, err) || !insert_key(db, k, err)) {
		return false;
	}
	state_record(c, k->actor, str_of(k->subaccount), "key.create", str_of(k->region_host),
		     STR(""));
	return true;
}

bool state_key_add(struct store *s, const struct state_actor *actor, const char *region_host,
		   const char *subaccount, struct str sealed, struct str spki, int64_t *id,
		   struct err *err)
{
	struct key_change k = {.actor = actor,
			       .region_host = region_host,
			       .subaccount = subaccount,
			       .sealed = sealed,
			       .spki = spki};

	if (!store_change(s, add_key, &k, NULL, err)) {
		return err_wrap(err, "storing the new key");
	}
	*id = k.id;
	return true;
}

/* Runs a statement on row `id`, with $1 = id; ERR_MISSING when it changed nothing. */
static bool run_by_id(struct stmt *st, const struct key_change *k, struct err *err)
{
	int64_t changed = 0;

	stmt_int(st, 1, k->id);
	if (!stmt_run(st, &changed, err)) {
		return false;
	}
	return changed > 0 ||
	       err_set(err, ERR_MISSING, "there is no certificate %lld", (long long)k->id);
}

static bool find_tenant(struct db *db, struct key_change *k, struct err *err)
{
	struct stmt *st = NULL;
	bool found = false;

	if (!db_prepare(db, "select subaccount from state_certificate where id = $1", &st, err)) {
		return false;
	}
	stmt_int(st, 1, k->id);
	if (!state_step_one(st, &found, err)) {
		return false;
	}
	bool ok = !found || state_take_text(st, 0, k->tenant, sizeof(k->tenant), err);
	stmt_reset(st);
	return ok;
}

static bool receive(struct db *db, struct change *c, void *user, struct err *err)
{
	struct key_change *k = user;
	struct stmt *st = NULL;

	if (!find_tenant(db, k, err) ||
	    !db_prepare(db,
			"update state_certificate set state = 1, chain = $2, received = $3 "
			"where id = $1 and state = 0",
			&st, err)) {
		return false;
	}
	stmt_text(st, 2, k->chain);
	stmt_int(st, 3, k->now);
	if (!run_by_id(st, k, err)) {
		return false;
	}
	state_record(c, k->actor, str_of(k->tenant), "certificate.receive",
		     STR("subaccount certificate"), STR(""));
	return true;
}

bool state_certificate_received(struct store *s, const struct state_actor *actor, int64_t id,
				struct str chain_pem, int64_t now, struct err *err)
{
	struct key_change k = {.actor = actor, .id = id, .chain = chain_pem, .now = now};

	if (chain_pem.len > STATE_CHAIN_MAX) {
		return err_set(err, ERR_LIMIT, "a chain of %zu bytes", chain_pem.len);
	}
	return store_change(s, receive, &k, NULL, err);
}

static bool confirm(struct db *db, struct change *c, void *user, struct err *err)
{
	struct key_change *k = user;
	struct stmt *st = NULL;

	if (!find_tenant(db, k, err) ||
	    !db_prepare(db, "update state_certificate set state = 2 where id = $1 and state = 1",
			&st, err) ||
	    !run_by_id(st, k, err) ||
	    !db_prepare(db,
			"update state_certificate set state = 3, sealed = $2 where id < $1 and "
			"state in (1, 2) and (region_host, subaccount) in (select region_host, "
			"subaccount from state_certificate where id = $1)",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, k->id);
	stmt_blob(st, 2, STR(""));
	if (!stmt_run(st, NULL, err)) {
		return false;
	}
	state_record(c, k->actor, str_of(k->tenant), "certificate.confirm",
		     STR("subaccount certificate"), STR(""));
	return true;
}

bool state_certificate_confirm(struct store *s, const struct state_actor *actor, int64_t id,
			       struct err *err)
{
	struct key_change k = {.actor = actor, .id = id};

	return store_change(s, confirm, &k, NULL, err);
}
