#pragma once
/* The whole relay with its threads, connectors that dial it, and applications that ask it. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cloud/directory/bindings.h"
#include "cloud/directory/certificates.h"
#include "cloud/directory/connectors.h"
#include "cloud/directory/settings.h"
#include "cloud/directory/snapshot.h"
#include "cloud/relay/relay_priv.h"
#include "crypto/key.h"
#include "tunnel/tunnel.h"
#include "unit/cloud/directory/fixture.h"
#include "unit/http/call_fixture.h"

enum {
	ENDS_MAX = 16,
	PATIENCE_MS = 10000,
};

struct end {
	struct world *world;
	struct tunnel *tunnel;
	bool up, draining, lost;
	int requests;
};

struct world {
	struct store *store;
	struct snapshot_cell cell;
	struct directory_watch *watch;
	struct loop *control;
	struct jobs *jobs;
	struct relay *relay;
	struct cloud_rooms rooms;
	struct local_key *local;
	struct key *key;
	struct directory_binding binding;
	struct end ends[ENDS_MAX];
	size_t n_ends;
	char detail[1000]; /* body of the last refusal */
	bool drained;
};

/* ---- the world ---- */

static void publish_keys(struct world *w)
{
	AUTO_BUF struct buf spki = BUF(KIB(4)), jwks = BUF(KIB(8));
	struct err err;

	assert_ok(local_key_generate(KEY_KIND_P256, &w->local, &err), &err);
	assert_ok(local_key_spki(w->local, &spki, &err), &err);
	assert_ok(key_new(buf_str(&spki), local_key_signer, w->local, &w->key, &err), &err);
	buf_add_str(&jwks, STR("{\"keys\":["));
	assert_ok(jose_add_jwk(&jwks, buf_str(&spki), "k1", &err), &err);
	buf_add_str(&jwks, STR("]}"));
	assert_ok(directory_setting_set(w->store, &actor, STR(DIRECTORY_SETTING_JWKS),
					buf_str(&jwks), &err),
		  &err);
}

static void record(struct world *w, const char *serial, const char *instance)
{
	struct directory_certificate c = {.subaccount = SUBACCOUNT,
					  .not_before = clock_unix() - 3600,
					  .not_after = clock_unix() + 3600,
					  .issued = clock_unix(),
					  .issued_to = "user:alice"};
	struct err err;

	snprintf(c.serial, sizeof(c.serial), "%s", serial);
	snprintf(c.instance, sizeof(c.instance), "%s", instance);
	memset(c.spki_sha256, serial[1], sizeof(c.spki_sha256));
	assert_ok(directory_certificate_record(w->store, &actor, &c, &err), &err);
}

static void start(struct world *w, void **state)
{
	char secret[DIRECTORY_SECRET_MAX];
	struct err err;

	memset(w, 0, sizeof(*w));
	w->store = ready(state);
	publish_keys(w);
	record(w, "01:01", INSTANCE);
	record(w, "02:02", OTHER);
	assert_ok(directory_binding_create(w->store, &actor, STR(SUBACCOUNT), STR("app"), 0,
					   clock_unix(), &w->binding, secret, &err),
		  &err);
	snapshot_cell_init(&w->cell);
	assert_ok(directory_watch_start(w->store, &w->cell, &w->watch, &err), &err);
	assert_ok(loop_new(&w->control, &err), &err);
	assert_ok(jobs_new("test", 2, 1000, &w->jobs, &err), &err);
	/* Texts that are gone when the caller returned, as those of a real program may be. */
	char node[] = "node-1", region[] = REGION, token_url[] = "https://tokens.test";
	const struct relay_settings settings = {.workers = 2,
						.proxy = "127.0.0.1:0",
						.node = node,
						.region_host = region,
						.token_url = token_url,
						.store = w->store,
						.directory = &w->cell,
						.control = w->control,
						.jobs = w->jobs};
	assert_ok(relay_new(&settings, &w->relay, &err), &err);
	memset(node, '?', sizeof(node) - 1);
	memset(region, '?', sizeof(region) - 1);
	memset(token_url, '?', sizeof(token_url) - 1);
	w->rooms.relay = w->relay;
}

static void stop(struct world *w)
{
	relay_free(w->relay);
	for (size_t i = 0; i < w->n_ends; i++) {
		tunnel_close(w->ends[i].tunnel);
	}
	jobs_free(w->jobs);
	loop_free(w->control);
	directory_watch_stop(w->watch);
	snapshot_cell_fini(&w->cell);
	key_free(w->key);
	local_key_free(w->local);
}

