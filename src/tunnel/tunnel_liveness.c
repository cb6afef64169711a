/* Is the peer still there? Any byte is life; what follows from silence stands in tunnel.h. */
#include "tunnel/tunnel_priv.h"

static void on_timer(struct loop_timer *timer);

msec_t tunnel_last_heard(const struct tunnel *t)
{
	msec_t read = t->stream != NULL ? stream_last_read(t->stream) : 0;

	return read > t->born ? read : t->born;
}

void tunnel_watch(struct tunnel *t)
{
	const struct tunnel_settings *s = &t->settings;
	msec_t heard = tunnel_last_heard(t);
	msec_t at = heard + s->dead_after;

	if (s->ping_after > 0) {
		at = t->asked_at > heard ? t->asked_at + s->ping_after : heard + s->ping_after;
	} else if (loop_now(t->loop) < heard + s->dead_after / 2) {
		at = heard + s->dead_after / 2;
	}
	if (t->ends_at > 0 && t->ends_at < at) {
		at = t->ends_at;
	}
	loop_timer_set(t->loop, &t->timer, at, on_timer);
}

void tunnel_ping(struct tunnel *t)
{
	uint8_t opaque[8];

	t->pings++;
	for (int i = 0; i < 8; i++) {
		opaque[i] = (uint8_t)(t->pings >> (8 * (7 - i)));
	}
	h2_ping(t->h2, opaque);
	tunnel_flush(t);
}

/* A PING whose answer matters; any byte since then is an answer. */
static void ask(struct tunnel *t)
{
	t->asked_at = loop_now(t->loop);
	tunnel_ping(t);
}

static bool is_dead(const struct tunnel *t, msec_t heard, msec_t now)
{
	const struct tunnel_settings *s = &t->settings;

	if (s->ping_after > 0) {
		return t->asked_at > heard && now - t->asked_at >= s->ping_after;
	}
	return now - heard >= s->dead_after;
}

/* The connector asks after silence; the relay only where requests wait for an answer (peers.md
 * c14), since it hears each living connector every ping_after. */
static bool should_ask(const struct tunnel *t, msec_t heard, msec_t now)
{
	const struct tunnel_settings *s = &t->settings;

	if (t->asked_at > heard) {
		return false;
	}
	if (s->ping_after > 0) {
		return now - heard >= s->ping_after;
	}
	return now - heard >= s->dead_after / 2 && h2_streams_open(t->h2) > 0;
}

static void on_timer(struct loop_timer *timer)
{
	struct tunnel *t = CONTAINER_OF(timer, struct tunnel, timer);
	msec_t now = loop_now(t->loop);
	msec_t heard = tunnel_last_heard(t);

	if (t->ends_at > 0 && now >= t->ends_at) {
		tunnel_lose_because(t, ERR_NONE, "");
		return;
	}
	if (is_dead(t, heard, now)) {
		tunnel_lose_because(
			t, ERR_NETWORK,
			"the other end fell silent: not one byte came, not even the answer to "
			"a PING; the path is cut or the machine stands still");
		return;
	}
	if (should_ask(t, heard, now)) {
		ask(t);
	}
	tunnel_watch(t);
}

static bool is_suspect(const struct tunnel *t)
{
	return t->asked_at > tunnel_last_heard(t) &&
	       loop_now(t->loop) - t->asked_at >= t->settings.suspect_after;
}

static void probe_if_quiet(struct tunnel *t)
{
	msec_t heard = tunnel_last_heard(t);

	if (t->asked_at <= heard && loop_now(t->loop) - heard > t->settings.dead_after * 6 / 10) {
		ask(t);
		tunnel_watch(t);
	}
}

bool tunnel_is_usable(struct tunnel *t)
{
	if (t->life != LIFE_UP || t->peer_leaves || is_suspect(t)) {
		return false;
	}
	if (!t->settings.server) {
		probe_if_quiet(t);
	}
	return true;
}
