/*
 * Back up, preview, restore, undo. A restore writes life rows only: the difference between what is
 * alive now and what was alive in the pinned generation, of tenant-owned entries. It touches no
 * key.
 */
#include "base/crash.h"
#include "cloud/keystore/keystore_priv.h"

/* ---- back up ---- */

struct backing {
	struct str note;
	struct keystore_pin *out;
};

static bool back_up(struct keystore_edit *e, void *user, struct err *err)
{
	struct backing *b = user;
	struct keystore_generation_row row;
	struct jsonw w = jsonw_to(&e->after);
	int64_t id;
	bool found;

	if (!keystore_edit_match_generation(e, err) ||
	    !keystore_read_generation(e->db, e->id, e->generation, &row, &found, err) ||
	    !keystore_pin_add(e, KEYSTORE_PIN_BACKUP, e->generation, b->note, row.tenant_entries,
			      &id, err) ||
	    !keystore_pin_read(e->db, e->id, id, b->out, &found, err)) {
		return false;
	}
	CRASH_POINT("keystore.backup.pinned");
	jsonw_object(&w);
	jsonw_key_int(&w, "pin", id);
	jsonw_key_int(&w, "generation", e->generation);
	jsonw_key_int(&w, "entries", row.tenant_entries);
	jsonw_key_str(&w, "note", b->note);
	jsonw_object_end(&w);
	return true;
}

static bool check_note(struct str note, struct err *err)
{
	return (note.len < KEYSTORE_NOTE_MAX && str_is_utf8(note) &&
		memchr(note.len ? note.at : "x", '\0', note.len) == NULL) ||
	       err_set(err, ERR_CONFIG, "the note must be UTF-8 of at most %d bytes",
		       (int)KEYSTORE_NOTE_MAX - 1);
}

/* What the backup holds, all of it unchanged: the pin is at the current generation. */
static bool report_backup(struct keystore *k, const struct keystore_change *c,
			  const struct keystore_pin *pin, struct keystore_report *r,
			  struct err *err)
{
	const struct keystore_place place = {
		.tenant = c->tenant, .name = KEYSTORE_BACKUP, .generation = pin->generation};

	if (pin->generation == 0 || !keystore_list(k, &place, NULL, &r->entries, err)) {
		return pin->generation == 0;
	}
	r->n = r->entries->n;
	r->rows = NEW_ARRAY(struct keystore_report_row, r->n + 1);
	for (size_t i = 0; i < r->n; i++) {
		const struct keystore_entry *e = &r->entries->entries[i];
		r->rows[i] = (struct keystore_report_row){.did = KEYSTORE_UNCHANGED,
							  .owner = e->owner,
							  .kind = e->kind,
							  .reason = "",
							  .alias = e->alias,
							  .entry = e};
	}
	return true;
}

enum keystore_outcome keystore_back_up(struct keystore *k, const struct keystore_change *c,
				       struct str note, struct keystore_pin *out,
				       struct keystore_report *report, struct err *err)
{
	struct keystore_pin pin;
	struct backing b = {note, out != NULL ? out : &pin};
	const struct keystore_plan plan = {.what = "backup",
					   .object = STR(KEYSTORE_BACKUP),
					   .fn = back_up,
					   .user = &b,
					   .makes_no_generation = true};

	AUTO_BUF struct buf wrapped = BUF(KEYS_WRAPPED_MAX);

	if (!check_note(note, err)) {
		return KEYSTORE_BAD;
	}
	if (!keystore_data_key(k, c->tenant, c->now, &wrapped, err)) {
		return KEYSTORE_FAILED; /* the pin's MAC needs it */
	}
	enum keystore_outcome outcome = keystore_edit_run(k, c, &plan, report, err);
	if (outcome == KEYSTORE_DONE && report != NULL &&
	    !report_backup(k, c, b.out, report, err)) {
		return KEYSTORE_FAILED;
	}
	return outcome;
}

/* ---- the difference ---- */

struct restoring {
	int64_t pin_id;
	enum keystore_restore mode;
	bool is_undo;
	struct keystore_pin pin;
	int64_t keystore;
	/* A row of the difference: in the pinned state, alive now, or both. */
	struct keystore_list *list;
	struct side {
		bool then, now;
		const struct keystore_entry *e;
	} *sides; /* by folded alias */
	size_t n, room;
};

static void restoring_fini(struct restoring *r)
{
	keystore_list_free(TAKE(r->list));
	free(TAKE(r->sides));
	r->n = r->room = 0;
}

#define THEN    "l.from_gen <= $2 AND l.to_gen > $2"
#define DIFF_BY " FROM entry_life l JOIN entry_version v ON v.id = l.version WHERE l.keystore = $1"

