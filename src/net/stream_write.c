#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/stream_priv.h"

enum {
	PARTS_MAX = 8, /* of one stream_writev() that go to the socket without a copy */
};

static size_t out_len(const struct stream *s)
{
	return s->out.len - s->out_from;
}

static size_t wire_len(const struct stream *s)
{
	return s->wire.len - s->wire_from;
}

size_t stream_queued(const struct stream *s)
{
	return out_len(s) + wire_len(s);
}

uint64_t stream_sent(const struct stream *s)
{
	return s->sent;
}

void stream_flush_soon(struct stream *s)
{
	if ((s->state == STREAM_UP || s->state == STREAM_ENDING) && !s->filling) {
		loop_defer(s->loop, LOOP_FLUSH, &s->flush, stream_on_flush);
	}
}

void stream_wants_flush(struct stream *s)
{
	stream_flush_soon(s);
}

void stream_set_filler(struct stream *s, void (*fill)(struct stream *s, void *user))
{
	s->fill = fill;
}

static bool takes_output(const struct stream *s)
{
	return s->state < STREAM_ENDING && s->failure == NULL && !s->broken && !s->finishing;
}

/* What the kernel does with bytes that it refused for good: the reading side says why. */
static void break_off(struct stream *s, int why)
{
	struct err err;

	if (s->broken || s->failure != NULL) {
		return;
	}
	s->broken = true;
	s->out_from = s->wire_from = 0;
	loop_buf_put(s->loop, &s->out);
	loop_buf_put(s->loop, &s->wire);
	if (s->state >= STREAM_ENDING) {
		stream_close(s);
		return;
	}
	err_set(&err, ERR_NETWORK, "%s",
		why == EPIPE || why == ECONNRESET ? "the peer closed the connection while we sent"
						  : strerrordesc_np(why));
	stream_read(s); /* an answer that came before the peer stopped taking our bytes */
	if (s->state != STREAM_DEAD) {
		stream_fail_err(s, &err);
	}
}

/* Bytes that the socket took; SIZE_MAX: it is broken (and may be dead now). */
static size_t push(struct stream *s, const struct iovec *parts, size_t n, size_t total)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = n};
	ssize_t took = sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (took < 0 && errno != EAGAIN && errno != EINTR) {
		return SIZE_MAX;
	}
	size_t done = took > 0 ? (size_t)took : 0;
	s->blocked = done < total;
	return done;
}

static void drop_sent(struct stream *s, struct buf *b, size_t *from, size_t len)
{
	*from += len;
	if (*from == b->len) {
		*from = 0;
		loop_buf_put(s->loop, b);
	}
}

/* Large writes of a plain stream go to the socket at once; what it leaves is queued. */
static size_t write_direct(struct stream *s, const struct str *parts, size_t n, size_t total)
{
	struct iovec io[PARTS_MAX + 1];
	size_t queued = out_len(s), n_io = 0;

	if (queued > 0) {
		io[n_io++] = (struct iovec){s->out.at + s->out_from, queued};
	}
	for (size_t i = 0; i < n; i++) {
		io[n_io++] = (struct iovec){(void *)(uintptr_t)parts[i].at, parts[i].len};
	}
	size_t took = push(s, io, n_io, queued + total);
	if (took == SIZE_MAX) {
		s->blocked = false; /* the flush meets the same error, outside the owner's call */
		return 0;
	}
	s->sent += took;
	if (queued > 0) {
		drop_sent(s, &s->out, &s->out_from, took < queued ? took : queued);
	}
	return took > queued ? took - queued : 0;
}

void stream_writev(struct stream *s, const struct str *parts, size_t n)
{
	size_t total = 0, done = 0;

	for (size_t i = 0; i < n; i++) {
		total += parts[i].len;
	}
	if (total == 0 || !takes_output(s)) {
		return;
	}
	if (s->tls == NULL && s->state == STREAM_UP && !s->blocked && total >= STREAM_DIRECT &&
	    n <= PARTS_MAX) {
		done = write_direct(s, parts, n, total);
	}
	for (size_t i = 0; i < n && done < total; i++) {
		struct str rest = str_skip(parts[i], done);
		done -= parts[i].len - rest.len;
		total -= parts[i].len;
		if (rest.len > 0) {
			memcpy(stream_reserve(s, rest.len), rest.at, rest.len);
			stream_wrote(s, rest.len);
		}
	}
	stream_flush_soon(s);
}

void stream_write(struct stream *s, struct str bytes)
{
	stream_writev(s, &bytes, 1);
}

char *stream_reserve(struct stream *s, size_t len)
{
	if (s->out.at == NULL) {
		s->out = loop_buf_get(s->loop);
	}
	if (s->out_from > 0 && s->out.len + len > s->out.cap) {
		buf_drop_front(&s->out, s->out_from);
		s->out_from = 0;
	}
	return buf_reserve(&s->out, len);
}

void stream_wrote(struct stream *s, size_t len)
{
	if (!takes_output(s)) {
		return;
	}
	buf_commit(&s->out, len);
	stream_flush_soon(s);
}

struct buf stream_take_queue(struct stream *s)
{
	struct buf queue = s->out.at != NULL ? s->out : loop_buf_get(s->loop);

