#pragma once
/*
 * A byte stream: a TCP connection, plain or under TLS, with one callback for all that happens.
 *
 * Reading is lent: during STREAM_READABLE, stream_peek() shows what has come (from the loop's
 * scratch, no copy); what is not consumed when the callback returns is kept by the stream, up to
 * its read limit. A stream whose kept bytes reach the limit stops reading its socket until they are
 * consumed: the queue is the backpressure, there is no pause flag.
 *
 * Writing is gathered: stream_write() queues, the loop's FLUSH phase encrypts and sends once per
 * turn (records of 16 KiB, one send). Large writes on an empty plain stream go straight to the
 * socket. The caller bounds what it queues by looking at stream_queued() and waits for STREAM_SENT.
 *
 * TLS handshakes run in a job (stream_start_tls takes the pool), because the signature may block on
 * the key process; the loop goes on.
 *
 * Death: stream_close() may be called anywhere, also inside the callback; memory goes in phase
 * FREE. No event is delivered after stream_close().
 */
#include "base/buf.h"
#include "crypto/tls.h"
#include "net/address.h"
#include "net/jobs.h"
#include "net/loop.h"

struct stream;

enum stream_event {
	STREAM_OPEN,     /* connected, and the handshake is done where there is one */
	STREAM_READABLE, /* stream_peek() has more than before */
	STREAM_SENT,     /* the kernel took bytes: see stream_sent(); once per flush */
	STREAM_EOF,      /* the peer will send no more (FIN, or close_notify); writing may go on */
	STREAM_FAILED,   /* the last event; stream_failure() tells why; call stream_close() */
};

typedef void stream_fn(struct stream *s, enum stream_event event, void *user);

/* Adopts a connected descriptor (non-blocking, taken); it is open at once, without STREAM_OPEN. */
struct stream *stream_adopt(struct loop *l, int take_fd, stream_fn *fn, void *user);
/* Connects to the first address that answers, each within `timeout`. STREAM_OPEN or STREAM_FAILED.
 */
struct stream *stream_connect(struct loop *l, const struct address *addresses, size_t n,
			      msec_t timeout, stream_fn *fn, void *user);
/*
 * Starts TLS on a plain stream (right after adopt or connect, or after a proxy's CONNECT answer);
 * what was read and not consumed is fed to the engine. Ends in STREAM_OPEN or STREAM_FAILED.
 * `jobs` NULL: the handshake runs on the loop, for keys that never block. A peer that ends TLS
 * without close_notify is STREAM_FAILED, since what it sent may be cut short.
 */
void stream_start_tls(struct stream *s, struct tls_engine *take, struct jobs *jobs, msec_t timeout);
/* Sends what is queued and FIN, then closes; no more events. If the peer is still sending then, its
 * bytes are thrown away for up to 2 s, so that the answer is not lost to a reset: also after a TLS
 * handshake that failed, for its alert. */
void stream_close_after_flush(struct stream *s, msec_t timeout);
/* Says that the peer is in the middle of sending: stream_close_after_flush() then throws bytes away
 * even when none are here at that moment. */
void stream_expect_more(struct stream *s);
void stream_close(struct stream *s);
/* As stream_close(), but the peer sees a reset and not an end: what it got is cut short. */
void stream_abort(struct stream *s);

void stream_set_handler(struct stream *s, stream_fn *fn, void *user);
struct str stream_peek(const struct stream *s);
void stream_consume(struct stream *s, size_t len);
/* For connections that carry passwords and keys: what was read is overwritten once it was consumed.
 */
void stream_wipe_input(struct stream *s);
void stream_set_read_limit(struct stream *s, size_t bytes); /* default 64 KiB */

void stream_write(struct stream *s, struct str bytes); /* copies, or sends at once */
void stream_writev(struct stream *s, const struct str *parts, size_t n);
/* Room of `len` bytes at the queue's end to write into, then stream_wrote(); for encoders. */
char *stream_reserve(struct stream *s, size_t len);
void stream_wrote(struct stream *s, size_t len);
/*
 * The queue itself, for an encoder that appends much: taken, appended to, given back. In between
 * the stream has none (stream_queued() does not count it), and nothing else is written. A stream
 * that was closed meanwhile is not given anything: buf_fini() it instead.
 */
struct buf stream_take_queue(struct stream *s);
void stream_give_queue(struct stream *s, struct buf *take);
size_t
stream_queued(const struct stream *s); /* plaintext and ciphertext bytes not yet in the kernel */
uint64_t stream_sent(const struct stream *s); /* payload bytes that the kernel took, since start */
/*
 * Called in phase FLUSH before encrypting: the last chance to produce output (the HTTP/2 engine).
 * It looks at stream_queued() and stops there by its own limit; when the kernel took bytes,
 * STREAM_SENT comes, and stream_wants_flush() in there gives it the next turn (inside the filler
 * it does nothing).
 */
void stream_set_filler(struct stream *s, void (*fill)(struct stream *s, void *user));
void stream_wants_flush(struct stream *s); /* makes the filler run this turn */

bool stream_is_open(const struct stream *s);
/* Open, with nothing unread here or in the kernel and nothing queued: a kept-alive connection that
 * may carry another request. Asks the kernel (one peek), since an event may still be on its way. */
bool stream_is_quiet(const struct stream *s);
const struct err *stream_failure(const struct stream *s);
msec_t
stream_last_read(const struct stream *s); /* loop time of the last byte: "any byte is life" */
struct tls_engine *stream_tls(const struct stream *s); /* lent; NULL when plain or in a job */
struct loop *stream_loop(const struct stream *s);
int stream_fd(const struct stream *s);                     /* for socket options */
void stream_set_user_timeout(struct stream *s, msec_t ms); /* TCP_USER_TIMEOUT */
void stream_set_notsent_lowat(struct stream *s, size_t bytes);

/*
 * Moves to another loop: descriptor, TLS engine and unread bytes together. Only while nothing is
 * queued. The parts travel in a loop_message; the stream itself is gone.
 */
struct stream_parts {
	int fd;
	struct tls_engine *tls;
	struct buf unread;
};
bool stream_detach(struct stream *s, struct stream_parts *out); /* false: something is queued */
struct stream *stream_attach(struct loop *l, struct stream_parts *take, stream_fn *fn, void *user);
