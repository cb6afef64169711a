#pragma once
/*
 * A scripted back end in the same process and loop: accepts on a free port of 127.0.0.1, keeps what
 * it was sent, and does what the test says when a request's head is complete.
 */
#include "base/clock.h"
#include "base/random.h"
#include "crypto/issue.h"
#include "net/listener.h"
#include "net/stream.h"
#include "unit/unit.h"

#include <sys/socket.h>

enum {
	ORIGIN_CONNS = 64,
};

struct origin;

struct origin_conn {
	struct origin *origin;
	struct stream *stream;
	struct buf in; /* not yet answered */
	bool tls_started, eof;
	unsigned answered;
};

/* A head is complete at the start of conn->in. */
typedef void origin_fn(struct origin_conn *conn);

struct origin {
	struct loop *loop;
	struct jobs *jobs;
	struct listener *listener;
	struct tls_config *tls;
	uint16_t port;
	origin_fn *answer;
	const char *reply; /* for origin_reply */
	struct origin_conn conns[ORIGIN_CONNS];
	size_t n_conns;     /* ever accepted */
	size_t n_closed;    /* EOF or reset seen */
	struct buf seen;    /* everything that came */
	bool hears_nothing; /* leaves bytes unread */
};

UNUSED static void origin_drop(struct origin_conn *c)
{
	if (c->stream != NULL) {
		stream_close(c->stream);
		c->stream = NULL;
	}
}

/* RST instead of FIN. */
UNUSED static void origin_reset(struct origin_conn *c)
{
	struct linger now = {.l_onoff = 1};

	(void)setsockopt(stream_fd(c->stream), SOL_SOCKET, SO_LINGER, &now, sizeof now);
	origin_drop(c);
}

UNUSED static void origin_say(struct origin_conn *c, const char *text)
{
	stream_write(c->stream, str_of(text));
}

/* Sends origin->reply and forgets the head (and what else came). */
UNUSED static void origin_reply(struct origin_conn *c)
{
	origin_say(c, c->origin->reply);
	buf_reset(&c->in);
	c->answered++;
}

UNUSED static void origin_silence(struct origin_conn *c)
{
	(void)c;
}

static void origin_event(struct stream *s, enum stream_event event, void *user)
{
	struct origin_conn *c = user;

	switch (event) {
	case STREAM_READABLE:
		if (c->origin->hears_nothing) {
			return;
		}
		buf_add_str(&c->origin->seen, stream_peek(s));
		buf_add_str(&c->in, stream_peek(s));
		stream_consume(s, stream_peek(s).len);
		if (str_contains(buf_str(&c->in), STR("\r\n\r\n"))) {
			c->origin->answer(c);
		}
		return;
	case STREAM_EOF:
		c->eof = true;
		c->origin->n_closed++;
		return;
	case STREAM_FAILED:
		c->origin->n_closed += !c->eof;
		origin_drop(c);
		return;
	case STREAM_OPEN:
	case STREAM_SENT:
		return;
	}
}

static void origin_accept(void *user, int fd, const struct address *peer)
{
	struct origin *o = user;
	struct origin_conn *c = &o->conns[o->n_conns % ORIGIN_CONNS];
	struct err err;

	(void)peer;
	o->n_conns++;
	buf_fini(&c->in);
	*c = (struct origin_conn){.origin = o, .in = BUF(MIB(8))};
	c->stream = stream_adopt(o->loop, fd, origin_event, c);
	if (o->tls != NULL) {
		struct tls_engine *engine;
		assert_ok(tls_engine_new(o->tls, NULL, &engine, &err), &err);
		stream_start_tls(c->stream, engine, NULL, SEC(30));
	}
}

UNUSED static void origin_open(struct origin *o, struct loop *loop, origin_fn *answer)
{
	struct err err;

	*o = (struct origin){.loop = loop, .answer = answer, .seen = BUF(MIB(64))};
	assert_ok(listener_open(loop, "127.0.0.1:0", false, origin_accept, o, &o->listener, &err),
		  &err);
	o->port = listener_port(o->listener);
}

