#include "keys/call.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "keys/entries.h"
#include "net/packet.h"

struct keys_calls {
	struct keys_pool *pool;
	atomic_ullong calls, repeated, refused;
	pthread_mutex_t lock; /* of `stages` */
	pthread_cond_t ended;
	unsigned stages;
};

bool keys_calls_new(int control_fd, struct keys_calls **out, struct err *err)
{
	struct keys_pool *pool;
	pthread_condattr_t attributes;

	if (!keys_pool_new(control_fd, KEYS_FRESH_MS, &pool, err)) {
		return false;
	}
	struct keys_calls *c = NEW(struct keys_calls);
	c->pool = pool;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	*out = c;
	return true;
}

void keys_calls_free(struct keys_calls *c)
{
	if (!c) {
		return;
	}
	keys_pool_free(c->pool);
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct keys_pool *keys_calls_pool(struct keys_calls *c)
{
	return c->pool;
}

struct keys_counters keys_calls_count(struct keys_calls *c)
{
	uint64_t sets = keys_pool_sets(c->pool);

	return (struct keys_counters){
		.calls = atomic_load(&c->calls),
		.repeated = atomic_load(&c->repeated),
		.refused = atomic_load(&c->refused),
		.replaced = sets > 0 ? sets - 1 : 0,
	};
}

bool keys_calls_begin_stage(struct keys_calls *c, struct err *err)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += KEYS_FRESH_MS / 1000;
	pthread_mutex_lock(&c->lock);
	while (c->stages >= KEYS_STAGES_MAX && rc == 0) {
		rc = pthread_cond_timedwait(&c->ended, &c->lock, &until);
	}
	bool ok = c->stages < KEYS_STAGES_MAX;
	c->stages += ok;
	pthread_mutex_unlock(&c->lock);
	/* A limit of ours and of this moment, not of what is uploaded: 503, and not 413. */
	return ok || err_set(err, ERR_STORE,
			     "%d uploads are being opened already, and none ended within %d s: "
			     "try again later (KEYS_STAGES_MAX)",
			     KEYS_STAGES_MAX, KEYS_FRESH_MS / 1000);
}

void keys_calls_end_stage(struct keys_calls *c)
{
	pthread_mutex_lock(&c->lock);
	c->stages--;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
}

/* ---- one call ---- */

static enum keys_outcome read_answer(struct keys_calls *c, enum keys_operation operation,
				     struct buf *answer, struct err *err)
{
	struct rd in = rd_over(buf_str(answer));
	uint8_t status = rd_u8(&in);

	if (status == KEYS_OK) {
		buf_drop_front(answer, 1);
		return KEYS_CALL_OK;
	}
	if (status == KEYS_NOT_LOADED) {
		return KEYS_CALL_NOT_LOADED;
	}
	struct str reason = rd_blob(&in, KEYS_REASON_MAX);
	enum err_kind kind =
		operation < KEYS_DATA_KEY_NEW ? ERR_DENIED : keys_reaction_kind(rd_u8(&in));
	atomic_fetch_add(&c->refused, 1);
	if (kind == ERR_DENIED) {
		(void)err_set(err, kind, "the key process refused to %s: %.*s",
			      keys_operation_name(operation), STR_ARGS(reason));
	} else {
		(void)err_set(err, kind, "%.*s", STR_ARGS(reason));
	}
	return KEYS_CALL_REFUSED;
}

enum keys_outcome keys_exchange(struct keys_calls *c, int fd, const struct buf *request,
				struct buf *answer, struct err *err)
{
	size_t len = 0;
	char *room;

