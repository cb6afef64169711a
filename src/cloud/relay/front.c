#include "cloud/relay/front.h"

#include <assert.h>

#include "cloud/relay/front_priv.h"

/* ---- time ---- */

static void on_timer(struct loop_timer *timer);

void front_deadline(struct front *f, msec_t after)
{
	f->deadline = loop_now(f->worker->loop) + after;
	if (f->timer.at == 0 || f->timer.at > f->deadline) {
		loop_timer_set(f->worker->loop, &f->timer, f->deadline, on_timer);
	}
}

static void cancel(struct front *f)
{
	f->worker->counters.cancelled_total++;
	front_let_go(f, FRONT_H2_CANCEL);
}

void front_watch(struct front *f)
{
	msec_t answer = f->heard + f->worker->settings.limits.answer - loop_now(f->worker->loop);

	front_deadline(f, answer < FRONT_STALL_MS ? answer : FRONT_STALL_MS);
}

/* The application was served and waits; nothing came through the tunnel. */
static void on_silence(struct front *f)
{
	f->worker->counters.silent_answers_total++;
	front_let_go(f, FRONT_H2_CANCEL);
	if (f->state == FRONT_ANSWERING) {
		stream_abort(f->stream);
		front_close(f);
		return;
	}
	front_refuse(f, 504, "No answer came through the tunnel for %lld s.",
		     (long long)f->worker->settings.limits.answer / 1000);
}

static void on_stalled(struct front *f)
{
	if (!f->request_done && h2_queued(f->h2) < H2_STREAM_QUEUE_HIGH &&
	    f->state == FRONT_ASKING) {
		front_let_go(f, FRONT_H2_CANCEL);
		front_refuse(f, 408, "The body of the request did not come in time.");
	} else if (stream_queued(f->stream) > 0) {
		f->worker->counters.stalled_total++;
		front_let_go(f, FRONT_H2_CANCEL);
		stream_abort(f->stream);
		front_close(f);
	} else if (loop_now(f->worker->loop) - f->heard >= f->worker->settings.limits.answer) {
		on_silence(f);
	} else {
		front_watch(f); /* the back end thinks */
	}
}

static void stop_waiting(struct front *f)
{
	if (f->state == FRONT_WAITING) {
		registry_leave(&f->waiter);
		f->worker->counters.requests_waiting--;
		f->state = FRONT_IDLE;
	}
}

