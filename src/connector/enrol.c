#include "connector/enrol.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "crypto/cert.h"
#include "crypto/csr.h"
#include "crypto/seal.h"
#include "http/fetch.h"
#include "tunnel/answer.h"

void enrol_result_fini(struct enrol_result *r)
{
	buf_fini(&r->anchors);
	buf_fini(&r->issuing);
	buf_fini(&r->chain);
}

int64_t enrol_time(const struct enrol_result *r)
{
	bool same = r->skew_s < ENROL_SKEW_LEAST_S && r->skew_s > -ENROL_SKEW_LEAST_S;

	return clock_unix() - (same ? 0 : r->skew_s);
}

/* ---- authentication data ---- */

static bool get_text(const struct json *j, const char *name, char *into, size_t size,
		     struct err *err)
{
	struct str text;

	if (!json_get_str(j, name, &text) || text.len == 0 || !str_copy(text, into, size)) {
		return err_set(err, ERR_CONFIG,
			       "authentication data: \"%s\" is missing or too long; copy it again "
			       "from the cloud console",
			       name);
	}
	return true;
}

static bool read_fields(const struct json *j, struct enrol_authdata *out, struct err *err)
{
	int64_t version = 0;
	char pin[65];
	struct str name;

	if (!json_get_int(j, "version", &version) || version != 1) {
		return err_set(err, ERR_CONFIG,
			       "authentication data of version %lld, which this connector does "
			       "not know: update it",
			       (long long)version);
	}
	if (!get_text(j, "regionHost", out->region_host, sizeof(out->region_host), err) ||
	    !get_text(j, "subaccount", out->subaccount, sizeof(out->subaccount), err) ||
	    !get_text(j, "token", out->token, sizeof(out->token), err) ||
	    !get_text(j, "rootPin", pin, sizeof(pin), err)) {
		return false;
	}
	if (!json_get_str(j, "displayName", &name) ||
	    !str_copy(name, out->display_name, sizeof(out->display_name))) {
		out->display_name[0] = '\0';
	}
	return (json_get_int(j, "expires", &out->expires_ms) &&
		str_to_hex_bytes(str_of(pin), out->root_pin, sizeof(out->root_pin))) ||
	       err_set(err, ERR_CONFIG, "authentication data: expiry or root pin are damaged");
}

bool enrol_read_authdata(struct str text, struct enrol_authdata *out, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(ENROL_AUTHDATA_MAX);
	AUTO_BUF struct buf packed = BUF_SECRET(ENROL_AUTHDATA_MAX);
	AUTO(json_free) struct json *j = NULL;

	for (size_t i = 0; i < text.len; i++) { /* what a paste brings along */
		if ((unsigned char)text.at[i] > ' ') {
			buf_add_c(&packed, text.at[i]);
		}
	}
	*out = (struct enrol_authdata){0};
	if (buf_failed(&packed) || !buf_add_decoded_base64url(&plain, buf_str(&packed)) ||
	    !json_parse(buf_str(&plain), ENROL_AUTHDATA_MAX, &j, err)) {
		return err_set(err, ERR_CONFIG,
			       "this is no authentication data: copy all of it from the cloud "
			       "console");
	}
	return read_fields(j, out, err);
}

/* ---- one request ---- */

static void note_clock(const struct fetch_answer *a, struct enrol_result *out)
{
	if (a->date != 0) {
		out->skew_s = clock_unix() - a->date;
	}
}

/* A wrong clock makes right things look wrong: it is the first thing to look at then. */
static void name_clock(const struct enrol_result *out, struct err *err)
{
	if (out->skew_s > ENROL_SKEW_MAX_S || out->skew_s < -ENROL_SKEW_MAX_S) {
		(void)err_wrap(err, "this machine's clock is %lld s %s the cloud side's; set it",
			       (long long)(out->skew_s > 0 ? out->skew_s : -out->skew_s),
			       out->skew_s > 0 ? "before" : "behind");
	}
}

static enum enrol_outcome not_reached(const struct enrol_peer *peer, const struct fetch_answer *a,
				      struct enrol_result *out, struct err *err)
{
	if (!a->untrusted) {
		(void)err_wrap(
			err,
			"%s%s gave no usable answer, nothing was changed (is that the tunnel "
			"port? the diagnosis names the broken link)",
			peer->region_host,
			peer->proxy != NULL ? " (through the corporate proxy)" : "");
		return ENROL_FAILED;
	}
	if (str_contains(str_of(err->text), STR("has expired")) ||
	    str_contains(str_of(err->text), STR("not yet valid"))) {
		/* To confirm its root would not help: the times are not right. */
		AUTO_BUF struct buf now = BUF(64);
		clock_add_rfc3339(&now, clock_unix());
		(void)err_wrap(err, "by this machine's clock, which says %.*s: is it right?",
			       STR_ARGS(buf_str(&now)));
		return ENROL_FAILED;
	}
	memcpy(out->root_sha256, a->peer_root_sha256, sizeof(out->root_sha256));
	(void)err_set(err, ERR_CONFLICT,
		      "the certificate of %s is not trusted; nothing was sent. The public key of "
		      "its root has the SHA-256 %s: compare it with the one of the cloud console; "
		      "if it differs, something in between opens TLS",
		      peer->region_host, out->root_sha256);
	return ENROL_UNTRUSTED;
}

