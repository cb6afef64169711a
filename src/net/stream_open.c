/* The way to an open stream: connecting to one of several addresses, and the TLS handshake. */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_priv.h"

enum {
	HANDSHAKE_IN_MAX = 64 * 1024, /* bytes of a peer's flight; certificates are a few KiB */
};

struct connecting {
	struct address addresses[ADDRESSES_MAX];
	size_t n, at;
	msec_t timeout;
	struct err last; /* why the address before failed */
};

/*
 * A step of the handshake, as a job. The engine is in here while the job runs, and the stream has
 * none. `stream` is looked at only on the loop; a stream that dies meanwhile clears it.
 */
struct handshake {
	struct job job;
	struct stream *stream;
	struct jobs *jobs; /* NULL: on the loop */
	struct tls_engine *tls;
	struct buf in, out;
	bool running;
	enum tls_outcome outcome;
	struct err err;
};

static void handshake_free(struct handshake *h)
{
	tls_engine_free(h->tls);
	buf_fini(&h->in);
	buf_fini(&h->out);
	free(h);
}

void stream_open_drop(struct stream *s)
{
	struct handshake *h = TAKE(s->handshake);

	free(TAKE(s->connecting));
	if (h == NULL) {
		return;
	}
	h->stream = NULL;
	if (!h->running) {
		handshake_free(h);
	}
}

static void is_open(struct stream *s)
{
	loop_timer_cancel(s->loop, &s->timer);
	stream_open_drop(s);
	s->state = STREAM_UP;
	s->open_due = true;
	stream_tell(s);
	stream_watch(s);
	stream_flush_soon(s); /* what was written meanwhile */
}

/* ---- connecting ---- */

static void connect_next(struct stream *s);

static void drop_socket(struct stream *s)
{
	loop_io_remove(s->loop, &s->io);
	close_fd(s->fd);
	s->fd = -1;
}

static void connect_failed(struct stream *s, const char *why)
{
	struct connecting *c = s->connecting;
	char where[64];

	address_format(&c->addresses[c->at], where, sizeof(where));
	err_set(&c->last, ERR_NETWORK, "cannot connect to %s: %s", where, why);
	c->at++;
	connect_next(s);
}

static void on_connect_timeout(struct loop_timer *t)
{
	struct stream *s = CONTAINER_OF(t, struct stream, timer);

	drop_socket(s);
	connect_failed(s, "no answer in time");
}

/* True: on its way. */
static bool connect_one(struct stream *s, const struct address *a)
{
	const struct sockaddr *to = (const void *)a->bytes;
	int on = 1;

	s->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		return false;
	}
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(s->fd, to, a->len) == 0 || errno == EINPROGRESS) {
		return true;
	}
	int why = errno;
	close_fd(s->fd);
	s->fd = -1;
	errno = why;
	return false;
}

static void connect_next(struct stream *s)
{
	struct connecting *c = s->connecting;

	for (; c->at < c->n; c->at++) {
		if (connect_one(s, &c->addresses[c->at])) {
			stream_watch(s);
			loop_timer_set(s->loop, &s->timer, loop_now(s->loop) + c->timeout,
				       on_connect_timeout);
			return;
		}
		char where[64];
		address_format(&c->addresses[c->at], where, sizeof(where));
		err_errno(&c->last, ERR_NETWORK, "cannot connect to %s", where);
	}
	stream_fail_err(s, &c->last);
}

