#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_priv.h"

static size_t kept_len(const struct stream *s)
{
	return s->kept.len - s->kept_from;
}

static bool may_read(const struct stream *s)
{
	return !s->eof && s->failure == NULL && kept_len(s) < s->read_limit;
}

void stream_watch(struct stream *s)
{
	unsigned events = 0;

	if (s->state == STREAM_DEAD || s->failure != NULL || s->hung_up ||
	    s->state == STREAM_HANDSHAKING) {
		return;
	}
	if ((s->state == STREAM_UP && may_read(s)) || s->state == STREAM_LINGERING) {
		events |= LOOP_READ;
	}
	if (s->blocked || s->state == STREAM_CONNECTING) {
		events |= LOOP_WRITE;
	}
	loop_io_set(s->loop, &s->io, s->fd, events, stream_on_ready);
}

/* ---- reading ---- */

struct str stream_peek(const struct stream *s)
{
	return s->lent.len > 0 ? s->lent : str_make(s->kept.at + s->kept_from, kept_len(s));
}

void stream_consume(struct stream *s, size_t len)
{
	assert(len <= stream_peek(s).len);
	if (s->lent.len > 0) {
		s->lent = str_skip(s->lent, len);
		return;
	}
	s->kept_from += len;
	if (s->kept_from == s->kept.len) {
		s->kept_from = 0;
		loop_buf_put(s->loop, &s->kept);
	}
	if (s->hung_up && may_read(s)) {
		s->hung_up = false; /* the rest and the end can be read now */
	}
	if (!s->reading) {
		stream_watch(s);
	}
}

void stream_wipe_input(struct stream *s)
{
	s->wipes = true;
}

void stream_set_read_limit(struct stream *s, size_t bytes)
{
	s->read_limit = bytes;
	if (!s->reading) {
		stream_watch(s);
	}
}

static void keep(struct stream *s, struct str bytes)
{
	if (bytes.len == 0) {
		return;
	}
	if (s->kept.at == NULL) {
		s->kept = loop_buf_get(s->loop);
		s->kept.wipes = s->wipes;
	}
	if (s->kept_from > 0) {
		buf_drop_front(&s->kept, s->kept_from);
		s->kept_from = 0;
	}
	buf_add_str(&s->kept, bytes);
}

/* Lends `bytes` to the owner, together with what he left before, and keeps what he leaves now. */
static void lend(struct stream *s, struct str bytes)
{
	if (bytes.len == 0 || s->state != STREAM_UP) {
		return;
	}
	if (kept_len(s) > 0) {
		keep(s, bytes); /* one piece for stream_peek() */
	} else {
		s->lent = bytes;
	}
	s->readable_due = false;
	s->reading = true;
	s->fn(s, STREAM_READABLE, s->user);
	s->reading = false;
	if (s->state == STREAM_DEAD) {
		return;
	}
	struct str rest = s->lent;
	s->lent = STR_NONE;
	keep(s, rest);
}

static void told_eof(struct stream *s)
{
	s->eof = true;
	if (s->state == STREAM_UP) {
		stream_tell(s);
	}
}

/* Gives the loop's ciphertext buffer out, e.g. the answer to a key update. */
static void send_engine_output(struct stream *s, struct buf *out)
{
	if (out->len == 0) {
		return;
	}
	if (s->wire.len - s->wire_from + out->len > STREAM_WIRE_MAX) {
		stream_fail(s, ERR_LIMIT, "the peer floods TLS with key updates");
		return;
	}
	if (s->wire.at == NULL) {
		s->wire = loop_buf_get(s->loop);
	}
	buf_add_str(&s->wire, buf_str(out));
	stream_flush_soon(s);
}

/* Fills the loop's scratch from the engine; TLS_OK: it is full and there may be more. */
static enum tls_outcome decrypt(struct stream *s, size_t *total, struct err *err)
{
	const size_t cap = LOOP_SCRATCH + LOOP_SCRATCH_SLACK;
	char *into = loop_scratch(s->loop);
	struct buf *out = loop_cipher_out(s->loop);
	enum tls_outcome outcome = TLS_OK;

