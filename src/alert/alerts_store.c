#include "alert/alerts_store.h"

#include "store/query.h"

const struct migration alert_migrations[] = {
	{1,
	 "CREATE TABLE alert (id {text} PRIMARY KEY, source {text} NOT NULL, name {text} NOT NULL,"
	 " label {text} NOT NULL, subaccount {text} NOT NULL, subject {text} NOT NULL,"
	 " serial {text} NOT NULL, next_step {text} NOT NULL, renewal_error {text} NOT NULL,"
	 " not_after {int} NOT NULL, state {int} NOT NULL, threshold {int} NOT NULL,"
	 " since {int} NOT NULL, told {int} NOT NULL, solved {int} NOT NULL,"
	 " changed_ms {int} NOT NULL) {strict};\n"
	 "CREATE TABLE alert_message (id {text} NOT NULL REFERENCES alert (id) ON DELETE CASCADE,"
	 " channel {int} NOT NULL, act {int} NOT NULL, at_ms {int} NOT NULL,"
	 " attempts {int} NOT NULL, next_ms {int} NOT NULL, PRIMARY KEY (id, channel)) {strict};\n"
	 "CREATE TABLE alert_delivery (channel {int} PRIMARY KEY, sent_ms {int} NOT NULL,"
	 " failed_ms {int} NOT NULL, error {text} NOT NULL) {strict};\n"
	 "CREATE TABLE alert_lock (one {int} PRIMARY KEY, turn {int} NOT NULL) {strict};\n"
	 "INSERT INTO alert_lock (one, turn) VALUES (1, 0)"},
	{0, NULL},
};

#define COLUMNS                                                                                    \
	"a.id, a.source, a.name, a.label, a.subaccount, a.subject, a.serial, a.next_step,"         \
	" a.renewal_error, a.not_after, a.state, a.threshold, a.since, a.told, a.solved,"          \
	" a.changed_ms"

const char *alert_channel_name(enum alert_channel channel)
{
	return channel == ALERT_MAIL ? "mail" : "webhook";
}

static void read_row(struct stmt *st, void *out)
{
	struct alert_row *r = out;

	query_copy(st, 0, r->key, sizeof(r->key));
	query_copy(st, 1, r->source, sizeof(r->source));
	query_copy(st, 2, r->name, sizeof(r->name));
	query_copy(st, 3, r->label, sizeof(r->label));
	query_copy(st, 4, r->subaccount, sizeof(r->subaccount));
	query_copy(st, 5, r->subject, sizeof(r->subject));
	query_copy(st, 6, r->serial, sizeof(r->serial));
	query_copy(st, 7, r->next_step, sizeof(r->next_step));
	query_copy(st, 8, r->renewal_error, sizeof(r->renewal_error));
	r->not_after = stmt_col_int(st, 9);
	r->memory.state = (enum alert_state)stmt_col_int(st, 10);
	r->memory.threshold_s = stmt_col_int(st, 11);
	r->memory.since = stmt_col_int(st, 12);
	r->memory.told = stmt_col_int(st, 13);
	r->memory.solved = stmt_col_int(st, 14);
	r->changed_ms = stmt_col_int(st, 15);
}

/* ---- decisions ---- */

bool alert_store_lock(struct db *db, struct err *err)
{
	struct query q = {.sql = "UPDATE alert_lock SET turn = turn + 1 WHERE one = 1"};

	return query_run(db, &q, NULL, err);
}

static struct query all_rows(void)
{
	return (struct query){.sql = "SELECT " COLUMNS " FROM alert a ORDER BY a.id",
			      .read = read_row,
			      .row_bytes = sizeof(struct alert_row)};
}

bool alert_store_rows(struct db *db, struct alert_row **rows, size_t *n, struct err *err)
{
	struct query q = all_rows();

	return query_rows(db, &q, rows, n, err);
}

bool alert_store_list(struct store *s, struct alert_row **rows, size_t *n, struct err *err)
{
	struct query q = all_rows();

	return query_list(s, &q, rows, n, err);
}

bool alert_store_put(struct db *db, const struct alert_row *r, struct err *err)
{
	struct query q = {
		.sql = "INSERT INTO alert (id, source, name, label, subaccount, subject, serial,"
		       " next_step, renewal_error, not_after, state, threshold, since, told,"
		       " solved, changed_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
		       " $12, $13, $14, $15, $16) ON CONFLICT (id) DO UPDATE SET"
		       " label = excluded.label, subject = excluded.subject,"
		       " serial = excluded.serial, next_step = excluded.next_step,"
		       " renewal_error = excluded.renewal_error, not_after = excluded.not_after,"
		       " state = excluded.state, threshold = excluded.threshold,"
		       " since = excluded.since, told = excluded.told, solved = excluded.solved,"
		       " changed_ms = excluded.changed_ms",
		.params = {QUERY_CHARS(r->key), QUERY_CHARS(r->source), QUERY_CHARS(r->name),
			   QUERY_CHARS(r->label), QUERY_CHARS(r->subaccount),
			   QUERY_CHARS(r->subject), QUERY_CHARS(r->serial),
			   QUERY_CHARS(r->next_step), QUERY_CHARS(r->renewal_error),
			   QUERY_INT(r->not_after), QUERY_INT(r->memory.state),
			   QUERY_INT(r->memory.threshold_s), QUERY_INT(r->memory.since),
			   QUERY_INT(r->memory.told), QUERY_INT(r->memory.solved),
			   QUERY_INT(r->changed_ms)},
		.n_params = 16};

	return query_run(db, &q, NULL, err);
}

