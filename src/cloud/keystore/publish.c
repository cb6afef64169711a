#include "cloud/keystore/publish.h"

#include "base/crash.h"
#include "base/log.h"
#include "cloud/directory/runtime.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/trust.h"
#include "store/follow.h"

enum {
	ANCHORS_MAX = 100000, /* of one tenant: its limit of entries is no larger */
};

struct keystore_publisher {
	struct keystore *k;
	struct snapshot_cell *cell;
	struct follower *follower;
};

/* ---- the snapshot ---- */

static void free_snapshot(struct snapshot *s)
{
	struct runtime_snapshot *snap = CONTAINER_OF(s, struct runtime_snapshot, snapshot);

	for (size_t i = 0; i < snap->n; i++) {
		free(snap->tenants[i].anchors);
		tls_anchors_unref(snap->tenants[i].prepared);
	}
	free(snap->tenants);
	free(snap);
}

static int by_subject(const void *a, const void *b)
{
	const struct runtime_anchor *x = a, *y = b;
	int order = memcmp(x->subject_sha256, y->subject_sha256, sizeof(x->subject_sha256));

	return order != 0 ? order : str_cmp(x->der, y->der);
}

/* One block: the anchors, and behind them the DERs that they lend. */
static void copy_anchors(struct runtime_tenant *t, const struct runtime_anchor *anchors, size_t n)
{
	size_t bytes = n * sizeof(*anchors);

	for (size_t i = 0; i < n; i++) {
		bytes += anchors[i].der.len;
	}
	char *block = must_alloc(bytes + 1);
	char *at = block + n * sizeof(*anchors);
	t->anchors = (struct runtime_anchor *)(void *)block;
	t->n_anchors = n;
	for (size_t i = 0; i < n; i++) {
		t->anchors[i] = anchors[i];
		t->anchors[i].der.at = at;
		if (anchors[i].der.len > 0) {
			memcpy(at, anchors[i].der.at, anchors[i].der.len);
		}
		at += anchors[i].der.len;
	}
}

static void copy_tenant(struct runtime_tenant *to, const struct runtime_tenant *from)
{
	*to = *from;
	copy_anchors(to, from->anchors, from->n_anchors);
	to->prepared = tls_anchors_ref(from->prepared);
}

static struct tls_anchors *prepare(const struct runtime_tenant *t)
{
	struct str *ders = NEW_ARRAY(struct str, t->n_anchors + 1);

	for (size_t i = 0; i < t->n_anchors; i++) {
		ders[i] = t->anchors[i].der;
	}
	struct tls_anchors *made = tls_anchors_new(ders, t->n_anchors);
	free(ders);
	return made;
}

/* ---- one tenant ---- */

struct gathering {
	struct str tenant;
	struct keystore_content *all;
	size_t n, room;
};

static bool gather(struct keystore_content *c, void *user, struct err *err UNUSED)
{
	struct gathering *g = user;

	if (c->list->entries[0].kind != KEYS_ENTRY_CERTIFICATE) {
		return true;
	}
	if (g->n == ANCHORS_MAX) {
		return true; /* put there past us: the state does not fit either */
	}
	if (g->n == g->room) {
		g->room = g->room == 0 ? 16 : g->room * 2;
		g->all = must_realloc(g->all, g->room * sizeof(*g->all));
	}
	g->all[g->n++] = *c;
	*c = (struct keystore_content){0}; /* it is ours now */
	return true;
}

static void gathering_fini(struct gathering *g)
{
	for (size_t i = 0; i < g->n; i++) {
		keystore_content_fini(&g->all[i]);
	}
	free(g->all);
}

static bool check_all(struct keystore *k, const struct gathering *g, bool *good, struct err *err)
{
	struct keys_entry *entries = NEW_ARRAY(struct keys_entry, g->n + 1);
	struct str *spki = NEW_ARRAY(struct str, g->n + 1);

	for (size_t i = 0; i < g->n; i++) {
		const struct keystore_content *c = &g->all[i];
		entries[i] = keystore_sealed_entry(g->tenant, c);
	}
	bool ok = g->n == 0 || k->keys.check(k->keys.user, entries, spki, g->n, good, err);
	free(entries);
	free(spki);
	return ok;
}