	*total = 0;
	while (outcome == TLS_OK && cap - *total >= TLS_RECORD_MAX) {
		size_t n = 0;
		outcome = tls_read(s->tls, into + *total, cap - *total, &n, out, err);
		*total += outcome == TLS_OK ? n : 0;
	}
	send_engine_output(s, out);
	return outcome;
}

/* The plain text that was just lent or kept. `s` lives until the end of the loop's turn. */
static void wipe_scratch(const struct stream *s, size_t len)
{
	if (s->wipes) {
		explicit_bzero(loop_scratch(s->loop), len);
	}
}

static void read_engine(struct stream *s)
{
	enum tls_outcome outcome;
	struct err err;

	do {
		size_t total;
		outcome = decrypt(s, &total, &err);
		lend(s, str_make(loop_scratch(s->loop), total));
		wipe_scratch(s, total);
	} while (outcome == TLS_OK && s->state == STREAM_UP);
	if (s->state == STREAM_DEAD) {
		return;
	}
	if (outcome == TLS_CLOSED) {
		told_eof(s);
	} else if (outcome == TLS_FAILED) {
		stream_fail_err(s, &err);
	}
}

void stream_keep_engine(struct stream *s)
{
	enum tls_outcome outcome;
	struct err err;

	do {
		size_t total;
		outcome = decrypt(s, &total, &err);
		keep(s, str_make(loop_scratch(s->loop), total));
		wipe_scratch(s, total);
	} while (outcome == TLS_OK);
	s->readable_due = kept_len(s) > 0;
	if (outcome == TLS_CLOSED) {
		told_eof(s);
	} else if (outcome == TLS_FAILED) {
		stream_fail_err(s, &err);
	}
}

static void at_end_of_input(struct stream *s, int why)
{
	if (why != 0) {
		s->eof = true;
		stream_fail(s, ERR_NETWORK, "%s",
			    why == ECONNRESET ? "the peer reset the connection"
					      : strerrordesc_np(why));
	} else if (s->tls != NULL) {
		s->eof = true;
		stream_fail(s, ERR_NETWORK, "the peer broke off without ending TLS");
	} else {
		told_eof(s);
	}
}

void stream_read(struct stream *s)
{
	size_t room = s->read_limit - kept_len(s);
	size_t want = room < LOOP_SCRATCH ? room : LOOP_SCRATCH;
	char *into = s->tls ? loop_cipher_in(s->loop) : loop_scratch(s->loop);

	if (!may_read(s)) {
		return;
	}
	ssize_t n = recv(s->fd, into, want, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		at_end_of_input(s, n < 0 ? errno : 0);
		return;
	}
	s->last_read = loop_now(s->loop);
	if (s->tls) {
		tls_feed(s->tls, str_make(into, (size_t)n));
		read_engine(s);
	} else {
		lend(s, str_make(into, (size_t)n));
		wipe_scratch(s, (size_t)n);
	}
}

static void discard(struct stream *s)
{
	ssize_t n = recv(s->fd, loop_scratch(s->loop), LOOP_SCRATCH, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		stream_close(s);
	}
}

static void on_hang_up(struct stream *s)
{
	int why = 0;
	socklen_t len = sizeof(why);

	(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (why != 0 || s->state >= STREAM_ENDING) {
		stream_fail(s, ERR_NETWORK, "%s", strerrordesc_np(why));
	} else {
		/* Known, or to be read when the owner has taken what is kept; it would be told in
		 * each turn. */
		loop_io_remove(s->loop, &s->io);
		s->hung_up = true;
	}
}

void stream_on_ready(struct loop_io *io, unsigned ready)
{
	struct stream *s = CONTAINER_OF(io, struct stream, io);

	if (s->state == STREAM_CONNECTING) {
		stream_connecting_ready(s);
		return;
	}
	if (s->state == STREAM_HANDSHAKING) {
		stream_handshake_ready(s);
		return;
	}
	if (s->state == STREAM_LINGERING) {
		discard(s);
		return;
	}
	if (ready & LOOP_WRITE) {
		s->blocked = false;
		stream_flush_soon(s);
	}
	if (s->state == STREAM_UP && may_read(s) && (ready & (LOOP_READ | LOOP_HANGUP))) {
		stream_read(s);
	} else if (ready & LOOP_HANGUP) {
		on_hang_up(s);
	}
	if (s->state == STREAM_UP && !may_read(s)) {
		stream_watch(s);
	}
}
