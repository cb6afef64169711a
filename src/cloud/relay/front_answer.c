/* Answers: from the tunnel's stream to the application, with credit for what its socket took. */
#include "cloud/relay/front_priv.h"

static void give_credit(struct front *f)
{
	size_t queued = stream_queued(f->stream);
	size_t taken = f->uncredited > queued ? f->uncredited - queued : 0;

	if (taken > 0 && f->h2 != NULL) {
		f->uncredited -= taken;
		h2_consume(f->h2, taken);
		tunnel_flush(f->via->tunnel);
	}
}

void front_settle(struct front_gathered *g)
{
	struct front *f = g->front;

	if (f == NULL) {
		return;
	}
	g->front = NULL;
	stream_writev(f->stream, g->pieces, g->n);
	f->uncredited += g->bytes;
	g->n = g->bytes = 0;
	give_credit(f);
}

/* Large pieces of one answer: a write for each would cost more than all else that is done to them.
 * False: to be written now. */
static bool gather(struct front *f, struct str data)
{
	struct front_gathered *g = &f->worker->gathered;

	if (f->chunked || (data.len < FRONT_GATHER_FROM && g->front != f)) {
		return false;
	}
	if (g->front != f || g->n == COUNT(g->pieces)) {
		front_settle(g);
	}
	g->front = f;
	g->pieces[g->n++] = data;
	g->bytes += data.len;
	return true;
}

void front_on_sent(struct front *f)
{
	give_credit(f);
	if (f->h2 != NULL) {
		front_watch(f);
	} else if (f->state == FRONT_IDLE) {
		if (!f->reading_head) { /* it takes the last answer: not idle yet */
			front_deadline(f, f->worker->settings.limits.idle);
		}
		front_read_on(f); /* a pipelined one that waited for room */
	}
}

static void write_head(struct front *f, const struct http_head *from, bool keep)
{
	struct http_head head = *from;

	if (f->chunked && f->is_http10) {
		head.body = HTTP_BODY_TO_CLOSE;
	}
	buf_reset(&f->worker->room);
	h1_write_response(&f->worker->room, &head, keep);
	stream_write(f->stream, buf_str(&f->worker->room));
}

static void on_interim(struct front *f, const struct http_head *head)
{
	if (++f->n_interim > FRONT_INTERIM_MAX) {
		front_let_go(f, FRONT_H2_CANCEL);
		front_refuse(f, 502, "The connector sends interim answers without end.");
		front_read_on(f);
	} else if (!f->is_http10) {
		write_head(f, head, true);
	}
}

static void on_head(struct front *f)
{
	const struct http_head *head = h2_head(f->h2);

	f->heard = loop_now(f->worker->loop);
	if (head->status / 100 == 1) {
		on_interim(f, head);
		return;
	}
	/* From here on nothing is sent twice. */
	f->state = FRONT_ANSWERING;
	f->whole = false;
	stream_consume(f->stream, f->offset);
	f->offset = 0;
	f->chunked = head->body == HTTP_BODY_CHUNKED;
	f->trailers_sent = false;
	if (f->chunked && f->is_http10) {
		f->keep_alive = false;
	}
	f->keep_alive = f->keep_alive && !f->worker->draining;
	write_head(f, head, f->keep_alive);
	if (f->chunked && f->is_http10) {
		f->chunked = false;
	}
	front_watch(f);
}

static void on_data(struct front *f, struct str data)
{
	f->heard = loop_now(f->worker->loop);
	f->worker->counters.bytes_down_total += data.len;
	if (gather(f, data)) {
		return;
	}
	f->uncredited += data.len;
	if (f->chunked && data.len > 0) {
		struct buf *room = &f->worker->room;
		buf_reset(room);
		h1_write_chunk_head(room, data.len);
		const struct str parts[] = {buf_str(room), data, STR("\r\n")};
		stream_writev(f->stream, parts, COUNT(parts));
	} else {
		stream_write(f->stream, data);
	}
	give_credit(f);
}

static void write_last_chunk(struct front *f, const struct http_field *fields, size_t n)
{
	if (f->chunked && !f->trailers_sent) {
		f->trailers_sent = true;
		buf_reset(&f->worker->room);
		h1_write_last_chunk(&f->worker->room, fields, n);
		stream_write(f->stream, buf_str(&f->worker->room));
	}
}

static bool may_retry(const struct front *f, bool refused)
{
	if (!f->whole || f->n_interim > 0 || f->tries >= FRONT_TRIES_MAX ||
	    f->worker->retry_saved < WORKER_RETRY_COST) {
		return false;
	}
	bool lost = tunnel_failure(f->via->tunnel)->kind != ERR_NONE;
	return refused || (lost && f->idempotent && f->request_done && f->tries < 2);
}

static void on_broken(struct front *f)
{
	f->worker->counters.broken_answers_total++;
	stream_abort(f->stream);
	front_close(f);
}

/* The stream ended before its answer did. */
static void on_closed(struct front *f, uint32_t code, bool refused)
{
	bool retry = may_retry(f, refused);
	struct err why = *tunnel_failure(f->via->tunnel);

	if (f->via->cut_why != NULL) {
		err_set(&why, ERR_DENIED, "%s", f->via->cut_why);
	}
	front_let_go(f, FRONT_H2_NONE);
	if (f->state == FRONT_ANSWERING) {
		on_broken(f);
	} else if (retry) {
		f->worker->retry_saved -= WORKER_RETRY_COST;
		front_retry(f);
	} else if (why.kind != ERR_NONE) {
		front_refuse(f, 502,
			     "The tunnel to the connector was lost before an answer came: %s.",
			     why.text);
	} else {
		front_refuse(f, 502,
			     "The connector gave the request up before an answer came (HTTP/2 "
			     "error %u).",
			     code);
	}
	front_read_on(f);
}

void front_on_h2(struct front *f, const struct h2_notice *notice)
{
	if (notice->event != H2_DATA) {
		front_settle(&f->worker->gathered);
	}
	switch (notice->event) {
	case H2_HEAD:
		on_head(f);
		break;
	case H2_DATA:
		on_data(f, notice->data);
		break;
	case H2_TRAILERS: {
		const struct http_head *trailers = h2_head(f->h2);
		write_last_chunk(f, trailers->fields, trailers->n_fields);
		break;
	}
	case H2_END:
		write_last_chunk(f, NULL, 0);
		front_next_request(f);
		front_read_on(f); /* a pipelined one */
		break;
	case H2_SENT:
		if (!f->request_done) {
			front_send_body(f);
		}
		break;
	case H2_CLOSED:
		on_closed(f, notice->code, false);
		break;
	case H2_REFUSED:
		on_closed(f, notice->code, true);
		break;
	case H2_PONG:
	case H2_GOAWAY:
	case H2_SETTINGS:
		break; /* the connection's; they never come here */
	}
}
