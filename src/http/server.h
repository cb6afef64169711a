#pragma once
/*
 * The control plane's HTTP server: console, administration, EST, tokens, metrics. Not the data
 * path.
 *
 * HTTP/1.1 over TLS or plain. A request is read whole (bounded), its route is found, and its
 * handler runs in a job: a plain blocking function, which may use SQL, the key process, Argon2. The
 * answer is then written by the loop. One request at a time per connection; pipelined ones wait.
 *
 * A handler may answer 101 and set `upgrade`: the connection then leaves the server and is handed
 * to that function on the server's loop, with every byte read behind the head still unread.
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
	const char *method;  /* "GET" (serves HEAD too), "POST", …; NULL ends the table */
	const char *pattern; /* "/api/v1/configuration/subaccounts/{rh}/{sa}"; "{rest*}" takes
				slashes */
	http_handler *handler;
	unsigned roles;      /* the program's own bits; checked by its `authorize` hook */
	const char *summary; /* for /openapi.json */
	const char *request; /* media type of the body, "" or NULL for none */
	const char *answer;  /* media type of the answer, NULL for none */
	size_t body_max;     /* bytes; 0: HTTP_SERVER_BODY_MAX. Larger: 413 with the limit's name */
};

enum {
	HTTP_SERVER_BODY_MAX = 1024 * 1024,
	HTTP_PARAMS_MAX = 8,
	HTTP_SERVER_CONNECTIONS_MAX =
		10000, /* per listener; further ones are closed at once, counted */
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
void http_answer_field(struct http_call *call, const char *name, struct str value); /* copied */
void http_answer_json(struct http_call *call,
		      unsigned status); /* content type; body already in out */
void http_answer_text(struct http_call *call, unsigned status, const char *type, struct str body);
/* application/problem+json (RFC 9457): title from the status, detail from the text. */
void http_problem(struct http_call *call, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void http_problem_err(struct http_call *call, const struct err *err); /* status from the kind */
unsigned http_status_of(enum err_kind kind);
/* The body as JSON; answers 400 or 415 itself and returns false otherwise. Freed with the call. */
NODISCARD bool http_json(struct http_call *call, const struct json **out);

struct http_server_settings {
	const struct http_route *const *tables; /* NULL-ended list of route tables */
	void *user;
	struct jobs *jobs;
	/* Runs in the job before the handler. False: it has answered already (401, 403). May be
	 * NULL. */
	bool (*authorize)(struct http_call *call);
	const char *title; /* of /openapi.json */
	/* A route table's own body of errors, e.g. {"type","message"}; NULL: problem+json. */
	void (*render_error)(struct http_call *call, unsigned status, const char *detail);
	msec_t head_timeout; /* whole head, from the first byte (slow headers): 10 s */
	msec_t body_timeout; /* between two reads of a body: 30 s */
	msec_t idle_timeout; /* keep-alive: 75 s */
};

NODISCARD bool http_server_new(struct loop *l, const struct http_server_settings *settings,
			       struct http_server **out, struct err *err);
/* Several listeners may share a server. `tls` is a cell so that certificates change live; NULL:
 * plain. */
NODISCARD bool http_server_listen(struct http_server *s, const char *where,
				  struct tls_config *(*tls)(void *user), void *tls_user,
				  uint16_t *port, struct err *err);
void http_server_close(struct http_server *s); /* stops accepting; running calls end, then freed */
void http_server_openapi(const struct http_server *s, struct buf *json);
struct http_server_counters {
	uint64_t connections, requests, refused_400, refused_408, refused_413, refused_431,
		overload;
};
struct http_server_counters http_server_count(const struct http_server *s);
