#include "cloud/keystore/connection_test.h"

#include "base/clock.h"
#include "base/rd.h"
#include "net/address_range.h"
#include "net/blocking.h"

enum {
	SLICE_MS = 20,                    /* of waiting for a ticket, which is no byte */
	ALERT_CERTIFICATE_REQUIRED = 116, /* RFC 8446, 6.2 */
	ALERT_HANDSHAKE_FAILURE = 40,
};

/* One run. */
struct run {
	const struct connection_test *t;
	struct connection_result *r;
	msec_t deadline;
	char host[CONNECTION_HOST_MAX + 1];
	struct tls_probe probe;
	struct key *key; /* of the pair that is shown */
	struct err key_err;
};

void connection_result_fini(struct connection_result *r)
{
	buf_fini(&r->chain);
}

const char *connection_problem_name(enum connection_problem p)
{
	static const char *const names[] = {
		[CONNECTION_FINE] = "none",
		[CONNECTION_UNRESOLVED] = "unresolved",
		[CONNECTION_UNREACHABLE] = "unreachable",
		[CONNECTION_NO_TLS] = "no_tls",
		[CONNECTION_UNTRUSTED] = "untrusted",
		[CONNECTION_EXPIRED] = "expired",
		[CONNECTION_NOT_YET_VALID] = "not_yet_valid",
		[CONNECTION_OTHER_NAME] = "name_mismatch",
		[CONNECTION_OTHER_PURPOSE] = "wrong_purpose",
		[CONNECTION_WEAK] = "weak",
		[CONNECTION_CERTIFICATE_REQUIRED] = "client_certificate_required",
		[CONNECTION_CERTIFICATE_REFUSED] = "client_certificate_refused",
		[CONNECTION_KEY_FAILED] = "key_failed",
	};

	return (size_t)p < COUNT(names) ? names[p] : "unknown";
}

static void problem(struct run *run, enum connection_problem p, const char *text, const char *next)
{
	run->r->problem = p;
	(void)snprintf(run->r->text, sizeof(run->r->text), "%s", text);
	(void)snprintf(run->r->next, sizeof(run->r->next), "%s", next);
}

/* ---- where to ---- */

static bool read_host(struct run *run, struct err *err)
{
	struct str host = str_trim(str_of(run->t->host));

	if (str_contains(host, STR("://")) || str_find(host, '/') < host.len) {
		return err_set(err, ERR_CONFIG,
			       "host: a name or an address without scheme and path, e.g. "
			       "api.example.com and not https://api.example.com/path");
	}
	if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
		host = str_make(host.at + 1, host.len - 2);
	}
	for (size_t i = 0; i < host.len; i++) {
		if (host.at[i] <= ' ' || host.at[i] > '~' || strchr("@?#\\\"'", host.at[i])) {
			return err_set(err, ERR_CONFIG, "host: a name or an address, nothing else");
		}
	}
	if (host.len == 0 || !str_copy(host, run->host, sizeof(run->host))) {
		return err_set(err, ERR_CONFIG, "host: 1 to %d characters", CONNECTION_HOST_MAX);
	}
	return run->t->port != 0 || err_set(err, ERR_CONFIG, "port: 1 to 65535");
}

static bool may_be_called(const struct connection_test *t, const struct address *a, struct err *err)
{
	enum address_kind kind = address_kind(a);
	char where[64];

	if (t->allow != NULL && address_in_list(a, str_of(t->allow))) {
		return true;
	}
	address_format(a, where, sizeof(where));
	if (kind != ADDRESS_ORDINARY) {
		return err_set(err, ERR_DENIED,
			       "%s leads to %s, which is %s: connection tests do not go there "
			       "(connection.test.allow of the cloud side)",
			       t->host, where, address_kind_name(kind));
	}
	for (size_t i = 0; i < t->n_own_ports; i++) {
		if (t->own_ports[i] == t->port && address_is_own(a)) {
			return err_set(err, ERR_DENIED,
				       "%s leads to %s, a listener of this very program: "
				       "connection tests do not go there",
				       t->host, where);
		}
	}
	return true;
}

/* The first that answers, of those that may be called. */
static struct blocking *call(struct run *run, const struct address *list, size_t n, struct err *err)
{
	struct blocking *b = NULL;

	for (size_t i = 0; i < n && b == NULL; i++) {
		msec_t step = clock_now() + CONNECTION_STEP_MS;
		address_format(&list[i], run->r->address, sizeof(run->r->address));
		if (!blocking_connect(&list[i], step < run->deadline ? step : run->deadline, &b,
				      err)) {
			b = NULL;
		}
	}
	return b;
}

/* ---- our certificate ---- */

static bool show(struct run *run, size_t pair, struct tls_identity *out)
{
	const struct connection_pair *p = &run->t->pairs[pair];

	if (!run->t->open(run->t->user, pair, &run->key, &run->key_err)) {
		return false;
	}
	run->r->pair = pair;
	*out = (struct tls_identity){.chain = p->chain, .n = p->n, .key = run->key};
	return true;
}

