#pragma once
/* The inside of a stream, shared by its files: life (stream.c), bytes (stream_read.c and
 * stream_write.c), and the way to an open stream (stream_open.c). */
#include "net/loop_priv.h"
#include "net/stream.h"

enum {
	STREAM_READ_LIMIT = 64 * 1024, /* kept bytes, unless stream_set_read_limit() */
	STREAM_DIRECT = 8 * 1024, /* bytes from which a plain write goes to the socket at once */
	/* Ciphertext that waits, the TLS library's own answers included: a peer that asks for new
	 * keys (KeyUpdate) without end and reads nothing fails. Ours alone is half of it. */
	STREAM_WIRE_MAX = 2 * LOOP_CIPHER_OUT,
	STREAM_LINGER_MS = 2000, /* after the last byte, for a peer that is still sending: else our
				    RST would destroy the answer on its way */
};

enum stream_state {
	STREAM_CONNECTING,
	STREAM_HANDSHAKING,
	STREAM_UP,
	STREAM_ENDING, /* stream_close_after_flush(): no more events */
	STREAM_LINGERING,
	STREAM_DEAD,
};

struct connecting;
struct handshake;

struct stream {
	struct loop *loop;
	struct loop_io io;
	struct loop_timer timer; /* of connecting, the handshake, ending */
	struct loop_task act, flush, death;
	struct loop_orphan orphan;
	stream_fn *fn;
	void *user;
	void (*fill)(struct stream *s, void *user);
	int fd;
	enum stream_state state;

	/* reading */
	bool wipes;         /* what comes may be a secret: no copy stays */
	struct buf kept;    /* unread from former turns; the lent bytes are behind it or nowhere */
	size_t kept_from;   /* consumed bytes at kept's front */
	struct str lent;    /* of this turn, in the loop's scratch */
	size_t read_limit;  /* bytes */
	bool reading;       /* inside STREAM_READABLE */
	bool eof, eof_told; /* the peer's FIN or close_notify */
	bool open_due, readable_due, failed_due; /* events for the ACT phase */
	bool hung_up; /* both directions closed while reading was stopped */
	msec_t last_read;

	/* writing */
	struct buf out; /* not yet sealed, or not yet sent where plain */
	size_t out_from;
	struct buf wire; /* sealed and not sent */
	size_t wire_from;
	size_t wire_plain; /* payload bytes that are in `wire` */
	uint64_t sent, sent_told;
	bool blocked;   /* the kernel took less than we had */
	bool filling;   /* inside the filler */
	bool finishing; /* FIN when everything went */
	bool finished;
	bool expects_more; /* stream_expect_more() */
	bool broken;       /* writing failed for good */
	bool alerted;      /* the handshake failed, and the peer was told why */

	struct tls_engine *tls;
	struct connecting *connecting;
	struct handshake *handshake;
	struct err *failure;
};

struct stream *stream_make(struct loop *l, int take_fd, stream_fn *fn, void *user);
void stream_watch(struct stream *s); /* sets the epoll events that the state asks for */
void stream_on_ready(struct loop_io *io, unsigned ready);
/* Fails the stream once: the event comes in phase ACT. */
void stream_fail(struct stream *s, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
void stream_fail_err(struct stream *s, const struct err *err);
void stream_tell(struct stream *s); /* makes the ACT task run */
void stream_flush_soon(struct stream *s);
void stream_on_flush(struct loop_task *task);
/* Reads once and tells; for stream_on_ready() and for a stream that broke while writing. */
void stream_read(struct stream *s);
/* Keeps the plaintext that came right behind the handshake, for STREAM_READABLE after STREAM_OPEN.
 */
void stream_keep_engine(struct stream *s);
void stream_connecting_ready(struct stream *s);
void stream_handshake_ready(struct stream *s);
void stream_open_drop(struct stream *s); /* forgets connecting and handshake */
