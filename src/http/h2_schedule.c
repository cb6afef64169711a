/*
 * Who sends next. The library's own order changed between versions (spec/peers.md, b1), so it gets
 * no choice: a stream with data is parked in it (NGHTTP2_ERR_DEFERRED) and resumed when its turn
 * has come, one at a time. A stream that has sent less than a quantum waits in `small`, which goes
 * first; the others take turns of a quantum in `bulk` (deficit round-robin). A new stream has a
 * quantum's credit from birth, so a small answer leaves right behind its header block without
 * being parked at all.
 */
#include "http/h2_priv.h"

static size_t queued(const struct h2_stream *s)
{
	return s->queue.len - s->queue_at;
}

size_t h2_queued(const struct h2_stream *s)
{
	return queued(s);
}

static struct h2_link *list_of(struct h2_stream *s)
{
	bool small = s->sent_bytes < H2_QUANTUM || queued(s) <= H2_SMALL_WAKE;
	return small ? &s->engine->small : &s->engine->bulk;
}

void h2_schedule_wake(struct h2_stream *s)
{
	if (s->parked && s->wait.next == NULL && !s->muted) {
		h2_link_append(list_of(s), &s->wait);
	}
}

/* ---- the library asks for data ---- */

/* Submits the trailers, which end the stream in place of the last DATA frame. */
static void send_trailers(struct h2_stream *s, uint32_t *flags)
{
	struct h2_engine *e = s->engine;
	size_t n = h2_build_trailers(e, s->trailers, s->n_trailers);
	*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (nghttp2_submit_trailer(e->session, s->id, e->nv, n) == 0) {
		e->heads_queued++;
	}
}

static ssize_t on_read(nghttp2_session *session UNUSED, int32_t id UNUSED, uint8_t *into UNUSED,
		       size_t max, uint32_t *flags, nghttp2_data_source *source, void *user UNUSED)
{
	struct h2_stream *s = source->ptr;
	struct h2_engine *e = s->engine;
	size_t n = queued(s);
	if (s->muted || (n == 0 && !s->ended)) {
		s->parked = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n && (e->budget <= 0 || s->deficit <= 0)) {
		s->parked = true;
		if (e->budget <= 0) {
			h2_link_prepend(list_of(s), &s->wait); /* its turn was cut short */
		} else {
			h2_link_append(list_of(s), &s->wait);
		}
		return NGHTTP2_ERR_DEFERRED;
	}
	n = n > H2_FRAME_PAYLOAD ? H2_FRAME_PAYLOAD : n;
	n = n > max ? max : n;
	s->deficit -= (int64_t)n;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (s->ended && n == queued(s)) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (s->n_trailers) {
			send_trailers(s, flags);
		}
	}
	return (ssize_t)n;
}

nghttp2_data_provider h2_schedule_provider(struct h2_stream *s)
{
	return (nghttp2_data_provider){.source.ptr = s, .read_callback = on_read};
}

/* The frame that on_read granted: head and payload straight into the output. */
int h2_schedule_on_send_data(nghttp2_session *session UNUSED, nghttp2_frame *frame UNUSED,
			     const uint8_t *framehd, size_t length, nghttp2_data_source *source,
			     void *user)
{
	struct h2_engine *e = user;
	struct h2_stream *s = source->ptr;
	enum {
		FRAME_HEAD = 9
	};
	char *at = buf_reserve(e->out, FRAME_HEAD + length);
	if (at == NULL) {
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	memcpy(at, framehd, FRAME_HEAD);
	if (length) {
		memcpy(at + FRAME_HEAD, s->queue.at + s->queue_at, length);
	}
	buf_commit(e->out, FRAME_HEAD + length);
	e->budget -= (int64_t)(FRAME_HEAD + length);
	s->sent_bytes += length;
	s->queue_at += length;
	if (s->queue_at == s->queue.len) {
		buf_reset(&s->queue);
		s->queue_at = 0;
	}
	if (length && s->sent.next == NULL) {
		h2_link_append(&e->sent, &s->sent);
	}
	return 0;
}

/* ---- draining ---- */

static bool may_send_data(const struct h2_engine *e)
{
	return nghttp2_session_get_remote_window_size(e->session) > 0;
}

/* All that the library would send now, within the budget. */
static bool pump(struct h2_engine *e)
{
	while (e->budget > 0) {
		const uint8_t *bytes;
		ssize_t n = nghttp2_session_mem_send(e->session, &bytes);
		if (n < 0) {
			return err_set(&e->err, ERR_SYSTEM, "HTTP/2: %s", nghttp2_strerror((int)n));
		}
		if (n == 0) {
			break;
		}
		buf_add(e->out, bytes, (size_t)n);
		e->budget -= n;
	}
	return true;
}

/* Gives the next stream its turn. */
static bool resume_next(struct h2_engine *e)
{
	struct h2_link *list = h2_link_is_empty(&e->small) ? &e->bulk : &e->small;
	if (h2_link_is_empty(list) || !may_send_data(e)) {
		return false;
	}
	struct h2_stream *s = CONTAINER_OF(list->next, struct h2_stream, wait);
	h2_link_remove(&s->wait);
	if (s->deficit <= 0) {
		s->deficit += H2_QUANTUM;
	}
	s->parked = false;
	/* Fails only for a stream without a parked provider: then there is nothing to send. */
	(void)nghttp2_session_resume_data(e->session, s->id);
	return true;
}

static void tell_sent(struct h2_engine *e)
{
	while (!h2_link_is_empty(&e->sent)) {
		struct h2_stream *s = CONTAINER_OF(e->sent.next, struct h2_stream, sent);
		h2_link_remove(&s->sent);
		if (!s->muted) {
			h2_tell(e, &(struct h2_notice){.event = H2_SENT, .stream = s});
		}
	}
}

bool h2_drain(struct h2_engine *e, struct buf *out, size_t max, struct err *err)
{
	e->out = out;
	e->budget = max > INT32_MAX ? INT32_MAX : (int64_t)max;
	bool fine = pump(e);
	while (fine && e->budget > 0 && resume_next(e)) {
		fine = pump(e);
	}
	if (fine && buf_failed(out)) {
		fine = err_set(&e->err, ERR_LIMIT, "HTTP/2: more output than its buffer takes");
	}
	e->failed |= !fine;
	e->out = NULL;
	tell_sent(e);
	if (e->failed) {
		*err = e->err;
	}
	return !e->failed;
}

bool h2_wants_drain(const struct h2_engine *e)
{
	if (nghttp2_session_want_write(e->session)) {
		return true;
	}
	return !(h2_link_is_empty(&e->small) && h2_link_is_empty(&e->bulk)) && may_send_data(e);
}
