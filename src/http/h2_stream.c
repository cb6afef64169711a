/* Stream objects: a free list of them, with their arenas and queues. */
#include "http/h2_priv.h"

void h2_link_init(struct h2_link *list)
{
	list->prev = list;
	list->next = list;
}

bool h2_link_is_empty(const struct h2_link *list)
{
	return list->next == list;
}

void h2_link_append(struct h2_link *list, struct h2_link *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

void h2_link_prepend(struct h2_link *list, struct h2_link *link)
{
	h2_link_append(list->next, link);
}

void h2_link_remove(struct h2_link *link)
{
	if (link->next) {
		link->prev->next = link->next;
		link->next->prev = link->prev;
		*link = (struct h2_link){0};
	}
}

static void stream_free(struct h2_stream *s)
{
	buf_fini(&s->queue);
	arena_free(s->arena);
	free(s);
}

static struct h2_stream *take_kept(struct h2_engine *e)
{
	struct h2_stream *s = CONTAINER_OF(e->kept, struct h2_stream, open);
	struct arena *arena = s->arena;
	struct buf queue = s->queue;
	e->kept = s->open.next;
	e->n_kept--;
	*s = (struct h2_stream){.arena = arena, .queue = queue};
	return s;
}

struct h2_stream *h2_stream_new(struct h2_engine *e, void *user)
{
	struct h2_stream *s;
	if (e->kept) {
		s = take_kept(e);
	} else {
		s = NEW(struct h2_stream);
		s->queue = BUF(H2_STREAM_QUEUE_MAX);
		/* Twice the block: the fields' array doubles, and the old one stays. */
		s->arena = arena_new(H2_STREAM_ARENA, 2 * (size_t)H2_HEAD_MAX);
	}
	s->engine = e;
	s->user = user;
	s->deficit = H2_QUANTUM;
	h2_link_append(&e->open, &s->open);
	e->n_open++;
	return s;
}

void h2_stream_recycle(struct h2_stream *s)
{
	struct h2_engine *e = s->engine;
	h2_link_remove(&s->open);
	h2_link_remove(&s->wait);
	h2_link_remove(&s->sent);
	e->n_open--;
	e->unread -= s->unread;
	free(s->trailers);
	s->trailers = NULL;
	if (e->n_kept >= H2_STREAMS_KEPT) {
		stream_free(s);
		return;
	}
	arena_reset(s->arena);
	if (s->queue.cap > H2_QUEUE_KEPT) {
		buf_fini(&s->queue);
	}
	buf_reset(&s->queue);
	s->open.next = e->kept;
	e->kept = &s->open;
	e->n_kept++;
}

void h2_stream_free_kept(struct h2_engine *e)
{
	while (e->kept) {
		stream_free(take_kept(e));
	}
}

void h2_tell(struct h2_engine *e, const struct h2_notice *notice)
{
	e->fn(e, notice, e->user);
}

void h2_stream_end(struct h2_stream *s, uint32_t code)
{
	struct h2_engine *e = s->engine;
	bool refused = !e->server && code == NGHTTP2_REFUSED_STREAM;
	h2_link_remove(&s->wait);
	h2_link_remove(&s->sent);
	/* A request whose head never came whole was never told about. */
	if (!e->server || s->final_head) {
		h2_tell(e, &(struct h2_notice){.event = refused ? H2_REFUSED : H2_CLOSED,
					       .stream = s,
					       .code = code});
	}
	h2_stream_recycle(s);
}
