#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum {
	PAUSE_MS = 100,        /* without descriptors: time for others to close theirs */
	WARN_EVERY_MS = 60000, /* one line about it */
};

struct listener {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer pause;
	struct loop_task death;
	listener_fn *fn;
	void *user;
	int fd;
	msec_t warned; /* 0: never */
};

static void on_ready(struct loop_io *io, unsigned ready);

static void on_pause_end(struct loop_timer *t)
{
	struct listener *l = CONTAINER_OF(t, struct listener, pause);
	loop_io_set(l->loop, &l->io, l->fd, LOOP_READ, on_ready);
}

static void pause_accepting(struct listener *l, int why)
{
	msec_t now = loop_now(l->loop);

	loop_io_set(l->loop, &l->io, l->fd, 0, on_ready);
	loop_timer_set(l->loop, &l->pause, now + PAUSE_MS, on_pause_end);
	if (l->warned == 0 || now - l->warned >= WARN_EVERY_MS) {
		l->warned = now > 0 ? now : 1;
		log_warning("accepting pauses, the system has no room for another connection",
			    LOG_TEXT("why", strerrordesc_np(why)),
			    LOG_INT("port", listener_port(l)));
	}
}

static bool is_lack_of_room(int why)
{
	return why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM;
}

static void on_ready(struct loop_io *io, unsigned ready)
{
	struct listener *l = CONTAINER_OF(io, struct listener, io);

	(void)ready;
	for (int i = 0; i < LISTENER_BATCH && l->fd >= 0; i++) {
		struct address peer = {.len = sizeof(peer.bytes)};
		int fd =
			accept4(l->fd, (void *)peer.bytes, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			int on = 1;
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			l->fn(l->user, fd, &peer);
			continue;
		}
		if (is_lack_of_room(errno)) {
			pause_accepting(l, errno);
		}
		if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) {
			return;
		}
	}
}

static bool cannot_bind(const char *where, struct err *err)
{
	switch (errno) {
	case EADDRINUSE:
		return err_set(err, ERR_CONFIG,
			       "cannot listen on %s: another program does (ss -ltnp names it): end "
			       "it, or set another address",
			       where);
	case EADDRNOTAVAIL:
		return err_set(err, ERR_CONFIG,
			       "cannot listen on %s: this machine does not have that address (ip "
			       "address names those it has): set one of them, or 0.0.0.0 or [::]",
			       where);
	case EACCES:
		return err_set(err, ERR_CONFIG,
			       "cannot listen on %s: this user may not use that port: set one from "
			       "1024 on, or give the program CAP_NET_BIND_SERVICE",
			       where);
	default:
		return err_errno(err, ERR_CONFIG, "cannot listen on %s", where);
	}
}

static bool bind_to(const struct address *a, bool shared, const char *where, int *out,
		    struct err *err)
{
	int family = ((const struct sockaddr *)(const void *)a->bytes)->sa_family;
	AUTO_FD int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0) {
		return err_errno(err, ERR_SYSTEM, "cannot listen on %s", where);
	}

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot share %s", where);
	}
	if (bind(fd, (const void *)a->bytes, a->len) != 0) {
		return cannot_bind(where, err);
	}
	*out = TAKE_FD(fd);
	return true;
}

static bool parse_where(const char *where, struct address *out, struct err *err)
{
	struct str text = str_of(where), host, rest;
	size_t colon = str_find_last(text, ':');
	uint64_t port;

	/* Port 0 is a wish here, so this is not address_split(). */
	rest = str_skip(text, colon + 1);
	host = str_first(text, colon);
	if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
		host = str_make(host.at + 1, host.len - 2);
	}
	if (colon == text.len || !str_to_u64(rest, &port) || port > UINT16_MAX ||
	    !address_parse(host, (uint16_t)port, out)) {
		return err_set(err, ERR_CONFIG,
			       "\"%s\" is no address to listen on: give an IP address and a port, "
			       "as 127.0.0.1:20003 or [::]:8443",
			       where);
	}
	return true;
}

bool listener_open(struct loop *loop, const char *where, bool shared, listener_fn *fn, void *user,
		   struct listener **out, struct err *err)
{
	struct address a;

	if (!parse_where(where, &a, err)) {
		return false;
	}
	AUTO_FD int fd = -1;
	if (!bind_to(&a, shared, where, &fd, err)) {
		return false;
	}
	if (listen(fd, LISTENER_BACKLOG) != 0) { /* of two that bound it, one is told so here */
		return errno == EADDRINUSE
			       ? cannot_bind(where, err)
			       : err_errno(err, ERR_SYSTEM, "cannot listen on %s", where);
	}
	struct listener *l = NEW(struct listener);
	l->loop = loop;
	l->fn = fn;
	l->user = user;
	l->fd = TAKE_FD(fd);
	loop_io_set(loop, &l->io, l->fd, LOOP_READ, on_ready);
	*out = l;
	return true;
}

bool listener_check(const char *where, bool shared, bool binds, struct err *err)
{
	AUTO_FD int fd = -1;
	struct address a;

	return parse_where(where, &a, err) && (!binds || bind_to(&a, shared, where, &fd, err));
}

bool listener_is_same(const char *a, const char *b)
{
	struct address x, y;
	struct err ignored;

	return parse_where(a, &x, &ignored) && parse_where(b, &y, &ignored) &&
	       address_port(&x) != 0 && x.len == y.len && memcmp(x.bytes, y.bytes, x.len) == 0;
}

static void free_listener(struct loop_task *task)
{
	free(CONTAINER_OF(task, struct listener, death));
}

void listener_close(struct listener *l)
{
	if (l == NULL || l->fd < 0) {
		return;
	}
	loop_io_remove(l->loop, &l->io);
	loop_timer_cancel(l->loop, &l->pause);
	close_fd(l->fd);
	l->fd = -1;
	loop_defer(l->loop, LOOP_FREE, &l->death, free_listener);
}

void listener_finish(struct listener *l)
{
	for (int i = 0; i < LISTENER_BACKLOG / LISTENER_BATCH; i++) {
		struct pollfd waiting = {.fd = l->fd, .events = POLLIN};
		if (poll(&waiting, 1, 0) <= 0) {
			break;
		}
		on_ready(&l->io, LOOP_READ);
	}
	listener_close(l);
}

uint16_t listener_port(const struct listener *l)
{
	struct address a = {.len = sizeof(a.bytes)};

	if (getsockname(l->fd, (void *)a.bytes, &a.len) != 0) {
		return 0;
	}
	return address_port(&a);
}