UNUSED static void turn_until(struct world *w, const bool *what)
{
	for (msec_t end = clock_now() + PATIENCE_MS; !*what;) {
		if (clock_now() > end) {
			fail_msg("it did not happen");
		}
		loop_turn(w->control, 20);
	}
}

UNUSED static struct relay_counters count(struct world *w)
{
	struct relay_counters sum;
	struct err err;

	assert_ok(relay_count_wait(w->relay, &sum, &err), &err);
	return sum;
}

/* ---- connectors ---- */

static void on_stream(struct h2_engine *e UNUSED, const struct h2_notice *n, void *user)
{
	struct end *end = user;
	struct http_head head = {.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 2};
	struct err err;

	if (n->event == H2_HEAD) {
		end->requests++;
		assert_ok(h2_respond(n->stream, &head, true, &err), &err);
		h2_send(n->stream, STR("ok"));
		h2_end(n->stream, NULL, 0);
		tunnel_flush(end->tunnel);
	}
}

static void on_tunnel(struct tunnel *t, enum tunnel_event event, void *user)
{
	struct end *end = user;

	end->up |= event == TUNNEL_UP;
	end->draining |= event == TUNNEL_DRAINING;
	if (event == TUNNEL_LOST) {
		end->lost = true;
		tunnel_close(t);
		end->tunnel = NULL;
	}
}

static void ignore(struct stream *s UNUSED, enum stream_event event UNUSED, void *user UNUSED)
{
}

/* The connector's end can be up before the relay's worker has read its SETTINGS. */
static void wait_for_opened(struct world *w, uint64_t n)
{
	for (msec_t end = clock_now() + PATIENCE_MS; count(w).tunnels_opened_total < n;) {
		assert_true(clock_now() < end);
		loop_turn(w->control, 1);
	}
}

UNUSED static struct end *connect_end(struct world *w, struct http_call *call)
{
	uint64_t opened = count(w).tunnels_opened_total;
	const struct tunnel_settings settings = {.server = true,
						 .ping_after = 5000,
						 .dead_after = 10000,
						 .suspect_after = 2000,
						 .turn_out_max = 64 * 1024,
						 .on_stream = on_stream,
						 .on_tunnel = on_tunnel,
						 .user = &w->ends[w->n_ends]};
	struct end *end = &w->ends[w->n_ends++];
	struct err err;
	int fd[2];

	end->world = w;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	struct stream *near = stream_adopt(w->control, fd[0], ignore, NULL);
	struct stream *far = stream_adopt(w->control, fd[1], ignore, NULL);
	/* As the server does: the 101 is still queued when the stream is handed over. */
	stream_write(near, STR("!"));
	call->upgrade(near, call->upgrade_user);
	char c = 0;
	while (recv(fd[1], &c, 1, MSG_DONTWAIT) != 1) {
		loop_turn(w->control, 20);
	}
	assert_int_equal(c, '!');
	assert_ok(tunnel_new(far, &settings, &end->tunnel, &err), &err);
	turn_until(w, &end->up);
	wait_for_opened(w, opened + 1);
	return end;
}

struct dial {
	const char *serial, *instance, *location, *path;
	enum tls_peer_state state;
	bool without_upgrade, probe;
	const char *spelled; /* the instance in the request; NULL: as in the certificate */
	const char *agent;   /* User-Agent; NULL: none */
};

static void fill_call(struct fixture *f, struct world *w, const struct dial *d,
		      struct cert_facts *facts)
{
	static char encoded[200];
	AUTO_BUF struct buf location = BUF(sizeof(encoded));

	fixture_start(f, "", "");
	f->head.method = STR("GET");
	f->head.path = d->path ? str_of(d->path) : STR("/ptth/subaccounts/" SUBACCOUNT);
	f->head.authority = STR("relay.test");
	if (!d->without_upgrade) {
		fixture_field(f, "Connection", "upgrade");
	}
	fixture_field(f, "Upgrade", "ptth");
	fixture_field(f, "ALPN", "h2");
	fixture_field(f, "Drawbridge-Protocol", "1");
	fixture_field(f, "Drawbridge-Instance", d->spelled ? d->spelled : d->instance);
	if (d->probe) {
		fixture_field(f, "Drawbridge-Probe", "1");
	}
	if (d->agent != NULL) {
		fixture_field(f, "User-Agent", d->agent);
	}
	buf_add_base64url(&location, d->location, strlen(d->location));
	assert_true(str_copy(buf_str(&location), encoded, sizeof(encoded)));
	fixture_field(f, "Drawbridge-Location-Id", encoded);
	*facts = (struct cert_facts){.not_before = clock_unix() - 3600,
				     .not_after = clock_unix() + 3600};
	snprintf(facts->serial, sizeof(facts->serial), "%s", d->serial);
	snprintf(facts->uri, sizeof(facts->uri),
		 "spiffe://" REGION "/subaccount/" SUBACCOUNT "/connector/%s", d->instance);
	memset(facts->spki_sha256, d->serial[1], sizeof(facts->spki_sha256));
	f->call.peer_state = d->state;
	f->call.peer_cert = facts;
	f->call.user = &w->rooms;
	f->call.path = f->head.path;
	f->call.route = &relay_routes[0];
}