	if (buf_failed(request) || request->len > KEYS_MESSAGE_MAX) {
		(void)err_set(err, ERR_LIMIT,
			      "a request to the key process is longer than %d bytes",
			      KEYS_MESSAGE_MAX);
		return KEYS_CALL_FAILED;
	}
	enum packet_outcome outcome = packet_send(fd, buf_str(request), NULL, 0, err);
	if (outcome == PACKET_OK) {
		buf_reset(answer);
		room = buf_reserve(answer, answer->max);
		outcome = packet_set_timeout(fd, KEYS_ANSWER_MS, err)
				  ? packet_receive(fd, room, answer->max, &len, NULL, 0, NULL, err)
				  : PACKET_FAILED;
	}
	switch (outcome) {
	case PACKET_OK:
		buf_commit(answer, len);
		return read_answer(c, (enum keys_operation)request->at[0], answer, err);
	case PACKET_END:
		return KEYS_CALL_BROKEN;
	case PACKET_TIMEOUT:
		(void)err_set(err, ERR_STORE, "the key process gave no answer within %d s",
			      KEYS_ANSWER_MS / 1000);
		return KEYS_CALL_FAILED;
	case PACKET_TOO_LONG:
		(void)err_set(err, ERR_SYSTEM, "the key process gave an answer that is too long");
		return KEYS_CALL_FAILED;
	case PACKET_FAILED:
	default:
		return KEYS_CALL_FAILED;
	}
}

enum keys_outcome keys_call(struct keys_calls *c, const struct buf *request, struct buf *answer,
			    struct err *err)
{
	msec_t until = clock_now() + KEYS_FRESH_MS;
	uint64_t after = 0;

	atomic_fetch_add(&c->calls, 1);
	for (int tries = 0; tries <= KEYS_REPEATS; tries++) {
		struct keys_socket socket;
		msec_t left = until - clock_now();

		if (!keys_pool_take(c->pool, after, left > 0 ? left : 0, &socket, err)) {
			return KEYS_CALL_FAILED;
		}
		enum keys_outcome outcome = keys_exchange(c, socket.fd, request, answer, err);
		/* A socket that gave no answer yet would give it to the next call. */
		bool broken = outcome == KEYS_CALL_BROKEN || outcome == KEYS_CALL_FAILED;
		keys_pool_give(c->pool, socket, broken);
		if (outcome != KEYS_CALL_BROKEN) {
			return outcome;
		}
		after = socket.set;
		atomic_fetch_add(&c->repeated, tries < KEYS_REPEATS);
	}
	/* No 503: whoever asked this again would have it end again. */
	(void)err_set(err, ERR_SYSTEM, "the key process ended %d times under %s: see its log",
		      KEYS_REPEATS + 1, keys_operation_name((enum keys_operation)request->at[0]));
	return KEYS_CALL_FAILED;
}

bool keys_call_loaded(struct keys_calls *c, struct str load, const struct buf *request,
		      struct buf *answer, struct err *err)
{
	enum keys_outcome outcome = keys_call(c, request, answer, err);

	/* keyd may die, and so forget the key, between the load and the call. */
	for (int rounds = 0; outcome == KEYS_CALL_NOT_LOADED && rounds <= KEYS_REPEATS; rounds++) {
		AUTO_BUF struct buf message = BUF(KEYS_MESSAGE_MAX);
		buf_add_str(&message, load);
		if (keys_call(c, &message, answer, err) != KEYS_CALL_OK) {
			return false;
		}
		outcome = keys_call(c, request, answer, err);
	}
	if (outcome == KEYS_CALL_NOT_LOADED) {
		return err_set(err, ERR_SYSTEM, "the key process keeps forgetting a key");
	}
	return outcome == KEYS_CALL_OK;
}

bool keys_bad_answer(struct err *err)
{
	return err_set(err, ERR_SYSTEM, "the key process gave a malformed answer");
}

bool keys_take_blob(const struct buf *answer, struct buf *out, struct err *err)
{
	struct rd in = rd_over(buf_str(answer));
	struct str blob = rd_blob(&in, KEYS_MESSAGE_MAX);

	if (!rd_done(&in)) {
		return keys_bad_answer(err);
	}
	buf_add_str(out, blob);
	return !buf_failed(out) ||
	       err_set(err, ERR_LIMIT, "no room for the answer of the key process");
}
