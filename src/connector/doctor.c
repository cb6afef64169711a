#include "connector/doctor.h"

#include <stdarg.h>

#include "base/clock.h"
#include "net/blocking.h"
#include "tunnel/answer.h"

enum {
	TEXT_ARENA = 128 * 1024, /* of one answer's head */
};

const char *doctor_link_name(enum doctor_link link)
{
	static const char *const names[] = {"dns",     "tcp",        "proxy",
					    "tls",     "clock",      "certificate",
					    "upgrade", "subaccount", "tunnel"};

	return link < DOCTOR_LINKS ? names[link] : "none";
}

const char *doctor_result_name(enum doctor_result result)
{
	static const char *const names[] = {"not-reached", "ok", "skipped", "warning", "broken"};

	return names[result];
}

/* An examination on its way. */
struct exam {
	const struct doctor_patient *patient;
	struct doctor_report *report;
	struct blocking *connection;
	struct address addresses[ADDRESSES_MAX];
	size_t n;
	msec_t began; /* of the step at hand */
};

static msec_t deadline(const struct exam *e)
{
	msec_t limit = e->patient->step_ms > 0 ? e->patient->step_ms : DOCTOR_STEP_MS;

	return e->began + limit;
}

static void begin(struct exam *e)
{
	e->began = clock_now();
}

static void put(struct doctor_report *r, enum doctor_link link, enum doctor_result result,
		const char *found, const char *next)
{
	struct doctor_step *s = &r->steps[link];

	s->result = result;
	snprintf(s->found, sizeof(s->found), "%s", found);
	snprintf(s->next, sizeof(s->next), "%s", next);
	if (result == DOCTOR_BROKEN) {
		r->broken = link;
	}
}

static void PRINTF_LIKE(3, 4) hold(struct exam *e, enum doctor_link link, const char *fmt, ...)
{
	char found[500];
	va_list args;

	va_start(args, fmt);
	vsnprintf(found, sizeof(found), fmt, args);
	va_end(args);
	put(e->report, link, DOCTOR_OK, found, "");
	e->report->steps[link].took = clock_now() - e->began;
}

static bool PRINTF_LIKE(4, 5)
	fall(struct exam *e, enum doctor_link link, const char *found, const char *fmt, ...)
{
	char next[500];
	va_list args;

	va_start(args, fmt);
	vsnprintf(next, sizeof(next), fmt, args);
	va_end(args);
	put(e->report, link, DOCTOR_BROKEN, found, next);
	e->report->steps[link].took = clock_now() - e->began;
	return false;
}

static bool has_proxy(const struct exam *e)
{
	return e->patient->set->proxy_host[0] != '\0';
}

static bool says(const struct err *err, const char *words)
{
	return str_contains(str_of(err->text), str_of(words));
}

/* ---- the way there ---- */

static const char *first_host(const struct exam *e, uint16_t *port)
{
	const struct doctor_patient *p = e->patient;

	*port = has_proxy(e) ? p->set->proxy_port : p->subaccount->port;
	return has_proxy(e) ? p->set->proxy_host : p->subaccount->host;
}

static bool look_up(struct exam *e)
{
	uint16_t port;
	const char *host = first_host(e, &port);
	AUTO_BUF struct buf found = BUF(480);
	struct err err;

	begin(e);
	if (host[0] == '\0') {
		return fall(e, DOCTOR_DNS, e->patient->subaccount->defect,
			    "delete the subaccount and add it again with its region host");
	}
	if (!blocking_resolve(host, port, deadline(e), e->addresses, &e->n, &err)) {
		return has_proxy(e)
			       ? fall(e, DOCTOR_DNS, err.text,
				      "correct the host of the corporate proxy under "
				      "Configuration, "
				      "or this machine's name service")
			       : fall(e, DOCTOR_DNS, err.text,
				      "is %s the right region host? If this machine reaches the "
				      "internet by a corporate proxy only, configure that; else "
				      "ask "
				      "for its name service",
				      host);
	}
	for (size_t i = 0; i < e->n && i < 4; i++) {
		char text[64];
		address_format(&e->addresses[i], text, sizeof(text));
		buf_addf(&found, "%s%s", i > 0 ? ", " : "", text);
	}
	hold(e, DOCTOR_DNS, "%s%s is %.400s", has_proxy(e) ? "the proxy " : "", host,
	     found.at ? found.at : "");
	return true;
}

static bool connect_to(struct exam *e)
{
	struct err err = {0};
	char text[64];

	begin(e);
	for (size_t i = 0; i < e->n; i++) {
		if (blocking_connect(&e->addresses[i], deadline(e), &e->connection, &err)) {
			address_format(&e->addresses[i], text, sizeof(text));
			hold(e, DOCTOR_TCP, "connected to %s", text);
			return true;
		}
	}
	uint16_t port;
	const char *host = first_host(e, &port);
	return says(&err, "no answer in time")
		       ? fall(e, DOCTOR_TCP, err.text,
			      "a firewall seems to drop it: allow outgoing TCP to %s port %u%s",
			      host, port,
			      has_proxy(e)
				      ? ""
				      : ", or configure the corporate proxy under Configuration")
		       : fall(e, DOCTOR_TCP, err.text,
			      "nothing listens at %s port %u: is the port right, and is the %s "
			      "running?",
			      host, port, has_proxy(e) ? "corporate proxy" : "cloud side");
}

