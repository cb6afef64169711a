#pragma once
/* A relay's tunnel listener for tests, on loopback: TLS, the upgrade, tunnels in the client's role.
 */
#include "net/listener.h"
#include "tunnel/handshake.h"
#include "tunnel/tunnel.h"
#include "unit/crypto/testca.h"
#include "unit/unit.h"

enum {
	FAKE_TUNNELS = 16,
};

struct fake_relay {
	struct loop *loop;
	struct jobs *jobs;
	struct listener *listener;
	struct testcert root, server, client;
	struct tls_config *tls;
	uint16_t port;
	const char *refusal; /* whole HTTP answer instead of 101 */
	unsigned tunnels_wanted;
	/* seen */
	unsigned accepted, welcomed;
	char subaccount[40], location[130], host[64];
	char serial[64]; /* of the last client certificate */
	enum tls_peer_state peer;
	struct tunnel *tunnels[FAKE_TUNNELS]; /* by number of arrival; NULL when gone */
	struct fake_conn *conns;
	unsigned answered; /* responses with status 204 */
};

struct fake_conn {
	struct fake_conn *next;
	struct fake_relay *relay;
	struct stream *stream;
	unsigned number;
};

static inline void fake_on_stream(struct h2_engine *e UNUSED, const struct h2_notice *n, void *user)
{
	struct fake_conn *c = user;

	if (n->event == H2_HEAD && h2_head(n->stream)->status == 204) {
		c->relay->answered++;
	}
}

static inline void fake_on_tunnel(struct tunnel *t, enum tunnel_event event, void *user)
{
	struct fake_conn *c = user;

	if (event == TUNNEL_LOST) {
		tunnel_close(t);
		c->relay->tunnels[c->number] = NULL;
	}
}

static inline void fake_welcome(struct fake_conn *c)
{
	struct fake_relay *r = c->relay;
	struct err err = {0};
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct tunnel_settings settings = {.dead_after = SEC(10),
					   .suspect_after = SEC(2),
					   .turn_out_max = KIB(64),
					   .on_stream = fake_on_stream,
					   .on_tunnel = fake_on_tunnel,
					   .user = c};

	buf_addf(&text,
		 "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ptth\r\n"
		 "ALPN: h2\r\nDrawbridge-Tunnels: %u\r\nDrawbridge-Owners: ann@plant\r\n"
		 "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
		 r->tunnels_wanted > 0 ? r->tunnels_wanted : 1);
	stream_write(c->stream, buf_str(&text)); /* the preface follows in the same record */
	c->number = r->welcomed++;
	assert_true(c->number < FAKE_TUNNELS);
	assert_ok(tunnel_new(TAKE(c->stream), &settings, &r->tunnels[c->number], &err), &err);
}

static inline void fake_greeted(struct fake_conn *c)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(8), KIB(64));
	struct fake_relay *r = c->relay;
	struct h1_limits limits = H1_LIMITS;
	struct http_head head = {0};
	struct ptth_request request;
	struct cert_facts facts = {0};
	struct err err = {0};
	size_t used = 0;
	unsigned status = 0;

	if (h1_read_request(stream_peek(c->stream), &limits, arena, &head, &used, &status, &err) !=
	    H1_DONE) {
		return;
	}
	assert_ok(ptth_read_request(&head, arena, &request, &err), &err);
	assert_true(str_copy(request.subaccount, r->subaccount, sizeof(r->subaccount)));
	assert_true(str_copy(request.location_id, r->location, sizeof(r->location)));
	assert_true(str_copy(request.host, r->host, sizeof(r->host)));
	r->peer = tls_peer(stream_tls(c->stream), &facts);
	memcpy(r->serial, facts.serial, sizeof(facts.serial) < 64 ? sizeof(facts.serial) : 64);
	stream_consume(c->stream, used);
	if (r->refusal == NULL) {
		fake_welcome(c);
		return;
	}
	stream_write(c->stream, str_of(r->refusal));
	stream_close_after_flush(TAKE(c->stream), SEC(1));
}

