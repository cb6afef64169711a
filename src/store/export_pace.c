#include "store/export_pace.h"

#include <pthread.h>

#include "base/map.h"

/* Of a tenant. */
struct debt {
	msec_t paid_at; /* when all is forgotten; so it is (paid_at - now) / cost */
	char tenant[];
};

struct export_pace {
	pthread_mutex_t lock;
	struct map *debts; /* by tenant */
};

struct export_pace *export_pace_new(void)
{
	struct export_pace *p = NEW(struct export_pace);

	pthread_mutex_init(&p->lock, NULL);
	p->debts = map_new();
	return p;
}

void export_pace_free(struct export_pace *p)
{
	struct str tenant;
	size_t at = 0;
	void *debt;

	if (p == NULL) {
		return;
	}
	while (map_next(p->debts, &at, &tenant, &debt)) {
		free(debt);
	}
	map_free(p->debts);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct debt *find_or_add(struct export_pace *p, struct str tenant, msec_t now)
{
	struct debt *d = map_get(p->debts, tenant);

	if (d == NULL) {
		d = must_alloc(sizeof(*d) + tenant.len + 1);
		d->paid_at = now;
		(void)!str_copy(tenant, d->tenant, tenant.len + 1);
		map_put(p->debts, str_of(d->tenant), d);
	}
	return d;
}

msec_t export_pace_take(struct export_pace *p, struct str tenant, msec_t now)
{
	pthread_mutex_lock(&p->lock);
	struct debt *d = find_or_add(p, tenant, now);
	msec_t after = (d->paid_at > now ? d->paid_at : now) + EXPORTS_COST_MS;
	msec_t wait = after - now - EXPORTS_FULL_MS;
	d->paid_at = wait > 0 ? d->paid_at : after;
	pthread_mutex_unlock(&p->lock);
	return wait > 0 ? wait : 0;
}