static size_t find_alias(const struct connection_test *t)
{
	size_t i = 0;

	while (i < t->n_pairs && !str_eq_nocase(str_of(t->pairs[i].alias), str_of(t->alias))) {
		i++;
	}
	return i;
}

static bool on_asked(void *user, const struct tls_asked *asked, struct tls_identity *out)
{
	struct run *run = user;
	const struct connection_test *t = run->t;

	if (t->alias != NULL) {
		return show(run, find_alias(t), out);
	}
	AUTO_FREE struct tls_fit *fits = NEW_ARRAY(struct tls_fit, t->n_pairs + 1);
	for (size_t i = 0; i < t->n_pairs; i++) {
		fits[i] = tls_asked_judge(asked, t->pairs[i].chain, t->pairs[i].n);
	}
	size_t best = connection_choose(t->pairs, fits, t->n_pairs, clock_unix_ms());
	return best < t->n_pairs && show(run, best, out);
}

static void on_find(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to)
{
	const struct run *run = user;

	run->t->find(run->t->user, subject_sha256, fn, to);
}

/* ---- what it means ---- */

static void fingerprint_of_top(const struct buf *chain, char text[static 96])
{
	struct rd r = rd_over(buf_str(chain));
	struct str top = STR_NONE;
	struct cert_facts facts;
	struct err ignored;

	while (!r.failed && r.rest.len > 0) {
		top = rd_blob(&r, CERT_DER_MAX);
	}
	text[0] = '\0';
	if (cert_read_der(top, &facts, &ignored)) {
		for (size_t i = 0; i < sizeof(facts.sha256); i++) {
			(void)snprintf(text + 3 * i, 4, "%02X%s", facts.sha256[i],
				       i + 1 < sizeof(facts.sha256) ? ":" : "");
		}
	}
}

static void say_untrusted(struct run *run, enum tls_problem what)
{
	char print[96], text[400];

	fingerprint_of_top(&run->probe.chain, print);
	(void)snprintf(
		text, sizeof(text),
		what == TLS_UNTRUSTED_ROOT
			? "the root of the server's chain is not in the keystore (SHA-256 %s)"
			: "the server's chain leads to no certificate of the keystore; its "
			  "last one has SHA-256 %s",
		print);
	problem(run, CONNECTION_UNTRUSTED, text,
		"compare the fingerprint with the server's administrator, then add the root (or "
		"the "
		"missing issuer) to the keystore");
}

static void say_server(struct run *run)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "the server's certificate: %s", run->probe.problem_text);
	switch (run->probe.problem) {
	case TLS_FINE:
		return;
	case TLS_UNTRUSTED_ROOT:
	case TLS_UNKNOWN_ISSUER:
		say_untrusted(run, run->probe.problem);
		return;
	case TLS_EXPIRED:
		problem(run, CONNECTION_EXPIRED, text,
			"the server's administrator must renew it, or the expired issuer in its "
			"chain");
		return;
	case TLS_NOT_YET_VALID:
		problem(run, CONNECTION_NOT_YET_VALID, text,
			"compare the clocks of both sides; else wait until it begins");
		return;
	case TLS_OTHER_NAME:
		(void)snprintf(text, sizeof(text), "the server's certificate is not one for %s",
			       run->host);
		problem(run, CONNECTION_OTHER_NAME, text,
			"use a name that stands in the certificate, or have it made for this one");
		return;
	case TLS_OTHER_PURPOSE:
		problem(run, CONNECTION_OTHER_PURPOSE, text,
			"the server must show a certificate for servers (serverAuth)");
		return;
	case TLS_WEAK:
		problem(run, CONNECTION_WEAK, text,
			"the server needs a certificate with a stronger key and signature");
		return;
	case TLS_BAD_CHAIN:
		problem(run, CONNECTION_UNTRUSTED, text,
			"the server's administrator must correct its chain");
		return;
	}
}

static void say_no_certificate(struct run *run)
{
	problem(run, CONNECTION_CERTIFICATE_REQUIRED,
		"the server wants a client certificate, and none was shown",
		run->t->n_pairs == 0 ? "add a key pair to the keystore, with a certificate of a CA "
				       "that the server "
				       "accepts"
				     : "no key pair fits what the server accepts: name one by its "
				       "alias to see what "
				       "the server says to it");
}

static void say_refused(struct run *run)
{
	char text[400];

	(void)snprintf(text, sizeof(text),
		       "the server refused the client certificate \"%s\" (TLS alert %d)",
		       run->t->pairs[run->r->pair].alias, run->probe.alert);
	problem(run, CONNECTION_CERTIFICATE_REFUSED, text,
		"the server must trust its issuer and know its subject; check that the chain is "
		"complete and that it has not expired");
}

