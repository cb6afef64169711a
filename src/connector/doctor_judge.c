/* What the relay's answer to a probe says about the links behind the connection. */
#include "connector/doctor.h"

#include <stdarg.h>

#include "base/clock.h"
#include "connector/certificate_state.h"

static void PRINTF_LIKE(5, 6) put(struct doctor_report *r, enum doctor_link link,
				  enum doctor_result result, const char *next, const char *fmt, ...)
{
	struct doctor_step *s = &r->steps[link];
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->found, sizeof(s->found), fmt, args);
	va_end(args);
	snprintf(s->next, sizeof(s->next), "%s", next);
	s->result = result;
	if (result == DOCTOR_BROKEN) {
		r->broken = link;
	}
}

static bool is_word(const struct ptth_answer *a, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(a->refusal, *words) == 0) {
			return true;
		}
	}
	return false;
}

/* Refusals that are about the certificate, not about the subaccount. */
static bool refuses_certificate(const struct ptth_answer *a)
{
	static const char *const words[] = {"no_certificate", "not_yet_valid", "expired", "foreign",
					    "unknown_serial", "superseded",    "revoked", NULL};

	return a->status >= 300 && (is_word(a, words) || a->status == 401);
}

static bool refuses_subaccount(const struct ptth_answer *a)
{
	static const char *const words[] = {"locked", "no_subaccount", "disconnected", NULL};

	return a->status >= 300 && (is_word(a, words) || a->status == 403 || a->status == 409);
}

/* A wrong clock is what is broken when it makes the relay refuse; else it is only worth a word. */
static bool judge_clock(const struct ptth_answer *a, int64_t now, struct doctor_report *r)
{
	static const char next[] = "set this machine's clock, best by a time service (chrony, "
				   "systemd-timesyncd)";
	static const char *const words[] = {"not_yet_valid", "expired", NULL};
	int64_t skew = a->date != 0 ? now - a->date : 0;
	int64_t size = skew < 0 ? -skew : skew;

	if (a->date == 0) {
		put(r, DOCTOR_CLOCK, DOCTOR_SKIPPED, "", "the answer has no date");
		return true;
	}
	if (size <= DOCTOR_SKEW_MAX_S) {
		put(r, DOCTOR_CLOCK, DOCTOR_OK, "", "%lld s beside the relay's", (long long)size);
		return true;
	}
	bool guilty = a->status >= 300 && is_word(a, words);
	put(r, DOCTOR_CLOCK, guilty ? DOCTOR_BROKEN : DOCTOR_WARNING, next,
	    "this machine's clock is %lld s %s the relay's", (long long)size,
	    skew > 0 ? "before" : "behind");
	return !guilty;
}

static const char *certificate_next(const struct ptth_answer *a)
{
	if (strcmp(a->refusal, "superseded") == 0) {
		return "this machine runs an older copy of the installation: end one of the two, "
		       "then refresh the certificate here";
	}
	if (strcmp(a->refusal, "revoked") == 0) {
		return "ask the cloud side's administrator why it was revoked; then an owner "
		       "refreshes it: Refresh Certificate, or drawbridge cert refresh";
	}
	return "an owner of the subaccount refreshes it: Refresh Certificate, or drawbridge cert "
	       "refresh";
}