static inline void fake_on_event(struct stream *s, enum stream_event event, void *user)
{
	struct fake_conn *c = user;

	if (event == STREAM_READABLE) {
		fake_greeted(c);
	} else if (event == STREAM_FAILED || event == STREAM_EOF) {
		c->stream = NULL;
		stream_close(s);
	}
}

static inline void fake_on_accept(void *user, int fd, const struct address *peer UNUSED)
{
	struct fake_relay *r = user;
	struct fake_conn *c = NEW(struct fake_conn);
	struct tls_engine *engine = NULL;
	struct err err = {0};

	r->accepted++;
	c->relay = r;
	c->next = r->conns;
	r->conns = c;
	c->stream = stream_adopt(r->loop, fd, fake_on_event, c);
	assert_ok(tls_engine_new(r->tls, NULL, &engine, &err), &err);
	stream_start_tls(c->stream, engine, r->jobs, SEC(10));
}

static inline void fake_relay_listen(struct fake_relay *r)
{
	struct err err = {0};
	char where[32];

	snprintf(where, sizeof(where), "127.0.0.1:%u", r->port);
	assert_ok(listener_open(r->loop, where, false, fake_on_accept, r, &r->listener, &err),
		  &err);
	r->port = listener_port(r->listener);
}

static inline void fake_relay_open(struct fake_relay *r, struct loop *loop, struct jobs *jobs)
{
	struct err err = {0};

	*r = (struct fake_relay){.loop = loop, .jobs = jobs};
	testcert_root(&r->root, "CN=root");
	testcert_server(&r->server, &r->root, KEY_KIND_P256, "localhost");
	testcert_client(&r->client, &r->root, 0, 0);
	struct tls_settings settings = {.server = true,
					.peer = TLS_PEER_OPTIONAL,
					.chain_pem = buf_str(&r->server.pem),
					.key = r->server.key,
					.anchors_pem = buf_str(&r->root.pem),
					.alpn = "http/1.1"};
	assert_ok(tls_config_new(&settings, &r->tls, &err), &err);
	fake_relay_listen(r);
}

/* What a connector with this certificate dials with. */
static inline struct tls_config *fake_relay_client(const struct fake_relay *r,
						   const struct testcert *identity)
{
	struct tls_config *config = NULL;
	struct err err = {0};
	struct tls_settings settings = {.peer = TLS_PEER_VERIFY,
					.chain_pem = buf_str(&identity->pem),
					.key = identity->key,
					.anchors_pem = buf_str(&r->root.pem),
					.alpn = "http/1.1"};

	assert_ok(tls_config_new(&settings, &config, &err), &err);
	return config;
}

static inline size_t fake_relay_count(const struct fake_relay *r)
{
	size_t n = 0;

	for (size_t i = 0; i < FAKE_TUNNELS; i++) {
		n += r->tunnels[i] != NULL;
	}
	return n;
}

/* Kills listener and connections, like kill -9. */
static inline void fake_relay_down(struct fake_relay *r)
{
	listener_close(TAKE(r->listener));
	for (size_t i = 0; i < FAKE_TUNNELS; i++) {
		tunnel_close(TAKE(r->tunnels[i]));
	}
	for (struct fake_conn *c = r->conns; c != NULL; c = c->next) {
		if (c->stream != NULL) {
			stream_close(TAKE(c->stream));
		}
	}
}

static inline void fake_relay_close(struct fake_relay *r)
{
	fake_relay_down(r);
	for (int i = 0; i < 4; i++) {
		(void)loop_turn(r->loop, 0);
	}
	while (r->conns != NULL) {
		struct fake_conn *c = r->conns;
		r->conns = c->next;
		free(c);
	}
	tls_config_unref(r->tls);
	testcert_free(&r->root);
	testcert_free(&r->server);
	testcert_free(&r->client);
}
