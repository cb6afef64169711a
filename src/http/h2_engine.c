#include "http/h2_engine.h"

#include <assert.h>

#include "http/h2_priv.h"

enum {
	WINDOW_LARGEST = 0x7fffffff,
	RESETS_PER_SECOND = 2000, /* refill of H2_RESETS_BURST */
	SEND_HEAD_MAX = 128 * 1024,
};

/* ---- birth and death ---- */

static nghttp2_option *options_new(void)
{
	nghttp2_option *o;
	if (nghttp2_option_new(&o) != 0) {
		abort();
	}
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_peer_max_concurrent_streams(o, H2_STREAMS_ASSUMED);
	nghttp2_option_set_max_send_header_block_length(o, SEND_HEAD_MAX);
	nghttp2_option_set_stream_reset_rate_limit(o, H2_RESETS_BURST, RESETS_PER_SECOND);
	return o;
}

static bool session_new(struct h2_engine *e)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options = options_new();
	nghttp2_mem memory = h2_memory_hooks(e->memory);
	if (nghttp2_session_callbacks_new(&callbacks) != 0) {
		abort();
	}
	h2_receive_set_callbacks(callbacks);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_schedule_on_send_data);
	int rc = e->server
			 ? nghttp2_session_server_new3(&e->session, callbacks, e, options, &memory)
			 : nghttp2_session_client_new3(&e->session, callbacks, e, options, &memory);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(options);
	return rc == 0;
}

static bool greet(struct h2_engine *e)
{
	const nghttp2_settings_entry server[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_START},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MAX},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	const nghttp2_settings_entry client[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_START},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEAD_MAX},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	int rc = e->server ? nghttp2_submit_settings(e->session, NGHTTP2_FLAG_NONE, server,
						     COUNT(server))
			   : nghttp2_submit_settings(e->session, NGHTTP2_FLAG_NONE, client,
						     COUNT(client));
	return rc == 0 && nghttp2_session_set_local_window_size(e->session, NGHTTP2_FLAG_NONE, 0,
								WINDOW_LARGEST) == 0;
}

bool h2_new(bool server, h2_fn *fn, void *user, struct h2_engine **out, struct err *err)
{
	struct h2_engine *e = NEW(struct h2_engine);
	e->server = server;
	e->fn = fn;
	e->user = user;
	e->memory = h2_memory_new();
	h2_link_init(&e->open);
	h2_link_init(&e->small);
	h2_link_init(&e->bulk);
	h2_link_init(&e->sent);
	if (!session_new(e) || !greet(e)) {
		h2_free(e);
		return err_set(err, ERR_SYSTEM, "HTTP/2: no session can be made");
	}
	*out = e;
	return true;
}

void h2_free(struct h2_engine *e)
{
	if (e == NULL) {
		return;
	}
	e->dying = true;
	while (!h2_link_is_empty(&e->open)) {
		struct h2_stream *s = CONTAINER_OF(e->open.next, struct h2_stream, open);
		h2_stream_end(s, NGHTTP2_INTERNAL_ERROR);
	}
	nghttp2_session_del(e->session);
	h2_stream_free_kept(e);
	h2_memory_free(e->memory);
	free(e);
}

/* ---- bytes ---- */

/* More control frames wait for the peer than it can have asked for in good faith. */
static bool is_flooded(const struct h2_engine *e)
{
	size_t frames = nghttp2_session_get_outbound_queue_size(e->session);
	size_t control = frames > e->heads_queued ? frames - e->heads_queued : 0;
	return control > H2_CONTROL_OUT_MAX / H2_CONTROL_FRAME_BYTES;
}

static bool fail(struct h2_engine *e, struct err *err, enum err_kind kind, const char *text)
{
	e->failed = true;
	err_set(&e->err, kind, "HTTP/2: %s", text);
	*err = e->err;
	return false;
}

bool h2_feed(struct h2_engine *e, struct str bytes, struct err *err)
{
	if (e->failed) {
		*err = e->err;
		return false;
	}
	ssize_t n = nghttp2_session_mem_recv(e->session, (const uint8_t *)bytes.at, bytes.len);
	if (n == NGHTTP2_ERR_FLOODED || is_flooded(e)) {
		return fail(e, err, ERR_LIMIT, "the peer floods the connection");
	}
	if (n < 0) {
		return fail(e, err, ERR_PROTOCOL, nghttp2_strerror((int)n));
	}
	return true;
}

bool h2_is_done(const struct h2_engine *e)
{
	return !nghttp2_session_want_read(e->session) && !nghttp2_session_want_write(e->session);
}

/* ---- client ---- */

