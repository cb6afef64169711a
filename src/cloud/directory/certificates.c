#include "cloud/directory/certificates.h"

#include <stdarg.h>

#include "base/clock.h"
#include "cloud/directory/certificates_priv.h"

enum directory_cert_state directory_certificate_state(const struct directory_certificate *c,
						      int64_t now)
{
	if (c->revoked != 0) {
		return DIRECTORY_CERT_REVOKED;
	}
	if (c->supersede_at != 0 && now >= c->supersede_at) {
		return now > c->not_after ? DIRECTORY_CERT_RETIRED : DIRECTORY_CERT_SUPERSEDED;
	}
	return c->confirmed != 0 ? DIRECTORY_CERT_ACTIVE : DIRECTORY_CERT_UNCONFIRMED;
}

const char *directory_cert_state_name(enum directory_cert_state state)
{
	static const char *const names[] = {
		[DIRECTORY_CERT_UNCONFIRMED] = "unconfirmed", [DIRECTORY_CERT_ACTIVE] = "active",
		[DIRECTORY_CERT_SUPERSEDED] = "superseded",   [DIRECTORY_CERT_RETIRED] = "retired",
		[DIRECTORY_CERT_REVOKED] = "revoked",
	};

	return names[state];
}

/* ---- SPIFFE ids ---- */

#define SCHEME     STR("spiffe://")
#define SUBACCOUNT STR("/subaccount/")
#define CONNECTOR  STR("/connector/")

void directory_spiffe_write(struct buf *out, struct str region_host, struct str subaccount,
			    struct str instance)
{
	buf_add_str(out, SCHEME);
	buf_add_str(out, region_host);
	buf_add_str(out, SUBACCOUNT);
	buf_add_str(out, subaccount);
	buf_add_str(out, CONNECTOR);
	buf_add_str(out, instance);
}

static bool skip(struct str *rest, struct str prefix)
{
	if (!str_starts(*rest, prefix)) {
		return false;
	}
	*rest = str_skip(*rest, prefix.len);
	return true;
}

/* A UUID in lower case, as ids are stored: two spellings would be two identities. */
static bool take_uuid(struct str *rest, struct str *out)
{
	struct str uuid = str_first(*rest, DIRECTORY_UUID - 1);

	for (size_t i = 0; i < uuid.len; i++) {
		if (uuid.at[i] >= 'A' && uuid.at[i] <= 'Z') {
			return false;
		}
	}
	*out = uuid;
	*rest = str_skip(*rest, uuid.len);
	return str_is_uuid(uuid);
}

bool directory_spiffe_read(struct str uri, struct str *region_host, struct str *subaccount,
			   struct str *instance)
{
	struct str rest = uri, host, sa, in;

	if (!skip(&rest, SCHEME)) {
		return false;
	}
	host = str_first(rest, str_find(rest, '/'));
	rest = str_skip(rest, host.len);
	if (host.len == 0 || !skip(&rest, SUBACCOUNT) || !take_uuid(&rest, &sa) ||
	    !skip(&rest, CONNECTOR) || !take_uuid(&rest, &in) || rest.len != 0) {
		return false;
	}
	*region_host = host;
	*subaccount = sa;
	*instance = in;
	return true;
}

/* ---- who is let in ---- */

unsigned directory_judgement_status(enum directory_judgement j)
{
	switch (j) {
	case DIRECTORY_ADMITTED:
		return 200;
	case DIRECTORY_NO_CERTIFICATE:
	case DIRECTORY_NOT_YET_VALID:
	case DIRECTORY_EXPIRED:
		return 401;
	case DIRECTORY_FOREIGN:
	case DIRECTORY_UNKNOWN_SERIAL:
	case DIRECTORY_SUPERSEDED:
	case DIRECTORY_REVOKED:
	case DIRECTORY_LOCKED:
	case DIRECTORY_NO_SUBACCOUNT:
	case DIRECTORY_DISCONNECTED:
	case DIRECTORY_RENEWAL_FORBIDDEN:
		return 403;
	case DIRECTORY_RENEWAL_TOO_OFTEN:
		return 429;
	case DIRECTORY_JUDGE_FAILED:
	default:
		return 503;
	}
}

