#include "cloud/keystore/connection_policy.h"

#include <assert.h>

enum {
	MAX = 2, /* until the settings say more */
	TENANT_MAX = 1,
};

void connection_policy_init(struct connection_policy *p)
{
	*p = (struct connection_policy){.max = MAX, .tenant_max = TENANT_MAX};
	pthread_mutex_init(&p->lock, NULL);
}

void connection_policy_fini(struct connection_policy *p)
{
	pthread_mutex_destroy(&p->lock);
}

void connection_policy_limit(struct connection_policy *p, size_t max, size_t tenant_max)
{
	assert(max <= CONNECTION_TESTS_MOST);
	pthread_mutex_lock(&p->lock);
	p->max = max;
	p->tenant_max = tenant_max;
	pthread_mutex_unlock(&p->lock);
}

static size_t count_of(const struct connection_policy *p, struct str tenant)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		n += str_eq(str_of(p->running[i]), tenant);
	}
	return n;
}

enum connection_turn connection_policy_enter(struct connection_policy *p, struct str tenant)
{
	enum connection_turn turn = CONNECTION_RUNS;

	assert(tenant.len <= CONNECTION_TENANT_MAX);
	pthread_mutex_lock(&p->lock);
	if (count_of(p, tenant) >= p->tenant_max) {
		turn = CONNECTION_TENANT_FULL;
	} else if (p->n >= p->max) {
		turn = CONNECTION_ALL_FULL;
	} else {
		(void)!str_copy(tenant, p->running[p->n++], sizeof(p->running[0]));
	}
	p->refused += turn != CONNECTION_RUNS;
	pthread_mutex_unlock(&p->lock);
	return turn;
}

void connection_policy_leave(struct connection_policy *p, struct str tenant)
{
	size_t i = 0;

	pthread_mutex_lock(&p->lock);
	while (i < p->n && !str_eq(str_of(p->running[i]), tenant)) {
		i++;
	}
	assert(i < p->n);
	p->n--;
	memmove(p->running[i], p->running[p->n], sizeof(p->running[0]));
	pthread_mutex_unlock(&p->lock);
}

uint64_t connection_policy_refused(struct connection_policy *p)
{
	pthread_mutex_lock(&p->lock);
	uint64_t refused = p->refused;
	pthread_mutex_unlock(&p->lock);
	return refused;
}
