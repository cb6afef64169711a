#include "cloud/keystore/publish.h"

#include <errno.h>
#include <time.h>

#include "base/crash.h"
#include "base/log.h"
#include "cloud/directory/runtime.h"
#include "cloud/keystore/keystore_priv.h"
#include "crypto/trust.h"

enum {
	ANCHORS_MAX = 10000, /* of one tenant: its limit of entries is no larger by default */
};

struct keystore_publisher {
	struct keystore *k;
	struct snapshot_cell *cell;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turn;      /* wakes the thread */
	pthread_cond_t published; /* wakes who waits */
	int64_t head;             /* of what is published */
	bool poked, stopping;
	bool failing; /* the last look failed: said once, not four times a second */
};

/* ---- the snapshot ---- */

static void free_snapshot(struct snapshot *s)
{
	struct runtime_snapshot *snap = CONTAINER_OF(s, struct runtime_snapshot, snapshot);

	for (size_t i = 0; i < snap->n; i++) {
		free(snap->tenants[i].anchors);
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
}

/* ---- one tenant ---- */

struct gathering {
	struct str tenant;
	struct keystore_content *all;
	size_t n, room;
};

static bool gather(struct keystore_content *c, void *user, struct err *err)
{
	struct gathering *g = user;

	if (c->list->entries[0].kind != KEYS_ENTRY_CERTIFICATE) {
		return true;
	}
	if (g->n == ANCHORS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d anchors", (int)ANCHORS_MAX);
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
 * Whether the state is what was authenticated, and its settings. What is wrong with one tenant's
 * rows is that tenant's: the others are published all the same.
 */
static bool judge(struct loading *l, struct db *db, const struct tenant_row *row,
		  const struct runtime_tenant *old, int64_t *settings, bool *good, struct err *err)
{
	struct keystore_generation_row g;
	bool found;

	*good = false;
	*settings = row->row.settings;
	if (old != NULL && row->row.generation < old->generation) {
		return true; /* an earlier state was put back: well made, and not to be believed */
	}
	if (!keystore_state_is_good(l->k, db, str_of(row->tenant), row->row.id, row->row.generation,
				    good, err)) {
		return false;
	}
	if (*good) {
		if (!keystore_read_generation(db, row->row.id, row->row.generation, &g, &found,
					      err)) {
			return false;
		}
		*settings = g.settings; /* the keystore's row is covered by no MAC */
	}
	return true;
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

static void set_head(struct keystore_publisher *p, int64_t head)
{
	pthread_mutex_lock(&p->lock);
	p->head = head;
	pthread_cond_broadcast(&p->published);
	pthread_mutex_unlock(&p->lock);
}

static bool load_and_publish(struct keystore_publisher *p, int64_t head, struct err *err)
{
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
	set_head(p, head);
	return true;
}

/* The head is read before the keystores: they are at least that new. */
static bool look(struct keystore_publisher *p, struct err *err)
{
	int64_t head;

	return store_head(p->k->store, &head, err) &&
	       (head == p->head || load_and_publish(p, head, err));
}

static void look_and_tell(struct keystore_publisher *p)
{
	struct err err;
	bool ok = look(p, &err);

	if (!ok && !p->failing) {
		log_error("the keystores cannot be read: going on with what is known",
			  LOG_ERR(&err));
	}
	if (ok && p->failing) {
		log_info("the keystores can be read again");
	}
	p->failing = !ok;
}

static struct timespec later(msec_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

/* False when it is time to end. */
static bool wait_for_turn(struct keystore_publisher *p)
{
	struct timespec until = later(KEYSTORE_PUBLISH_MS);
	int outcome = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->poked && !p->stopping && outcome != ETIMEDOUT) {
		outcome = pthread_cond_timedwait(&p->turn, &p->lock, &until);
	}
	p->poked = false;
	bool go_on = !p->stopping;
	pthread_mutex_unlock(&p->lock);
	return go_on;
}

static void *run(void *user)
{
	struct keystore_publisher *p = user;

	while (wait_for_turn(p)) {
		look_and_tell(p);
	}
	return NULL;
}

static void publisher_free(struct keystore_publisher *p)
{
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->turn);
	pthread_cond_destroy(&p->published);
	free(p);
}

static struct keystore_publisher *publisher_new(struct keystore *k, struct snapshot_cell *cell)
{
	struct keystore_publisher *p = NEW(struct keystore_publisher);
	pthread_condattr_t monotonic;

	p->k = k;
	p->cell = cell;
	p->head = -1;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->turn, &monotonic);
	pthread_cond_init(&p->published, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return p;
}

bool keystore_publish_start(struct keystore *k, struct snapshot_cell *cell,
			    struct keystore_publisher **out, struct err *err)
{
	struct keystore_publisher *p = publisher_new(k, cell);

	if (!look(p, err)) {
		publisher_free(p);
		return false;
	}
	int code = pthread_create(&p->thread, NULL, run, p);
	if (code != 0) {
		publisher_free(p);
		return err_set(err, ERR_SYSTEM, "no thread for the keystores' publisher: %s",
			       strerror(code));
	}
	*out = p;
	return true;
}

void keystore_publish_stop(struct keystore_publisher *p)
{
	if (p == NULL) {
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->turn);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	publisher_free(p);
}

void keystore_publish_poke(struct keystore_publisher *p)
{
	pthread_mutex_lock(&p->lock);
	p->poked = true;
	pthread_cond_signal(&p->turn);
	pthread_mutex_unlock(&p->lock);
}

bool keystore_publish_wait(struct keystore_publisher *p, int64_t n, msec_t timeout)
{
	struct timespec until = later(timeout);
	int outcome = 0;

	pthread_mutex_lock(&p->lock);
	while (p->head < n && outcome != ETIMEDOUT) {
		outcome = pthread_cond_timedwait(&p->published, &p->lock, &until);
	}
	bool there = p->head >= n;
	pthread_mutex_unlock(&p->lock);
	return there;
}