	if (s->out_from > 0) {
		buf_drop_front(&queue, s->out_from);
	}
	s->out_from = 0;
	s->out = (struct buf){.max = queue.max};
	return queue;
}

void stream_give_queue(struct stream *s, struct buf *take)
{
	bool is_lost = s->broken || s->failure != NULL || s->state > STREAM_ENDING;

	if (is_lost || take->len == 0) {
		loop_buf_put(s->loop, take);
		return;
	}
	s->out = *take;
	*take = (struct buf){.max = take->max};
	stream_flush_soon(s);
}

static void send_plain(struct stream *s)
{
	size_t total = out_len(s);

	if (total == 0 || s->blocked) {
		return;
	}
	struct iovec io = {s->out.at + s->out_from, total};
	size_t took = push(s, &io, 1, total);
	if (took == SIZE_MAX) {
		break_off(s, errno);
		return;
	}
	s->sent += took;
	drop_sent(s, &s->out, &s->out_from, took);
}

/* Sends `bytes` of ciphertext; what the socket leaves is kept in `wire`. False: broken. */
static bool send_sealed(struct stream *s, struct str bytes)
{
	struct iovec io = {(void *)(uintptr_t)bytes.at, bytes.len};
	size_t took = push(s, &io, 1, bytes.len);

	if (took == SIZE_MAX) {
		break_off(s, errno);
		return false;
	}
	if (took < bytes.len) {
		s->wire = loop_buf_get(s->loop);
		buf_add_str(&s->wire, str_skip(bytes, took));
		return true;
	}
	s->sent += s->wire_plain;
	s->wire_plain = 0;
	return true;
}

static bool send_wire(struct stream *s)
{
	struct iovec io = {s->wire.at + s->wire_from, wire_len(s)};
	size_t took = push(s, &io, 1, wire_len(s));

	if (took == SIZE_MAX) {
		break_off(s, errno);
		return false;
	}
	drop_sent(s, &s->wire, &s->wire_from, took);
	if (s->wire.at == NULL) {
		s->sent += s->wire_plain;
		s->wire_plain = 0;
	}
	return true;
}

static void send_tls(struct stream *s)
{
	struct err err;

	if (wire_len(s) > 0 && !s->blocked && !send_wire(s)) {
		return;
	}
	if (out_len(s) == 0 || s->blocked) {
		return;
	}
	struct str plain =
		str_first(str_make(s->out.at + s->out_from, out_len(s)), LOOP_CIPHER_OUT);
	struct buf *sealed = loop_cipher_out(s->loop);
	if (!tls_write(s->tls, plain, sealed, &err)) {
		stream_fail_err(s, &err);
		return;
	}
	s->wire_plain = plain.len;
	drop_sent(s, &s->out, &s->out_from, plain.len);
	(void)send_sealed(s, buf_str(sealed));
	if (s->state != STREAM_DEAD && out_len(s) > 0 && !s->blocked) {
		stream_flush_soon(s); /* the next turn's share */
	}
}

static void say_end(struct stream *s)
{
	s->finished = true;
	if (s->tls != NULL) {
		struct buf *out = loop_cipher_out(s->loop);
		tls_close_notify(s->tls, out);
		/* Nothing is before it in the socket's way; if it does not fit the FIN says it. */
		(void)!send(s->fd, out->at, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	(void)shutdown(s->fd, SHUT_WR);
}

/* Closes, at once when the peer has sent all that it wanted to. */
static void linger(struct stream *s)
{
	char *into = loop_scratch(s->loop);
	ssize_t n = s->eof ? 0 : recv(s->fd, into, LOOP_SCRATCH, MSG_DONTWAIT);

	bool is_over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);

	if (is_over || (n < 0 && !s->expects_more && stream_peek(s).len == 0)) {
		stream_close(s);
		return;
	}
	msec_t until = loop_now(s->loop) + STREAM_LINGER_MS;
	s->state = STREAM_LINGERING;
	if (s->timer.at > until) {
		loop_timer_set(s->loop, &s->timer, until, s->timer.fn);
	}
}

static void send_fin(struct stream *s)
{
	if (!s->finishing || stream_queued(s) > 0 || s->blocked) {
		return;
	}
	if (!s->finished) {
		say_end(s);
	}
	if (s->state == STREAM_ENDING) {
		linger(s);
	}
}

void stream_on_flush(struct loop_task *task)
{
	struct stream *s = CONTAINER_OF(task, struct stream, flush);

	if (s->fill != NULL && takes_output(s)) {
		s->filling = true; /* it is sent below, not once more */
		s->fill(s, s->user);
		s->filling = false;
	}
	if ((s->state != STREAM_UP && s->state != STREAM_ENDING) || s->failure != NULL) {
		return;
	}
	if (s->tls != NULL) {
		send_tls(s);
	} else {
		send_plain(s);
	}
	if (s->state != STREAM_DEAD && s->failure == NULL) {
		send_fin(s);
	}
	if (s->state == STREAM_DEAD) {
		return;
	}
	stream_watch(s);
	if (s->sent != s->sent_told && s->state == STREAM_UP && s->failure == NULL) {
		s->sent_told = s->sent;
		s->fn(s, STREAM_SENT, s->user);
	}
}