/* The handshake, or what came right after it, failed. */
static void say_failed(struct run *run, const struct err *err)
{
	if (run->key_err.kind != ERR_NONE) {
		problem(run, CONNECTION_KEY_FAILED, run->key_err.text,
			"check the key pair with a CSR; see the cloud side's log");
	} else if (run->probe.problem != TLS_FINE && run->t->validate) {
		say_server(run);
	} else if (run->probe.alert >= 0 && run->probe.sent) {
		say_refused(run);
	} else if (run->probe.alert >= 0 && run->probe.asked) {
		say_no_certificate(run);
	} else if (run->probe.chain.len == 0) {
		problem(run, CONNECTION_NO_TLS, err->text,
			"check host and port: TLS 1.2 or 1.3 must be spoken there from the start");
	} else {
		problem(run, CONNECTION_NO_TLS, err->text, "see the server's log");
	}
}

/* ---- the test ---- */

/* In TLS 1.3 connecting succeeds before the server has judged our certificate. */
static bool is_accepted(struct run *run, struct blocking *b, struct err *err)
{
	msec_t until = clock_now() + CONNECTION_AFTERMATH_MS;
	char byte;
	size_t n = 0;

	until = until < run->deadline ? until : run->deadline;
	while (!run->probe.ticket && run->probe.alert < 0 && clock_now() < until) {
		struct err why;
		switch (blocking_receive(b, &byte, 1, &n, clock_now() + SLICE_MS, &why)) {
		case BLOCKING_DATA:
		case BLOCKING_END:
			return true;
		case BLOCKING_FAILED:
			if (why.kind != ERR_NETWORK && run->probe.alert < 0) {
				*err = why;
				return false;
			}
			break;
		}
	}
	return run->probe.alert < 0 || err_set(err, ERR_PROTOCOL, "TLS alert %d", run->probe.alert);
}

static bool shake(struct run *run, struct blocking *b, struct err *err)
{
	const struct tls_settings settings = {
		.peer = TLS_PEER_PROBE, .allow_tls12 = true, .probe = &run->probe};
	AUTO(tls_config_unref) struct tls_config *config = NULL;

	run->probe.validate = run->t->validate;
	run->probe.find = on_find;
	run->probe.choose = on_asked;
	run->probe.user = run;
	return tls_config_new(&settings, &config, err) &&
	       blocking_start_tls(b, config, run->host, run->deadline, err) &&
	       is_accepted(run, b, err);
}

static void look(struct run *run, struct blocking *b)
{
	struct err err = {.kind = ERR_NONE};
	struct connection_result *r = run->r;

	r->accepted = shake(run, b, &err);
	const struct tls_engine *tls = blocking_tls(b);
	if (tls != NULL && run->probe.chain.len > 0) {
		(void)snprintf(r->protocol, sizeof(r->protocol), "%s", tls_version(tls));
		(void)snprintf(r->cipher, sizeof(r->cipher), "%s", tls_cipher(tls));
	}
	r->asked = run->probe.asked;
	r->n_acceptable = run->probe.n_acceptable;
	buf_add_str(&r->chain, buf_str(&run->probe.chain));
	if (!run->probe.sent) {
		r->pair = run->t->n_pairs;
	}
	if (!r->accepted) {
		say_failed(run, &err);
	} else if (run->probe.problem != TLS_FINE) {
		say_server(run); /* not asked for, but seen */
	}
}

static void reach(struct run *run, const struct address *list, size_t n)
{
	struct err err = {.kind = ERR_NONE};
	AUTO(blocking_free) struct blocking *b = call(run, list, n, &err);

	if (b == NULL) {
		problem(run, CONNECTION_UNREACHABLE, err.text,
			"check host and port, and that a firewall lets the cloud side through");
		return;
	}
	look(run, b);
}

/* Only what may be called stays; false with the reason when nothing does. */
static bool sift(const struct connection_test *t, struct address *list, size_t *n, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n; i++) {
		if (may_be_called(t, &list[i], err)) {
			list[kept++] = list[i];
		}
	}
	*n = kept;
	return kept > 0;
}

static bool run_test(struct run *run, struct err *err)
{
	struct address list[ADDRESSES_MAX];
	struct err why = {.kind = ERR_NONE};
	size_t n = 0;

	if (!read_host(run, err)) {
		return false;
	}
	if (run->t->alias != NULL && find_alias(run->t) == run->t->n_pairs) {
		return err_set(err, ERR_CONFIG, "alias: there is no key pair \"%.100s\"",
			       run->t->alias);
	}
	if (!blocking_resolve(run->host, run->t->port, clock_now() + CONNECTION_STEP_MS, list, &n,
			      &why)) {
		problem(run, CONNECTION_UNRESOLVED, why.text,
			"check the name; the cloud side's resolver must know it");
		return true;
	}
	if (!sift(run->t, list, &n, err)) {
		return false;
	}
	reach(run, list, n);
	return true;
}

bool connection_test_run(const struct connection_test *t, struct connection_result *out,
			 struct err *err)
{
	msec_t start = clock_now();
	struct run run = {.t = t, .r = out, .deadline = start + CONNECTION_TEST_MS};

	tls_probe_init(&run.probe);
	out->chain = BUF(TLS_PROBE_CHAIN_MAX);
	out->pair = t->n_pairs;
	bool made = run_test(&run, err);
	out->took_ms = clock_now() - start;
	tls_probe_fini(&run.probe);
	key_free(run.key);
	return made;
}
