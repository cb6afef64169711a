/* A tunnel's place on a worker, and its way there behind the 101. */
#include "cloud/relay/accept_priv.h"

enum {
	/* For the 101 to leave: a peer that reads nothing would keep its place among the tenant's
	 * tunnels for ever. */
	HANDOVER_MS = 5000,
};

struct admission {
	struct relay *relay;
	struct stream *stream; /* ours between upgrade and hand-over */
	struct loop_timer timer;
	struct worker_tunnel_facts facts;
	unsigned worker;
};

static void abandon(struct admission *a)
{
	char key[REGISTRY_KEY_MAX];

	if (registry_key(str_of(a->facts.subaccount), str_of(a->facts.location), key)) {
		holds_leaving(a->relay->holds, str_of(key), a->worker, false);
		(void)holds_end(a->relay->holds, str_of(key), a->worker);
		relay_sync_claim(a->relay, str_of(key), str_of(a->facts.instance));
	}
	free(a);
}

static void give_up(struct admission *a)
{
	loop_timer_cancel(a->relay->settings.control, &a->timer);
	stream_close(a->stream);
	abandon(a);
}

static void on_overdue(struct loop_timer *timer)
{
	give_up(CONTAINER_OF(timer, struct admission, timer));
}

/* The 101 must have left before the connection can change its thread. */
static void hand_over(struct stream *s, enum stream_event event, void *user)
{
	struct admission *a = user;
	struct stream_parts parts;

	switch (event) {
	case STREAM_OPEN:
	case STREAM_READABLE:
	case STREAM_SENT:
		if (stream_detach(s, &parts)) {
			loop_timer_cancel(a->relay->settings.control, &a->timer);
			relay_place_tunnel(a->relay, &a->facts, a->worker, &parts);
			free(a);
		}
		break;
	case STREAM_EOF:
	case STREAM_FAILED:
		give_up(a);
		break;
	}
}

static void on_upgrade(struct stream *take, void *user)
{
	if (take == NULL) {
		abandon(user);
		return;
	}
	struct admission *a = user;
	struct loop *control = a->relay->settings.control;

	a->stream = take;
	loop_timer_set(control, &a->timer, loop_now(control) + HANDOVER_MS, on_overdue);
	stream_set_handler(take, hand_over, a);
	hand_over(take, STREAM_SENT, a);
}

static void note_run(const struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	char key[REGISTRY_KEY_MAX];

	if (registry_key(req->subaccount, req->location_id, key)) {
		holds_note_run(r->holds, str_of(key), req->run, call->peer_cert->not_before);
	}
}

bool accept_place(struct http_call *call, struct relay *r, const struct ptth_request *req,
		  int64_t head)
{
	struct admission *a = NEW(struct admission);
	struct err err = {.kind = ERR_NONE};

	a->relay = r;
	a->facts.id = atomic_fetch_add(&r->next_id, 1) + 1;
	a->facts.since = head;
	a->facts.not_after = call->peer_cert->not_after;
	if (!holds_begin(r->holds, req->subaccount, req->location_id, req->instance, &a->worker,
			 &a->facts.replaces, &err)) {
		free(a);
		accept_refuse_later(call, "10", &err);
		return false;
	}
	/* All three fit: the claim was copied from them. */
	bool fits = str_copy(req->subaccount, a->facts.subaccount, sizeof(a->facts.subaccount)) &&
		    str_copy(req->location_id, a->facts.location, sizeof(a->facts.location)) &&
		    str_copy(req->instance, a->facts.instance, sizeof(a->facts.instance));
	snprintf(a->facts.serial, sizeof(a->facts.serial), "%s", call->peer_cert->serial);
	note_run(call, r, req);
	if (!fits) {
		abandon(a);
		http_problem(call, 400, "subaccount, instance or location ID is too long");
		return false;
	}
	call->upgrade = on_upgrade;
	call->upgrade_user = a;
	return true;
}
