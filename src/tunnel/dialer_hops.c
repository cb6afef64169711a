#include "tunnel/dialer_priv.h"

#include <string.h>

#include "base/clock.h"
#include "tunnel/answer.h"

static void lost_at_hop(struct lane *lane, const struct err *err)
{
	const struct dialer *d = lane->dialer;
	const struct target *t = &d->target;
	bool at_proxy = dialer_uses_proxy(d) && lane->hop <= HOP_PROXY;

	if (at_proxy) {
		lane_lost_at(lane, err, t->proxy_host, t->proxy_port);
	} else {
		lane_lost_at_relay(lane, err);
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct lane *lane = CONTAINER_OF(timer, struct lane, timer);
	struct err err = {0};

	switch (lane->hop) {
	case HOP_NONE:
		lane_step(lane, LINK_EV_TIMER);
		dialer_changed(lane->dialer);
		return;
	case HOP_RESOLVE:
		(void)err_set(&err, ERR_NETWORK, "the name was not resolved in time");
		break;
	case HOP_PROXY:
		(void)err_set(&err, ERR_NETWORK, "the proxy did not answer CONNECT in time");
		break;
	case HOP_UPGRADE:
		(void)err_set(&err, ERR_NETWORK,
			      "no answer to the upgrade in time: is this the tunnel port?");
		break;
	case HOP_CONNECT: /* the stream has its own limits there */
	case HOP_TLS:
	case HOP_OPEN:
		return;
	}
	lost_at_hop(lane, &err);
}

static void set_hop(struct lane *lane, enum hop hop, msec_t limit)
{
	struct loop *loop = lane->dialer->settings.loop;

	lane->hop = hop;
	if (limit > 0) {
		loop_timer_set(loop, &lane->timer, loop_now(loop) + limit, on_timer);
	} else {
		loop_timer_cancel(loop, &lane->timer);
	}
}

static void begin_tls(struct lane *lane)
{
	struct dialer *d = lane->dialer;
	struct tls_engine *engine = NULL;
	struct err err = {0};

	if (!tls_engine_new(d->target.tls, d->target.host, &engine, &err)) {
		lane_lost_at_relay(lane, &err);
		return;
	}
	set_hop(lane, HOP_TLS, 0);
	stream_start_tls(lane->stream, engine, d->settings.jobs, d->settings.hop_timeout);
}

static void ask_proxy(struct lane *lane)
{
	const struct target *t = &lane->dialer->target;
	AUTO_BUF struct buf text = BUF_SECRET(KIB(8));
	AUTO_BUF struct buf credentials = BUF_SECRET(KIB(2));
	AUTO_BUF struct buf authority = BUF(KIB(1));

	set_hop(lane, HOP_PROXY, lane->dialer->settings.hop_timeout);
	ptth_add_authority(&authority, t->host, t->port);
	buf_addf(&text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority.at, authority.at);
	if (t->proxy_user[0] != '\0') {
		buf_addf(&credentials, "%s:%s", t->proxy_user, t->proxy_password);
		buf_add_str(&text, STR("Proxy-Authorization: Basic "));
		buf_add_base64(&text, credentials.at, credentials.len);
		buf_add_str(&text, STR("\r\n"));
	}
	buf_add_str(&text, STR("\r\n"));
	stream_write(lane->stream, buf_str(&text));
}

static void proxy_refused(struct lane *lane, unsigned status, const char *text)
{
	const struct target *t = &lane->dialer->target;
	struct err err = {0};
	const char *next = "";

	if (status == 407) {
		next = t->proxy_user[0] == '\0' ? "it wants a user and password (Basic): "
						: "it does not accept the user and password: ";
	}
	(void)err_set(&err, status == 407 ? ERR_DENIED : ERR_NETWORK,
		      "the proxy refused CONNECT to %s:%u with %u: %s%s", t->host, t->port, status,
		      next, text[0] != '\0' ? text : http_reason(status));
	lane_lost_at(lane, &err, t->proxy_host, t->proxy_port);
}

static void read_proxy(struct lane *lane, bool at_end)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(4), KIB(128));
	struct http_head head = {0};
	struct err err = {0};
	char text[200];
	size_t used = 0;
	enum h1_outcome outcome =
		answer_read(stream_peek(lane->stream), PTTH_ANSWER_MAX, STR("CONNECT"), arena,
			    &head, text, sizeof(text), &used, &err);
	unsigned status = head.status;

	if (outcome == H1_BAD) {
		(void)err_wrap(&err, "the proxy's answer to CONNECT");
		lost_at_hop(lane, &err);
	} else if (status / 100 == 2) {
		stream_consume(lane->stream, used);
		begin_tls(lane);
	} else if (status != 0 && (outcome == H1_DONE || at_end)) {
		proxy_refused(lane, status, text);
	} else if (at_end) {
		(void)err_set(&err, ERR_NETWORK, "the proxy closed the connection at CONNECT");
		lost_at_hop(lane, &err);
	}
}

void lane_greet(struct lane *lane)
{
	const struct target *t = &lane->dialer->target;
	AUTO_BUF struct buf host = BUF(KIB(1));
	AUTO_BUF struct buf text = BUF(KIB(8));

	set_hop(lane, HOP_UPGRADE, lane->dialer->settings.hop_timeout);
	ptth_add_authority(&host, t->host, t->port);
	ptth_write_request(&text, &(struct ptth_request){
					  .subaccount = str_of(t->subaccount),
					  .instance = str_of(t->instance),
					  .run = str_of(t->run),
					  .location_id = str_of(t->location_id),
					  .protocol = PTTH_PROTOCOL,
					  .host = buf_str(&host),
				  });
	stream_write(lane->stream, buf_str(&text));
}