bool alert_store_drop(struct db *db, const char *key, struct err *err)
{
	struct query q = {.sql = "DELETE FROM alert WHERE id = $1",
			  .params = {QUERY_CHARS(key)},
			  .n_params = 1};

	return query_run(db, &q, NULL, err);
}

bool alert_store_queue(struct db *db, const char *key, enum alert_channel channel,
		       enum alert_act act, int64_t now_ms, struct err *err)
{
	struct query q = {
		.sql = "INSERT INTO alert_message (id, channel, act, at_ms, attempts, next_ms)"
		       " VALUES ($1, $2, $3, $4, 0, $4) ON CONFLICT (id, channel) DO UPDATE SET"
		       " act = excluded.act, at_ms = excluded.at_ms, attempts = 0,"
		       " next_ms = excluded.next_ms",
		.params = {QUERY_CHARS(key), QUERY_INT(channel), QUERY_INT(act), QUERY_INT(now_ms)},
		.n_params = 4};

	return query_run(db, &q, NULL, err);
}

bool alert_store_prune(struct db *db, int64_t now_s, const bool used[ALERT_CHANNELS],
		       struct err *err)
{
	struct query old = {.sql = "DELETE FROM alert WHERE state = 0 AND solved < $1",
			    .params = {QUERY_INT(now_s - ALERT_KEEP_S)},
			    .n_params = 1};

	if (!query_run(db, &old, NULL, err)) {
		return false;
	}
	for (int i = 0; i < ALERT_CHANNELS; i++) {
		struct query unused = {.sql = "DELETE FROM alert_message WHERE channel = $1",
				       .params = {QUERY_INT(i)},
				       .n_params = 1};
		if (!used[i] && !query_run(db, &unused, NULL, err)) {
			return false;
		}
	}
	return true;
}

/* ---- delivery ---- */

struct claim {
	enum alert_channel channel;
	int64_t now_ms, until_ms;
	struct alert_message *rows;
	size_t n;
};

static void read_claimed(struct stmt *st, void *out)
{
	struct alert_message *m = out;

	query_copy(st, 0, m->row.key, sizeof(m->row.key));
	m->act = (enum alert_act)stmt_col_int(st, 1);
	m->at_ms = stmt_col_int(st, 2);
	m->attempts = stmt_col_int(st, 3);
}

static bool read_alert(struct db *db, struct alert_row *row, struct err *err)
{
	struct query q = {.sql = "SELECT " COLUMNS " FROM alert a WHERE a.id = $1",
			  .params = {QUERY_CHARS(row->key)},
			  .n_params = 1,
			  .read = read_row,
			  .row_bytes = sizeof(*row)};
	bool found;

	return query_row(db, &q, row, &found, err);
}

static bool claim(struct db *db, void *user, struct err *err)
{
	struct claim *c = user;
	struct query q = {.sql = "UPDATE alert_message SET attempts = attempts + 1, next_ms = $1"
				 " WHERE channel = $2 AND (next_ms <= $3 OR next_ms > $5) AND id IN"
				 " (SELECT id FROM alert_message WHERE channel = $2"
				 " AND (next_ms <= $3 OR next_ms > $5) ORDER BY (SELECT CASE"
				 " a.subaccount WHEN '' THEN 0 ELSE 1 END FROM alert a"
				 " WHERE a.id = alert_message.id), at_ms LIMIT $4)"
				 " RETURNING id, act, at_ms, attempts",
			  .params = {QUERY_INT(c->until_ms), QUERY_INT(c->channel),
				     QUERY_INT(c->now_ms), QUERY_INT(ALERT_BATCH_MAX),
				     QUERY_INT(c->now_ms + ALERT_AHEAD_MAX_MS)},
			  .n_params = 5,
			  .read = read_claimed,
			  .row_bytes = sizeof(*c->rows)};

	free(TAKE(c->rows)); /* of a try before */
	if (!query_rows(db, &q, &c->rows, &c->n, err)) {
		return false;
	}
	for (size_t i = 0; i < c->n; i++) {
		if (!read_alert(db, &c->rows[i].row, err)) {
			return false;
		}
	}
	return true;
}

bool alert_store_claim(struct store *s, enum alert_channel channel, int64_t now_ms,
		       int64_t until_ms, struct alert_message **rows, size_t *n, struct err *err)
{
	struct claim c = {.channel = channel, .now_ms = now_ms, .until_ms = until_ms};

	if (!store_tx(s, claim, &c, err)) {
		free(c.rows);
		return false;
	}
	*rows = c.rows;
	*n = c.n;
	return true;
}

