#include "cloud/directory/certificates.h"

#include "cloud/directory/certificates_priv.h"
#include "cloud/directory/directory_priv.h"
#include "cloud/directory/subaccounts_priv.h"

enum {
	HOUR_S = 3600,
};

void directory_read_certificate(struct stmt *st, void *row)
{
	struct directory_certificate *c = row;
	struct str spki = stmt_col_text(st, 3);

	query_copy(st, 0, c->serial, sizeof(c->serial));
	query_copy(st, 1, c->subaccount, sizeof(c->subaccount));
	query_copy(st, 2, c->instance, sizeof(c->instance));
	if (spki.len == sizeof(c->spki_sha256)) {
		memcpy(c->spki_sha256, spki.at, sizeof(c->spki_sha256));
	}
	c->not_before = stmt_col_int(st, 4);
	c->not_after = stmt_col_int(st, 5);
	c->issued = stmt_col_int(st, 6);
	c->confirmed = stmt_col_int(st, 7);
	c->supersede_at = stmt_col_int(st, 8);
	query_copy(st, 9, c->superseded_by, sizeof(c->superseded_by));
	c->revoked = stmt_col_int(st, 10);
	query_copy(st, 11, c->issued_to, sizeof(c->issued_to));
}

static struct query by_serial(struct str serial)
{
	return (struct query){.sql = "SELECT " CERTIFICATE_COLUMNS " FROM certificate c"
				     " WHERE c.serial = $1",
			      .params = {QUERY_TEXT(serial)},
			      .n_params = 1,
			      .read = directory_read_certificate,
			      .row_bytes = sizeof(struct directory_certificate)};
}

bool directory_certificate_find(struct store *s, struct str serial,
				struct directory_certificate *out, struct err *err)
{
	struct query q = by_serial(serial);

	return query_find(s, &q, out, "no such certificate", err);
}

bool directory_certificate_list(struct store *s, struct str subaccount, struct str instance,
				struct str after, size_t limit, struct directory_certificate **rows,
				size_t *n, struct err *err)
{
	struct query q = {.sql = "SELECT " CERTIFICATE_COLUMNS
				 " FROM certificate c WHERE c.subaccount = $1"
				 " AND ($2 = '' OR c.instance = $2) AND ($3 = '' OR c.n <"
				 " (SELECT a.n FROM certificate a WHERE a.serial = $3))"
				 " ORDER BY c.n DESC LIMIT $4",
			  .params = {QUERY_TEXT(subaccount),
				     QUERY_TEXT(instance.at == NULL ? STR("") : instance),
				     QUERY_TEXT(after.at == NULL ? STR("") : after),
				     QUERY_INT(directory_limit(limit))},
			  .n_params = 4,
			  .read = directory_read_certificate,
			  .row_bytes = sizeof(struct directory_certificate)};

	return query_list(s, &q, rows, n, err);
}

static void read_used(struct stmt *st, void *row)
{
	struct directory_certificate_used *u = row;

	directory_read_certificate(st, &u->certificate);
	u->n = stmt_col_int(st, 12);
	query_copy(st, 13, u->display_name, sizeof(u->display_name));
	u->renewal_allowed = stmt_col_int(st, 14) != 0;
	query_copy(st, 15, u->location, sizeof(u->location));
}

bool directory_certificate_used(struct store *s, int64_t after, size_t limit,
				struct directory_certificate_used **rows, size_t *n,
				struct err *err)
{
	struct query q = {
		.sql = "SELECT " CERTIFICATE_COLUMNS ", c.n, s.display_name, s.renewal_allowed,"
		       " k.location FROM certificate c JOIN subaccount s ON s.id = c.subaccount"
		       " JOIN connector k ON k.subaccount = c.subaccount"
		       " AND k.instance = c.instance"
		       " WHERE c.n > $1 AND c.revoked = 0 AND c.supersede_at = 0 AND NOT EXISTS"
		       " (SELECT 1 FROM certificate d WHERE d.subaccount = c.subaccount"
		       " AND d.instance = c.instance AND d.revoked = 0 AND d.supersede_at = 0"
		       " AND ((d.confirmed > 0 AND c.confirmed = 0)"
		       " OR (d.n > c.n AND (d.confirmed > 0 OR c.confirmed = 0))))"
		       " ORDER BY c.n LIMIT $2",
		.params = {QUERY_INT(after), QUERY_INT(directory_limit(limit))},
		.n_params = 2,
		.read = read_used,
		.row_bytes = sizeof(struct directory_certificate_used)};

