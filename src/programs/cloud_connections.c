/* Where the keystore's connection tests may go: what connection.test.allow says, and not to our own
 * listeners. */
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

	p->allow = o->connection_allow;
	add_port(p, o->listen_console);
	add_port(p, o->listen_tunnel);
	add_port(p, o->listen_proxy);
	add_port(p, o->listen_metrics);
	add_port(p, cloud_tls_address(o));
	c->rooms.connections = p;
}
