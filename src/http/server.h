#pragma once
/*
 * The control plane's HTTP server: console, administration, EST, tokens, metrics. Not the data
 * path.
 *
 * HTTP/1.1 over TLS or plain. A request is read whole (bounded), its route is found, and its
 * handler runs in a job: a plain blocking function, which may use SQL, the key process, Argon2. The
 * answer is then written by the loop. One request at a time per connection; pipelined ones wait.
 *
 * What may take long (HTTP_ROUTE_SLOW: somebody else's server, a hostile upload) has a pool of its
 * own, so that it stalls no login. `authorize` runs in `jobs` as for every route; who passes it
 * goes on in `slow`, under a share of its tenant's (net/jobs.h), and waits in its queue, on no
 * thread. When the queue, or the tenant's half of it, is full: 503, Retry-After, the limit's name.
 *
 * A handler may answer 101 and set `upgrade`: the connection then leaves the server and is handed
 * to that function on the server's loop, with every byte read behind the head still unread. When
 * the peer went away meanwhile, `take` is NULL: free what `user` holds.
 *
 * A path is refused with 400 when it could mean two things to two readers: `.` and `..` as a
 * segment in any spelling, empty segments, a backslash, control bytes or an encoded slash, escapes
 * that are none. OPTIONS is answered from the tables; GET routes serve HEAD.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "crypto/cert.h"
#include "crypto/tls.h"
#include "http/message.h"
#include "net/jobs.h"
#include "net/listener.h"
#include "net/stream.h"

struct http_server;
struct http_call;

typedef void http_handler(struct http_call *call);
typedef void http_upgrade_fn(struct stream *take, void *user);

/* One row per operation: the router, the role check and /openapi.json all read this table. */
struct http_route {
	const char *method; /* "GET" (serves HEAD too), "POST", …; NULL ends the table */
	/* "/api/v1/configuration/subaccounts/{rh}/{sa}": a parameter is a whole segment, or what
	 * stands between literals ("Items('{id}')", never empty); one named "{rest*}" at the end
	 * takes slashes. Literal segments win over parameters, framed ones over whole ones. */
	const char *pattern;
	http_handler *handler;
	/* The program's own bits, checked by its `authorize` hook, or HTTP_ROUTE_OPEN. */
	unsigned roles;
	const char *summary; /* for /openapi.json */
	const char *request; /* media type of the body, "" or NULL for none */
	const char *answer;  /* media type of the answer, NULL for none */
	size_t body_max;     /* bytes; 0: HTTP_SERVER_BODY_MAX. Larger: 413 with the limit's name */
};

enum {
	/* In `roles`: the hook lets everybody through, the handler judges its callers itself or
	 * has no secrets. Without it a row is closed to whoever the hook does not know. */
	HTTP_ROUTE_OPEN = 0x40000000,
	HTTP_ROUTE_SLOW = 0x20000000, /* also in `roles`: the handler runs in the slow pool */
	HTTP_SERVER_BODY_MAX = 1024 * 1024,
	HTTP_SERVER_ANSWER_MAX = 64 * 1024 * 1024, /* a handler that writes more is answered 500 */
	HTTP_SERVER_ARENA_MAX = 4 * 1024 * 1024,   /* of a call */
	/* Of the bodies of all requests together: they are read before anybody knows who sends
	 * them. Beyond it the one that is under way for the longest is answered 503, counted. */
	HTTP_SERVER_BODIES_MAX = 128 * 1024 * 1024,
	HTTP_SERVER_BODY_SMALL = 16 * 1024, /* shorter ones, such as logins, are never refused so */
	HTTP_PARAMS_MAX = 8,
	/* Bytes a second on the average, beyond body_timeout, in which a body must come: one that
	 * drips, a byte every half minute, would keep its connection for ever. */
	HTTP_SERVER_RATE_LEAST = 512,
	/* Per listener. A further one takes the place of the oldest that asks for nothing yet, so
	 * that whoever opens many and says nothing keeps nobody out; counted. */
	HTTP_SERVER_CONNECTIONS_MAX = 10000,
};

