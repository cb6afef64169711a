#include "connector/renewals_priv.h"

#include <string.h>

static void free_status(struct snapshot *snapshot)
{
	struct renewal_status_set *set =
		CONTAINER_OF(snapshot, struct renewal_status_set, snapshot);

	free(set->rows);
	free(set);
}

void renewal_status_set_unref(struct renewal_status_set *set)
{
	if (set != NULL) {
		snapshot_unref(&set->snapshot);
	}
}

struct renewal_status_set *renewals_status(struct renewals *r)
{
	return CONTAINER_OF(snapshot_ref(&r->status), struct renewal_status_set, snapshot);
}

const struct renewal_status *renewal_status_find(const struct renewal_status_set *set,
						 const char *key)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->rows[i].key, key) == 0) {
			return &set->rows[i];
		}
	}
	return NULL;
}

bool renewals_has_date(const struct renewal_plan *p)
{
	return p->state != RENEWAL_OFF && p->state != RENEWAL_TRYING;
}

void renewals_publish(struct renewals *r)
{
	struct renewal_status_set *set = NEW(struct renewal_status_set);
	size_t n = 0;

	for (const struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
		n++;
	}
	snapshot_init(&set->snapshot, free_status);
	set->rows = NEW_ARRAY(struct renewal_status, n > 0 ? n : 1);
	for (const struct renewals_entry *e = r->entries; e != NULL; e = e->next) {
		struct renewal_status *row = &set->rows[set->n++];
		memcpy(row->key, e->key, sizeof(row->key));
		row->state = e->plan.state;
		row->next_ms = renewals_has_date(&e->plan) ? e->plan.next_at : 0;
		row->last = e->last;
	}
	snapshot_publish(&r->status, &set->snapshot);
}
