#pragma once
/*
 * Whole messages and open descriptors between our own processes, over SOCK_SEQPACKET pairs.
 *
 * Blocking calls, for threads that have nothing else to do; a message arrives whole or not at all.
 * Descriptors travel as SCM_RIGHTS and arrive close-on-exec.
 */
#include "base/err.h"
#include "base/str.h"

enum {
	PACKET_FDS_MAX = 64, /* descriptors in one message; what is beyond is refused */
};

enum packet_outcome {
	PACKET_OK,
	PACKET_END,      /* the other end is gone, for good */
	PACKET_TOO_LONG, /* the message did not fit and is lost; the descriptors are closed */
	PACKET_TIMEOUT,  /* packet_set_timeout() ran out */
	PACKET_FAILED,   /* see err */
};

/* Both ends are close-on-exec. */
NODISCARD bool packet_pair(int out[static 2], struct err *err);
/* Sends all of `bytes` (at least one) in one message; the descriptors stay the caller's. */
enum packet_outcome packet_send(int fd, struct str bytes, const int *fds, size_t n_fds,
				struct err *err);
/* `fds` may be NULL with fds_max 0: descriptors that come then are closed. */
enum packet_outcome packet_receive(int fd, void *into, size_t cap, size_t *len, int *fds,
				   size_t fds_max, size_t *n_fds, struct err *err);
NODISCARD bool packet_set_timeout(int fd, msec_t receive_ms, struct err *err); /* 0: for ever */
/* Ends both directions: who waits in packet_receive() on it, also here, gets PACKET_END. */
void packet_hang_up(int fd);
