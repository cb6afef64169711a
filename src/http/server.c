#include "http/server.h"

#include <assert.h>

#include "http/server_priv.h"

static void answer_openapi(struct http_call *call)
{
	const struct http_server_settings *s = call->settings;
	http_openapi_write(s->tables, s->title, &call->out);
	http_answer_json(call, 200);
}

static const struct http_route own_routes[] = {
	{.method = "GET",
	 .pattern = "/openapi.json",
	 .handler = answer_openapi,
	 .summary = "This description",
	 .answer = "application/json"},
	{NULL},
};

static bool take_tables(struct http_server *s, struct err *err)
{
	size_t n = 0;
	for (; s->settings.tables[n] != NULL; n++) {
		if (n == SERVER_TABLES_MAX) {
			return err_set(err, ERR_CONFIG, "more than %d route tables",
				       SERVER_TABLES_MAX);
		}
		for (const struct http_route *r = s->settings.tables[n]; r->method != NULL; r++) {
			assert(route_is_valid(r) && "a route's pattern is malformed");
		}
		s->tables[n] = s->settings.tables[n];
	}
	s->tables[n] = own_routes;
	return true;
}

static void use_default(msec_t *timeout, msec_t otherwise)
{
	*timeout = *timeout > 0 ? *timeout : otherwise;
}

bool http_server_new(struct loop *l, const struct http_server_settings *settings,
		     struct http_server **out, struct err *err)
{
	AUTO_FREE struct http_server *s = NEW(struct http_server);
	s->loop = l;
	s->settings = *settings;
	use_default(&s->settings.head_timeout, SEC(10));
	use_default(&s->settings.body_timeout, SEC(30));
	use_default(&s->settings.idle_timeout, SEC(75));
	s->settings.bodies_max =
		settings->bodies_max > 0 ? settings->bodies_max : HTTP_SERVER_BODIES_MAX;
	s->settings.connections_max = settings->connections_max > 0 ? settings->connections_max
								    : HTTP_SERVER_CONNECTIONS_MAX;
	assert((settings->slow == NULL || settings->slow_limit != NULL) && "the limit has a name");
	if (!take_tables(s, err)) {
		return false;
	}
	*out = TAKE(s);
	return true;
}

/* The oldest waits longest for the first bytes: one that means it has sent them by now. */
static bool make_room(const struct server_listener *from)
{
	struct connection *c = from->server->oldest;

	while (c != NULL && (c->listener != from || !connection_gives_way(c))) {
		c = c->prev;
	}
	return c != NULL;
}

static void on_accept(void *user, int take_fd, const struct address *peer)
{
	struct server_listener *from = user;
	if (from->connections >= from->server->settings.connections_max) {
		atomic_fetch_add(&from->server->counters.overload, 1);
		if (!make_room(from)) {
			close_fd(take_fd);
			return;
		}
	}
	connection_start(from, take_fd, peer);
}

bool http_server_listen(struct http_server *s, const char *where,
			struct tls_config *(*tls)(void *user), void *tls_user, uint16_t *port,
			struct err *err)
{
	AUTO_FREE struct server_listener *l = NEW(struct server_listener);
	*l = (struct server_listener){
		.server = s, .tls = tls, .tls_user = tls_user, .next = s->listeners};
	if (!listener_open(s->loop, where, false, on_accept, l, &l->listener, err)) {
		return false;
	}
	if (port != NULL) {
		*port = listener_port(l->listener);
	}
	s->listeners = TAKE(l);
	return true;
}

static void free_server(struct loop_task *task)
{
	struct http_server *s = CONTAINER_OF(task, struct http_server, death);
	while (s->listeners != NULL) {
		struct server_listener *l = s->listeners;
		s->listeners = l->next;
		free(l);
	}
	free(s);
}

void server_connection_gone(struct http_server *s)
{
	if (s->closing && s->connections == NULL) {
		loop_defer(s->loop, LOOP_FREE, &s->death, free_server);
	}
}

void http_server_close(struct http_server *s)
{
	if (s == NULL || s->closing) {
		return;
	}
	s->closing = true;
	for (struct server_listener *l = s->listeners; l != NULL; l = l->next) {
		listener_close(TAKE(l->listener));
	}
	for (struct connection *c = s->connections; c != NULL; c = c->next) {
		connection_end_if_idle(c);
	}
	server_connection_gone(s);
}

struct http_server_counters http_server_count(const struct http_server *s)
{
	const struct server_counters *c = &s->counters;
	return (struct http_server_counters){
		.connections = atomic_load(&c->connections),
		.requests = atomic_load(&c->requests),
		.refused_400 = atomic_load(&c->refused_400),
		.refused_408 = atomic_load(&c->refused_408),
		.refused_413 = atomic_load(&c->refused_413),
		.refused_431 = atomic_load(&c->refused_431),
		.overload = atomic_load(&c->overload),
	};
}
