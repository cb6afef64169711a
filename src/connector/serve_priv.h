#pragma once
/* Inside of serve: life (serve.c), the request's way (serve_up.c), the answer's (serve_down.c). */
#include "connector/serve.h"
#include "http/h1_engine.h"

/* A snapshot in use by this worker, with the pool's target of each of its mappings. */
struct epoch {
	unsigned users; /* exchanges, and 1 while it is the newest */
	unsigned long long number;
	struct snapshot *held;
	const struct access *access;
	struct backend_target **targets; /* by slot; NULL: not asked for yet */
};

/* One per direction; up is the request's, down the answer's. */
enum up_state {
	UP_BODY,  /* the client may send more */
	UP_ENDED, /* it is complete */
};
enum down_state {
	DOWN_WAITING, /* no connection yet */
	DOWN_HEAD,    /* no final head yet */
	DOWN_BODY,
	DOWN_ENDED, /* all given to the stream, or refused: what still comes up is thrown away */
};

enum {
	METHOD_MAX = 32, /* bytes; longer ones are refused with 501 */
};

struct exchange {
	struct exchange *next, *prev;
	struct serve *serve;
	void (*flush)(void *user); /* of the tunnel, good while `stream` is open */
	void *flush_user;
	struct epoch *epoch;
	const struct access_mapping *mapping;
	struct h2_stream *stream;
	struct backend_lease lease;
	enum up_state up;
	enum down_state down;
	char method_text[METHOD_MAX];
	struct str method;
	uint64_t client; /* of the cloud side, 0: not known */
	/* ---- up ---- */
	enum http_body up_kind;
	uint64_t up_left;     /* of a body with a length */
	struct buf head;      /* the request's head, for a repeat */
	struct buf replay;    /* its body as it was written, while a repeat is possible */
	bool replayable;      /* replay holds all of it */
	bool repeated;        /* once is enough */
	bool binds;           /* it carries NTLM or Negotiate credentials */
	uint64_t sent_before; /* stream_sent() of the connection when this began */
	uint64_t written;     /* bytes given to the connection */
	size_t owed;          /* bytes from the stream without credit given back */
	/* ---- down ---- */
	struct h1_body body;
	unsigned n_interim;
	bool has_body;     /* the answer's: h2_end() is to follow */
	bool answer_began; /* the back end sent a byte */
	bool eof;
	bool keep_alive;
	msec_t keep_alive_time; /* -1: not said */
	msec_t progress;
};

struct serve {
	struct serve_settings settings;
	struct backend_pool *pool;
	struct epoch *epoch; /* the newest; NULL before the first snapshot */
	struct arena *arena; /* scratch of one head; nothing in it outlives a call */
	struct exchange *running, *spare;
	size_t n_spare;
	struct loop_timer sweep;
	struct serve_counters counters;
	msec_t log_second;
	unsigned log_lines;
};

/* ---- serve.c ---- */
void exchange_free(struct exchange *x); /* closes or has given back its connection */
void exchange_flush(struct exchange *x);
void exchange_progress(struct exchange *x);
struct epoch *epoch_current(struct serve *s); /* NULL: nothing was published */
struct backend_target *epoch_target(struct serve *s, struct epoch *e,
				    const struct access_mapping *m);

/* ---- serve_up.c ---- */
/* h2_head() is the request. */
void exchange_start(struct exchange *x, struct str subaccount, bool ended);
void exchange_data(struct exchange *x, struct str data);
void exchange_trailers(struct exchange *x);
void exchange_up_ended(struct exchange *x);
void exchange_credit(struct exchange *x);
/* The connection ended before an answer: true if the request goes out again. */
bool exchange_repeat(struct exchange *x);

/* The lease's notices. */
void exchange_opened(struct exchange *x);
void exchange_lease_failed(struct exchange *x);

/* ---- serve_down.c ---- */
stream_fn exchange_backend_event;
void exchange_pump(struct exchange *x); /* reads the back end as far as the queue allows */
/* Before the answer began: a text answer. After: a reset. The connection is closed. */
void exchange_fail(struct exchange *x, unsigned status, const char *text);
