/* What a change did, entry by entry. */
#include "cloud/keystore/keystore_priv.h"

void keystore_report_fini(struct keystore_report *r)
{
	free(r->rows);
	keystore_list_free(r->entries);
	*r = (struct keystore_report){0};
}

/* The touches end with the change, the report does not. */
static bool fill_row(struct keystore_report *r, struct keystore_report_row *row,
		     const struct keystore_touch *t, struct err *err)
{
	*row = (struct keystore_report_row){
		.did = t->did,
		.owner = t->owner,
		.kind = t->kind,
		.reason = arena_text(r->entries->texts, str_of(t->reason)),
		.alias = arena_text(r->entries->texts, str_of(t->alias))};
	return (row->reason != NULL && row->alias != NULL) ||
	       err_set(err, ERR_LIMIT, "the report of the change is too large");
}

/* The list moves while it grows: rows point into it only once it is whole. */
static void point(struct keystore_report *r, const struct keystore_touch *touches)
{
	size_t at = 0;

	for (size_t i = 0; i < r->n; i++) {
		r->rows[i].entry = touches[i].version == 0 ? NULL : &r->entries->entries[at++];
	}
}

bool keystore_report_make(struct keystore_edit *e, struct err *err)
{
	struct keystore_report *r = e->report;

	if (r == NULL || e->n_touches == 0) {
		return true;
	}
	keystore_report_fini(r); /* of a try before */
	r->entries = keystore_list_new();
	r->rows = NEW_ARRAY(struct keystore_report_row, e->n_touches);
	r->n = e->n_touches;
	for (size_t i = 0; i < r->n; i++) {
		const struct keystore_touch *t = &e->touches[i];
		if (!fill_row(r, &r->rows[i], t, err)) {
			return false;
		}
		if (t->version != 0 && !keystore_read_version(e->db, t->version, r->entries, err)) {
			return false;
		}
	}
	point(r, e->touches);
	return true;
}

void keystore_report_draft(struct keystore_report *r, const struct keystore_draft *d,
			   const char *reason)
{
	if (r == NULL) {
		return;
	}
	keystore_report_fini(r);
	r->entries = keystore_list_new();
	r->entries->entries = NEW(struct keystore_entry);
	r->entries->n = r->entries->room = 1;
	struct keystore_entry *e = r->entries->entries;
	struct err ignored;
	*e = d->entry;
	const char *why = arena_text(r->entries->texts, str_of(reason));
	if (why == NULL || !keystore_list_keep(r->entries, e, &ignored)) {
		keystore_report_fini(r); /* does not happen: one draft is small */
		return;
	}
	r->rows = NEW(struct keystore_report_row);
	r->n = 1;
	*r->rows = (struct keystore_report_row){.did = KEYSTORE_NOT_IMPORTED,
						.owner = e->owner,
						.kind = e->kind,
						.reason = why,
						.alias = e->alias,
						.entry = e};
}
