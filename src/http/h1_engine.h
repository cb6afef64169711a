#pragma once
/*
 * HTTP/1.1 (RFC 9112), strict: bytes in, heads and body pieces out, and the reverse. No socket.
 *
 * Refused with a status: two Content-Length (also in one list), Content-Length with
 * Transfer-Encoding, any coding but a final "chunked", obs-fold, bare CR or LF, white space before
 * the colon or around the request line's parts, NUL, empty or repeated Host, Host unlike the
 * authority of an absolute form, names that are no tokens, versions other than 1.0 and 1.1,
 * Transfer-Encoding in 1.0. Smuggling lives in what two parsers read differently, so nothing is
 * mended.
 */
#include "base/buf.h"
#include "http/message.h"

enum h1_outcome {
	H1_DONE,
	H1_MORE, /* feed again with more bytes behind the same ones */
	H1_BAD,  /* *status and err tell why; the connection cannot be used any more */
};

struct h1_limits {
	size_t line_max, head_max, fields_max;
};
#define H1_LIMITS ((struct h1_limits){HTTP_LINE_MAX, HTTP_HEAD_MAX, HTTP_FIELDS_MAX})

/*
 * One head at the start of `in`; *used bytes belong to it. The strings of *head point into `in`;
 * head->fields is taken from `arena`. At most one empty line before a request is skipped (RFC
 * 9112, 2.2).
 */
enum h1_outcome h1_read_request(struct str in, const struct h1_limits *limits, struct arena *arena,
				struct http_head *head, size_t *used, unsigned *status,
				struct err *err);
/* `request_method` decides about the body (HEAD, CONNECT). 1xx heads are returned as they come. */
enum h1_outcome h1_read_response(struct str in, const struct h1_limits *limits,
				 struct str request_method, struct arena *arena,
				 struct http_head *head, size_t *used, struct err *err);

/* ---- bodies ---- */
struct h1_body {
	enum http_body kind;
	uint64_t left;   /* of the length, or of the current chunk */
	int phase;       /* the chunk reader's */
	size_t line_len; /* bytes of the current chunk line or trailer section */
	struct buf trailer_text;
	bool complete;
};

enum {
	H1_CHUNK_LINE_MAX = 256, /* size and extensions; endless extensions are refused */
	H1_TRAILERS_MAX = KIB(8),
};

void h1_body_start(struct h1_body *b, const struct http_head *head);
void h1_body_fini(struct h1_body *b);
/*
 * Takes body bytes off the front of `in`: *used counts framing and data, *data is the next piece of
 * content (points into `in`; may be empty while *used > 0). Look at *data whatever the outcome.
 * H1_MORE: not at the end yet; call again while bytes are left behind *used (a chunk's end ends a
 * piece). All bytes of an unfinished body are used: nothing has to be fed twice.
 * H1_DONE: the body ended (behind *used begins the next message); trailers can be read.
 */
enum h1_outcome h1_body_read(struct h1_body *b, struct str in, size_t *used, struct str *data,
			     struct err *err);
/* The trailer section of a chunked body after H1_DONE; fields from `arena`. */
NODISCARD bool h1_body_trailers(struct h1_body *b, struct arena *arena, struct http_field **fields,
				size_t *n, struct err *err);
/* TO_CLOSE: the peer closed. False: the body was cut short. */
bool h1_body_at_close(struct h1_body *b);

/* ---- writing ---- */
/*
 * Request line (head->path, or head->target when there is no path), Host from head->authority (the
 * head's own Host field is copied only when that is empty), the fields, then the framing fields for
 * head->body and the empty line. Fields of http_is_framing() are not copied: the framing is ours;
 * but with head->upgrade the Upgrade field is, with "Connection: upgrade".
 */
void h1_write_request(struct buf *out, const struct http_head *head, bool keep_alive);
/* See http_head.declared for an answer without a body. */
void h1_write_response(struct buf *out, const struct http_head *head, bool keep_alive);
void h1_write_chunk_head(struct buf *out, size_t len); /* then len bytes, then "\r\n" */
/* Fields of http_is_framing() stay behind here, too. */
void h1_write_last_chunk(struct buf *out, const struct http_field *trailers, size_t n);