UNUSED static void origin_close(struct origin *o)
{
	listener_close(o->listener);
	o->listener = NULL;
	for (size_t i = 0; i < ORIGIN_CONNS; i++) {
		origin_drop(&o->conns[i]);
		buf_fini(&o->conns[i].in);
	}
	buf_fini(&o->seen);
}

/* ---- a server certificate for 127.0.0.1 and its CA ---- */

struct origin_tls {
	struct local_key *root_key, *server_key;
	struct key *signer;
	struct buf root_pem, server_pem;
	struct tls_config *server, *client, *stranger; /* trusts the CA; trusts another */
};

static void origin_issue(struct issue_facts *facts, struct str spki, struct str issuer,
			 struct local_key *key, struct buf *der)
{
	struct err err;

	facts->not_before = clock_unix() - 3600;
	facts->not_after = clock_unix() + 3600;
	random_bytes(facts->serial, sizeof facts->serial);
	assert_ok(issue_certificate(facts, spki, issuer, key, der, &err), &err);
}

UNUSED static void origin_tls_open(struct origin_tls *t)
{
	AUTO_BUF struct buf spki = BUF(KIB(8)), root = BUF(KIB(8)), der = BUF(KIB(8)),
			    other = BUF(KIB(8)), other_pem = BUF(KIB(8));
	struct issue_facts facts = {.profile = ISSUE_ROOT, .subject = "CN=Plant CA"};
	struct err err;

	*t = (struct origin_tls){.root_pem = BUF(KIB(64)), .server_pem = BUF(KIB(64))};
	assert_ok(local_key_generate(KEY_KIND_P256, &t->root_key, &err), &err);
	assert_ok(local_key_generate(KEY_KIND_P256, &t->server_key, &err), &err);
	assert_ok(local_key_spki(t->root_key, &spki, &err), &err);
	origin_issue(&facts, buf_str(&spki), STR_NONE, t->root_key, &root);
	cert_add_pem(&t->root_pem, buf_str(&root));
	facts.subject = "CN=Other CA";
	buf_reset(&spki);
	assert_ok(local_key_spki(t->server_key, &spki, &err), &err);
	origin_issue(&facts, buf_str(&spki), STR_NONE, t->server_key, &other);
	cert_add_pem(&other_pem, buf_str(&other));
	assert_ok(key_new(buf_str(&spki), local_key_signer, t->server_key, &t->signer, &err), &err);
	facts = (struct issue_facts){
		.profile = ISSUE_SERVER, .subject = "CN=erp", .sans = {"127.0.0.1"}, .n_sans = 1};
	origin_issue(&facts, buf_str(&spki), buf_str(&root), t->root_key, &der);
	cert_add_pem(&t->server_pem, buf_str(&der));
	assert_ok(tls_config_new(&(struct tls_settings){.server = true,
							.allow_tls12 = true,
							.chain_pem = buf_str(&t->server_pem),
							.key = t->signer,
							.alpn = "http/1.1"},
				 &t->server, &err),
		  &err);
	assert_ok(tls_config_new(&(struct tls_settings){.allow_tls12 = true,
							.peer = TLS_PEER_VERIFY,
							.anchors_pem = buf_str(&t->root_pem),
							.alpn = "http/1.1"},
				 &t->client, &err),
		  &err);
	assert_ok(tls_config_new(&(struct tls_settings){.allow_tls12 = true,
							.peer = TLS_PEER_VERIFY,
							.anchors_pem = buf_str(&other_pem),
							.alpn = "http/1.1"},
				 &t->stranger, &err),
		  &err);
}

UNUSED static void origin_tls_close(struct origin_tls *t)
{
	tls_config_unref(t->server);
	tls_config_unref(t->client);
	tls_config_unref(t->stranger);
	key_free(t->signer);
	local_key_free(t->server_key);
	local_key_free(t->root_key);
	buf_fini(&t->root_pem);
	buf_fini(&t->server_pem);
}
