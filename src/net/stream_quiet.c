#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>

bool stream_is_quiet(const struct stream *s)
{
	char byte;

	if (!stream_is_open(s) || stream_peek(s).len > 0 || stream_queued(s) > 0) {
		return false;
	}
	ssize_t n = recv(stream_fd(s), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN;
}
