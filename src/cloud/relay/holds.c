#include "cloud/relay/holds.h"

#include <pthread.h>

struct hold {
	char key[REGISTRY_KEY_MAX];
	struct directory_claim claim; /* tunnels: those that are up */
	/* Those that drain are in none but `total`: they take no requests. */
	uint16_t live[HOLDS_WORKERS_MAX], up[HOLDS_WORKERS_MAX];
	size_t n_live, total;
	msec_t takeovers[HOLDS_TAKEOVERS_MAX]; /* times of the last ones; 0: none */
	size_t takeover_at;
	char run[DIRECTORY_UUID]; /* of the installation that opened tunnels last; "": unknown */
	int64_t not_before;       /* of the certificate that it used */
	msec_t fought_at;         /* another run was refused; 0: never */
};

/* What one subaccount has, over all its places. */
struct tenant {
	char id[DIRECTORY_UUID];
	size_t total;
};

struct holds {
	pthread_mutex_t lock;
	struct map *map; /* key → struct hold; kept while it has tunnels or recent take-overs */
	struct map *tenants; /* id → struct tenant; kept while it has tunnels */
	unsigned workers;
	size_t per_worker[HOLDS_WORKERS_MAX], total;
	msec_t swept; /* when places without tunnels were last looked through */
	char node[DIRECTORY_NAME_MAX];
};

struct holds *holds_new(unsigned workers, struct str node)
{
	struct holds *h = NEW(struct holds);

	pthread_mutex_init(&h->lock, NULL);
	h->map = map_new();
	h->tenants = map_new();
	h->workers = workers;
	snprintf(h->node, sizeof(h->node), "%.*s", STR_ARGS(node));
	return h;
}