	return query_list(s, &q, rows, n, err);
}

/* ---- record ---- */

struct recording {
	const struct directory_actor *actor;
	const struct directory_certificate *c;
	struct str proof; /* serial of the certificate that is renewed; empty: none */
};

static bool insert_rows(struct db *db, const struct directory_certificate *c, struct err *err)
{
	struct query connector = {
		.sql = "INSERT INTO connector (subaccount, instance, location, version, address,"
		       " first_seen, last_seen, disconnected) VALUES ($1, $2, '', '', '', 0, 0, 0)"
		       " ON CONFLICT (subaccount, instance) DO NOTHING",
		.params = {QUERY_CHARS(c->subaccount), QUERY_CHARS(c->instance)},
		.n_params = 2};
	struct query certificate = {
		.sql = "INSERT INTO certificate (serial, subaccount, instance, spki, not_before,"
		       " not_after, issued, confirmed, supersede_at, superseded_by, revoked,"
		       " issued_to) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '', 0, $8)",
		.params = {QUERY_CHARS(c->serial), QUERY_CHARS(c->subaccount),
			   QUERY_CHARS(c->instance),
			   QUERY_BLOB(str_make(c->spki_sha256, sizeof(c->spki_sha256))),
			   QUERY_INT(c->not_before), QUERY_INT(c->not_after), QUERY_INT(c->issued),
			   QUERY_CHARS(c->issued_to)},
		.n_params = 8};

	return query_run(db, &connector, NULL, err) && query_run(db, &certificate, NULL, err);
}

/* Keeps the newest few of those that never opened a tunnel: a loop of enrolments stays bounded. */
static bool replace_oldest(struct db *db, const struct directory_certificate *c, struct err *err)
{
	struct query q = {
		.sql = "UPDATE certificate SET supersede_at = $1, superseded_by = $2 WHERE n IN"
		       " (SELECT n FROM certificate WHERE subaccount = $3 AND instance = $4"
		       " AND confirmed = 0 AND supersede_at = 0 AND revoked = 0"
		       " ORDER BY n DESC LIMIT 1000 OFFSET $5)",
		.params = {QUERY_INT(c->issued), QUERY_CHARS(c->serial), QUERY_CHARS(c->subaccount),
			   QUERY_CHARS(c->instance), QUERY_INT(DIRECTORY_UNCONFIRMED_MAX)},
		.n_params = 5};

	return query_run(db, &q, NULL, err);
}

static void read_number(struct stmt *st, void *row)
{
	int64_t *n = row;

	*n = stmt_col_int(st, 0);
}

struct counting {
	struct str subaccount, instance;
	int64_t now;
	bool too_many;
};

/* Looks at one row, however many there are: the index has them by installation, the newest last. */
static bool count_renewals(struct db *db, void *user, struct err *err)
{
	struct counting *c = user;
	struct query q = {.sql = "SELECT issued FROM certificate WHERE subaccount = $1"
				 " AND instance = $2 AND issued_to = $3 ORDER BY n DESC"
				 " LIMIT 1 OFFSET $4",
			  .params = {QUERY_TEXT(c->subaccount), QUERY_TEXT(c->instance),
				     QUERY_CHARS(DIRECTORY_ISSUED_RENEWAL),
				     QUERY_INT(DIRECTORY_RENEWALS_PER_HOUR_MAX - 1)},
			  .n_params = 4,
			  .read = read_number,
			  .row_bytes = sizeof(int64_t)};
	int64_t issued = 0;
	bool found;

	if (!query_row(db, &q, &issued, &found, err)) {
		return false;
	}
	c->too_many = found && issued > c->now - HOUR_S;
	return true;
}

bool directory_renewals_too_many(struct store *s, struct str subaccount, struct str instance,
				 int64_t now, bool *too_many, struct err *err)
{
	struct counting c = {.subaccount = subaccount, .instance = instance, .now = now};

	if (!store_read(s, count_renewals, &c, err)) {
		return false;
	}
	*too_many = c.too_many;
	return true;
}

/*
 * It was judged before the new one was signed. Taking its row keeps a revocation waiting, which
 * then finds the new one too: no certificate comes out of one that is revoked.
 */
static bool take_proof(struct db *db, const struct recording *r, struct err *err)
{
	struct query take = {.sql = "UPDATE certificate SET revoked = 0 WHERE serial = $1"
				    " AND revoked = 0",
			     .params = {QUERY_TEXT(r->proof)},
			     .n_params = 1};
	int64_t taken;

	return query_run(db, &take, &taken, err) &&
	       (taken > 0 || err_set(err, ERR_DENIED, "the certificate was revoked a moment ago"));
}

