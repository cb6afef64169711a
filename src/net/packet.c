#include "net/packet.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
};

bool packet_pair(int out[static 2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot make a socket pair");
	}
	return true;
}

static enum packet_outcome failed(struct err *err, const char *what)
{
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
		return PACKET_END;
	}
	if (errno == EAGAIN) {
		return PACKET_TIMEOUT;
	}
	(void)err_errno(err, ERR_SYSTEM, "cannot %s a message between processes", what);
	return PACKET_FAILED;
}

enum packet_outcome packet_send(int fd, struct str bytes, const int *fds, size_t n_fds,
				struct err *err)
{
	union control control = {0};
	char *text = (char *)(uintptr_t)bytes.at; /* sendmsg() only reads it */
	struct iovec part = {.iov_base = text, .iov_len = bytes.len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (bytes.len == 0 || n_fds > PACKET_FDS_MAX) {
		(void)err_set(err, ERR_LIMIT, "a message of %zu bytes with %zu descriptors",
			      bytes.len, n_fds);
		return PACKET_FAILED;
	}
	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n >= 0) {
			return PACKET_OK;
		}
		if (errno != EINTR) {
			return failed(err, "send");
		}
	}
}

/* Gives the caller up to `max` of the descriptors that came and closes the rest. */
static size_t keep_fds(struct msghdr *message, int *fds, size_t max)
{
	size_t kept = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < max) {
				fds[kept++] = fd;
			} else {
				close_fd(fd);
			}
		}
	}
	return kept;
}

enum packet_outcome packet_receive(int fd, void *into, size_t cap, size_t *len, int *fds,
				   size_t fds_max, size_t *n_fds, struct err *err)
{
	union control control = {0};
	struct iovec part = {.iov_base = into, .iov_len = cap};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	do {
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return failed(err, "receive");
	}
	bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
	size_t kept = keep_fds(&message, fds, cut ? 0 : fds_max);
	if (cut) {
		return PACKET_TOO_LONG;
	}
	if (n == 0) {
		return PACKET_END; /* nobody sends empty messages: packet_send() refuses them */
	}
	*len = (size_t)n;
	if (n_fds) {
		*n_fds = kept;
	}
	return PACKET_OK;
}

bool packet_set_timeout(int fd, msec_t receive_ms, struct err *err)
{
	struct timeval limit = {.tv_sec = receive_ms / 1000, .tv_usec = (receive_ms % 1000) * 1000};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot set a time limit");
	}
	return true;
}

void packet_hang_up(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}
