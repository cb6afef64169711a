#include "tunnel/dialer_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"

static void obey(struct lane *lane, enum link_command command);

/* ---- the target ---- */

static char *dup_text(const char *text)
{
	return must_strdup(text != NULL ? text : "");
}

static void wipe_text(char *text)
{
	if (text != NULL) {
		explicit_bzero(text, strlen(text));
	}
	free(text);
}

static void target_fini(struct target *t)
{
	free(t->host);
	free(t->subaccount);
	free(t->instance);
	free(t->run);
	free(t->location_id);
	free(t->proxy_host);
	free(t->proxy_user);
	wipe_text(t->proxy_password);
	tls_config_unref(t->tls);
	*t = (struct target){0};
}

static void target_copy(struct target *t, const struct dialer_target *from)
{
	*t = (struct target){
		.host = dup_text(from->host),
		.subaccount = dup_text(from->subaccount),
		.instance = dup_text(from->instance),
		.run = dup_text(from->run),
		.location_id = dup_text(from->location_id),
		.proxy_host = dup_text(from->proxy_host),
		.proxy_user = dup_text(from->proxy_user),
		.proxy_password = dup_text(from->proxy_password),
		.port = from->port,
		.proxy_port = from->proxy_port,
		.tls = tls_config_ref(from->tls),
	};
}

bool dialer_uses_proxy(const struct dialer *d)
{
	return d->target.proxy_host[0] != '\0';
}

/* ---- what the owner sees ---- */

static void on_notice(struct loop_task *task)
{
	struct dialer *d = CONTAINER_OF(task, struct dialer, notice);

	d->settings.on_change(d, d->settings.user);
}

/* One that drains takes no requests; it counts while its planned successor is on the way. */
static bool counts_as_up(const struct dialer *d, const struct lane *lane)
{
	return lane->link.state == LINK_UP || !d->lanes->failed;
}

void dialer_changed(struct dialer *d)
{
	struct dialer_status *st = &d->status;

	st->state = LINK_IDLE;
	st->tunnels = 0;
	st->up_since_ms = 0;
	if (d->lanes != NULL) {
		st->state = d->lanes->link.state;
		st->failures = d->lanes->link.failures;
		st->retry_at = d->lanes->link.retry_at;
	}
	for (const struct lane *lane = d->lanes; lane != NULL; lane = lane->next) {
		if (lane->tunnel == NULL) {
			continue;
		}
		st->tunnels++;
		if (counts_as_up(d, lane) && lane->up_since_ms > st->up_since_ms) {
			st->up_since_ms = lane->up_since_ms;
		}
	}
	if (d->settings.on_change != NULL) {
		loop_defer(d->settings.loop, LOOP_ACT, &d->notice, on_notice);
	}
}

/* ---- lanes ---- */

static struct lane *lane_add(struct dialer *d)
{
	struct lane *lane = NEW(struct lane);

	lane->dialer = d;
	lane->link.seed = random_jitter(&d->settings.seed);
	lane->next = d->lanes;
	d->lanes = lane;
	return lane;
}

/* Lets go of all that a try or a tunnel holds. */
static void lane_clear(struct lane *lane)
{
	loop_timer_cancel(lane->dialer->settings.loop, &lane->timer);
	if (lane->errand != NULL) {
		TAKE(lane->errand)->lane = NULL;
	}
	if (lane->stream != NULL) {
		stream_close(TAKE(lane->stream));
	}
	if (lane->tunnel != NULL) {
		tunnel_close(TAKE(lane->tunnel));
	}
	lane->hop = HOP_NONE;
	lane->up_since_ms = 0;
}

static void lane_remove(struct lane *lane)
{
	struct lane **at = &lane->dialer->lanes;

	lane_clear(lane);
	while (*at != lane) {
		at = &(*at)->next;
	}
	*at = lane->next;
	free(lane);
}

void lane_step(struct lane *lane, enum link_event event)
{
	obey(lane, link_step(&lane->link, event, loop_now(lane->dialer->settings.loop)));
}

