#pragma once
/* The inside of a front: front.c (life), front_request.c, front_answer.c, refusal.c (our own
 * answers). */
#include "cloud/relay/front.h"
#include "http/h1_engine.h"

enum {
	FRONT_H2_DONE = 0, /* RST_STREAM codes (RFC 9113, 7) */
	FRONT_H2_CANCEL = 8,
	FRONT_H2_NONE = -1, /* no RST_STREAM: the stream ends by itself */
};

enum front_state {
	FRONT_IDLE,    /* between requests, or in the middle of a head */
	FRONT_WAITING, /* in the registry's queue */
	FRONT_MOVING,  /* to another worker, once the answer before has left */
	FRONT_ASKING,  /* has a stream; no answer yet */
	FRONT_ANSWERING,
	FRONT_DEAD,
};

struct front {
	struct worker *worker;
	struct front *next, **prev;
	struct stream *stream;
	enum front_state state;
	struct loop_timer timer;
	msec_t deadline; /* 0: none; the timer is armed lazily */
	struct loop_task death;
	struct registry_waiter waiter;
	msec_t waiting_until; /* of the request; 0: it did not wait */
	unsigned hops, move_to;
	bool shaking; /* the TLS handshake has not ended */

	/* the request */
	size_t offset; /* its bytes that were read and not consumed, at the front of stream_peek()
			*/
	bool reading_head;
	bool counted;
	bool whole; /* nothing of it is consumed: it can be read again */
	bool is_head, is_http10, keep_alive, idempotent, has_body;
	bool request_done;
	unsigned tries;
	struct h1_body body;
	char key[REGISTRY_KEY_MAX];
	/* Names this client to the connector once it sent NTLM or Negotiate credentials, which
	 * authenticate a connection: the back end's then stays with it. "" before. */
	char client[33];

	/* its stream and the answer */
	struct worker_tunnel *via;
	struct h2_stream *h2;
	unsigned n_interim; /* 1xx that came */
	bool chunked, trailers_sent;
	msec_t heard;      /* last progress of request or answer in the tunnel, loop time */
	size_t uncredited; /* bytes of the answer that the client's socket has not yet taken */
};

/* ---- front.c ---- */
void front_deadline(struct front *f, msec_t after);
void front_watch(struct front *f); /* the deadline of a request that has a stream */
/* Gives the stream up: no more events of it. `code`: RST_STREAM with it, or -1 for none. */
void front_let_go(struct front *f, int code);
struct str front_subaccount(const struct front *f); /* of the place */
/* The answer is complete: the next request, or the end. */
void front_next_request(struct front *f);
/* ---- front_request.c ---- */
void front_move(struct front *f); /* as soon as nothing is queued */
/* Reads heads until the front has something to wait for. */
void front_read_on(struct front *f);
void front_retry(struct front *f);
void front_send_body(struct front *f);

/* ---- front_tls.c ---- */
void front_shaken(struct front *f); /* the handshake has ended */
void front_not_shaken(struct front *f, const struct err *why);
/* A client certificate never replaces the token: it must be one of the token's tenant, and be there
 * where that one requires it. NULL: so it is; else why it was refused with 403. */
const char *front_certificate_misses(struct front *f, const struct token_facts *token);

/* ---- front_answer.c ---- */
void front_on_sent(struct front *f);

/* ---- refusal.c ---- */
/* An answer of ours as text. The request is over; the connection stays if it can. */
void front_refuse(struct front *f, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void front_refuse_no_tunnel(struct front *f);
void front_refuse_closing(struct front *f); /* the relay shuts down */
