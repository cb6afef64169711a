#pragma once
/*
 * Why something failed, as a value.
 *
 * A function that can fail returns bool and takes `struct err *err` last; false means that *err is
 * filled, once, at the place that knows most. Outcomes beside success are enums, not errors. The
 * text is for a person: it names the cause and, where there is one, the next step. It never holds a
 * secret. Errors need no memory, are copied by value and never leak.
 */
#include "base/defs.h"

/* Named after what the receiver does about it, not after where it came from. */
enum err_kind {
	ERR_NONE,
	ERR_CONFIG,   /* the operator's input is wrong: say so; exit 2, or 400 */
	ERR_DENIED,   /* the peer is who it says, but may not: answer 403, count it */
	ERR_MISSING,  /* what was asked for does not exist: 404 */
	ERR_CONFLICT, /* it exists already, or changed meanwhile: 409 or 412 */
	ERR_PROTOCOL, /* the peer broke the wire contract: close the connection */
	ERR_LIMIT,    /* one of our quotas is exhausted: refuse this one, go on */
	ERR_NETWORK,  /* the path failed: back off, dial again */
	ERR_STORE,    /* the database failed: answer 503, go on */
	ERR_SYSTEM,   /* the host failed us (disk, libcrypto): raise an alarm */
};

struct err {
	enum err_kind kind;
	char text[400]; /* UTF-8, NUL-terminated, cut if too long; never holds a secret */
};

/* All return false, so that a failure is one line: return err_set(err, ERR_LIMIT, "..."); */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Puts "what: " before the text that is there; the kind stays. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As err_set, with ": " and the text of errno at the call behind it. */
bool err_errno(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
