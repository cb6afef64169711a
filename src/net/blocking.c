#include "net/blocking.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

enum {
	INPUT_MAX = 32 * 1024,  /* bytes of one recv */
	OUTPUT_MAX = 64 * 1024, /* ciphertext that waits: a flight, or one piece of a send */
	SEND_PIECE = 32 * 1024, /* plaintext bytes encrypted at a time */
};

struct blocking {
	int fd;
	struct tls_engine *tls; /* NULL: plain */
	struct buf in;          /* ciphertext lent to the engine */
	struct buf out;
};

struct blocking *blocking_adopt(int take_fd)
{
	struct blocking *b = NEW(struct blocking);

	b->fd = take_fd;
	b->in = BUF(INPUT_MAX);
	b->out = BUF(OUTPUT_MAX);
	return b;
}

static bool push_out(struct blocking *b, msec_t deadline, struct err *err);

void blocking_free(struct blocking *b)
{
	if (b == NULL) {
		return;
	}
	if (b->tls != NULL) {
		struct err ignored;
		tls_close_notify(b->tls, &b->out);
		(void)!push_out(b, 0, &ignored); /* what fits at once */
	}
	tls_engine_free(b->tls);
	close_fd(b->fd);
	buf_fini(&b->in);
	buf_fini(&b->out);
	free(b);
}

/* ---- waiting ---- */

static bool wait_for(int fd, short events, msec_t deadline, const char *what, struct err *err)
{
	for (;;) {
		msec_t left = deadline - clock_now();
		struct pollfd p = {.fd = fd, .events = events};
		int n = poll(&p, 1, left > 0 ? (int)(left < INT32_MAX ? left : INT32_MAX) : 0);
		if (n > 0) {
			return true;
		}
		if (n < 0 && errno != EINTR) {
			return err_errno(err, ERR_SYSTEM, "%s", what);
		}
		if (n == 0 && left <= 0) {
			return err_set(err, ERR_NETWORK, "%s: no answer in time", what);
		}
	}
}

/* ---- connecting ---- */

static bool finish_connect(int fd, msec_t deadline, struct err *err)
{
	int why = 0;
	socklen_t len = sizeof(why);

	if (!wait_for(fd, POLLOUT, deadline, "connecting", err)) {
		return false;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
	errno = why;
	return why == 0 || err_errno(err, ERR_NETWORK, "connecting");
}

bool blocking_connect(const struct address *to, msec_t deadline, struct blocking **out,
		      struct err *err)
{
	const struct sockaddr *name = (const void *)to->bytes;
	AUTO_FD int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char where[64];
	int on = 1;

	address_format(to, where, sizeof(where));
	if (fd < 0) {
		return err_errno(err, ERR_SYSTEM, "cannot connect to %s", where);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, name, to->len) != 0) {
		if (errno != EINPROGRESS) {
			return err_errno(err, ERR_NETWORK, "cannot connect to %s", where);
		}
		if (!finish_connect(fd, deadline, err)) {
			return err_wrap(err, "%s", where);
		}
	}
	*out = blocking_adopt(TAKE_FD(fd));
	return true;
}

/* ---- bytes ---- */

static bool push(int fd, struct str bytes, msec_t deadline, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			bytes = str_skip(bytes, (size_t)n);
		} else if (errno != EAGAIN && errno != EINTR) {
			return err_errno(err, ERR_NETWORK, "sending");
		} else if (!wait_for(fd, POLLOUT, deadline, "sending", err)) {
			return false;
		}
	}
	return true;
}

static bool push_out(struct blocking *b, msec_t deadline, struct err *err)
{
	bool pushed = push(b->fd, buf_str(&b->out), deadline, err);

	buf_reset(&b->out);
	return pushed;
}

static enum blocking_outcome pull(int fd, void *into, size_t cap, size_t *n, msec_t deadline,
				  struct err *err)
{
	for (;;) {
		ssize_t got = recv(fd, into, cap, MSG_DONTWAIT);
		if (got > 0) {
			*n = (size_t)got;
			return BLOCKING_DATA;
		}
		if (got == 0) {
			return BLOCKING_END;
		}
		if (errno != EAGAIN && errno != EINTR) {
			err_errno(err, ERR_NETWORK, "receiving");
			return BLOCKING_FAILED;
		}
		if (!wait_for(fd, POLLIN, deadline, "receiving", err)) {
			return BLOCKING_FAILED;
		}
	}
}

/* More ciphertext for the engine. An end here is one without close_notify. */
static bool feed_more(struct blocking *b, const char *what, msec_t deadline, struct err *err)
{
	size_t n = 0;

	buf_reset(&b->in);
	switch (pull(b->fd, buf_reserve(&b->in, INPUT_MAX), INPUT_MAX, &n, deadline, err)) {
	case BLOCKING_DATA:
		buf_commit(&b->in, n);
		tls_feed(b->tls, buf_str(&b->in));
		return true;
	case BLOCKING_END:
		return err_set(err, ERR_NETWORK, "the peer broke off %s", what);
	case BLOCKING_FAILED:
		break;
	}
	return err_wrap(err, "%s", what);
}

bool blocking_start_tls(struct blocking *b, struct tls_config *config, const char *peer_name,
			msec_t deadline, struct err *err)
{
	struct err unsent;

	assert(b->tls == NULL);
	if (!tls_engine_new(config, peer_name, &b->tls, err)) {
		return false;
	}
	for (;;) {
		switch (tls_handshake(b->tls, &b->out, err)) {
		case TLS_OK:
			return push_out(b, deadline, err);
		case TLS_WANT_INPUT:
			if (!push_out(b, deadline, err) ||
			    !feed_more(b, "the TLS handshake", deadline, err)) {
				return false;
			}
			break;
		case TLS_CLOSED:
			return err_set(err, ERR_NETWORK, "the peer closed in the TLS handshake");
		case TLS_FAILED:
			(void)!push_out(b, deadline, &unsent); /* the alert */
			return false;
		}
	}
}

const struct tls_engine *blocking_tls(const struct blocking *b)
{
	return b->tls;
}

bool blocking_send(struct blocking *b, struct str bytes, msec_t deadline, struct err *err)
{
	if (b->tls == NULL) {
		return push(b->fd, bytes, deadline, err);
	}
	while (bytes.len > 0) {
		struct str piece = str_first(bytes, SEND_PIECE);
		if (!tls_write(b->tls, piece, &b->out, err) || !push_out(b, deadline, err)) {
			return false;
		}
		bytes = str_skip(bytes, piece.len);
	}
	return true;
}

static enum blocking_outcome receive_tls(struct blocking *b, void *into, size_t cap, size_t *n,
					 msec_t deadline, struct err *err)
{
	for (;;) {
		enum tls_outcome o = tls_read(b->tls, into, cap, n, &b->out, err);
		struct err unsent;
		(void)!push_out(b, deadline, &unsent); /* an answer to a key update, an alert */
		switch (o) {
		case TLS_OK:
			return BLOCKING_DATA;
		case TLS_CLOSED:
			return BLOCKING_END;
		case TLS_FAILED:
			return BLOCKING_FAILED;
		case TLS_WANT_INPUT:
			if (!feed_more(b, "the TLS connection", deadline, err)) {
				return BLOCKING_FAILED;
			}
			break;
		}
	}
}

enum blocking_outcome blocking_receive(struct blocking *b, void *into, size_t cap, size_t *n,
				       msec_t deadline, struct err *err)
{
	return b->tls != NULL ? receive_tls(b, into, cap, n, deadline, err)
			      : pull(b->fd, into, cap, n, deadline, err);
}
