/* How a tunnel ends: drained, lost, or closed by its owner. */
#include "tunnel/tunnel_priv.h"

/* ---- loss ---- */

void tunnel_lose(struct tunnel *t, const struct err *why)
{
	if (t->life >= LIFE_LOST) {
		return;
	}
	t->failure = *why;
	t->life = LIFE_LOST;
	loop_timer_cancel(t->loop, &t->timer);
	if (t->stream != NULL && why->kind == ERR_NETWORK) {
		stream_close(TAKE(t->stream)); /* nobody is there to hear more */
	} else if (t->stream != NULL) {
		stream_close_after_flush(TAKE(t->stream), TUNNEL_LAST_WORDS_MS);
	}
	tunnel_say(t, SAY_LOST);
}

void tunnel_lose_because(struct tunnel *t, enum err_kind kind, const char *text)
{
	struct err why = {0};

	if (kind != ERR_NONE) {
		(void)err_set(&why, kind, "%s", text);
	}
	tunnel_lose(t, &why);
}

/* FIN is the right end of a drain, from either side; else it is a loss. */
void tunnel_lose_at_eof(struct tunnel *t)
{
	struct err why = {0};

	if (t->peer_code != 0) {
		(void)err_set(&why, ERR_NETWORK,
			      "the other end gave the connection up with HTTP/2 error %u",
			      t->peer_code);
	} else if (t->life != LIFE_LEAVING && !t->peer_leaves) {
		(void)err_set(&why, ERR_NETWORK, "the other end closed the connection");
	}
	tunnel_lose(t, &why);
}

void tunnel_lose_failed(struct tunnel *t)
{
	struct err why = *stream_failure(t->stream);

	stream_close(TAKE(t->stream));
	tunnel_lose(t, &why);
}

/* ---- drain ---- */

void tunnel_drain(struct tunnel *t, msec_t limit)
{
	if (t->life > LIFE_UP) {
		return;
	}
	t->ends_at = loop_now(t->loop) + limit;
	if (t->settings.server && !t->peer_leaves) {
		h2_shutdown_notice(t->h2);
		tunnel_ping(t);
		t->last_ping = t->pings;
		t->life = LIFE_NOTICE;
	} else {
		/* A relay that leaves itself has other tunnels; the library would send it no PING.
		 */
		h2_goaway(t->h2, 0);
		t->life = LIFE_LEAVING;
	}
	tunnel_flush(t);
	tunnel_watch(t);
}

/*
 * A peer that leaves, too, and has no stream answers no PING any more. What it sent behind its
 * GOAWAY in one write is here when this is called in phase ACT: the library lets requests of the
 * same turn follow.
 */
void tunnel_finish_notice(struct tunnel *t)
{
	if (t->life == LIFE_NOTICE && (t->pongs >= t->last_ping || t->peer_leaves)) {
		/* Every request that the relay sent before it saw the notice is here now. */
		h2_goaway(t->h2, 0);
		t->life = LIFE_LEAVING;
		tunnel_flush(t);
	}
}

/* Ends a drain when its time has come. */
void tunnel_leave_if_done(struct tunnel *t)
{
	if (t->life != LIFE_LEAVING || t->stream == NULL || h2_streams_open(t->h2) > 0 ||
	    h2_wants_drain(t->h2)) {
		return;
	}
	if (t->settings.server || t->peer_leaves) {
		tunnel_lose_because(t, ERR_NONE, "");
	}
}

/* ---- death ---- */

void tunnel_free_engine(struct tunnel *t)
{
	struct h2_engine *e = TAKE(t->h2);

	if (e != NULL) {
		h2_free(e);
	}
}

static void bury(struct loop_task *task)
{
	struct tunnel *t = CONTAINER_OF(task, struct tunnel, grave);

	tunnel_free_engine(t);
	free(t);
}

void tunnel_close(struct tunnel *t)
{
	if (t == NULL || t->life == LIFE_BURIED) {
		return;
	}
	if (t->stream != NULL) {
		stream_close(TAKE(t->stream));
	}
	loop_timer_cancel(t->loop, &t->timer);
	loop_undefer(t->loop, &t->notice);
	t->life = LIFE_BURIED;
	t->cut = t->inside;
	if (!t->inside) {
		tunnel_free_engine(t);
	}
	loop_defer(t->loop, LOOP_FREE, &t->grave, bury);
}