static size_t take_good(const struct gathering *g, const bool *good, struct runtime_anchor *anchors)
{
	size_t n = 0;
	struct err err;

	for (size_t i = 0; i < g->n; i++) {
		struct runtime_anchor *a = &anchors[n];
		if (good[i] && keystore_chain_split(buf_str(&g->all[i].chain), &a->der, 1) == 1 &&
		    trust_subject_hash(a->der, a->subject_sha256, &err)) {
			n++;
		} else {
			log_error("a certificate in a keystore was changed: it is not trusted",
				  LOG_STR("tenant", g->tenant),
				  LOG_TEXT("alias", g->all[i].list->entries[0].alias));
		}
	}
	return n;
}

static bool load_anchors(struct keystore *k, struct db *db, int64_t id, struct runtime_tenant *t,
			 struct err *err)
{
	struct gathering g = {.tenant = str_of(t->subaccount)};
	struct runtime_anchor *anchors = NULL;
	bool *good = NULL;

	bool ok = keystore_walk_contents(db, id, KEYS_FLAG_INBOUND, gather, &g, err);
	if (ok) {
		good = NEW_ARRAY(bool, g.n + 1);
		ok = check_all(k, &g, good, err);
	}
	if (ok) {
		anchors = NEW_ARRAY(struct runtime_anchor, g.n + 1);
		size_t n = take_good(&g, good, anchors);
		qsort(anchors, n, sizeof(*anchors), by_subject);
		copy_anchors(t, anchors, n);
		t->prepared = prepare(t);
	}
	free(anchors);
	free(good);
	gathering_fini(&g);
	return ok;
}

/* ---- all of them ---- */

struct tenant_row {
	struct keystore_row row;
	char tenant[DIRECTORY_UUID];
};

static void read_tenant(struct stmt *st, void *row)
{
	struct tenant_row *t = row;

	t->row.id = stmt_col_int(st, 0);
	query_copy(st, 1, t->tenant, sizeof(t->tenant));
	t->row.generation = stmt_col_int(st, 2);
	t->row.settings = stmt_col_int(st, 3);
}

struct loading {
	struct keystore *k;
	const struct runtime_snapshot *old; /* or NULL */
	struct runtime_snapshot *made;
	bool is_new; /* something differs from old */
};

/*
 * The keystore's row is covered by no MAC, its generation's is. Without a good one nobody knows
 * whether a certificate was required: then it is. `good`: that MAC was checked.
 */
static bool read_settings(struct loading *l, struct db *db, const struct tenant_row *row, bool good,
			  int64_t *settings, struct err *err)
{
	struct keystore_generation_row g;
	bool found;

	if (!keystore_read_generation(db, row->row.id, row->row.generation, &g, &found, err) ||
	    (found && !good &&
	     !keystore_check_mac(l->k, db, str_of(row->tenant), &g, &good, err))) {
		return false;
	}
	*settings = good ? g.settings : KEYSTORE_REQUIRES_CERTIFICATE;
	return true;
}

/*
 * Whether the state is what was authenticated, and its settings. What is wrong with one tenant's
 * rows is that tenant's: the others are published all the same.
 */
static bool judge(struct loading *l, struct db *db, const struct tenant_row *row,
		  const struct runtime_tenant *old, int64_t *settings, bool *good, struct err *err)
{
	*good = false;
	*settings = KEYSTORE_REQUIRES_CERTIFICATE;
	if (old != NULL && row->row.generation < old->generation) {
		return true; /* an earlier state was put back: well made, and not to be believed */
	}
	if (!keystore_state_is_good(l->k, db, str_of(row->tenant), row->row.id, row->row.generation,
				    good, err)) {
		return false;
	}
	if (*good && row->row.generation == 0) {
		*settings = 0; /* nothing was ever changed */
		return true;
	}
	return read_settings(l, db, row, *good, settings, err);
}