static bool judge_certificate(const struct doctor_patient *p, const struct ptth_answer *a,
			      int64_t now, struct doctor_report *r)
{
	const struct subaccount *sa = p->subaccount;
	const struct cert_facts *c = &sa->certificate;
	AUTO_BUF struct buf until = BUF(64);

	if (!sa->has_certificate || sa->tls == NULL) {
		put(r, DOCTOR_CERTIFICATE, DOCTOR_BROKEN, certificate_next(a),
		    "there is none that can be used: %.300s", sa->defect);
		return false;
	}
	if (refuses_certificate(a)) {
		put(r, DOCTOR_CERTIFICATE, DOCTOR_BROKEN, certificate_next(a),
		    "the relay refuses it with %u: %.400s", a->status,
		    a->detail[0] ? a->detail : a->refusal);
		return false;
	}
	int64_t left = c->not_after - (a->date != 0 ? a->date : now);
	clock_add_rfc3339(&until, c->not_after);
	/* The same measure as the subaccount's page has. */
	bool near = left < CERTIFICATE_EXPIRING_S &&
		    left < (c->not_after - c->not_before) / CERTIFICATE_EXPIRING_PART;
	put(r, DOCTOR_CERTIFICATE, near ? DOCTOR_WARNING : DOCTOR_OK,
	    near ? certificate_next(a) : "", "serial %s, valid until %s", c->serial, until.at);
	return true;
}

static bool judge_upgrade(const struct ptth_answer *a, struct doctor_report *r)
{
	if (a->status < 300 || refuses_subaccount(a)) {
		put(r, DOCTOR_UPGRADE, DOCTOR_OK, "", "the relay answers, with %u", a->status);
		return true;
	}
	const char *next =
		a->status == 503 || a->status == 429
			? "the relay is busy or ends just now: the connector tries again "
			  "by itself"
			: "is this the tunnel port of the cloud side, and its version new "
			  "enough?";
	put(r, DOCTOR_UPGRADE, DOCTOR_BROKEN, next, "the relay answers %u: %.400s", a->status,
	    a->detail);
	return false;
}

static const char *subaccount_next(const struct ptth_answer *a)
{
	if (strcmp(a->refusal, "locked") == 0) {
		return "an administrator of the cloud side unlocks the subaccount";
	}
	if (strcmp(a->refusal, "disconnected") == 0) {
		return "an administrator of the cloud side ends the forced disconnect of this "
		       "connector (drawbridge cloud connector connect)";
	}
	if (strcmp(a->refusal, "no_subaccount") == 0) {
		return "it is gone from the cloud side: delete it here, or add the new one";
	}
	return "ask the cloud side's administrator; the text has the reason";
}

static bool judge_subaccount(const struct ptth_answer *a, struct doctor_report *r)
{
	if (a->status >= 300) {
		put(r, DOCTOR_SUBACCOUNT, DOCTOR_BROKEN, subaccount_next(a), "%.480s", a->detail);
		return false;
	}
	put(r, DOCTOR_SUBACCOUNT, DOCTOR_OK, "", "the relay would let a tunnel in%s%.300s",
	    a->owners[0] ? "; owners: " : "", a->owners);
	return true;
}

static void judge_tunnel(const struct doctor_patient *p, struct doctor_report *r)
{
	const struct link_status *l = p->link;

	if (!p->subaccount->state.connected) {
		put(r, DOCTOR_TUNNEL, DOCTOR_BROKEN,
		    "press Connect, or run drawbridge subaccount connect",
		    "it was disconnected here by an administrator");
	} else if (l == NULL) {
		put(r, DOCTOR_TUNNEL, DOCTOR_SKIPPED, "", "its state is not known");
	} else if (l->state == LINK_STATUS_CONNECTED) {
		put(r, DOCTOR_TUNNEL, DOCTOR_OK, "", "%u of %u tunnels are up", l->tunnels,
		    l->wanted);
	} else {
		put(r, DOCTOR_TUNNEL, DOCTOR_BROKEN,
		    l->refused == 409 ? "another installation holds this location ID: give one of "
					"them another"
				      : "it is dialled again by itself; at once with Retry",
		    "%.480s", l->reason[0] ? l->reason : "it is being dialled");
	}
}

void doctor_judge(const struct doctor_patient *patient, const struct ptth_answer *answer,
		  int64_t now, struct doctor_report *out)
{
	if (judge_clock(answer, now, out) && judge_certificate(patient, answer, now, out) &&
	    judge_upgrade(answer, out) && judge_subaccount(answer, out)) {
		judge_tunnel(patient, out);
	}
}