const char *directory_judgement_name(enum directory_judgement j)
{
	static const char *const names[] = {
		[DIRECTORY_ADMITTED] = "admitted",
		[DIRECTORY_NO_CERTIFICATE] = "no_certificate",
		[DIRECTORY_NOT_YET_VALID] = "not_yet_valid",
		[DIRECTORY_EXPIRED] = "expired",
		[DIRECTORY_FOREIGN] = "foreign",
		[DIRECTORY_UNKNOWN_SERIAL] = "unknown_serial",
		[DIRECTORY_SUPERSEDED] = "superseded",
		[DIRECTORY_REVOKED] = "revoked",
		[DIRECTORY_LOCKED] = "locked",
		[DIRECTORY_NO_SUBACCOUNT] = "no_subaccount",
		[DIRECTORY_DISCONNECTED] = "disconnected",
		[DIRECTORY_RENEWAL_FORBIDDEN] = "renewal_forbidden",
		[DIRECTORY_RENEWAL_TOO_OFTEN] = "renewal_too_often",
		[DIRECTORY_JUDGE_FAILED] = "failed",
	};

	return names[j];
}

/* Refusals say what happened and what to do. */
static enum directory_judgement no(enum directory_judgement j, struct err *err, const char *fmt,
				   ...) PRINTF_LIKE(3, 4);