void holds_free(struct holds *h)
{
	struct str key;
	void *value;

	if (h == NULL) {
		return;
	}
	for (size_t at = 0; map_next(h->map, &at, &key, &value);) {
		free(value);
	}
	map_free(h->map);
	for (size_t at = 0; map_next(h->tenants, &at, &key, &value);) {
		free(value);
	}
	map_free(h->tenants);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static struct hold *get(struct holds *h, struct str key)
{
	struct hold *p = map_get(h->map, key);

	if (p == NULL) {
		p = NEW(struct hold);
		if (!str_copy(key, p->key, sizeof(p->key))) {
			p->key[0] = '\0'; /* registry_key() made it, so it fits */
		}
		snprintf(p->claim.node, sizeof(p->claim.node), "%s", h->node);
		map_put(h->map, str_of(p->key), p);
	}
	return p;
}

static void charge_tenant(struct holds *h, struct str id)
{
	struct tenant *t = map_get(h->tenants, id);

	if (t == NULL) {
		t = NEW(struct tenant);
		snprintf(t->id, sizeof(t->id), "%.*s", STR_ARGS(id)); /* judged: a UUID */
		map_put(h->tenants, str_of(t->id), t);
	}
	t->total++;
}

static void release_tenant(struct holds *h, struct str id)
{
	struct tenant *t = map_get(h->tenants, id);

	if (t != NULL && --t->total == 0) {
		map_remove(h->tenants, id);
		free(t);
	}
}

static unsigned best_worker(const struct holds *h, const struct hold *p)
{
	unsigned best = 0;

	for (unsigned i = 1; i < h->workers; i++) {
		if (p->live[i] < p->live[best] ||
		    (p->live[i] == p->live[best] && h->per_worker[i] < h->per_worker[best])) {
			best = i;
		}
	}
	return best;
}

static bool begin(struct holds *h, struct hold *p, struct str instance, unsigned *worker,
		  bool *replace)
{
	unsigned w = best_worker(h, p);

	*replace = p->live[w] > 0 && p->n_live >= h->workers &&
		   str_eq(str_of(p->claim.instance), instance);
	*worker = w;
	p->live[w]++;
	p->n_live++;
	p->total++;
	h->per_worker[w]++;
	h->total++;
	return str_copy(instance, p->claim.instance, sizeof(p->claim.instance));
}

static bool has_room(const struct holds *h, struct str key, struct str subaccount, struct err *err)
{
	const struct hold *p = map_get(h->map, key);
	const struct tenant *t = map_get(h->tenants, subaccount);

	if (h->total >= HOLDS_TUNNELS_MAX) {
		return err_set(err, ERR_LIMIT, "this relay has %d tunnels already",
			       (int)HOLDS_TUNNELS_MAX);
	}
	if (p != NULL && p->total >= HOLDS_PLACE_TUNNELS_MAX) {
		return err_set(err, ERR_LIMIT, "this location has %d tunnels already",
			       (int)HOLDS_PLACE_TUNNELS_MAX);
	}
	return t == NULL || t->total < HOLDS_TENANT_TUNNELS_MAX ||
	       err_set(err, ERR_LIMIT, "this subaccount has %d tunnels already",
		       (int)HOLDS_TENANT_TUNNELS_MAX);
}

bool holds_begin(struct holds *h, struct str subaccount, struct str location, struct str instance,
		 unsigned *worker, bool *replace, struct err *err)
{
	char key[REGISTRY_KEY_MAX];

	if (!registry_key(subaccount, location, key)) {
		return err_set(err, ERR_PROTOCOL, "a location ID that is too long");
	}
	pthread_mutex_lock(&h->lock);
	bool ok = has_room(h, str_of(key), subaccount, err);
	if (ok) {
		struct hold *p = get(h, str_of(key));
		snprintf(p->claim.subaccount, DIRECTORY_UUID, "%.*s", STR_ARGS(subaccount));
		ok = str_copy(location, p->claim.location, DIRECTORY_LOCATION_MAX) &&
		     begin(h, p, instance, worker, replace);
		charge_tenant(h, str_of(p->claim.subaccount));
	}
	pthread_mutex_unlock(&h->lock);
	return ok;
}

void holds_up(struct holds *h, struct str key, unsigned worker)
{
	pthread_mutex_lock(&h->lock);
	struct hold *p = get(h, key);
	p->up[worker]++;
	p->claim.tunnels++;
	pthread_mutex_unlock(&h->lock);
}

static bool is_worth_keeping(const struct hold *p)
{
	return p->total > 0 || p->takeovers[0] != 0;
}

void holds_leaving(struct holds *h, struct str key, unsigned worker, bool was_up)
{
	pthread_mutex_lock(&h->lock);
	struct hold *p = map_get(h->map, key);
	if (p != NULL && p->live[worker] > 0) {
		p->live[worker]--;
		p->n_live--;
		p->up[worker] = (uint16_t)(p->up[worker] - (was_up ? 1 : 0));
		p->claim.tunnels -= was_up ? 1 : 0;
	}
	pthread_mutex_unlock(&h->lock);
}

bool holds_end(struct holds *h, struct str key, unsigned worker)
{
	bool last = false;

	pthread_mutex_lock(&h->lock);
	struct hold *p = map_get(h->map, key);
	if (p != NULL && p->total > p->n_live) {
		p->total--;
		h->per_worker[worker]--;
		h->total--;
		release_tenant(h, str_of(p->claim.subaccount));
		last = p->total == 0;
		if (!is_worth_keeping(p)) {
			map_remove(h->map, key);
			free(p);
		}
	}
	pthread_mutex_unlock(&h->lock);
	return last;
}

int holds_find(struct holds *h, struct str key, unsigned but)
{
	int found = -1;

	pthread_mutex_lock(&h->lock);
	const struct hold *p = map_get(h->map, key);
	for (unsigned i = 0; p != NULL && i < h->workers; i++) {
		if (i != but && p->up[i] > 0 && (found < 0 || p->up[i] > p->up[found])) {
			found = (int)i;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

size_t holds_total(struct holds *h)
{
	pthread_mutex_lock(&h->lock);
	size_t n = h->total;
	pthread_mutex_unlock(&h->lock);
	return n;
}

static bool is_over(const struct hold *p, msec_t now)
{
	for (size_t i = 0; i < HOLDS_TAKEOVERS_MAX; i++) {
		if (p->takeovers[i] != 0 && now - p->takeovers[i] < HOLDS_TAKEOVERS_MS) {
			return false;
		}
	}
	return p->total == 0;
}

/* Places that are kept for their take-overs alone: only take-overs make these, so looking through
 * them at a take-over, once a minute, keeps them few. */
static void sweep(struct holds *h, msec_t now)
{
	AUTO_FREE struct hold **over = NULL;
	struct str key;
	void *value;
	size_t n = 0;

	if (now - h->swept < HOLDS_TAKEOVERS_MS) {
		return;
	}
	h->swept = now;
	over = NEW_ARRAY(struct hold *, map_count(h->map) + 1);
	for (size_t at = 0; map_next(h->map, &at, &key, &value);) {
		if (is_over(value, now)) {
			over[n++] = value;
		}
	}
	while (n > 0) {
		struct hold *p = over[--n];
		map_remove(h->map, str_of(p->key));
		free(p);
	}
}

size_t holds_places(struct holds *h)
{
	pthread_mutex_lock(&h->lock);
	size_t n = map_count(h->map);
	pthread_mutex_unlock(&h->lock);
	return n;
}

static bool count_takeover(struct hold *p, msec_t now)
{
	msec_t *oldest = &p->takeovers[p->takeover_at];
	bool allowed = *oldest == 0 || now - *oldest >= HOLDS_TAKEOVERS_MS;
	if (allowed) {
		*oldest = now > 0 ? now : 1;
		p->takeover_at = (p->takeover_at + 1) % HOLDS_TAKEOVERS_MAX;
	}
	return allowed;
}

bool holds_takeover(struct holds *h, struct str key, msec_t now)
{
	pthread_mutex_lock(&h->lock);
	sweep(h, now);
	bool allowed = count_takeover(get(h, key), now);
	pthread_mutex_unlock(&h->lock);
	return allowed;
}

static bool admits_run(struct hold *p, struct str run, int64_t not_before, msec_t now)
{
	if (p == NULL || p->n_live == 0 || run.len == 0 || p->run[0] == '\0' ||
	    str_eq(run, str_of(p->run)) || not_before > p->not_before) {
		return true;
	}
	bool fights = p->fought_at != 0 && now - p->fought_at < HOLDS_TAKEOVERS_MS;
	if (!fights && count_takeover(p, now)) {
		return true;
	}
	p->fought_at = now > 0 ? now : 1;
	return false;
}

bool holds_admits_run(struct holds *h, struct str key, struct str run, int64_t not_before,
		      msec_t now)
{
	pthread_mutex_lock(&h->lock);
	bool admitted = admits_run(map_get(h->map, key), run, not_before, now);
	pthread_mutex_unlock(&h->lock);
	return admitted;
}

void holds_note_run(struct holds *h, struct str key, struct str run, int64_t not_before)
{
	pthread_mutex_lock(&h->lock);
	struct hold *p = map_get(h->map, key);
	if (p != NULL && !str_copy(run, p->run, sizeof(p->run))) {
		p->run[0] = '\0';
	}
	if (p != NULL) {
		p->not_before = not_before;
	}
	pthread_mutex_unlock(&h->lock);
}

bool holds_claim(struct holds *h, struct str key, struct directory_claim *out)
{
	pthread_mutex_lock(&h->lock);
	const struct hold *p = map_get(h->map, key);
	bool any = p != NULL && p->total > 0;
	if (any) {
		*out = p->claim;
	}
	pthread_mutex_unlock(&h->lock);
	return any;
}

size_t holds_claims(struct holds *h, struct directory_claim **out)
{
	struct str key;
	void *value;
	size_t n = 0;

	pthread_mutex_lock(&h->lock);
	*out = NEW_ARRAY(struct directory_claim, map_count(h->map) + 1);
	for (size_t at = 0; map_next(h->map, &at, &key, &value);) {
		const struct hold *p = value;
		if (p->total > 0) {
			(*out)[n++] = p->claim;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return n;
}