/* Receives until `judge` has a whole answer; what came stays in `in`. */
static bool receive_answer(struct exam *e, struct buf *in, struct err *err)
{
	char piece[4096];
	size_t n = 0;

	switch (blocking_receive(e->connection, piece, sizeof(piece), &n, deadline(e), err)) {
	case BLOCKING_DATA:
		buf_add(in, piece, n);
		return !buf_failed(in) || err_set(err, ERR_LIMIT, "the answer is too long");
	case BLOCKING_END:
		return err_set(err, ERR_NETWORK, "the connection was closed without an answer");
	case BLOCKING_FAILED:
		break;
	}
	return false;
}

static void write_connect(const struct exam *e, struct buf *out)
{
	const struct subaccount_set *set = e->patient->set;
	const struct subaccount *sa = e->patient->subaccount;
	AUTO_BUF struct buf credentials = BUF_SECRET(KIB(2)), authority = BUF(KIB(1));

	ptth_add_authority(&authority, sa->host, sa->port);
	buf_addf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority.at, authority.at);
	if (set->proxy_user[0] != '\0') {
		buf_addf(&credentials, "%s:%s", set->proxy_user, set->proxy_password);
		buf_add_str(out, STR("Proxy-Authorization: Basic "));
		buf_add_base64(out, credentials.at, credentials.len);
		buf_add_str(out, STR("\r\n"));
	}
	buf_add_str(out, STR("\r\n"));
}

static bool proxy_refused(struct exam *e, unsigned status, const char *text)
{
	const struct subaccount *sa = e->patient->subaccount;
	char found[500];

	snprintf(found, sizeof(found), "the proxy answered CONNECT with %u %.380s", status,
		 text[0] ? text : http_reason(status));
	if (status == 407) {
		return fall(e, DOCTOR_PROXY, found,
			    "%s the user and password of the corporate proxy under Configuration",
			    e->patient->set->proxy_user[0] ? "correct" : "enter");
	}
	return fall(e, DOCTOR_PROXY, found,
		    "have the corporate proxy allow CONNECT to %s port %u, and check that it can "
		    "reach it",
		    sa->host, sa->port);
}

/* Reads on until the answer to CONNECT is whole; its status, or 0 with err. */
static unsigned read_connect(struct exam *e, char *text, size_t size, struct err *err)
{
	AUTO_BUF struct buf in = BUF(PTTH_ANSWER_MAX);

	for (;;) {
		AUTO(arena_free) struct arena *arena = arena_new(KIB(4), TEXT_ARENA);
		struct http_head head = {0};
		size_t used = 0;
		bool more = receive_answer(e, &in, err);
		enum h1_outcome outcome = answer_read(buf_str(&in), PTTH_ANSWER_MAX, STR("CONNECT"),
						      arena, &head, text, size, &used, err);
		if (outcome == H1_BAD) {
			return 0;
		}
		if (outcome == H1_DONE || (!more && head.status != 0)) {
			return head.status;
		}
		if (!more) {
			return 0;
		}
	}
}

static bool cross_proxy(struct exam *e)
{
	AUTO_BUF struct buf request = BUF_SECRET(KIB(8));
	struct err err = {0};
	char text[200] = "";

	begin(e);
	if (!has_proxy(e)) {
		put(e->report, DOCTOR_PROXY, DOCTOR_SKIPPED, "none is configured", "");
		return true;
	}
	write_connect(e, &request);
	unsigned status = blocking_send(e->connection, buf_str(&request), deadline(e), &err)
				  ? read_connect(e, text, sizeof(text), &err)
				  : 0;
	if (status == 0) {
		return fall(e, DOCTOR_PROXY, err.text,
			    "is %s port %u an HTTP proxy? Correct it under Configuration",
			    e->patient->set->proxy_host, e->patient->set->proxy_port);
	}
	if (status / 100 != 2) {
		return proxy_refused(e, status, text);
	}
	hold(e, DOCTOR_PROXY, "the proxy %s connected us to %s", e->patient->set->proxy_host,
	     e->patient->subaccount->host);
	return true;
}

/* ---- TLS ---- */

/* Its own; or one without a certificate, when that is what is broken. */
static bool make_config(const struct exam *e, struct tls_config **out, struct err *err)
{
	const struct doctor_patient *p = e->patient;
	AUTO_BUF struct buf anchors = BUF(MIB(4));

	if (p->subaccount->tls != NULL) {
		*out = tls_config_ref(p->subaccount->tls);
		return true;
	}
	buf_add_str(&anchors, str_of(p->subaccount->state.anchors_pem));
	buf_add_str(&anchors, str_of(p->set->anchors_pem));
	const struct tls_settings settings = {.peer = TLS_PEER_VERIFY,
					      .anchors_pem = buf_str(&anchors),
					      .system_anchors = p->subaccount->state.system_anchors,
					      .alpn = "http/1.1"};
	return tls_config_new(&settings, out, err);
}

