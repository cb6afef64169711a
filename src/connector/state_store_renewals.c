#include "base/json.h"
#include "connector/state_store_priv.h"

struct renewal_change {
	const struct state_actor *actor;
	const struct state_renewal *row;
};

static bool exists(struct db *db, const struct state_renewal *row, struct err *err)
{
	struct stmt *st = NULL;
	bool found = false;

	if (!db_prepare(db,
			"select 1 from state_subaccount where region_host = $1 and subaccount = $2",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(row->region_host));
	stmt_text(st, 2, str_of(row->subaccount));
	if (!state_step_one(st, &found, err)) {
		return false;
	}
	stmt_reset(st);
	return found ||
	       err_set(err, ERR_MISSING, "there is no subaccount %s any more", row->subaccount);
}

static bool write_row(struct db *db, const struct state_renewal *row, struct err *err)
{
	struct stmt *st = NULL;

	if (!exists(db, row, err) ||
	    !db_prepare(db,
			"insert into state_renewal (region_host, subaccount, tried_ms, result, "
			"failures, why) values ($1, $2, $3, $4, $5, $6) "
			"on conflict (region_host, subaccount) do update set "
			"tried_ms = excluded.tried_ms, result = excluded.result, "
			"failures = excluded.failures, why = excluded.why",
			&st, err)) {
		return false;
	}
	stmt_text(st, 1, str_of(row->region_host));
	stmt_text(st, 2, str_of(row->subaccount));
	stmt_int(st, 3, row->tried_ms);
	stmt_int(st, 4, row->result);
	stmt_int(st, 5, row->failures);
	stmt_text(st, 6, str_of(row->text));
	return stmt_run(st, NULL, err);
}

static bool put_done(struct db *db, void *user, struct err *err)
{
	const struct renewal_change *of = user;

	return write_row(db, of->row, err);
}

static bool put_failed(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct renewal_change *of = user;
	AUTO_BUF struct buf after = BUF(KIB(4));
	struct jsonw w = jsonw_to(&after);

	if (!write_row(db, of->row, err)) {
		return false;
	}
	jsonw_object(&w);
	jsonw_key_text(&w, "reason", of->row->text);
	jsonw_key_int(&w, "failures", of->row->failures);
	jsonw_object_end(&w);
	state_record(c, of->actor, str_of(of->row->subaccount),
		     of->row->result == STATE_RENEWAL_DENIED ? "certificate.renew.denied"
							     : "certificate.renew.failed",
		     str_of(of->row->region_host), buf_str(&after));
	return true;
}

bool state_renewal_put(struct store *s, const struct state_actor *actor,
		       const struct state_renewal *row, struct err *err)
{
	struct renewal_change of = {.actor = actor, .row = row};

	return row->result == STATE_RENEWAL_DONE ? store_tx(s, put_done, &of, err)
						 : store_change(s, put_failed, &of, NULL, err);
}

struct renewals_read {
	struct state_renewal *rows;
	size_t n;
};

static bool read_row(struct stmt *st, struct state_renewal *row, struct err *err)
{
	row->tried_ms = stmt_col_int(st, 2);
	row->result = (enum state_renewal_result)stmt_col_int(st, 3);
	row->failures = (unsigned)stmt_col_int(st, 4);
	return state_take_text(st, 0, row->region_host, sizeof(row->region_host), err) &&
	       state_take_text(st, 1, row->subaccount, sizeof(row->subaccount), err) &&
	       state_take_text(st, 5, row->text, sizeof(row->text), err);
}

static bool read_rows(struct db *db, void *user, struct err *err)
{
	struct renewals_read *r = user;
	struct stmt *st = NULL;
	enum store_outcome outcome;
	bool ok = true;

	r->n = 0; /* of a try before */
	if (!db_prepare(db,
			"select region_host, subaccount, tried_ms, result, failures, why "
			"from state_renewal order by region_host, subaccount",
			&st, err)) {
		return false;
	}
	while (ok && (outcome = stmt_step(st, err)) == STORE_ROW) {
		r->rows = must_realloc(r->rows, (r->n + 1) * sizeof(*r->rows));
		ok = read_row(st, &r->rows[r->n++], err);
	}
	stmt_reset(st);
	return ok && outcome == STORE_DONE;
}

bool state_renewal_list(struct store *s, struct state_renewal **rows, size_t *n, struct err *err)
{
	struct renewals_read read = {0};

	if (!store_read(s, read_rows, &read, err)) {
		free(read.rows);
		return err_wrap(err, "renewals");
	}
	*rows = read.rows;
	*n = read.n;
	return true;
}