static enum directory_judgement no(enum directory_judgement j, struct err *err, const char *fmt,
				   ...)
{
	char text[sizeof(err->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err_set(err, ERR_DENIED, "%s", text);
	return j;
}

static void format_time(int64_t unix_s, char into[static 32])
{
	AUTO_BUF struct buf text = BUF(64);

	clock_add_rfc3339(&text, unix_s);
	snprintf(into, 32, "%.*s", (int)text.len, text.at);
}

/* The certificate is one of ours: is it this subaccount's and this installation's? */
static enum directory_judgement judge_identity(const struct directory_presented *p,
					       struct str *instance, struct err *err)
{
	struct str host, subaccount;

	if (p->state != TLS_PEER_TRUSTED) {
		return no(DIRECTORY_NO_CERTIFICATE, err,
			  p->state == TLS_PEER_ABSENT ? "no client certificate was presented: "
							"connect with the subaccount "
							"certificate"
						      : "the client certificate was not issued by "
							"this region's CA: refresh "
							"the subaccount certificate");
	}
	if (!directory_spiffe_read(str_of(p->facts->uri), &host, &subaccount, instance)) {
		return no(
			DIRECTORY_FOREIGN, err,
			"the certificate names no subaccount: it is not a subaccount certificate");
	}
	if (!str_eq(host, p->region_host)) {
		return no(DIRECTORY_FOREIGN, err, "the certificate is of region %.*s, this is %.*s",
			  STR_ARGS(host), STR_ARGS(p->region_host));
	}
	if (!str_eq_nocase(subaccount, p->subaccount)) {
		return no(DIRECTORY_FOREIGN, err,
			  "the certificate is of another subaccount (%.*s), not of %.*s",
			  STR_ARGS(subaccount), STR_ARGS(p->subaccount));
	}
	if (p->instance.len > 0 && !str_eq_nocase(*instance, p->instance)) {
		return no(DIRECTORY_FOREIGN, err,
			  "the certificate is of another installation (%.*s), not of %.*s",
			  STR_ARGS(*instance), STR_ARGS(p->instance));
	}
	return DIRECTORY_ADMITTED;
}

static enum directory_judgement judge_serial(const struct judged *j,
					     const struct directory_presented *p,
					     struct str instance, int64_t now, struct err *err)
{
	const struct directory_certificate *c = &j->certificate;
	char when[32];

	if (!j->has_subaccount) {
		return no(DIRECTORY_NO_SUBACCOUNT, err,
			  "the subaccount %.*s does not exist (any more)", STR_ARGS(p->subaccount));
	}
	if (!j->has_certificate || !str_eq(instance, str_of(c->instance)) ||
	    strcmp(c->subaccount, j->subaccount.id) != 0 ||
	    memcmp(c->spki_sha256, p->facts->spki_sha256, sizeof(c->spki_sha256)) != 0) {
		return no(
			DIRECTORY_UNKNOWN_SERIAL, err,
			"the certificate with serial %s is not known here: refresh the subaccount "
			"certificate",
			p->facts->serial);
	}
	if (c->revoked != 0) {
		format_time(c->revoked, when);
		return no(DIRECTORY_REVOKED, err, "the certificate was revoked on %s", when);
	}
	if (c->supersede_at != 0 && now >= c->supersede_at) {
		format_time(c->supersede_at, when);
		return no(DIRECTORY_SUPERSEDED, err,
			  "superseded on %s by serial %s: this machine runs an older copy, refresh "
			  "its "
			  "certificate",
			  when, c->superseded_by);
	}
	return DIRECTORY_ADMITTED;
}

/* `grace_s`: how long after its end it still counts. */
static enum directory_judgement judge_time(const struct cert_facts *facts, int64_t now,
					   int64_t grace_s, struct err *err)
{
	char when[32];

	if (now < facts->not_before) {
		format_time(facts->not_before, when);
		return no(DIRECTORY_NOT_YET_VALID, err, "the certificate is valid from %s on only",
			  when);
	}
	if (now > facts->not_after && now - facts->not_after > grace_s) {
		format_time(facts->not_after, when);
		return no(DIRECTORY_EXPIRED, err,
			  "the certificate expired on %s: refresh the subaccount certificate",
			  when);
	}
	return DIRECTORY_ADMITTED;
}

static enum directory_judgement judge_state(struct store *s, const struct directory_presented *p,
					    int64_t now, int64_t grace_s, struct judged *j,
					    struct err *err)
{
	struct str instance;
	enum directory_judgement outcome = judge_identity(p, &instance, err);

	if (outcome != DIRECTORY_ADMITTED) {
		return outcome;
	}
	if (!directory_judge_read(s, p->subaccount, str_of(p->facts->serial), j, err)) {
		return DIRECTORY_JUDGE_FAILED;
	}
	outcome = judge_serial(j, p, instance, now, err);
	if (outcome == DIRECTORY_ADMITTED) {
		outcome = judge_time(p->facts, now, grace_s, err);
	}
	if (outcome == DIRECTORY_ADMITTED && j->subaccount.locked) {
		outcome = no(DIRECTORY_LOCKED, err, "the subaccount %s is locked",
			     j->subaccount.display_name);
	}
	return outcome;
}

enum directory_judgement directory_judge_tunnel(struct store *s,
						const struct directory_presented *p, int64_t now,
						struct err *err)
{
	struct judged j;
	enum directory_judgement outcome = judge_state(s, p, now, 0, &j, err);

	if (outcome == DIRECTORY_ADMITTED && j.disconnected) {
		outcome = no(DIRECTORY_DISCONNECTED, err,
			     "an administrator of the cloud side disconnected this connector");
	}
	return outcome;
}

static enum directory_judgement judge_rate(struct store *s, const struct judged *j, int64_t now,
					   struct err *err)
{
	const struct directory_certificate *c = &j->certificate;
	bool too_many;

	if (!directory_renewals_too_many(s, str_of(c->subaccount), str_of(c->instance), now,
					 &too_many, err)) {
		return DIRECTORY_JUDGE_FAILED;
	}
	return too_many ? no(DIRECTORY_RENEWAL_TOO_OFTEN, err,
			     "this installation renewed its certificate %d times within an hour",
			     DIRECTORY_RENEWALS_PER_HOUR_MAX)
			: DIRECTORY_ADMITTED;
}

enum directory_judgement directory_judge_renewal(struct store *s,
						 const struct directory_presented *p, int64_t now,
						 int64_t expired_s, struct err *err)
{
	struct judged j;
	enum directory_judgement outcome = judge_state(s, p, now, expired_s, &j, err);

	if (outcome == DIRECTORY_ADMITTED && !j.subaccount.renewal_allowed) {
		outcome = no(DIRECTORY_RENEWAL_FORBIDDEN, err,
			     "automatic renewal is switched off for subaccount %s: refresh the "
			     "certificate as an owner",
			     j.subaccount.display_name);
	}
	return outcome == DIRECTORY_ADMITTED ? judge_rate(s, &j, now, err) : outcome;
}