static bool record(struct db *db, struct change *change, void *user, struct err *err)
{
	AUTO_BUF struct buf after = BUF(KIB(4));
	struct recording *r = user;
	const struct directory_certificate *c = r->c;
	struct jsonw w = jsonw_to(&after);

	if (r->proof.len > 0 && !take_proof(db, r, err)) {
		return false;
	}
	if (!insert_rows(db, c, err)) {
		return err->kind == ERR_MISSING ? err_set(err, ERR_MISSING, "no such subaccount")
						: false;
	}
	if (!replace_oldest(db, c, err)) {
		return false;
	}
	jsonw_object(&w);
	jsonw_key_text(&w, "instance", c->instance);
	jsonw_key_int(&w, "notAfter", c->not_after);
	jsonw_key_text(&w, "issuedTo", c->issued_to);
	jsonw_object_end(&w);
	directory_record(change, &(struct directory_record){.actor = r->actor,
							    .tenant = str_of(c->subaccount),
							    .what = "certificate.issue",
							    .object = str_of(c->serial),
							    .after = &after});
	return true;
}

bool directory_certificate_record(struct store *s, const struct directory_actor *actor,
				  const struct directory_certificate *c, struct err *err)
{
	struct recording r = {.actor = actor, .c = c};

	return store_change(s, record, &r, NULL, err);
}

bool directory_certificate_renew(struct store *s, const struct directory_actor *actor,
				 const struct directory_certificate *c, struct str proof,
				 struct err *err)
{
	struct recording r = {.actor = actor, .c = c, .proof = proof};

	return store_change(s, record, &r, NULL, err);
}

/* ---- confirm and revoke ---- */

struct marking {
	const struct directory_actor *actor;
	struct str subaccount, serial;
	int64_t now, grace_s;
	bool nothing_to_do;
};

static bool mark_confirmed(struct db *db, const struct marking *m, int64_t *changed,
			   struct err *err)
{
	struct query q = {.sql = "UPDATE certificate SET confirmed = $2 WHERE serial = $1"
				 " AND confirmed = 0 AND revoked = 0",
			  .params = {QUERY_TEXT(m->serial), QUERY_INT(m->now)},
			  .n_params = 2};

	return query_run(db, &q, changed, err);
}

static bool supersede_older(struct db *db, const struct marking *m, struct err *err)
{
	struct query q = {.sql = "UPDATE certificate SET supersede_at = $2, superseded_by = $1"
				 " WHERE supersede_at = 0 AND revoked = 0 AND EXISTS (SELECT 1 FROM"
				 " certificate c WHERE c.serial = $1 AND c.subaccount = "
				 "certificate.subaccount"
				 " AND c.instance = certificate.instance AND c.n > certificate.n)",
			  .params = {QUERY_TEXT(m->serial), QUERY_INT(m->now + m->grace_s)},
			  .n_params = 2};

	return query_run(db, &q, NULL, err);
}

static bool confirm(struct db *db, struct change *change, void *user, struct err *err)
{
	struct marking *m = user;
	struct directory_certificate c;
	struct query q = by_serial(m->serial);
	int64_t changed;
	bool found;

	if (!mark_confirmed(db, m, &changed, err)) {
		return false;
	}
	m->nothing_to_do = changed == 0; /* another relay was first */
	if (m->nothing_to_do) {
		return err_set(err, ERR_CONFLICT, "confirmed already");
	}
	if (!supersede_older(db, m, err) || !query_row(db, &q, &c, &found, err)) {
		return false;
	}
	char who[64];
	snprintf(who, sizeof(who), "connector:%s", c.instance);
	const struct directory_actor actor = {.who = str_of(who), .from = STR("")};
	directory_record(change, &(struct directory_record){.actor = &actor,
							    .tenant = str_of(c.subaccount),
							    .what = "certificate.confirm",
							    .object = m->serial});
	return true;
}

bool directory_certificate_confirm(struct store *s, struct str serial, int64_t now, int64_t grace_s,
				   struct err *err)
{
	struct marking m = {.serial = serial, .now = now, .grace_s = grace_s};
	struct directory_certificate c;

	if (!directory_certificate_find(s, serial, &c, err)) {
		return false;
	}
	if (c.confirmed != 0) {
		return true;
	}
	return store_change(s, confirm, &m, NULL, err) || m.nothing_to_do;
}

