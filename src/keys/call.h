#pragma once
/*
 * One call to keyd, for the modules of this floor that are its client: client.c, entries.c,
 * stage.c.
 */
#include "keys/client.h"
#include "keys/pool.h"

enum keys_outcome {
	KEYS_CALL_OK,
	KEYS_CALL_NOT_LOADED,
	KEYS_CALL_REFUSED, /* by keyd, with a reason: see err */
	KEYS_CALL_BROKEN,  /* keyd died under it; err is not filled */
	KEYS_CALL_FAILED,  /* see err; the socket may still get the answer */
};

struct keys_calls; /* the counters and the sockets of a client */

NODISCARD bool keys_calls_new(int control_fd, struct keys_calls **out, struct err *err);
void keys_calls_free(struct keys_calls *c); /* takes NULL */
DEFINE_AUTO(keys_calls_free, struct keys_calls *)
struct keys_calls *keys_client_calls(struct keys_client *c);
struct keys_pool *keys_calls_pool(struct keys_calls *c);
struct keys_counters keys_calls_count(struct keys_calls *c);
/*
 * Stages of this client, KEYS_STAGES_MAX at once: begin waits up to KEYS_FRESH_MS for a place, then
 * ERR_LIMIT. Each begin that succeeded has its end.
 */
NODISCARD bool keys_calls_begin_stage(struct keys_calls *c, struct err *err);
void keys_calls_end_stage(struct keys_calls *c);

/* Takes a socket, repeats on fresh sets (KEYS_REPEATS) when keyd died. `answer` gets the fields. */
enum keys_outcome keys_call(struct keys_calls *c, const struct buf *request, struct buf *answer,
			    struct err *err);
/* As keys_call(); when keyd does not know the key, `load` (a whole request) is sent and again. */
NODISCARD bool keys_call_loaded(struct keys_calls *c, struct str load, const struct buf *request,
				struct buf *answer, struct err *err);
/* On one socket, without a repetition. */
enum keys_outcome keys_exchange(struct keys_calls *c, int fd, const struct buf *request,
				struct buf *answer, struct err *err);
/* The only field of an answer, a blob. */
NODISCARD bool keys_take_blob(const struct buf *answer, struct buf *out, struct err *err);
/* ERR_SYSTEM: the answer's fields were other ones. Always false. */
bool keys_bad_answer(struct err *err);