static bool load_tenant(struct loading *l, struct db *db, const struct tenant_row *row,
			const struct runtime_tenant *old, struct runtime_tenant *t, struct err *err)
{
	struct str tenant = str_of(row->tenant);
	int64_t settings;
	bool good;

	if (!judge(l, db, row, old, &settings, &good, err)) {
		return false;
	}
	if (!good) {
		log_error("a keystore was changed past the program: what was known of it stays",
			  LOG_STR("tenant", tenant), LOG_INT("generation", row->row.generation));
		if (old != NULL) {
			copy_tenant(t, old);
			return true;
		}
	}
	memcpy(t->subaccount, row->tenant, sizeof(t->subaccount));
	t->requires_certificate = (settings & KEYSTORE_REQUIRES_CERTIFICATE) != 0;
	if (!good) {
		copy_anchors(t, NULL, 0); /* as generation 0: it is looked at again */
		return true;
	}
	t->generation = row->row.generation;
	return load_anchors(l->k, db, row->row.id, t, err);
}

static void loading_drop(struct loading *l)
{
	if (l->made != NULL) {
		snapshot_unref(&TAKE(l->made)->snapshot);
	}
}

static bool load_rows(struct loading *l, struct db *db, const struct tenant_row *rows, size_t n,
		      struct err *err)
{
	l->made->tenants = NEW_ARRAY(struct runtime_tenant, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct runtime_tenant *t = &l->made->tenants[l->made->n];
		const struct runtime_tenant *old =
			l->old != NULL ? runtime_find(l->old, str_of(rows[i].tenant)) : NULL;
		l->made->n++;
		if (old != NULL && old->generation == rows[i].row.generation) {
			copy_tenant(t, old);
			continue;
		}
		l->is_new = true;
		if (!load_tenant(l, db, &rows[i], old, t, err)) {
			return false;
		}
	}
	return true;
}

static bool load(struct db *db, void *user, struct err *err)
{
	struct loading *l = user;
	struct query q = {.sql = "SELECT id, tenant, generation, settings FROM keystore"
				 " WHERE name = '" KEYSTORE_SYSTEM "' ORDER BY tenant",
			  .read = read_tenant,
			  .row_bytes = sizeof(struct tenant_row)};
	struct tenant_row *rows = NULL;
	size_t n;

	loading_drop(l); /* of a try before */
	if (!query_rows(db, &q, &rows, &n, err)) {
		return false;
	}
	l->made = NEW(struct runtime_snapshot);
	snapshot_init(&l->made->snapshot, free_snapshot);
	l->is_new = l->old == NULL || l->old->n != n;
	bool ok = load_rows(l, db, rows, n, err);
	free(rows);
	return ok;
}

/* ---- the thread ---- */

static bool load_and_publish(void *user, int64_t head, int64_t *reached UNUSED, struct err *err)
{
	const struct keystore_publisher *p = user;
	struct snapshot *held = snapshot_ref(p->cell);
	struct loading l = {
		.k = p->k,
		.old = held == NULL ? NULL : CONTAINER_OF(held, struct runtime_snapshot, snapshot)};

	bool ok = store_read(p->k->store, load, &l, err);
	snapshot_unref(held);
	if (!ok) {
		loading_drop(&l);
		return false;
	}
	l.made->head = head;
	if (l.is_new) {
		CRASH_POINT("keystore.publish.loaded");
		snapshot_publish(p->cell, &TAKE(l.made)->snapshot);
	} else {
		loading_drop(&l);
	}
	return true;
}

bool keystore_publish_start(struct keystore *k, struct snapshot_cell *cell,
			    struct keystore_publisher **out, struct err *err)
{
	struct keystore_publisher *p = NEW(struct keystore_publisher);
	const struct follow_settings settings = {
		.store = k->store, .what = "the keystores", .fn = load_and_publish, .user = p};

	*p = (struct keystore_publisher){.k = k, .cell = cell};
	if (!follow_start(&settings, &p->follower, err)) {
		free(p);
		return false;
	}
	*out = p;
	return true;
}

void keystore_publish_stop(struct keystore_publisher *p)
{
	if (p != NULL) {
		follow_stop(p->follower);
		free(p);
	}
}

void keystore_publish_poke(struct keystore_publisher *p)
{
	follow_poke(p->follower);
}

bool keystore_publish_wait(struct keystore_publisher *p, int64_t n, msec_t timeout)
{
	return follow_wait(p->follower, n, timeout);
}
