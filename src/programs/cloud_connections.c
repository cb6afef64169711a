/* Where the keystore's connection tests may go: what connection.test.allow says, and not to our own
 * listeners; and how many at once. */
#include "cloud/keystore/connection_policy.h"
#include "programs/cloud_parts.h"

static void add_port(struct connection_policy *p, const char *where)
{
	struct str host;
	uint16_t port = 0;

	if (where != NULL && address_split(str_of(where), 0, &host, &port) && port != 0 &&
	    p->n_own_ports < COUNT(p->own_ports)) {
		p->own_ports[p->n_own_ports++] = port;
	}
}

void cloud_open_connections(struct cloud *c)
{
	const struct cloud_options *o = &c->options;
	struct connection_policy *p = NEW(struct connection_policy);

	connection_policy_init(p);
	connection_policy_limit(p, o->connection_tests, o->connection_tests_tenant);
	p->allow = o->connection_allow;
	add_port(p, o->listen_console);
	add_port(p, o->listen_tunnel);
	add_port(p, o->listen_proxy);
	add_port(p, o->listen_metrics);
	add_port(p, cloud_tls_address(o));
	c->rooms.connections = p;
}

void cloud_limit_connections(struct cloud *c)
{
	connection_policy_limit(c->rooms.connections, c->options.connection_tests,
				c->options.connection_tests_tenant);
}

uint64_t cloud_connections_refused(const struct cloud *c)
{
	return connection_policy_refused(c->rooms.connections);
}

void cloud_close_connections(struct cloud *c)
{
	if (c->rooms.connections != NULL) {
		connection_policy_fini(c->rooms.connections);
		free(TAKE(c->rooms.connections));
	}
}
