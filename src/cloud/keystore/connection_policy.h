#pragma once
/* Where connection tests may go, and how many at once; the program's, for struct cloud_rooms. */
#include <stdatomic.h>

#include "cloud/keystore/connection_test.h"

enum {
	/* Tests that run at once. Each holds a job thread for up to CONNECTION_TEST_MS, and the
	 * same threads make the handshakes of everybody: further ones are answered 429. */
	CONNECTION_TESTS_MAX = 2,
};

struct connection_policy {
	const char *allow; /* connection.test.allow; NULL: nothing special */
	uint16_t own_ports[CONNECTION_PORTS_MAX];
	size_t n_own_ports;
	_Atomic unsigned running;
};
