/* What the library tells about frames that came, turned into notices. */
#include "http/h2_priv.h"

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static void tell_stream(struct h2_stream *s, enum h2_event event, bool end)
{
	if (!s->muted) {
		h2_tell(s->engine, &(struct h2_notice){.event = event, .stream = s, .end = end});
	}
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_engine *e = user;
	int32_t id = frame->hd.stream_id;
	struct h2_stream *s = stream_of(session, id);
	if (frame->hd.type != NGHTTP2_HEADERS) {
		return 0;
	}
	if (s == NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		s = h2_stream_new(e, NULL);
		s->id = id;
		nghttp2_session_set_stream_user_data(session, id, s);
	}
	if (s) {
		h2_gather_start(s);
	}
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *user UNUSED)
{
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);
	if (s == NULL || frame->hd.type != NGHTTP2_HEADERS) {
		return 0;
	}
	/* Too large: this stream is reset, the connection goes on. */
	return h2_gather(s, str_make(name, name_len), str_make(value, value_len),
			 flags & NGHTTP2_NV_FLAG_NO_INDEX)
		       ? 0
		       : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The library would leave such a field out in silence: two programs would see two requests. */
static int on_invalid_header(nghttp2_session *session UNUSED, const nghttp2_frame *frame UNUSED,
			     const uint8_t *name UNUSED, size_t name_len UNUSED,
			     const uint8_t *value UNUSED, size_t value_len UNUSED,
			     uint8_t flags UNUSED, void *user UNUSED)
{
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void on_headers(struct h2_engine *e, struct h2_stream *s, bool end)
{
	h2_gather_end(s, end);
	if (s->final_head) {
		tell_stream(s, H2_TRAILERS, end);
		return;
	}
	s->final_head = e->server || s->head.status / 100 != 1;
	tell_stream(s, H2_HEAD, end);
}

static void on_goaway(struct h2_engine *e, const nghttp2_goaway *goaway)
{
	e->goaway_in = true;
	h2_tell(e, &(struct h2_notice){.event = H2_GOAWAY,
				       .code = goaway->error_code,
				       .last_id = goaway->last_stream_id});
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_engine *e = user;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK; /* the same bit; SETTINGS and PING only */
	struct h2_stream *s;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		s = stream_of(session, frame->hd.stream_id);
		if (s && frame->hd.type == NGHTTP2_HEADERS) {
			on_headers(e, s, end);
		}
		if (s && end) {
			tell_stream(s, H2_END, true);
		}
		break;
	case NGHTTP2_SETTINGS:
		if (!ack && !e->settings_seen) {
			e->settings_seen = true;
			h2_tell(e, &(struct h2_notice){.event = H2_SETTINGS});
		}
		break;
	case NGHTTP2_PING:
		if (ack) {
			h2_tell(e, &(struct h2_notice){.event = H2_PONG});
		}
		break;
	case NGHTTP2_GOAWAY:
		on_goaway(e, &frame->goaway);
		break;
	default:
		break;
	}
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags UNUSED, int32_t id, const uint8_t *bytes,
		   size_t len, void *user)
{
	struct h2_engine *e = user;
	struct h2_stream *s = stream_of(session, id);
	/* The connection's window never limits: refilled at once (spec/peers.md, c2). */
	(void)nghttp2_session_consume_connection(session, len);
	if (s == NULL || s->muted) {
		return 0;
	}
	if (s->unread + s->consumed + len > H2_WINDOW_START) {
		/* The library has seen it too, but would hand on the bytes of this turn. */
		h2_reset(s, NGHTTP2_FLOW_CONTROL_ERROR);
		return 0;
	}
	s->unread += len;
	e->unread += len;
	h2_tell(e,
		&(struct h2_notice){.event = H2_DATA, .stream = s, .data = str_make(bytes, len)});
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user UNUSED)
{
	struct h2_stream *s = stream_of(session, id);
	if (s == NULL) {
		return 0;
	}
	nghttp2_session_set_stream_user_data(session, id, NULL);
	h2_stream_end(s, code);
	return 0;
}

static int on_sent(nghttp2_session *session UNUSED, const nghttp2_frame *frame, void *user)
{
	struct h2_engine *e = user;
	if (frame->hd.type == NGHTTP2_HEADERS && e->heads_queued) {
		e->heads_queued--;
	}
	/* A GOAWAY with an error that is not ours: the library ends the connection. */
	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
	    !e->goaway_ours && !e->failed) {
		e->failed = true;
		err_set(&e->err, ERR_PROTOCOL, "the peer broke HTTP/2 (%s): %s",
			nghttp2_http2_strerror(frame->goaway.error_code), e->why);
	}
	return 0;
}

static int on_not_sent(nghttp2_session *session UNUSED, const nghttp2_frame *frame, int code UNUSED,
		       void *user)
{
	struct h2_engine *e = user;
	if (frame->hd.type == NGHTTP2_HEADERS && e->heads_queued) {
		e->heads_queued--;
	}
	return 0;
}

static int on_complaint(nghttp2_session *session UNUSED, int code UNUSED, const char *text,
			size_t len, void *user)
{
	struct h2_engine *e = user;
	if (!str_copy(str_first((struct str){text, len}, sizeof e->why - 1), e->why,
		      sizeof e->why)) {
		e->why[0] = '\0';
	}
	return 0;
}

void h2_receive_set_callbacks(nghttp2_session_callbacks *c)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_not_sent);
	nghttp2_session_callbacks_set_error_callback2(c, on_complaint);
}
