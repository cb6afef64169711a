#pragma once
/* What the files of h2_engine share. Included by h2_*.c and their tests only. */
#include <nghttp2/nghttp2.h>

#include "http/h2_engine.h"
#include "http/h2_memory.h"

enum {
	H2_STREAMS_KEPT = 64,      /* closed stream objects kept for reuse, per engine */
	H2_STREAM_ARENA = 2048,    /* bytes for a head without a malloc */
	H2_QUEUE_KEPT = 32 * 1024, /* a kept object's queue is not larger */
	H2_SMALL_WAKE = 1024,      /* as little as this counts as small, whatever was sent before */
	H2_PSEUDO_MAX = 8,
	H2_CONTROL_FRAME_BYTES = 16, /* what one unsent control frame counts for */
};

/* A place in a list; out of any list when next is NULL. */
struct h2_link {
	struct h2_link *prev, *next;
};

struct h2_stream {
	struct h2_engine *engine;
	struct h2_link open; /* in engine->open, or ->kept by its next */
	struct h2_link wait; /* in engine->small or ->bulk */
	struct h2_link sent; /* in engine->sent: an H2_SENT is owed */
	void *user;
	int32_t id;

	/* receiving */
	struct arena *arena; /* of `head` */
	struct http_head head;
	size_t fields_cap, head_bytes;
	size_t unread, consumed; /* bytes delivered and not consumed; consumed and not credited */
	bool final_head;         /* not a 1xx: what follows are trailers */
	bool is_head_request;
	bool has_length;
	bool muted; /* we reset it: nothing but its end is told */

	/* sending */
	struct buf queue;
	size_t queue_at;    /* bytes of the queue that left */
	bool ended, parked; /* parked: the library waits for us (ERR_DEFERRED) */
	int64_t deficit;
	uint64_t sent_bytes;
	struct http_field *trailers; /* one allocation with its strings */
	size_t n_trailers;
};

struct h2_engine {
	nghttp2_session *session;
	bool server;
	h2_fn *fn;
	void *user;
	struct h2_memory *memory;
	struct h2_link open, small, bulk, sent;
	struct h2_link *kept; /* singly linked by `open` */
	size_t n_open, n_kept;
	uint64_t unread;
	size_t heads_queued; /* our HEADERS in the library's queue */
	struct buf *out;     /* during h2_drain */
	int64_t budget;      /* bytes left for this drain */
	bool settings_seen, goaway_in, goaway_ours, ids_used_up, dying, failed;
	struct err err;
	char why[160];              /* the library's last complaint */
	char number[20], status[3]; /* scratch of the builders */
	nghttp2_nv nv[H2_FIELDS_MAX + H2_PSEUDO_MAX];
};

void h2_link_init(struct h2_link *list);
bool h2_link_is_empty(const struct h2_link *list);
void h2_link_append(struct h2_link *list, struct h2_link *link);
void h2_link_prepend(struct h2_link *list, struct h2_link *link);
void h2_link_remove(struct h2_link *link); /* fine when in no list */

/* h2_stream.c */
struct h2_stream *h2_stream_new(struct h2_engine *e, void *user);
void h2_stream_recycle(struct h2_stream *s);            /* out of all lists, for reuse or freed */
void h2_stream_end(struct h2_stream *s, uint32_t code); /* tells H2_CLOSED, recycles */
void h2_stream_free_kept(struct h2_engine *e);
void h2_tell(struct h2_engine *e, const struct h2_notice *notice);

/* h2_head.c: into e->nv, returns how many. */
size_t h2_build_request(struct h2_engine *e, const struct http_head *head);
size_t h2_build_response(struct h2_engine *e, const struct http_head *head);
size_t h2_build_trailers(struct h2_engine *e, struct http_field *fields, size_t n);
void h2_gather_start(struct h2_stream *s);
bool h2_gather(struct h2_stream *s, struct str name, struct str value, bool sensitive);
void h2_gather_end(struct h2_stream *s, bool end_stream);

/* h2_schedule.c */
void h2_schedule_wake(struct h2_stream *s);
nghttp2_data_provider h2_schedule_provider(struct h2_stream *s);
int h2_schedule_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
			     size_t length, nghttp2_data_source *source, void *user);

/* h2_receive.c */
void h2_receive_set_callbacks(nghttp2_session_callbacks *callbacks);

/* For the test that runs out of stream ids. */
void h2_skip_to_id(struct h2_engine *e, int32_t id);