/* This try or tunnel is over because of `err`. */
void lane_lost(struct lane *lane, const struct err *err)
{
	struct dialer *d = lane->dialer;

	if (err->kind != ERR_NONE && lane == d->lanes) {
		d->status.reason = *err;
		d->status.refused = lane->refused;
	}
	lane->refused = 0;
	lane->failed = true;
	if (lane == d->lanes && !d->draining) {
		lane_step(lane, LINK_EV_LOST);
	} else {
		lane_remove(lane); /* its successor dials */
	}
	dialer_changed(d);
}

void lane_lost_at(struct lane *lane, const struct err *err, const char *where, uint16_t port)
{
	struct err why = *err;

	(void)err_wrap(&why, "%s:%u", where, port);
	lane_lost(lane, &why);
}

void lane_lost_at_relay(struct lane *lane, const struct err *err)
{
	const struct target *t = &lane->dialer->target;

	lane_lost_at(lane, err, t->host, t->port);
}

/* ---- the tunnel ---- */

static void on_tunnel_stream(struct h2_engine *e, const struct h2_notice *notice, void *user)
{
	const struct lane *lane = user;

	(void)e;
	lane->dialer->settings.on_stream(lane->tunnel, notice, lane->dialer->settings.user);
}

static void drain_older(const struct lane *newer)
{
	struct lane *lane = newer->next;

	while (lane != NULL) {
		struct lane *older = lane->next;
		if (lane->tunnel == NULL) {
			lane_remove(lane);
		} else {
			lane_step(lane, LINK_EV_DRAIN);
		}
		lane = older;
	}
}

static void on_tunnel(struct tunnel *t, enum tunnel_event event, void *user)
{
	struct lane *lane = user;

	switch (event) {
	case TUNNEL_UP:
		break;
	case TUNNEL_SERVING:
		drain_older(lane);
		break;
	case TUNNEL_DRAINING:
		lane_step(lane, LINK_EV_GOAWAY);
		dialer_changed(lane->dialer);
		break;
	case TUNNEL_LOST:
		if (tunnel_failure(t)->kind == ERR_NONE) {
			lane_lost(lane, tunnel_failure(t));
		} else {
			lane_lost_at_relay(lane, tunnel_failure(t));
		}
		break;
	}
}

static void open_tunnel(struct lane *lane)
{
	struct dialer *d = lane->dialer;
	struct err err = {0};
	struct tunnel_settings settings = {
		.server = true,
		.ping_after = d->settings.ping_after,
		.dead_after = d->settings.dead_after,
		.suspect_after = SEC(2),
		.turn_out_max = KIB(64),
		.on_stream = on_tunnel_stream,
		.on_tunnel = on_tunnel,
		.user = lane,
	};

	lane_set_open(lane);
	if (!tunnel_new(TAKE(lane->stream), &settings, &lane->tunnel, &err)) {
		lane_lost_at_relay(lane, &err);
		return;
	}
	lane->up_since_ms = clock_unix_ms();
	lane->failed = false;
}

/* A new lane before this one; too many tunnels that drain: the oldest is cut. */
static void succeed(struct dialer *d, enum link_event event, unsigned failures)
{
	msec_t quick_until = d->lanes != NULL ? d->lanes->link.quick_until : 0;
	struct lane *lane = lane_add(d);
	size_t n = 1;

	lane->link.failures = failures;
	lane->link.quick_until = quick_until;
	for (struct lane *at = lane; at->next != NULL; at = at->next) {
		if (++n > DIALER_TUNNELS_MAX) {
			lane_remove(at->next);
			break;
		}
	}
	lane_step(lane, event);
}

/*
 * The relay says "dial elsewhere". It sends no more requests on this tunnel, which ends with those
 * that run: a relay that shuts down waits for that. One that says so at once and always is dialled
 * ever slower.
 */
