#pragma once
/*
 * The sockets to keyd that the calls of one server share.
 *
 * A set of sockets comes from the monitor, and a fresh one each time keyd was started again; a
 * thread of the pool waits for them on the control socket. A caller takes one socket for one call.
 * Sockets of an older set are closed when they are given back.
 *
 * Threads: any.
 */
#include "base/err.h"

struct keys_pool;

struct keys_socket {
	int fd; /* -1: none */
	uint64_t set;
};

/* `control_fd` is taken. Blocks up to `wait` for the first set. */
NODISCARD bool keys_pool_new(int control_fd, msec_t wait, struct keys_pool **out, struct err *err);
void keys_pool_free(struct keys_pool *p); /* takes NULL */
/*
 * A socket of a set newer than `after` (0: any), waiting for it up to `wait`. ERR_STORE when none
 * came, since keyd is away for a while as a database can be (503): the text tells whether it is
 * gone or only busy. ERR_SYSTEM when the monitor is gone too.
 */
NODISCARD bool keys_pool_take(struct keys_pool *p, uint64_t after, msec_t wait,
			      struct keys_socket *out, struct err *err);
void keys_pool_give(struct keys_pool *p, struct keys_socket socket, bool broken);
uint64_t keys_pool_sets(struct keys_pool *p); /* sets that came so far */
DEFINE_AUTO(keys_pool_free, struct keys_pool *)