size_t h2_streams_free(const struct h2_engine *e)
{
	if (e->server || e->goaway_in || e->goaway_ours || e->ids_used_up || e->dying ||
	    e->failed) {
		return 0;
	}
	size_t limit = H2_STREAMS_ASSUMED;
	if (e->settings_seen) {
		limit = nghttp2_session_get_remote_settings(
			e->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
		limit = limit > H2_STREAMS_MAX ? H2_STREAMS_MAX : limit;
	}
	return e->n_open < limit ? limit - e->n_open : 0;
}

struct h2_stream *h2_request(struct h2_engine *e, const struct http_head *head, bool has_body,
			     void *user)
{
	if (h2_streams_free(e) == 0) {
		return NULL;
	}
	struct h2_stream *s = h2_stream_new(e, user);
	size_t n = h2_build_request(e, head);
	nghttp2_data_provider provider = h2_schedule_provider(s);
	s->id = nghttp2_submit_request(e->session, NULL, e->nv, n, has_body ? &provider : NULL, s);
	if (s->id < 0) {
		/* Out of stream ids, 2^30 requests on: this connection has served its time. */
		e->ids_used_up = true;
		h2_stream_recycle(s);
		return NULL;
	}
	s->is_head_request = str_eq(head->method, STR("HEAD"));
	s->ended = !has_body;
	e->heads_queued++;
	return s;
}

bool h2_peer_allows_connect_protocol(const struct h2_engine *e)
{
	return nghttp2_session_get_remote_settings(e->session,
						   NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void h2_skip_to_id(struct h2_engine *e, int32_t id)
{
	if (nghttp2_session_set_next_stream_id(e->session, id) != 0) {
		abort();
	}
}

/* ---- server ---- */

bool h2_respond(struct h2_stream *s, const struct http_head *head, bool has_body, struct err *err)
{
	struct h2_engine *e = s->engine;
	size_t n = h2_build_response(e, head);
	int rc;
	if (head->status / 100 == 1) {
		rc = nghttp2_submit_headers(e->session, NGHTTP2_FLAG_NONE, s->id, NULL, e->nv, n,
					    NULL);
	} else {
		nghttp2_data_provider provider = h2_schedule_provider(s);
		s->ended = !has_body;
		rc = nghttp2_submit_response(e->session, s->id, e->nv, n,
					     has_body ? &provider : NULL);
	}
	if (rc != 0) {
		return err_set(err, ERR_SYSTEM, "HTTP/2: %s", nghttp2_strerror(rc));
	}
	e->heads_queued++;
	return true;
}

/* ---- both ---- */

const struct http_head *h2_head(const struct h2_stream *s)
{
	return &s->head;
}

void h2_set_user(struct h2_stream *s, void *user)
{
	s->user = user;
}

void *h2_user(const struct h2_stream *s)
{
	return s->user;
}

int32_t h2_id(const struct h2_stream *s)
{
	return s->id;
}

void h2_send(struct h2_stream *s, struct str bytes)
{
	assert(!s->ended);
	/* Bytes that left make room only when they are the larger part: each is moved once. */
	if (s->queue_at > s->queue.len / 2) {
		buf_drop_front(&s->queue, s->queue_at);
		s->queue_at = 0;
	}
	buf_add_str(&s->queue, bytes);
	if (buf_failed(&s->queue) && !s->muted) {
		h2_reset(s, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	h2_schedule_wake(s);
}

/* One allocation that holds the fields and behind them their strings. */
static struct http_field *dup_fields(const struct http_field *fields, size_t n)
{
	size_t bytes = n * sizeof *fields;
	for (size_t i = 0; i < n; i++) {
		bytes += fields[i].name.len + fields[i].value.len;
	}
	struct http_field *copy = must_alloc(bytes);
	char *at = (char *)(copy + n);
	for (size_t i = 0; i < n; i++) {
		copy[i] = fields[i];
		copy[i].name.at = memcpy(at, fields[i].name.at, fields[i].name.len);
		at += fields[i].name.len;
		copy[i].value.at = fields[i].value.len
					   ? memcpy(at, fields[i].value.at, fields[i].value.len)
					   : at;
		at += fields[i].value.len;
	}
	return copy;
}

void h2_end(struct h2_stream *s, const struct http_field *trailers, size_t n)
{
	assert(!s->ended);
	s->ended = true;
	s->trailers = n ? dup_fields(trailers, n) : NULL;
	s->n_trailers = n;
	h2_schedule_wake(s);
}

void h2_consume(struct h2_stream *s, size_t len)
{
	assert(len <= s->unread);
	s->unread -= len;
	s->engine->unread -= len;
	s->consumed += len;
	if (s->consumed >= H2_WINDOW_START / 2) {
		(void)nghttp2_session_consume_stream(s->engine->session, s->id, s->consumed);
		s->consumed = 0;
	}
}

void h2_reset(struct h2_stream *s, uint32_t code)
{
	if (s->muted) {
		return;
	}
	s->muted = true;
	h2_link_remove(&s->wait);
	(void)nghttp2_submit_rst_stream(s->engine->session, NGHTTP2_FLAG_NONE, s->id, code);
}

void h2_ping(struct h2_engine *e, const uint8_t opaque[static 8])
{
	(void)nghttp2_submit_ping(e->session, NGHTTP2_FLAG_NONE, opaque);
}

void h2_shutdown_notice(struct h2_engine *e)
{
	if (e->server) {
		(void)nghttp2_submit_shutdown_notice(e->session);
	}
}

void h2_goaway(struct h2_engine *e, uint32_t code)
{
	int32_t last = e->server ? nghttp2_session_get_last_proc_stream_id(e->session) : 0;
	e->goaway_ours = true;
	(void)nghttp2_submit_goaway(e->session, NGHTTP2_FLAG_NONE, last, code, NULL, 0);
}

size_t h2_streams_open(const struct h2_engine *e)
{
	return e->n_open;
}

uint64_t h2_unread(const struct h2_engine *e)
{
	return e->unread;
}