static void replace(struct lane *lane)
{
	struct dialer *d = lane->dialer;
	msec_t age = loop_now(d->settings.loop) - lane->link.up_since;

	tunnel_drain(lane->tunnel, DIALER_REPLACED_MS);
	if (lane == d->lanes) { /* else its successor is on the way */
		succeed(d, LINK_EV_FOLLOW, age < LINK_STABLE_MS ? lane->link.failures : 0);
	}
}

/* The driver has no decisions of its own: they are in link.c. */
static void obey(struct lane *lane, enum link_command command)
{
	struct dialer *d = lane->dialer;

	switch (command) {
	case LINK_DO_NOTHING:
		break;
	case LINK_DO_DIAL:
		lane_dial(lane);
		break;
	case LINK_DO_GREET:
		lane_greet(lane);
		break;
	case LINK_DO_OPEN:
		open_tunnel(lane);
		break;
	case LINK_DO_DRAIN:
		tunnel_drain(lane->tunnel,
			     d->draining ? d->settings.drain_limit : DIALER_REPLACED_MS);
		break;
	case LINK_DO_REPLACE:
		replace(lane);
		break;
	case LINK_DO_CLOSE:
		lane_clear(lane);
		if (lane->link.state == LINK_WAITING) {
			lane_wait(lane);
		}
		break;
	}
}

/* ---- the owner's calls ---- */

struct dialer *dialer_new(const struct dialer_settings *settings,
			  const struct dialer_target *target)
{
	struct dialer *d = NEW(struct dialer);

	d->settings = *settings;
	if (d->settings.seed == 0) {
		random_bytes(&d->settings.seed, sizeof(d->settings.seed));
	}
	if (d->settings.hop_timeout == 0) {
		d->settings.hop_timeout = DIALER_HOP_MS;
	}
	if (d->settings.drain_limit == 0) {
		d->settings.drain_limit = DIALER_DRAIN_MS;
	}
	if (d->settings.ping_after == 0) {
		d->settings.ping_after = SEC(5);
	}
	if (d->settings.dead_after == 0) {
		d->settings.dead_after = SEC(10);
	}
	d->status.answer.tunnels = 1;
	target_copy(&d->target, target);
	return d;
}

void dialer_start(struct dialer *d)
{
	if (d->lanes != NULL && d->lanes->link.state != LINK_DRAINING) {
		return;
	}
	d->draining = false;
	succeed(d, LINK_EV_START, 0);
	dialer_changed(d);
}

void dialer_retarget(struct dialer *d, const struct dialer_target *target)
{
	struct target old = d->target;

	target_copy(&d->target, target);
	target_fini(&old);
	if (d->lanes == NULL || d->draining) {
		return;
	}
	if (d->lanes->link.state == LINK_UP) {
		succeed(d, LINK_EV_START, 0);
	} else if (d->lanes->link.state != LINK_DRAINING) {
		lane_step(d->lanes, LINK_EV_STOP);
		lane_step(d->lanes, LINK_EV_START);
	}
	dialer_changed(d);
}

void dialer_hurry(struct dialer *d)
{
	if (d->lanes != NULL) {
		lane_step(d->lanes, LINK_EV_HURRY);
		dialer_changed(d);
	}
}

void dialer_drain(struct dialer *d)
{
	struct lane *lane = d->lanes;

	d->draining = true;
	while (lane != NULL) {
		struct lane *older = lane->next;
		lane_step(lane, LINK_EV_DRAIN);
		if (lane->link.state == LINK_IDLE) {
			lane_remove(lane);
		}
		lane = older;
	}
	dialer_changed(d);
}

void dialer_stop(struct dialer *d)
{
	while (d->lanes != NULL) {
		lane_remove(d->lanes);
	}
	d->draining = false;
	dialer_changed(d);
}

void dialer_free(struct dialer *d)
{
	if (d == NULL) {
		return;
	}
	dialer_stop(d);
	loop_undefer(d->settings.loop, &d->notice);
	target_fini(&d->target);
	free(d);
}

const struct dialer_status *dialer_status(const struct dialer *d)
{
	return &d->status;
}