/* The last certificate of a chain is the nearest to its root. */
static bool take_last(struct str der, void *user, struct err *err)
{
	return cert_read_der(der, user, err);
}

static void add_shown(const struct exam *e, struct buf *found)
{
	AUTO_BUF struct buf pem = BUF(KIB(256));
	const struct tls_engine *tls = blocking_tls(e->connection);
	struct cert_facts last = {0};
	struct err ignored;

	if (tls != NULL && tls_peer_chain_pem(tls, &pem) &&
	    cert_each_pem(buf_str(&pem), take_last, &last, &ignored)) {
		buf_addf(found, "; its topmost certificate is %.100s, public key SHA-256 ",
			 last.subject);
		buf_add_hex(found, last.spki_sha256, sizeof(last.spki_sha256));
	}
}

static bool tls_failed(struct exam *e, const struct err *err)
{
	const struct subaccount *sa = e->patient->subaccount;
	AUTO_BUF struct buf found = BUF(KIB(4));

	buf_addf(&found, "%.300s", err->text);
	if (err->kind != ERR_DENIED) {
		return fall(e, DOCTOR_TLS, found.at,
			    "is %s port %u the tunnel port of the cloud side? Something on the way "
			    "may break TLS open, or speak none",
			    sa->host, sa->port);
	}
	if (says(err, "not yet valid") || says(err, "has expired")) {
		return fall(e, DOCTOR_TLS, found.at,
			    "compare this machine's clock with the right time; if it is right, the "
			    "operator of the cloud side must renew that certificate");
	}
	if (says(err, "mismatch")) {
		return fall(e, DOCTOR_TLS, found.at,
			    "the certificate is for another name: is %s the right region host? The "
			    "cloud side's server.names must hold it",
			    sa->host);
	}
	add_shown(e, &found);
	return fall(e, DOCTOR_TLS, found.at,
		    "another CA than the known one answers: a proxy that opens TLS, or another "
		    "cloud side. Exempt %s from inspection, or compare the fingerprint with the "
		    "operator's and put the CA into trust.file",
		    sa->host);
}

static bool shake_hands(struct exam *e)
{
	AUTO(tls_config_unref) struct tls_config *config = NULL;
	struct err err;

	begin(e);
	if (!make_config(e, &config, &err)) {
		return fall(e, DOCTOR_TLS, err.text, "mend trust.file");
	}
	if (!blocking_start_tls(e->connection, config, e->patient->subaccount->host, deadline(e),
				&err)) {
		return tls_failed(e, &err);
	}
	struct cert_facts peer = {0};
	(void)tls_peer(blocking_tls(e->connection), &peer);
	hold(e, DOCTOR_TLS, "%s with %.200s, issued by %.200s",
	     tls_version(blocking_tls(e->connection)), peer.subject, peer.issuer);
	return true;
}

/* ---- the relay's answer ---- */

static bool ask_relay(struct exam *e, struct ptth_answer *answer)
{
	const struct subaccount *sa = e->patient->subaccount;
	AUTO_BUF struct buf request = BUF(KIB(8)), host = BUF(KIB(1));
	AUTO_BUF struct buf in = BUF(PTTH_ANSWER_MAX);
	enum h1_outcome outcome = H1_MORE;
	struct err err = {0};
	size_t used = 0;

	begin(e);
	ptth_add_authority(&host, sa->host, sa->port);
	ptth_write_request(&request,
			   &(struct ptth_request){.subaccount = str_of(sa->state.subaccount),
						  .instance = str_of(e->patient->set->instance),
						  .location_id = str_of(sa->state.location_id),
						  .protocol = PTTH_PROTOCOL,
						  .host = buf_str(&host),
						  .probe = true});
	bool more = blocking_send(e->connection, buf_str(&request), deadline(e), &err);
	while (more && outcome == H1_MORE) {
		more = receive_answer(e, &in, &err);
		outcome = ptth_read_answer(buf_str(&in), answer, &used, &err);
	}
	if (outcome == H1_BAD || answer->status == 0) {
		return fall(e, DOCTOR_UPGRADE, err.text,
			    "what answers there is no relay: is %s port %u the tunnel port of the "
			    "cloud side?",
			    sa->host, sa->port);
	}
	return true;
}

void doctor_examine(const struct doctor_patient *patient, struct doctor_report *out)
{
	struct exam e = {.patient = patient, .report = out};
	struct ptth_answer answer = {0};

	*out = (struct doctor_report){.broken = DOCTOR_LINKS};
	bool there = look_up(&e) && connect_to(&e) && cross_proxy(&e) && shake_hands(&e) &&
		     ask_relay(&e, &answer);
	if (there) {
		msec_t took = clock_now() - e.began;
		doctor_judge(patient, &answer, clock_unix(), out);
		out->steps[DOCTOR_UPGRADE].took = took;
	}
	blocking_free(e.connection);
}
