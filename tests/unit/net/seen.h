#pragma once
/* What a stream's owner saw, for the tests of streams: one letter per event and the text. */
#include "net/stream.h"
#include "unit/unit.h"

struct seen {
	struct stream *stream;
	char trace[256]; /* o r s e f */
	char text[4096];
	size_t bytes;       /* that came, also where text is full */
	size_t take;        /* bytes consumed at each STREAM_READABLE */
	bool close_at_read; /* stream_close() inside STREAM_READABLE */
};
#define SEEN ((struct seen){.take = SIZE_MAX})

UNUSED static void on_stream(struct stream *s, enum stream_event event, void *user)
{
	struct seen *seen = user;
	size_t n = strlen(seen->trace);

	if (n + 1 < sizeof(seen->trace)) {
		seen->trace[n] = "orsef"[event];
	}
	if (event != STREAM_READABLE) {
		return;
	}
	if (seen->close_at_read) {
		stream_close(s);
		return;
	}
	struct str bytes = str_first(stream_peek(s), seen->take);
	size_t old = strlen(seen->text);
	if (old + bytes.len < sizeof(seen->text)) {
		memcpy(seen->text + old, bytes.at, bytes.len);
	}
	seen->bytes += bytes.len;
	stream_consume(s, bytes.len);
}