static void on_deadline(struct front *f)
{
	switch (f->state) {
	case FRONT_IDLE:
		if (f->reading_head) {
			f->keep_alive = false;
			front_refuse(f, 408, "The header of the request did not come in time.");
		} else {
			front_close(f);
		}
		break;
	case FRONT_WAITING:
		stop_waiting(f);
		if (registry_count(f->worker->registry, str_of(f->key)) == 0) {
			front_refuse_no_tunnel(f);
		} else {
			f->worker->counters.refused_queue_total++;
			front_refuse(f, 503,
				     "All tunnels to the connector are busy: no room came in %d s.",
				     WORKER_QUEUE_WAIT_MS / 1000);
		}
		front_read_on(f);
		break;
	case FRONT_ASKING:
	case FRONT_ANSWERING:
		on_stalled(f);
		break;
	case FRONT_MOVING:
		front_close(f);
		break;
	case FRONT_DEAD:
		break;
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct front *f = CONTAINER_OF(timer, struct front, timer);

	if (loop_now(f->worker->loop) >= f->deadline) {
		on_deadline(f);
	} else {
		loop_timer_set(f->worker->loop, timer, f->deadline, on_timer);
	}
}

/* ---- the end ---- */

struct str front_subaccount(const struct front *f)
{
	struct str key = str_of(f->key);

	return str_first(key, str_find(key, '/'));
}

void front_let_go(struct front *f, int code)
{
	if (f->h2 == NULL) {
		return;
	}
	h2_set_user(f->h2, NULL);
	if (code != FRONT_H2_NONE) {
		h2_reset(f->h2, (uint32_t)code);
		tunnel_flush(f->via->tunnel);
		cancels_note(f->worker->cancels, front_subaccount(f), loop_now(f->worker->loop));
	}
	f->via->entry.streams--;
	f->worker->counters.requests_open--;
	f->h2 = NULL;
	f->via = NULL;
}

static void free_front(struct loop_task *task)
{
	free(CONTAINER_OF(task, struct front, death));
}

void front_close(struct front *f)
{
	struct worker *w = f->worker;

	if (f->state == FRONT_DEAD) {
		return;
	}
	assert(w->gathered.front != f);
	if (f->h2 != NULL) {
		cancel(f);
	}
	stop_waiting(f);
	f->state = FRONT_DEAD;
	loop_timer_cancel(w->loop, &f->timer);
	stream_close(TAKE(f->stream));
	h1_body_fini(&f->body);
	*f->prev = f->next;
	if (f->next != NULL) {
		f->next->prev = f->prev;
	}
	w->counters.clients--;
	loop_defer(w->loop, LOOP_FREE, &f->death, free_front);
}

struct front *front_next(const struct front *f)
{
	return f->next;
}

/* Sends what is queued and says goodbye; the front is gone. */
static void close_in_order(struct front *f)
{
	stream_close_after_flush(TAKE(f->stream), FRONT_CLOSE_MS);
	front_close(f);
}

void front_drain(struct front *f)
{
	if (f->state == FRONT_IDLE && stream_peek(f->stream).len == 0) {
		close_in_order(f); /* the last answer may still be leaving */
	} else if (f->state == FRONT_IDLE || f->state == FRONT_WAITING) {
		stop_waiting(f);
		front_refuse_closing(f);
	}
}

void front_next_request(struct front *f)
{
	bool early = !f->request_done;

	front_let_go(f, early ? FRONT_H2_DONE : FRONT_H2_NONE);
	h1_body_fini(&f->body);
	if (early) {
		stream_expect_more(f->stream); /* the rest of a body that nobody wants */
	}
	if (early || !f->keep_alive || f->worker->closing) {
		close_in_order(f);
		return;
	}
	stream_consume(f->stream, f->offset);
	f->offset = 0;
	f->state = FRONT_IDLE;
	f->counted = f->reading_head = false;
	f->tries = f->hops = f->n_interim = 0;
	f->uncredited = 0;
	front_deadline(f, f->worker->settings.limits.idle);
}

/* ---- events of the client ---- */

static void on_event(struct stream *s, enum stream_event event, void *user)
{
	struct front *f = user;

	switch (event) {
	case STREAM_OPEN:
		front_shaken(f);
		break;
	case STREAM_READABLE:
		if (f->state == FRONT_IDLE) {
			front_read_on(f);
		} else if (f->h2 != NULL && !f->request_done) {
			front_send_body(f);
		}
		break;
	case STREAM_SENT:
		if (f->state == FRONT_MOVING) {
			front_move(f);
		} else {
			front_on_sent(f);
		}
		break;
	case STREAM_EOF:
		if (f->state == FRONT_IDLE) {
			close_in_order(f); /* the answer before may still be leaving */
		} else {
			front_close(f);
		}
		break;
	case STREAM_FAILED:
		if (f->shaking) {
			front_not_shaken(f, stream_failure(s));
			close_in_order(f); /* after its alert */
			break;
		}
		front_close(f);
		break;
	}
}

static struct front *front_new(struct worker *w)
{
	struct front *f = NEW(struct front);

	f->worker = w;
	f->prev = &w->fronts;
	f->next = w->fronts;
	if (f->next != NULL) {
		f->next->prev = &f->next;
	}
	w->fronts = f;
	w->counters.clients++;
	return f;
}

void front_accept(struct worker *w, int take_fd)
{
	struct front *f = front_new(w);

	f->stream = stream_adopt(w->loop, take_fd, on_event, f);
	stream_set_read_limit(f->stream, FRONT_READ_LIMIT);
	front_deadline(f, f->worker->settings.limits.idle);
}

void front_attach(struct worker *w, struct stream_parts *take, unsigned hops)
{
	struct front *f = front_new(w);

	f->hops = hops;
	f->stream = stream_attach(w->loop, take, on_event, f);
	stream_set_read_limit(f->stream, FRONT_READ_LIMIT);
	front_deadline(f, f->worker->settings.limits.idle);
}