static enum enrol_outcome refused(const struct enrol_peer *peer, const struct fetch_answer *a,
				  struct enrol_result *out, struct err *err)
{
	enum enrol_outcome outcome = ENROL_FAILED;
	enum err_kind kind = ERR_NETWORK;
	char text[300];

	answer_text_of_body(buf_str(&a->body), text, sizeof(text));
	out->retry_after_s = a->retry_after_s;
	if (a->status == 401) {
		outcome = ENROL_WRONG;
		kind = ERR_DENIED;
	} else if (a->status == 429 || a->status == 503) {
		outcome = ENROL_LATER;
		kind = ERR_LIMIT;
	} else if (a->status / 100 == 4) {
		outcome = ENROL_REFUSED;
		kind = ERR_DENIED;
	}
	(void)err_set(err, kind, "%s: %s", peer->region_host,
		      text[0] != '\0' ? text : http_reason(a->status));
	if (text[0] == '\0') {
		(void)err_wrap(err, "answer %u", a->status);
	}
	name_clock(out, err);
	return outcome;
}

/* The body of an EST answer: base64 of a certs-only PKCS#7 (RFC 8951), here as PEM. */
static bool read_certs(const struct fetch_answer *a, struct buf *pem, struct err *err)
{
	AUTO_BUF struct buf der = BUF(ENROL_PEM_MAX);

	if (!str_starts_nocase(str_of(a->content_type), STR("application/pkcs7-mime"))) {
		return err_set(err, ERR_PROTOCOL,
			       "the answer is no EST but %s: is the region host right?",
			       a->content_type[0] != '\0' ? a->content_type : "of no type");
	}
	if (!buf_add_decoded_base64(&der, buf_str(&a->body))) {
		return err_set(err, ERR_PROTOCOL, "the EST answer is no base64");
	}
	return cert_pkcs7_to_pem(buf_str(&der), pem, err);
}

/* Asks EST for `what`; the certificates of a 200 go to `pem`. */
static enum enrol_outcome ask(const struct enrol_peer *peer, const char *what,
			      struct fetch_request *request, struct enrol_result *out,
			      struct buf *pem, struct err *err)
{
	AUTO_BUF struct buf url = BUF(KIB(1));
	struct fetch_answer answer = {0};
	enum enrol_outcome outcome = ENROL_FAILED;

	buf_addf(&url, "https://%s/.well-known/est/%s/%s", peer->region_host, peer->subaccount,
		 what);
	request->url = url.at;
	request->proxy = peer->proxy;
	request->proxy_user = peer->proxy_user;
	request->proxy_password = peer->proxy_password;
	request->timeout = ENROL_TIMEOUT_MS;
	bool reached = fetch(request, &answer, err);
	note_clock(&answer, out);
	if (!reached) {
		outcome = not_reached(peer, &answer, out, err);
	} else if (answer.status != 200) {
		outcome = refused(peer, &answer, out, err);
	} else if (read_certs(&answer, pem, err)) {
		outcome = ENROL_DONE;
	} else {
		(void)err_wrap(err, "%s", peer->region_host);
	}
	fetch_answer_fini(&answer);
	return outcome;
}

/* ---- cacerts ---- */

struct sorting {
	const uint8_t *pin;  /* cacerts: the only anchor wanted; or NULL */
	const uint8_t *leaf; /* simpleenroll: SHA-256 of our SPKI; or NULL */
	struct buf *anchors, *others, *found;
};

static bool sort_one(struct str der, void *user, struct err *err)
{
	struct sorting *s = user;
	struct cert_facts facts;

	if (!cert_read_der(der, &facts, err)) {
		return false;
	}
	bool is_root = facts.is_ca && strcmp(facts.subject, facts.issuer) == 0;
	if (s->leaf != NULL && memcmp(facts.spki_sha256, s->leaf, 32) == 0) {
		cert_add_pem(s->found, der);
	} else if (!is_root) {
		cert_add_pem(s->others, der);
	} else if (s->anchors != NULL &&
		   (s->pin == NULL || memcmp(facts.spki_sha256, s->pin, 32) == 0)) {
		cert_add_pem(s->anchors, der);
	}
	return true;
}

enum enrol_outcome enrol_cacerts(const struct enrol_peer *peer, struct enrol_result *out,
				 struct err *err)
{
	AUTO_BUF struct buf pem = BUF(ENROL_PEM_MAX);
	struct fetch_request request = {.method = "GET",
					.system_anchors = peer->system_anchors,
					.anchors_pem = peer->anchors_pem,
					.root_pin = peer->root_pin};
	struct sorting sorting = {
		.pin = peer->root_pin, .anchors = &out->anchors, .others = &out->issuing};

