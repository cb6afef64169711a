#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_priv.h"

static bool may_tell(const struct stream *s)
{
	return s->state < STREAM_ENDING;
}

/* ---- telling, in phase ACT ---- */

static void on_act(struct loop_task *task)
{
	struct stream *s = CONTAINER_OF(task, struct stream, act);

	if (s->open_due && may_tell(s)) {
		s->open_due = false;
		s->fn(s, STREAM_OPEN, s->user);
	}
	if (s->readable_due && may_tell(s)) {
		s->readable_due = false;
		if (stream_peek(s).len > 0) {
			s->fn(s, STREAM_READABLE, s->user);
		}
	}
	if (s->eof && !s->eof_told && !s->failed_due && may_tell(s)) {
		s->eof_told = true;
		s->fn(s, STREAM_EOF, s->user);
	}
	if (s->failed_due && may_tell(s)) {
		s->fn(s, STREAM_FAILED, s->user);
	}
}

void stream_tell(struct stream *s)
{
	loop_defer(s->loop, LOOP_ACT, &s->act, on_act);
}

void stream_fail_err(struct stream *s, const struct err *err)
{
	if (s->failure != NULL || s->state == STREAM_DEAD) {
		return;
	}
	if (s->state >= STREAM_ENDING) {
		stream_close(s); /* nobody listens any more */
		return;
	}
	s->failure = NEW(struct err);
	*s->failure = *err;
	s->failed_due = true;
	loop_io_remove(s->loop, &s->io);
	loop_timer_cancel(s->loop, &s->timer);
	stream_tell(s);
}

void stream_fail(struct stream *s, enum err_kind kind, const char *fmt, ...)
{
	struct err err;
	char text[sizeof(err.text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err_set(&err, kind, "%s", text);
	stream_fail_err(s, &err);
}

/* ---- life ---- */

struct stream *stream_make(struct loop *l, int take_fd, stream_fn *fn, void *user)
{
	struct stream *s = NEW(struct stream);

	s->loop = l;
	s->fn = fn;
	s->user = user;
	s->fd = take_fd;
	s->io.fd = -1;
	s->read_limit = STREAM_READ_LIMIT;
	s->last_read = loop_now(l);
	s->kept = s->out = s->wire = (struct buf){.max = SIZE_MAX / 2};
	return s;
}

struct stream *stream_adopt(struct loop *l, int take_fd, stream_fn *fn, void *user)
{
	struct stream *s = stream_make(l, take_fd, fn, user);
	int on = 1;

	(void)setsockopt(take_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->state = STREAM_UP;
	stream_watch(s);
	return s;
}

static void on_death(struct loop_task *task)
{
	struct stream *s = CONTAINER_OF(task, struct stream, death);

	buf_fini(&s->out); /* a reservation after the end */
	free(s->failure);
	free(s);
}

void stream_close(struct stream *s)
{
	if (s == NULL || s->state == STREAM_DEAD) {
		return;
	}
	s->state = STREAM_DEAD;
	loop_io_remove(s->loop, &s->io);
	loop_timer_cancel(s->loop, &s->timer);
	loop_undefer(s->loop, &s->act);
	loop_undefer(s->loop, &s->flush);
	loop_orphan_remove(&s->orphan);
	stream_open_drop(s);
	tls_engine_free(TAKE(s->tls));
	close_fd(s->fd);
	s->fd = -1;
	s->lent = STR_NONE;
	loop_buf_put(s->loop, &s->kept);
	loop_buf_put(s->loop, &s->out);
	loop_buf_put(s->loop, &s->wire);
	loop_defer(s->loop, LOOP_FREE, &s->death, on_death);
}

void stream_abort(struct stream *s)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (s->fd >= 0) {
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	}
	stream_close(s);
}

static void end_orphan(struct loop_orphan *o)
{
	stream_close(CONTAINER_OF(o, struct stream, orphan));
}

static void on_end_timeout(struct loop_timer *t)
{
	stream_close(CONTAINER_OF(t, struct stream, timer));
}

/* The peer may still be sending; a reset would destroy the alert on its way. */
static void linger_after_alert(struct stream *s)
{
	loop_undefer(s->loop, &s->act);
	s->failed_due = false;
	free(TAKE(s->failure));
	stream_open_drop(s);
	loop_orphan_add(s->loop, &s->orphan, end_orphan);
	(void)shutdown(s->fd, SHUT_WR);
	s->state = STREAM_LINGERING;
	loop_timer_set(s->loop, &s->timer, loop_now(s->loop) + STREAM_LINGER_MS, on_end_timeout);
	stream_watch(s);
}

void stream_close_after_flush(struct stream *s, msec_t timeout)
{
	if (s->alerted && s->state == STREAM_HANDSHAKING) {
		linger_after_alert(s);
		return;
	}
	if (s->state != STREAM_UP || s->failure != NULL || s->broken) {
		stream_close(s);
		return;
	}
	loop_orphan_add(s->loop, &s->orphan, end_orphan);
	s->state = STREAM_ENDING;
	s->finishing = true;
	loop_undefer(s->loop, &s->act);
	loop_timer_set(s->loop, &s->timer, loop_now(s->loop) + timeout, on_end_timeout);
	stream_flush_soon(s);
}

void stream_expect_more(struct stream *s)
{
	s->expects_more = true;
}

/* ---- moving ---- */

bool stream_detach(struct stream *s, struct stream_parts *out)
{
	if (s->state != STREAM_UP || stream_queued(s) > 0 || s->finishing || s->failure != NULL ||
	    s->broken || s->eof) {
		return false;
	}
	*out = (struct stream_parts){.unread = BUF(SIZE_MAX / 2)};
	buf_add_str(&out->unread, stream_peek(s));
	out->tls = TAKE(s->tls);
	loop_io_remove(s->loop, &s->io);
	out->fd = TAKE_FD(s->fd);
	stream_close(s);
	return true;
}

struct stream *stream_attach(struct loop *l, struct stream_parts *take, stream_fn *fn, void *user)
{
	struct stream *s = stream_make(l, TAKE_FD(take->fd), fn, user);

	s->tls = TAKE(take->tls);
	s->state = STREAM_UP;
	s->kept = take->unread;
	take->unread = BUF(SIZE_MAX / 2);
	s->readable_due = s->kept.len > 0;
	if (s->readable_due) {
		stream_tell(s);
	}
	stream_watch(s);
	return s;
}

/* ---- what can be asked and set ---- */

void stream_set_handler(struct stream *s, stream_fn *fn, void *user)
{
	s->fn = fn;
	s->user = user;
}

bool stream_is_open(const struct stream *s)
{
	return s->state == STREAM_UP && s->failure == NULL && !s->broken;
}

const struct err *stream_failure(const struct stream *s)
{
	return s->failure;
}

msec_t stream_last_read(const struct stream *s)
{
	return s->last_read;
}

struct tls_engine *stream_tls(const struct stream *s)
{
	return s->tls;
}

struct loop *stream_loop(const struct stream *s)
{
	return s->loop;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

void stream_set_user_timeout(struct stream *s, msec_t ms)
{
	unsigned value = (unsigned)ms;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof(value));
}

void stream_set_notsent_lowat(struct stream *s, size_t bytes)
{
	unsigned value = (unsigned)bytes;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value));
}
