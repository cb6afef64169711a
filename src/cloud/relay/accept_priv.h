#pragma once
/*
 * Letting a tunnel in, step by step: accept.c judges who dials and answers, accept_claim.c gives it
 * its location, accept_place.c a worker, once the 101 has left.
 *
 * Each step runs in the job of the call. One that returns false has answered.
 */
#include "cloud/relay/relay_priv.h"
#include "http/server.h"
#include "tunnel/handshake.h"

/* ---- accept.c ---- */

/* 503: it dials again after `seconds`. */
void accept_refuse_later(struct http_call *call, const char *seconds, const struct err *err);
void accept_note_denied(struct http_call *call, struct relay *r, const struct ptth_request *req,
			unsigned status, const char *reason);

/* ---- accept_claim.c ---- */

/* The location is this installation's, taken over from one that fell silent where needed. */
bool accept_claim(struct http_call *call, struct relay *r, const struct ptth_request *req);
/* False: two copies of one machine fight, and this one is refused. */
bool accept_is_no_copy(struct http_call *call, struct relay *r, const struct ptth_request *req);

/* ---- accept_place.c ---- */

/* Counts the tunnel from here on and makes the call an upgrade; `head` is the directory's. */
bool accept_place(struct http_call *call, struct relay *r, const struct ptth_request *req,
		  int64_t head);
