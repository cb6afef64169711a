#include "cloud/directory/runtime.h"

static int by_subaccount(const void *key, const void *row)
{
	const struct str *want = key;
	const struct runtime_tenant *t = row;

	return str_cmp(*want, str_of(t->subaccount));
}

const struct runtime_tenant *runtime_find(const struct runtime_snapshot *snap,
					  struct str subaccount)
{
	return snap->n > 0 ? bsearch(&subaccount, snap->tenants, snap->n, sizeof(*snap->tenants),
				     by_subaccount)
			   : NULL;
}

/* The first anchor whose name's hash is not smaller. */
static size_t first_of(const struct runtime_tenant *t, const uint8_t subject_sha256[static 32])
{
	size_t from = 0, to = t->n_anchors;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (memcmp(t->anchors[middle].subject_sha256, subject_sha256, 32) < 0) {
			from = middle + 1;
		} else {
			to = middle;
		}
	}
	return from;
}

void runtime_each_anchor(const struct runtime_tenant *t, const uint8_t subject_sha256[static 32],
			 runtime_anchor_fn *fn, void *user)
{
	for (size_t i = first_of(t, subject_sha256); i < t->n_anchors; i++) {
		const struct runtime_anchor *a = &t->anchors[i];
		if (memcmp(a->subject_sha256, subject_sha256, 32) != 0 || !fn(a->der, user)) {
			return;
		}
	}
}