struct outcome {
	enum alert_channel channel;
	const struct alert_message *rows;
	size_t n;
	int64_t now_ms, next_ms;
	const char *why; /* NULL: delivered */
};

/* Only as it was claimed: one that was replaced meanwhile is another message. */
static bool settle(struct db *db, const struct outcome *o, const struct alert_message *m,
		   struct err *err)
{
	struct query done = {.sql = "DELETE FROM alert_message WHERE id = $1 AND channel = $2"
				    " AND at_ms = $3 AND attempts = $4",
			     .params = {QUERY_CHARS(m->row.key), QUERY_INT(o->channel),
					QUERY_INT(m->at_ms), QUERY_INT(m->attempts)},
			     .n_params = 4};
	struct query later = {.sql = "UPDATE alert_message SET next_ms = $5 WHERE id = $1"
				     " AND channel = $2 AND at_ms = $3 AND attempts = $4",
			      .params = {QUERY_CHARS(m->row.key), QUERY_INT(o->channel),
					 QUERY_INT(m->at_ms), QUERY_INT(m->attempts),
					 QUERY_INT(o->next_ms)},
			      .n_params = 5};

	return query_run(db, o->why != NULL ? &later : &done, NULL, err);
}

static bool put_outcome(struct db *db, void *user, struct err *err)
{
	const struct outcome *o = user;
	struct query sent = {
		.sql = "INSERT INTO alert_delivery (channel, sent_ms, failed_ms, error)"
		       " VALUES ($1, $2, 0, '') ON CONFLICT (channel) DO UPDATE SET"
		       " sent_ms = excluded.sent_ms, error = ''",
		.params = {QUERY_INT(o->channel), QUERY_INT(o->now_ms)},
		.n_params = 2};
	struct query failed = {
		.sql = "INSERT INTO alert_delivery (channel, sent_ms, failed_ms, error)"
		       " VALUES ($1, 0, $2, $3) ON CONFLICT (channel) DO UPDATE SET"
		       " failed_ms = excluded.failed_ms, error = excluded.error",
		.params = {QUERY_INT(o->channel), QUERY_INT(o->now_ms),
			   QUERY_TEXT(str_of(o->why != NULL ? o->why : ""))},
		.n_params = 3};

	for (size_t i = 0; i < o->n; i++) {
		if (!settle(db, o, &o->rows[i], err)) {
			return false;
		}
	}
	return query_run(db, o->why != NULL ? &failed : &sent, NULL, err);
}

bool alert_store_delivered(struct store *s, enum alert_channel channel,
			   const struct alert_message *rows, size_t n, int64_t now_ms,
			   struct err *err)
{
	struct outcome o = {.channel = channel, .rows = rows, .n = n, .now_ms = now_ms};

	return store_tx(s, put_outcome, &o, err);
}

bool alert_store_failed(struct store *s, enum alert_channel channel,
			const struct alert_message *rows, size_t n, int64_t now_ms, int64_t next_ms,
			const char *why, struct err *err)
{
	struct outcome o = {.channel = channel,
			    .rows = rows,
			    .n = n,
			    .now_ms = now_ms,
			    .next_ms = next_ms,
			    .why = why};

	return store_tx(s, put_outcome, &o, err);
}

/* ---- for the API ---- */

static void read_waiting(struct stmt *st, void *out)
{
	struct alert_delivery *d = out;

	d->waiting = stmt_col_int(st, 0);
	d->attempts = stmt_col_int(st, 1);
	d->next_ms = stmt_col_int(st, 2);
}

static void read_last(struct stmt *st, void *out)
{
	struct alert_delivery *d = out;

	d->sent_ms = stmt_col_int(st, 0);
	d->failed_ms = stmt_col_int(st, 1);
	query_copy(st, 2, d->error, sizeof(d->error));
}

static bool read_deliveries(struct db *db, void *user, struct err *err)
{
	struct alert_delivery *out = user;
	bool found;

	for (int i = 0; i < ALERT_CHANNELS; i++) {
		struct query waiting = {.sql = "SELECT count(*), coalesce(max(attempts), 0),"
					       " coalesce(min(next_ms), 0) FROM alert_message"
					       " WHERE channel = $1",
					.params = {QUERY_INT(i)},
					.n_params = 1,
					.read = read_waiting};
		struct query last = {.sql = "SELECT sent_ms, failed_ms, error FROM alert_delivery"
					    " WHERE channel = $1",
				     .params = {QUERY_INT(i)},
				     .n_params = 1,
				     .read = read_last};
		out[i] = (struct alert_delivery){0};
		if (!query_row(db, &waiting, &out[i], &found, err) ||
		    !query_row(db, &last, &out[i], &found, err)) {
			return false;
		}
	}
	return true;
}

bool alert_store_deliveries(struct store *s, struct alert_delivery out[ALERT_CHANNELS],
			    struct err *err)
{
	return store_read(s, read_deliveries, out, err);
}