static unsigned char folded(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static int by_alias(const void *a, const void *b)
{
	const char *x = ((const struct side *)a)->e->alias, *y = ((const struct side *)b)->e->alias;

	while (*x != '\0' && folded(*x) == folded(*y)) {
		x++;
		y++;
	}
	return folded(*x) - folded(*y);
}

/* The list has stopped moving. Sorted here: the databases would carry all columns along. */
static void sort_sides(struct restoring *r)
{
	for (size_t i = 0; i < r->n; i++) {
		r->sides[i].e = &r->list->entries[i];
	}
	if (r->n > 0) {
		qsort(r->sides, r->n, sizeof(*r->sides), by_alias);
	}
}

/* Tenant-owned entries of both states, and provider-owned ones that hold an alias of the backup. */
static bool read_sides(struct db *db, struct restoring *r, struct err *err)
{
	enum store_outcome outcome;
	struct stmt *st;
	bool ok = true;

	restoring_fini(r);
	r->list = keystore_list_new();
	if (!db_prepare(db,
			"SELECT " KEYSTORE_COLUMNS ", 1, CASE WHEN l.to_gen = " KEYSTORE_NOW
			" THEN 1 ELSE 0 END" DIFF_BY " AND l.owner = 1 AND " THEN
			" UNION ALL SELECT " KEYSTORE_COLUMNS ", 0, 1" DIFF_BY
			" AND l.to_gen = " KEYSTORE_NOW " AND NOT (l.owner = 1 AND " THEN ")",
			&st, err)) {
		return false;
	}
	stmt_int(st, 1, r->keystore);
	stmt_int(st, 2, r->pin.generation);
	while (ok && (outcome = stmt_step(st, err)) == STORE_ROW) {
		if (r->n == r->room) {
			r->room = r->room == 0 ? 64 : r->room * 2;
			r->sides = must_realloc(r->sides, r->room * sizeof(*r->sides));
		}
		ok = keystore_list_add(r->list, st, err);
		r->sides[r->n] =
			(struct side){.then = stmt_col_int(st, KEYSTORE_N_COLUMNS) != 0,
				      .now = stmt_col_int(st, KEYSTORE_N_COLUMNS + 1) != 0};
		r->n += ok; /* one that the list refused has no alias to sort by */
	}
	stmt_reset(st);
	sort_sides(r);
	return ok && outcome == STORE_DONE;
}

static struct keystore_report_row *add_row(struct keystore_report *out, enum keystore_did did,
					   const struct keystore_entry *e)
{
	struct keystore_report_row *row = &out->rows[out->n++];

	*row = (struct keystore_report_row){.did = did,
					    .owner = e->owner,
					    .kind = e->kind,
					    .reason = "",
					    .alias = e->alias,
					    .entry = e};
	return row;
}

/* One alias of the backup, which now is `other` (NULL: nothing). */
static void report_saved(struct keystore_report *out, const struct keystore_entry *saved,
			 bool is_alive, const struct keystore_entry *other)
{
	if (other != NULL && other->owner == KEYS_OWNER_PROVIDER) {
		struct keystore_report_row *row = add_row(out, KEYSTORE_NOT_IMPORTED, saved);
		row->reason = "the alias belongs to the provider now";
		return;
	}
	bool same = is_alive || (other != NULL && other->version == saved->version);
	add_row(out,
		same            ? KEYSTORE_UNCHANGED
		: other != NULL ? KEYSTORE_CHANGED
				: KEYSTORE_NEW,
		saved);
}

/* Rows of one alias stand together, at most one of each side. */
static void report_difference(struct restoring *r, struct keystore_report *out)
{
	const struct side *all = r->sides;

	out->rows = NEW_ARRAY(struct keystore_report_row, r->n + 1);
	for (size_t i = 0; i < r->n;) {
		size_t pair = i + 1 < r->n && by_alias(&all[i], &all[i + 1]) == 0;
		const struct side *saved = &all[all[i].then ? i : i + pair];
		const struct side *other = pair ? &all[saved == &all[i] ? i + 1 : i] : NULL;
		if (saved->then) {
			report_saved(out, saved->e, saved->now, other != NULL ? other->e : NULL);
		} else if (all[i].e->owner == KEYS_OWNER_TENANT &&
			   r->mode == KEYSTORE_RESTORE_REPLACE) {
			add_row(out, KEYSTORE_REMOVED, all[i].e);
		}
		i += 1 + pair;
	}
	out->entries = TAKE(r->list);
}

static bool check_pin(struct keystore_edit *e, const struct keystore_pin *pin, struct err *err)
{
	enum keystore_pin_row row;

	if (!keystore_pin_judge(e->k, e->db, e->c->tenant, pin, &row, err)) {
		return false;
	}
	switch (row) {
	case KEYSTORE_PIN_GOOD:
		return true;
	case KEYSTORE_PIN_UNSEALED:
		return err_set(
			err, ERR_STORE,
			"backup %lld has no seal: the version before this one made it, which "
			"can restore it, or somebody put it there past the program. It is not "
			"believed: take another one, or back up anew",
			(long long)pin->id);
	case KEYSTORE_PIN_CHANGED:
		break;
	}
	return err_set(err, ERR_STORE,
		       "the row of backup %lld was changed past the program and is not believed: "
		       "take another one",
		       (long long)pin->id);
}

static bool find_pin(struct keystore_edit *e, struct restoring *r, struct err *err)
{
	bool found, good;

	if (!keystore_pin_read(e->db, e->id, r->pin_id, &r->pin, &found, err)) {
		return false;
	}
	if (!found) {
		return r->pin_id == 0
			       ? keystore_refuse(e, KEYSTORE_MISSING, err,
						 "there is no backup: nothing was backed up yet")
			       : keystore_refuse(e, KEYSTORE_MISSING, err,
						 "there is no backup %lld", (long long)r->pin_id);
	}
	r->keystore = e->id;
	if (!check_pin(e, &r->pin, err)) {
		return false;
	}
	if (!keystore_state_is_good(e->k, e->db, e->c->tenant, e->id, r->pin.generation, &good,
				    err)) {
		return false;
	}
	return good || err_set(err, ERR_STORE,
			       "the backup of generation %lld is damaged and cannot be restored: "
			       "take an earlier one",
			       (long long)r->pin.generation);
}

/* ---- preview ---- */

/* Ends as a refusal, so that nothing is written: preview is a restore that stops half way. */
struct previewing {
	struct keystore *k;
	const struct keystore_change *c;
	struct restoring *r;
	struct keystore_report *out;
	struct keystore_edit edit;
};

static bool preview(struct db *db, void *user, struct err *err)
{
	struct previewing *p = user;
	struct keystore_edit *e = &p->edit;
	struct keystore_row row;
	bool found;

	*e = (struct keystore_edit){.k = p->k, .c = p->c, .db = db, .makes_no_generation = true};
	if (!keystore_read_row(db, p->c->tenant, &row, &found, err)) {
		return false;
	}
	e->id = row.id;
	e->generation = row.generation;
	if (!keystore_edit_match_generation(e, err) || !find_pin(e, p->r, err) ||
	    !read_sides(db, p->r, err)) {
		return false;
	}
	keystore_report_fini(p->out);
	report_difference(p->r, p->out);
	p->out->generation = row.generation;
	return true;
}

enum keystore_outcome keystore_preview(struct keystore *k, const struct keystore_change *c,
				       int64_t pin, enum keystore_restore mode,
				       struct keystore_report *report, struct err *err)
{
	struct restoring r = {.pin_id = pin, .mode = mode};
	struct previewing p = {.k = k, .c = c, .r = &r, .out = report};

	bool ok = store_read(k->store, preview, &p, err);
	restoring_fini(&r);
	if (ok) {
		return KEYSTORE_DONE;
	}
	return p.edit.outcome != KEYSTORE_DONE ? p.edit.outcome : KEYSTORE_FAILED;
}

/* ---- restore ---- */

static bool run_life(struct keystore_edit *e, const struct restoring *r, const char *sql,
		     struct err *err)
{
	struct query q = {.sql = sql,
			  .params = {QUERY_INT(e->id), QUERY_INT(r->pin.generation),
				     QUERY_INT(e->generation)},
			  .n_params = 3};

	return query_run(e->db, &q, NULL, err);
}

/* libraries.md: closes what is alive and not in the pinned state, opens what is missing. */
static bool write_lives(struct keystore_edit *e, const struct restoring *r, struct err *err)
{
	const char *close_all =
		"UPDATE entry_life SET to_gen = $3 WHERE keystore = $1 AND owner = 1"
		" AND to_gen = " KEYSTORE_NOW " AND version NOT IN (SELECT l.version"
		" FROM entry_life l WHERE l.keystore = $1 AND l.owner = 1 AND " THEN ")";
	const char *close_same =
		"UPDATE entry_life SET to_gen = $3 WHERE keystore = $1 AND owner = 1"
		" AND to_gen = " KEYSTORE_NOW " AND version NOT IN (SELECT l.version"
		" FROM entry_life l WHERE l.keystore = $1 AND l.owner = 1 AND " THEN ")"
		" AND alias_fold IN (SELECT l.alias_fold FROM entry_life l"
		" WHERE l.keystore = $1 AND l.owner = 1 AND " THEN ")";
	const char *open_missing =
		"INSERT INTO entry_life (keystore, version, alias_fold, owner, not_after, bytes,"
		" from_gen, to_gen) SELECT l.keystore, l.version, l.alias_fold, l.owner,"
		" l.not_after, l.bytes, $3, " KEYSTORE_NOW " FROM entry_life l"
		" WHERE l.keystore = $1 AND l.owner = 1 AND " THEN " AND l.alias_fold NOT IN"
		" (SELECT n.alias_fold FROM entry_life n WHERE n.keystore = $1"
		" AND n.to_gen = " KEYSTORE_NOW ")";

	if (!run_life(e, r, r->mode == KEYSTORE_RESTORE_REPLACE ? close_all : close_same, err)) {
		return false;
	}
	CRASH_POINT("keystore.restore.closed"); /* and nothing opened */
	return run_life(e, r, open_missing, err);
}

static void audit_restore(struct keystore_edit *e, const struct restoring *r)
{
	struct jsonw w = jsonw_to(&e->after);

	jsonw_object(&w);
	jsonw_key_int(&w, "pin", r->pin.id);
	jsonw_key_int(&w, "restoredGeneration", r->pin.generation);
	jsonw_key_text(&w, "mode", r->mode == KEYSTORE_RESTORE_REPLACE ? "replace" : "overwrite");
	jsonw_key_int(&w, "generation", e->generation);
	jsonw_key_int(&w, "safety", e->safety);
	jsonw_object_end(&w);
}

static bool restore_lives(struct keystore_edit *e, struct restoring *r, struct err *err)
{
	struct keystore_generation_row before;
	bool found;

	if (e->report != NULL) {
		if (!read_sides(e->db, r, err)) {
			return false;
		}
		keystore_report_fini(e->report);
		report_difference(r, e->report);
	}
	if (!r->is_undo) {
		if (!keystore_read_generation(e->db, e->id, e->generation - 1, &before, &found,
					      err) ||
		    !keystore_pin_add(e, KEYSTORE_PIN_SAFETY, e->generation - 1, STR(""),
				      before.tenant_entries, &e->safety, err)) {
			return false;
		}
	}
	audit_restore(e, r);
	return write_lives(e, r, err);
}

static bool restore(struct keystore_edit *e, void *user, struct err *err)
{
	struct restoring *r = user;

	return keystore_edit_match_generation(e, err) && find_pin(e, r, err) &&
	       restore_lives(e, r, err);
}

enum keystore_outcome keystore_restore(struct keystore *k, const struct keystore_change *c,
				       int64_t pin, enum keystore_restore mode,
				       struct keystore_report *report, struct err *err)
{
	struct restoring r = {.pin_id = pin, .mode = mode};
	const struct keystore_plan plan = {.what = "restore",
					   .object = STR(KEYSTORE_SYSTEM),
					   .fn = restore,
					   .user = &r,
					   /* overwriting lets stay what was put there past us */
					   .repairs = mode == KEYSTORE_RESTORE_REPLACE};

	enum keystore_outcome outcome = keystore_edit_run(k, c, &plan, report, err);
	restoring_fini(&r);
	return outcome;
}

/* ---- undo ---- */

static bool undo(struct keystore_edit *e, void *user, struct err *err)
{
	struct keystore_generation_row before;
	struct restoring *r = user;
	bool found;

	if (!keystore_edit_match_generation(e, err) ||
	    !keystore_read_generation(e->db, e->id, e->generation - 1, &before, &found, err)) {
		return false;
	}
	if (before.safety == 0) {
		return keystore_refuse(e, KEYSTORE_MISSING, err,
				       "there is nothing to undo: the last change was no restore");
	}
	r->pin_id = before.safety;
	return find_pin(e, r, err) && restore_lives(e, r, err);
}

enum keystore_outcome keystore_undo(struct keystore *k, const struct keystore_change *c,
				    struct keystore_report *report, struct err *err)
{
	struct restoring r = {.mode = KEYSTORE_RESTORE_REPLACE, .is_undo = true};
	const struct keystore_plan plan = {.what = "undo",
					   .object = STR(KEYSTORE_SYSTEM),
					   .fn = undo,
					   .user = &r,
					   .repairs = true};

	enum keystore_outcome outcome = keystore_edit_run(k, c, &plan, report, err);
	restoring_fini(&r);
	return outcome;
}
