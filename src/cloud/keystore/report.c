/* What a change did, entry by entry. */
#include "cloud/keystore/keystore_priv.h"

void keystore_report_fini(struct keystore_report *r)
{
	free(r->rows);
	keystore_list_free(r->entries);
	*r = (struct keystore_report){0};
}

static void fill_row(struct keystore_report_row *row, const struct keystore_touch *t)
{
	row->did = t->did;
	row->owner = t->owner;
	row->kind = t->kind;
	memcpy(row->reason, t->reason, sizeof(row->reason));
	memcpy(row->alias, t->alias, sizeof(row->alias));
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
		fill_row(&r->rows[i], t);
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
	*e = d->entry;
	e->subject = arena_str(r->entries->texts, d->entry.subject);
	e->issuer = arena_str(r->entries->texts, d->entry.issuer);
	r->rows = NEW(struct keystore_report_row);
	r->n = 1;
	*r->rows = (struct keystore_report_row){
		.did = KEYSTORE_NOT_IMPORTED, .owner = e->owner, .kind = e->kind, .entry = e};
	(void)snprintf(r->rows->reason, sizeof(r->rows->reason), "%s", reason);
	memcpy(r->rows->alias, e->alias, sizeof(r->rows->alias));
}