	enum enrol_outcome outcome = ask(peer, "cacerts", &request, out, &pem, err);
	if (outcome != ENROL_DONE) {
		return outcome;
	}
	buf_reset(&out->anchors);
	buf_reset(&out->issuing);
	if (!cert_each_pem(buf_str(&pem), sort_one, &sorting, err)) {
		return ENROL_FAILED;
	}
	if (out->anchors.len == 0 || buf_failed(&out->anchors) || buf_failed(&out->issuing)) {
		(void)err_set(err, ERR_PROTOCOL, "%s names no root that could be trusted%s",
			      peer->region_host,
			      peer->root_pin != NULL ? " (the pinned one is not among its own)"
						     : "");
		return ENROL_FAILED;
	}
	return ENROL_DONE;
}

/* ---- the certificate ---- */

/* Takes the certificate with our key out of what came, and checks that it is of use. */
static bool take_certificate(const struct buf *pem, struct key *csr_key, struct enrol_result *out,
			     struct err *err)
{
	uint8_t ours[32];
	struct cert_facts facts;
	AUTO_BUF struct buf others = BUF(ENROL_PEM_MAX);
	struct sorting sorting = {.leaf = ours, .others = &others, .found = &out->chain};

	digest_sha256(key_spki(csr_key), ours);
	buf_reset(&out->chain);
	if (!cert_each_pem(buf_str(pem), sort_one, &sorting, err)) {
		return false;
	}
	if (out->chain.len == 0) {
		return err_set(err, ERR_PROTOCOL,
			       "the certificate that came is not for the key that was sent");
	}
	if (!cert_read_pem(buf_str(&out->chain), &facts, err)) {
		return false;
	}
	buf_add_str(&out->chain, buf_str(&others));
	if (others.len == 0) {
		buf_add_str(&out->chain, buf_str(&out->issuing));
	}
	if (buf_failed(&out->chain)) {
		return err_set(err, ERR_LIMIT, "the certificate's chain is too long");
	}
	return cert_verify_chain(buf_str(&out->chain), buf_str(&out->anchors), 0, err) ||
	       err_wrap(err, "the certificate that came is not of the region's CA");
}

static bool make_csr(const struct enrol_peer *peer, struct key *key, struct buf *body,
		     struct err *err)
{
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
	AUTO_BUF struct buf subject = BUF(KIB(1));

	buf_addf(&subject, "CN=%s", peer->instance);
	if (!csr_make(key, subject.at, &der, err)) {
		return false;
	}
	buf_add_base64(body, der.at, der.len);
	return true;
}

enum enrol_outcome enrol_certificate(const struct enrol_peer *peer, const struct enrol_proof *proof,
				     struct key *csr_key, struct enrol_result *out, struct err *err)
{
	AUTO_BUF struct buf body = BUF(CERT_DER_MAX * 2);
	AUTO_BUF struct buf pem = BUF(ENROL_PEM_MAX);
	AUTO_BUF struct buf bearer = BUF_SECRET(KIB(1));
	AUTO_BUF struct buf anchors = BUF(2 * ENROL_PEM_MAX);
	struct http_field fields[3] = {
		{.name = STR("Content-Type"), .value = STR("application/pkcs10")},
		{.name = STR("Drawbridge-Instance"), .value = str_of(peer->instance)},
	};
	struct fetch_request request = {
		.method = "POST",
		.fields = fields,
		.n_fields = 2,
		.system_anchors = peer->root_pin == NULL && peer->system_anchors,
	};

	if (!make_csr(peer, csr_key, &body, err)) {
		return ENROL_FAILED;
	}
	buf_add_str(&anchors, buf_str(&out->anchors));
	if (peer->root_pin == NULL) {
		buf_add_str(&anchors, peer->anchors_pem);
	}
	request.anchors_pem = buf_str(&anchors);
	request.body = buf_str(&body);
	if (proof->key != NULL) {
		request.key = proof->key;
		request.chain_pem = proof->chain_pem;
	} else if (proof->token != NULL) {
		buf_addf(&bearer, "Bearer %s", proof->token);
		fields[request.n_fields++] = (struct http_field){
			.name = STR("Authorization"), .value = buf_str(&bearer), .sensitive = true};
	} else {
		request.user = proof->user;
		request.password = proof->password;
	}
	enum enrol_outcome outcome =
		ask(peer, proof->key != NULL ? "simplereenroll" : "simpleenroll", &request, out,
		    &pem, err);
	if (outcome == ENROL_DONE && !take_certificate(&pem, csr_key, out, err)) {
		(void)err_wrap(err, "%s", peer->region_host);
		return ENROL_FAILED;
	}
	return outcome;
}
