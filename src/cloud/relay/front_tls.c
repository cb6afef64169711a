/* The TLS port: the handshake's end, and what a client certificate allows. */
#include "cloud/directory/runtime.h"
#include "cloud/relay/front_priv.h"

void front_accept_tls(struct worker *w, int take_fd, struct tls_engine *take)
{
	front_accept(w, take_fd);
	struct front *f = w->fronts;
	f->shaking = true;
	stream_start_tls(f->stream, take, w->settings.handshakes, FRONT_HANDSHAKE_MS);
}

void front_shaken(struct front *f)
{
	const struct tls_engine *tls = stream_tls(f->stream);
	struct relay_counters *c = &f->worker->counters;

	f->shaking = false;
	c->tls_handshakes_total++;
	c->tls_resumed_total += tls_resumed(tls) ? 1 : 0;
	c->tls_certificates_total += tls_peer(tls, NULL) == TLS_PEER_TRUSTED ? 1 : 0;
	front_deadline(f, f->worker->settings.limits.idle);
}

void front_not_shaken(struct front *f, const struct err *why)
{
	f->worker->counters.tls_failed_total++;
	if (why->kind != ERR_DENIED) {
		return;
	}
	f->worker->counters.tls_refused_total++;
	denials_note(f->worker->settings.denials, &(const struct denial){
							  .who = STR("application"),
							  .what = STR("denied TLS client"),
							  .object = STR("proxy (TLS)"),
							  .reason = why->text,
						  });
}

/* One atomic load and a search: no SQL, no lock. */
static bool is_required(struct worker *w, const char *subaccount)
{
	const struct runtime_snapshot *s = worker_runtime(w);
	const struct runtime_tenant *t = s != NULL ? runtime_find(s, str_of(subaccount)) : NULL;

	return t != NULL && t->requires_certificate;
}

const char *front_certificate_misses(struct front *f, const struct token_facts *token)
{
	const struct tls_engine *tls = stream_tls(f->stream);
	bool shown = tls != NULL && tls_peer(tls, NULL) == TLS_PEER_TRUSTED;
	const char *host = f->worker->settings.relay_host;

	if (shown && strcmp(tls_owner(tls), token->subaccount) != 0) {
		f->worker->counters.refused_certificate_total++;
		front_refuse(f, 403,
			     "The client certificate of this connection is one of subaccount %s, "
			     "the token is one of subaccount %s: use a connection of its own for "
			     "each.",
			     tls_owner(tls), token->subaccount);
		return "the client certificate is one of another subaccount";
	}
	if (!shown && is_required(f->worker, token->subaccount)) {
		f->worker->counters.refused_certificate_total++;
		front_refuse(f, 403,
			     "Subaccount %s takes requests with a client certificate only: connect "
			     "to the TLS port of %s.%s with one.",
			     token->subaccount, token->subaccount, host ? host : "the relay");
		return "no client certificate";
	}
	return NULL;
}