void stream_connecting_ready(struct stream *s)
{
	int why = 0;
	socklen_t len = sizeof(why);

	(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (why == 0) {
		s->last_read = loop_now(s->loop);
		is_open(s);
		return;
	}
	drop_socket(s);
	connect_failed(s, strerrordesc_np(why));
}

struct stream *stream_connect(struct loop *l, const struct address *addresses, size_t n,
			      msec_t timeout, stream_fn *fn, void *user)
{
	struct stream *s = stream_make(l, -1, fn, user);
	struct connecting *c = NEW(struct connecting);

	c->n = n < ADDRESSES_MAX ? n : ADDRESSES_MAX;
	memcpy(c->addresses, addresses, c->n * sizeof(*addresses));
	c->timeout = timeout;
	err_set(&c->last, ERR_NETWORK, "no address to connect to");
	s->connecting = c;
	s->state = STREAM_CONNECTING;
	connect_next(s);
	return s;
}

/* ---- TLS ---- */

static void on_handshake_timeout(struct loop_timer *t)
{
	stream_fail(CONTAINER_OF(t, struct stream, timer), ERR_NETWORK,
		    "the TLS handshake took too long");
}

static void run_step(struct job *job)
{
	struct handshake *h = CONTAINER_OF(job, struct handshake, job);

	tls_feed(h->tls, buf_str(&h->in));
	h->outcome = tls_handshake(h->tls, &h->out, &h->err);
}

static void step_done(struct handshake *h);

static void on_job_done(struct job *job)
{
	step_done(CONTAINER_OF(job, struct handshake, job));
}

static void start_step(struct stream *s)
{
	struct handshake *h = s->handshake;
	struct err err;

	h->running = true;
	loop_io_set(s->loop, &s->io, s->fd, 0, stream_on_ready);
	h->job.run = run_step;
	h->job.done = on_job_done;
	if (h->jobs == NULL) {
		run_step(&h->job);
		step_done(h);
	} else if (!jobs_submit(h->jobs, s->loop, &h->job, &err)) {
		h->running = false;
		stream_fail_err(s, &err);
	}
}

/* A flight is a few KiB on an empty socket: it fits, or the peer does not read. */
static void send_flight(struct stream *s, struct buf *out)
{
	if (out->len > 0 &&
	    send(s->fd, out->at, out->len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)out->len) {
		stream_fail(s, ERR_NETWORK, "the peer broke off the TLS handshake");
	}
	buf_reset(out);
}

static void step_done(struct handshake *h)
{
	struct stream *s = h->stream;

	h->running = false;
	if (s == NULL || s->failure != NULL) {
		if (s == NULL) {
			handshake_free(h);
		}
		return;
	}
	s->alerted = h->outcome == TLS_FAILED && h->out.len > 0;
	send_flight(s, &h->out);
	if (h->outcome == TLS_OK && s->failure == NULL) {
		UNUSED AUTO_BUF struct buf in = h->in; /* the engine still reads from it */
		h->in = BUF(HANDSHAKE_IN_MAX);
		s->tls = TAKE(h->tls);
		is_open(s);
		stream_keep_engine(s);
		return;
	}
	buf_reset(&h->in);
	if (h->outcome == TLS_FAILED) {
		stream_fail_err(s, &h->err);
	} else if (s->failure == NULL) {
		loop_io_set(s->loop, &s->io, s->fd, LOOP_READ, stream_on_ready);
	}
}

void stream_handshake_ready(struct stream *s)
{
	struct handshake *h = s->handshake;
	char *into = loop_scratch(s->loop);

	if (h->running) {
		loop_io_remove(s->loop, &s->io); /* a hang-up, which would be told in each turn */
		return;
	}
	ssize_t n = recv(s->fd, into, HANDSHAKE_IN_MAX, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		stream_fail(s, ERR_NETWORK, "the peer broke off the TLS handshake");
		return;
	}
	s->last_read = loop_now(s->loop);
	buf_add(&h->in, into, (size_t)n);
	start_step(s);
}

void stream_start_tls(struct stream *s, struct tls_engine *take, struct jobs *jobs, msec_t timeout)
{
	struct handshake *h = NEW(struct handshake);
	struct str unread = stream_peek(s);

	assert(s->tls == NULL && s->handshake == NULL);
	h->stream = s;
	h->jobs = jobs;
	h->tls = take;
	h->in = BUF(HANDSHAKE_IN_MAX);
	h->out = BUF(SIZE_MAX / 2);
	buf_add_str(&h->in, str_first(unread, HANDSHAKE_IN_MAX));
	stream_consume(s, unread.len);
	s->handshake = h;
	if (s->failure != NULL || s->state != STREAM_UP) {
		return;
	}
	s->state = STREAM_HANDSHAKING;
	loop_timer_set(s->loop, &s->timer, loop_now(s->loop) + timeout, on_handshake_timeout);
	if (h->in.len == 0) {
		/* A client's hello needs no signature, a server has nothing to do yet: no job. */
		h->jobs = NULL;
		start_step(s);
		if (s->handshake != NULL) {
			h->jobs = jobs;
		}
	} else {
		start_step(s);
	}
}