/* What it renewed itself to and what opened no tunnel yet: nobody sees that one in use, and the
 * machine that is locked out, or whoever copied its key, would go on with it. */
static bool revoke_renewals(struct db *db, const struct marking *m, int64_t *changed,
			    struct err *err)
{
	struct query q = {
		.sql = "UPDATE certificate SET revoked = $2 WHERE revoked = 0 AND confirmed = 0"
		       " AND issued_to = $3 AND EXISTS (SELECT 1 FROM certificate c"
		       " WHERE c.serial = $1 AND c.subaccount = certificate.subaccount"
		       " AND c.instance = certificate.instance AND c.n < certificate.n)",
		.params = {QUERY_TEXT(m->serial), QUERY_INT(m->now),
			   QUERY_CHARS(DIRECTORY_ISSUED_RENEWAL)},
		.n_params = 3};

	return query_run(db, &q, changed, err);
}

static bool revoke(struct db *db, struct change *change, void *user, struct err *err)
{
	AUTO_BUF struct buf after = BUF(256);
	struct jsonw w = jsonw_to(&after);
	struct marking *m = user;
	struct query q = {
		.sql = "UPDATE certificate SET revoked = $3"
		       " WHERE serial = $1 AND subaccount = $2 AND revoked = 0",
		.params = {QUERY_TEXT(m->serial), QUERY_TEXT(m->subaccount), QUERY_INT(m->now)},
		.n_params = 3};
	int64_t changed, renewals = 0;

	if (!query_run(db, &q, &changed, err) || !revoke_renewals(db, m, &renewals, err)) {
		return false;
	}
	m->nothing_to_do = changed == 0 && renewals == 0;
	jsonw_object(&w);
	jsonw_key_int(&w, "unusedRenewals", renewals);
	jsonw_object_end(&w);
	directory_record(change, &(struct directory_record){.actor = m->actor,
							    .tenant = m->subaccount,
							    .what = "certificate.revoke",
							    .object = m->serial,
							    .after = &after});
	return !m->nothing_to_do || err_set(err, ERR_CONFLICT, "revoked already");
}

bool directory_certificate_revoke(struct store *s, const struct directory_actor *actor,
				  struct str subaccount, struct str serial, int64_t now,
				  struct err *err)
{
	struct marking m = {.actor = actor, .subaccount = subaccount, .serial = serial, .now = now};
	struct directory_certificate c;

	if (!directory_certificate_find(s, serial, &c, err)) {
		return false;
	}
	if (!str_eq(subaccount, str_of(c.subaccount))) {
		return err_set(err, ERR_MISSING, "no such certificate");
	}
	return store_change(s, revoke, &m, NULL, err) || m.nothing_to_do;
}

/* ---- for the judge ---- */

struct judging {
	struct str subaccount, serial;
	struct judged *out;
};

static void read_flag(struct stmt *st, void *row)
{
	bool *flag = row;

	*flag = stmt_col_int(st, 0) != 0;
}

static bool read_judged(struct db *db, void *user, struct err *err)
{
	struct judging *j = user;
	struct judged *out = j->out;
	struct query certificate = by_serial(j->serial);
	struct query subaccount = {.sql = "SELECT " SUBACCOUNT_COLUMNS " FROM subaccount s"
					  " WHERE s.id = $1",
				   .params = {QUERY_TEXT(j->subaccount)},
				   .n_params = 1,
				   .read = directory_read_subaccount,
				   .row_bytes = sizeof(out->subaccount)};
	struct query connector = {
		.sql = "SELECT n.disconnected FROM connector n JOIN certificate c"
		       " ON c.subaccount = n.subaccount AND c.instance = n.instance"
		       " WHERE c.serial = $1",
		.params = {QUERY_TEXT(j->serial)},
		.n_params = 1,
		.read = read_flag,
		.row_bytes = sizeof(out->disconnected)};
	bool found;

	*out = (struct judged){0};
	return query_row(db, &subaccount, &out->subaccount, &out->has_subaccount, err) &&
	       query_row(db, &certificate, &out->certificate, &out->has_certificate, err) &&
	       query_row(db, &connector, &out->disconnected, &found, err);
}

bool directory_judge_read(struct store *s, struct str subaccount, struct str serial,
			  struct judged *out, struct err *err)
{
	struct judging j = {.subaccount = subaccount, .serial = serial, .out = out};

	return store_read(s, read_judged, &j, err);
}