/* Returns the status; *end is the connector's tunnel after a 101. */
UNUSED static unsigned dial(struct world *w, const struct dial *d, struct end **end)
{
	struct cert_facts facts;
	struct fixture f;

	fill_call(&f, w, d, &facts);
	relay_routes[0].handler(&f.call);
	snprintf(w->detail, sizeof(w->detail), "%.*s", STR_ARGS(buf_str(&f.call.out)));
	unsigned status = f.call.status;
	if (status == 101) {
		assert_str(fixture_answered(&f, "Drawbridge-Tunnels"), "2");
		assert_str(fixture_answered(&f, "Drawbridge-Owners"), "alice");
		*end = connect_end(w, &f.call);
	}
	fixture_end(&f);
	return status;
}

/* As in production: the handler blocks in a job while the loops go on. */
struct dial_job {
	struct job job;
	struct fixture f;
	bool done;
};

static void run_dial(struct job *job)
{
	struct dial_job *d = CONTAINER_OF(job, struct dial_job, job);
	relay_routes[0].handler(&d->f.call);
}

static void dial_done(struct job *job)
{
	CONTAINER_OF(job, struct dial_job, job)->done = true;
}

UNUSED static unsigned dial_in_job(struct world *w, const struct dial *d, struct end **end)
{
	struct dial_job job = {.job = {.run = run_dial, .done = dial_done}};
	struct cert_facts facts;
	struct err err;

	fill_call(&job.f, w, d, &facts);
	assert_ok(jobs_submit(w->jobs, w->control, &job.job, &err), &err);
	turn_until(w, &job.done);
	snprintf(w->detail, sizeof(w->detail), "%.*s", STR_ARGS(buf_str(&job.f.call.out)));
	if (job.f.call.status == 101) {
		*end = connect_end(w, &job.f.call);
	}
	fixture_end(&job.f);
	return job.f.call.status;
}

#define FIRST  ((struct dial){"01:01", INSTANCE, "x", NULL, TLS_PEER_TRUSTED})
#define SECOND ((struct dial){"02:02", OTHER, "x", NULL, TLS_PEER_TRUSTED})

UNUSED static void expect_detail(const struct world *w, const char *part)
{
	if (!str_contains(str_of(w->detail), str_of(part))) {
		fail_msg("\"%s\" does not say \"%s\"", w->detail, part);
	}
}

/* ---- applications ---- */

UNUSED static int send_request(struct world *w, struct str request)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(relay_proxy_port(w->relay)),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, request.at, request.len, 0), request.len);
	return fd;
}

UNUSED static int open_client(struct world *w, const char *location)
{
	AUTO_BUF struct buf claims = BUF(KIB(1)), request = BUF(KIB(8));
	struct err err;

	buf_addf(&claims, "{\"zid\":\"" SUBACCOUNT "\",\"client_id\":\"%s\",\"exp\":%lld}",
		 w->binding.client_id, (long long)clock_unix() + 60);
	buf_addf(&request,
		 "GET http://erp/ HTTP/1.1\r\nHost: erp\r\nSAP-Connectivity-SCC-Location_ID: %s\r\n"
		 "Proxy-Authorization: Bearer ",
		 location);
	assert_ok(jose_sign(w->key, "k1", NULL, buf_str(&claims), &request, &err), &err);
	buf_add_str(&request, STR("\r\n\r\n"));
	return send_request(w, buf_str(&request));
}

UNUSED static void take_answer(struct world *w, int take_fd, char *answer, size_t size)
{
	AUTO_FD int fd = take_fd;
	ssize_t n = -1;

	for (msec_t end = clock_now() + PATIENCE_MS; n < 0 && clock_now() < end;) {
		loop_turn(w->control, 10);
		n = recv(fd, answer, size - 1, MSG_DONTWAIT);
	}
	answer[n > 0 ? n : 0] = '\0';
}

UNUSED static void ask(struct world *w, const char *location, char *answer, size_t size)
{
	take_answer(w, open_client(w, location), answer, size);
}