struct http_call {
	/* ---- the request; good until the handler returns ---- */
	struct arena *arena;
	const struct http_head *head;
	struct str path;  /* normalised, percent-decoded segments are in params */
	struct str query; /* behind '?', raw */
	struct str body;
	struct address peer;
	enum tls_peer_state peer_state; /* client certificate: see crypto/tls.h */
	const struct cert_facts *peer_cert;
	const struct http_route *route;
	struct str params[HTTP_PARAMS_MAX]; /* decoded, in the pattern's order */
	void *user;                         /* what http_server_new was given */
	void *identity;                     /* what the authorize hook found; in the arena */
	/* ---- the answer ---- */
	unsigned status; /* 200 at the start */
	struct buf out;  /* the body */
	struct http_field fields[24];
	size_t n_fields;
	http_upgrade_fn *upgrade; /* with status 101 */
	void *upgrade_user;
	/* ---- the server's own ---- */
	const struct http_server_settings *settings;
	struct json *json;
};

/* The value of {name}, decoded. */
struct str http_param(const struct http_call *call, const char *name);
/* A query parameter, decoded into the arena; at == NULL when absent. */
struct str http_query(struct http_call *call, const char *name);
/* A member of an application/x-www-form-urlencoded body. */
struct str http_form(struct http_call *call, const char *name);
struct str http_cookie(struct http_call *call, const char *name);
/* "user:password" of Authorization: Basic, decoded into the arena. */
NODISCARD bool http_basic(struct http_call *call, struct str *user, struct str *password);
/* Copied. Left out when it is no field value (a line break that a peer slipped in) or the 25th. */
void http_answer_field(struct http_call *call, const char *name, struct str value);
void http_answer_json(struct http_call *call,
		      unsigned status); /* content type; body already in out */
void http_answer_text(struct http_call *call, unsigned status, const char *type, struct str body);
/* application/problem+json (RFC 9457): title from the status, detail from the text. */
void http_problem(struct http_call *call, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void http_problem_err(struct http_call *call, const struct err *err); /* status from the kind */
unsigned http_status_of(enum err_kind kind);
/* The body as JSON; answers 400 or 415 itself and returns false otherwise. Freed with the call. */
NODISCARD bool http_json(struct http_call *call, const struct json **out);
/* The same, and 400 for what is no object: a list would look like one without members. */
NODISCARD bool http_json_object(struct http_call *call, const struct json **out);

struct http_server_settings {
	const struct http_route *const *tables; /* NULL-ended list of route tables */
	void *user;
	struct jobs *jobs;
	struct jobs *slow;      /* of HTTP_ROUTE_SLOW; NULL: those run in `jobs` too */
	const char *slow_limit; /* the setting that says how many may wait there */
	/* Whose share a slow call uses: any text, lent, "" for nobody's. On the loop, behind
	 * `authorize`. May be NULL. */
	struct str (*owner)(const struct http_call *call);
	/* Runs in the job before the handler. False: it has answered already (401, 403). May be
	 * NULL. */
	bool (*authorize)(struct http_call *call);
	const char *title; /* of /openapi.json */
	/* Writes the body of an error and its content type where problem+json is not the form, e.g.
	 * {"type","message"} under /api/v1; false: problem+json after all. May be NULL. */
	bool (*render_error)(struct http_call *call, unsigned status, const char *detail);
	bool lenient_json;      /* http_json() mends as json_parse_lenient() does */
	msec_t head_timeout;    /* whole head, from the first byte (slow headers): 10 s */
	msec_t body_timeout;    /* between two reads of a body: 30 s */
	msec_t idle_timeout;    /* keep-alive: 75 s */
	size_t bodies_max;      /* 0: HTTP_SERVER_BODIES_MAX */
	size_t connections_max; /* of a listener; 0: HTTP_SERVER_CONNECTIONS_MAX */
};

NODISCARD bool http_server_new(struct loop *l, const struct http_server_settings *settings,
			       struct http_server **out, struct err *err);
/*
 * Several listeners may share a server. `tls` is asked for each connection, so that certificates
 * change live; it returns a reference that the server drops, or NULL: the connection is closed.
 * A NULL function: plain. *port is set to the port that was opened; it may be NULL.
 */
NODISCARD bool http_server_listen(struct http_server *s, const char *where,
				  struct tls_config *(*tls)(void *user), void *tls_user,
				  uint16_t *port, struct err *err);
void http_server_close(struct http_server *s); /* stops accepting; running calls end, then freed */
struct http_server_counters {
	uint64_t connections; /* open now */
	uint64_t requests;    /* complete ones that reached a handler */
	uint64_t refused_400, refused_408, refused_413, refused_431;
	uint64_t overload; /* connections over the maximum, and requests that no job took (503) */
};
struct http_server_counters http_server_count(const struct http_server *s); /* any thread */