static void learn(struct dialer *d, const struct ptth_answer *answer)
{
	char owners[sizeof(answer->owners)];

	memcpy(owners, d->status.answer.owners, sizeof(owners));
	d->status.answer = *answer;
	if (answer->owners[0] == '\0') { /* the last known stay */
		memcpy(d->status.answer.owners, owners, sizeof(owners));
	}
	if (answer->date != 0) {
		d->status.skew_s = clock_unix() - answer->date;
	}
}

static void relay_refused(struct lane *lane, const struct ptth_answer *answer)
{
	struct dialer *d = lane->dialer;
	struct err err = {0};
	bool denied = answer->status == 401 || answer->status == 403 || answer->status == 409;

	if (answer->retry_after_s > 0) {
		msec_t cap = LINK_RETRY_AFTER_MAX_MS;
		lane->link.retry_after =
			answer->retry_after_s < cap / SEC(1) ? SEC(answer->retry_after_s) : cap;
	}
	(void)err_set(&err, denied ? ERR_DENIED : ERR_NETWORK,
		      "the relay refused the tunnel with %u: %s", answer->status,
		      answer->detail[0] != '\0' ? answer->detail : http_reason(answer->status));
	if (answer->status == 401 && (d->status.skew_s > 300 || d->status.skew_s < -300)) {
		(void)err_wrap(&err, "this machine's clock is off by %lld s, set it",
			       (long long)d->status.skew_s);
	}
	lane->refused = answer->status;
	lane_lost_at_relay(lane, &err);
}

static void read_upgrade(struct lane *lane, bool at_end)
{
	struct dialer *d = lane->dialer;
	struct ptth_answer answer;
	struct err err = {0};
	size_t used = 0;
	enum h1_outcome outcome = ptth_read_answer(stream_peek(lane->stream), &answer, &used, &err);

	if (outcome == H1_BAD) {
		(void)err_wrap(&err, "the answer to the upgrade");
		lane_lost_at_relay(lane, &err);
		return;
	}
	if (outcome == H1_MORE && !at_end) {
		return;
	}
	if (answer.status == 0) {
		(void)err_set(&err, ERR_NETWORK, "the connection was closed at the upgrade");
		lane_lost_at_relay(lane, &err);
		return;
	}
	learn(d, &answer);
	if (answer.status != 101) {
		relay_refused(lane, &answer);
		return;
	}
	stream_consume(lane->stream, used);
	d->status.refused = 0;
	d->status.reason = (struct err){0};
	lane_step(lane, LINK_EV_WELCOME);
	dialer_changed(d);
}

static void on_stream(struct stream *s, enum stream_event event, void *user)
{
	struct lane *lane = user;

	switch (event) {
	case STREAM_OPEN:
		if (lane->hop == HOP_CONNECT && dialer_uses_proxy(lane->dialer)) {
			ask_proxy(lane);
		} else if (lane->hop == HOP_CONNECT) {
			begin_tls(lane);
		} else if (lane->hop == HOP_TLS) {
			lane_step(lane, LINK_EV_CONNECTED);
		}
		break;
	case STREAM_READABLE:
	case STREAM_EOF:
		if (lane->hop == HOP_PROXY) {
			read_proxy(lane, event == STREAM_EOF);
		} else if (lane->hop == HOP_UPGRADE) {
			read_upgrade(lane, event == STREAM_EOF);
		}
		break;
	case STREAM_SENT:
		break;
	case STREAM_FAILED:
		lost_at_hop(lane, stream_failure(s));
		break;
	}
}

static void connect_to(struct lane *lane, const struct address *addresses, size_t n)
{
	struct dialer *d = lane->dialer;

	set_hop(lane, HOP_CONNECT, 0);
	lane->stream = stream_connect(d->settings.loop, addresses, n, d->settings.hop_timeout,
				      on_stream, lane);
}

static void run_errand(struct job *job)
{
	struct errand *e = CONTAINER_OF(job, struct errand, job);

	e->ok = address_resolve(e->host, e->port, e->addresses, &e->n, &e->err);
}

static void end_errand(struct job *job)
{
	struct errand *e = CONTAINER_OF(job, struct errand, job);
	struct lane *lane = e->lane;

	if (lane != NULL) {
		lane->errand = NULL;
		if (e->ok) {
			connect_to(lane, e->addresses, e->n);
		} else {
			lost_at_hop(lane, &e->err);
		}
	}
	free(e->host);
	free(e);
}

/* Names are resolved anew for each try: they may point elsewhere now. */
void lane_dial(struct lane *lane)
{
	struct dialer *d = lane->dialer;
	const struct target *t = &d->target;
	struct err err = {0};
	struct address literal;
	const char *host = dialer_uses_proxy(d) ? t->proxy_host : t->host;
	uint16_t port = dialer_uses_proxy(d) ? t->proxy_port : t->port;

	if (address_parse(str_of(host), port, &literal)) {
		connect_to(lane, &literal, 1);
		return;
	}
	set_hop(lane, HOP_RESOLVE, d->settings.hop_timeout);
	struct errand *e = NEW(struct errand);
	*e = (struct errand){.job = {.run = run_errand, .done = end_errand},
			     .lane = lane,
			     .host = must_strdup(host),
			     .port = port,
			     .n = ADDRESSES_MAX};
	if (!jobs_submit(d->settings.jobs, d->settings.loop, &e->job, &err)) {
		free(e->host);
		free(e);
		lost_at_hop(lane, &err);
		return;
	}
	lane->errand = e;
}

void lane_wait(struct lane *lane)
{
	loop_timer_set(lane->dialer->settings.loop, &lane->timer, lane->link.retry_at, on_timer);
}

void lane_set_open(struct lane *lane)
{
	set_hop(lane, HOP_OPEN, 0);
}
