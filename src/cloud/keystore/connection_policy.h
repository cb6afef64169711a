#pragma once
/*
 * Where connection tests may go, and how many at once; the program's, for struct cloud_rooms.
 *
 * Each test holds one of the few threads of slow requests (HTTP_ROUTE_SLOW) for up to
 * CONNECTION_TEST_MS, and everybody's uploads need them too. So few run at once, and of one tenant
 * fewer: whoever tests a server that never answers takes nothing from the others.
 */
#include <pthread.h>

#include "cloud/keystore/connection_test.h"

enum {
	CONNECTION_TESTS_MOST = 64, /* of connection.tests.max */
	CONNECTION_TENANT_MAX = 64, /* bytes of a subaccount's id */
	CONNECTION_RETRY_S = 5,     /* Retry-After of a refused one */
};

struct connection_policy {
	const char *allow; /* connection.test.allow; NULL: nothing special */
	uint16_t own_ports[CONNECTION_PORTS_MAX];
	size_t n_own_ports;
	/* Its own: */
	pthread_mutex_t lock; /* of all below */
	size_t max, tenant_max;
	char running[CONNECTION_TESTS_MOST][CONNECTION_TENANT_MAX + 1]; /* whose */
	size_t n;
	uint64_t refused;
};

enum connection_turn {
	CONNECTION_RUNS,
	CONNECTION_TENANT_FULL, /* connection.tests.tenant.max of this tenant run */
	CONNECTION_ALL_FULL,    /* connection.tests.max of all tenants run */
};

void connection_policy_init(struct connection_policy *p);
void connection_policy_fini(struct connection_policy *p);
/* Any thread, as all below. A lower number lets what runs end. */
void connection_policy_limit(struct connection_policy *p, size_t max, size_t tenant_max);
/* CONNECTION_RUNS: connection_policy_leave() belongs to it. */
NODISCARD enum connection_turn connection_policy_enter(struct connection_policy *p,
						       struct str tenant);
void connection_policy_leave(struct connection_policy *p, struct str tenant);
uint64_t connection_policy_refused(struct connection_policy *p);
