#pragma once
/* Accepting sockets. */
#include "net/address.h"
#include "net/loop.h"

struct listener;

/* Called for each connection; the descriptor is non-blocking, close-on-exec, TCP_NODELAY, and
 * taken. */
typedef void listener_fn(void *user, int take_fd, const struct address *peer);

enum {
	LISTENER_BATCH = 64, /* connections accepted in one turn; then others get theirs */
	LISTENER_BACKLOG = 4096,
};

/*
 * `where`: "127.0.0.1:20003", "[::]:8443", port 0 for any. With `shared` several loops open the
 * same address (SO_REUSEPORT). When descriptors run out accepting pauses for 100 ms and a warning
 * is logged once a minute.
 */
NODISCARD bool listener_open(struct loop *l, const char *where, bool shared, listener_fn *fn,
			     void *user, struct listener **out, struct err *err);
/*
 * Whether listener_open() would take `where`; with `binds` also whether this machine lets it, now:
 * the address is bound and given back, and nothing is accepted. For a program that wants to know
 * before it makes what stays.
 */
NODISCARD bool listener_check(const char *where, bool shared, bool binds, struct err *err);
/* Whether two addresses that listener_check() took are one; port 0 is a free one each time. */
bool listener_is_same(const char *a, const char *b);
void listener_close(struct listener *l); /* takes NULL */
/* Hands over the connections that wait in the queue, then closes: a plain close resets them. */
void listener_finish(struct listener *l);
uint16_t listener_port(const struct listener *l);
