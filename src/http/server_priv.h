#pragma once
/* The inside of the server, shared by server.c (listeners, life), server_connection.c (one
 * connection and its answers) and server_request.c (what comes in). */
#include <stdatomic.h>

#include "http/h1_engine.h"
#include "http/router.h"

enum {
	SERVER_TABLES_MAX = 32,
	SERVER_ARENA_FIRST = 2048, /* bytes; an ordinary head and its handler's small things */
	SERVER_CLOSE_MS = 5000,    /* for the last bytes of an answer behind which we close */
};

struct server_counters {
	_Atomic uint64_t connections, requests, refused_400, refused_408, refused_413, refused_431,
		overload;
};

struct server_listener {
	struct http_server *server;
	struct listener *listener;
	struct tls_config *(*tls)(void *user);
	void *tls_user;
	struct server_listener *next;
	size_t connections;
};

struct http_server {
	struct loop *loop;
	struct http_server_settings settings;
	const struct http_route *tables[SERVER_TABLES_MAX + 2]; /* the program's, ours, NULL */
	struct server_listener *listeners;
	/* All that live, also those whose job still runs: from the newest to the oldest. */
	struct connection *connections, *oldest;
	struct server_counters counters;
	struct loop_task death;
	size_t held; /* bytes of all bodies */
	bool closing;
};

enum connection_state {
	CONNECTION_HANDSHAKE,
	CONNECTION_HEAD, /* waiting for a head, or within one */
	CONNECTION_BODY,
	CONNECTION_JOB,    /* the job owns call, head and arena */
	CONNECTION_ANSWER, /* until the kernel took the answer */
	CONNECTION_GONE,   /* freed at the end of the turn */
};

struct connection {
	struct http_server *server;
	struct server_listener *listener;
	struct connection *next, *prev;
	struct stream *stream; /* NULL once it was closed or handed over */
	enum connection_state state;
	struct loop_timer timer;
	struct loop_task death;
	struct address peer;
	struct cert_facts *peer_cert; /* NULL: none */
	enum tls_peer_state peer_state;
	bool over_tls;
	bool head_begun; /* the first byte of a head is here: head_timeout runs */
	bool keep_alive; /* after the answer to this request */
	bool eof;
	msec_t body_begun;
	struct job job;
	bool waits_for_slow; /* the job let it in; its handler is for the slow pool */
	struct arena *arena; /* of this request; NULL between requests */
	struct http_head head;
	struct http_path path;
	struct h1_body body;
	struct buf body_bytes;
	size_t held; /* bytes of the body, while they count in the server's */
	struct http_call call;
};

void connection_start(struct server_listener *from, int take_fd, const struct address *peer);
void connection_end_if_idle(struct connection *c); /* the server closes */
bool connection_gives_way(struct connection *c);   /* closed, if it asks for nothing yet */
void connection_lose(struct connection *c);        /* closes at once */
void connection_wait(struct connection *c);        /* for the first byte of a head */
void connection_arm(struct connection *c, msec_t pause, void (*fn)(struct loop_timer *));
void connection_answer(struct connection *c); /* what is in c->call */
/* Answers without a handler; counted: and closes, because the next head cannot be found. */
void connection_refuse(struct connection *c, unsigned status, const char *why);
void connection_refuse_and_count(struct connection *c, unsigned status, const char *why);
/* Both go on as far as the bytes reach; true when the state changed. */
bool connection_read_head(struct connection *c);
bool connection_read_body(struct connection *c);
void connection_prepare_call(struct connection *c);
void connection_drop_body(struct connection *c);
void server_connection_gone(struct http_server *s); /* one less: perhaps the last */
void http_openapi_write(const struct http_route *const *tables, const char *title,
			struct buf *json);
