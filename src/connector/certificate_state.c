#include "connector/certificate_state.h"

#include <string.h>

#include "base/clock.h"

const char *certificate_state_name(enum certificate_state state)
{
	static const char *const names[] = {
		[CERTIFICATE_MISSING] = "missing",
		[CERTIFICATE_VALID] = "valid",
		[CERTIFICATE_EXPIRING] = "expiring",
		[CERTIFICATE_EXPIRED] = "expired",
		[CERTIFICATE_NOT_YET_VALID] = "notYetValid",
		[CERTIFICATE_SUPERSEDED] = "superseded",
		[CERTIFICATE_REVOKED] = "revoked",
		[CERTIFICATE_UNKNOWN] = "unknown",
	};

	return names[state];
}

/* The relay's word, when it refused because of the certificate. */
static bool refused_as(const struct link_status *link, enum certificate_state *state)
{
	static const struct {
		const char *word;
		enum certificate_state state;
	} words[] = {
		{"expired", CERTIFICATE_EXPIRED},
		{"not_yet_valid", CERTIFICATE_NOT_YET_VALID},
		{"superseded", CERTIFICATE_SUPERSEDED},
		{"revoked", CERTIFICATE_REVOKED},
		{"unknown_serial", CERTIFICATE_UNKNOWN},
		{"foreign", CERTIFICATE_UNKNOWN},
		{"no_certificate", CERTIFICATE_UNKNOWN},
	};

	for (size_t i = 0; link != NULL && i < COUNT(words); i++) {
		if (link->refused != 0 && strcmp(link->refusal, words[i].word) == 0) {
			*state = words[i].state;
			return true;
		}
	}
	return false;
}

static int64_t skew_of(const struct link_status *link)
{
	int64_t skew = link != NULL ? link->skew_s : 0;

	return skew < ENROL_SKEW_LEAST_S && skew > -ENROL_SKEW_LEAST_S ? 0 : skew;
}

static void add_skew(struct buf *reason, const struct link_status *link)
{
	int64_t skew = skew_of(link);

	if (skew > ENROL_SKEW_MAX_S || skew < -ENROL_SKEW_MAX_S) {
		buf_addf(reason, "; this machine's clock is %lld s %s the cloud side's, set it",
			 (long long)(skew > 0 ? skew : -skew), skew > 0 ? "before" : "behind");
	}
}

static enum certificate_state by_dates(const struct cert_facts *c, int64_t now, struct buf *reason)
{
	int64_t left = c->not_after - now;

	if (now < c->not_before) {
		buf_add_str(reason, str_of("the certificate is valid from "));
		clock_add_rfc3339(reason, c->not_before);
		buf_add_str(reason, str_of(" on only, and this machine's clock says "));
		clock_add_rfc3339(reason, now);
		buf_add_str(reason, str_of(": is it right?"));
		return CERTIFICATE_NOT_YET_VALID;
	}
	if (left < 0) {
		buf_add_str(reason, str_of("the certificate expired on "));
		clock_add_rfc3339(reason, c->not_after);
		buf_add_str(reason,
			    STR(": refresh it; open tunnels may go on, new ones are refused"));
		return CERTIFICATE_EXPIRED;
	}
	if (left < CERTIFICATE_EXPIRING_S &&
	    left < (c->not_after - c->not_before) / CERTIFICATE_EXPIRING_PART) {
		buf_add_str(reason, str_of("the certificate expires on "));
		clock_add_rfc3339(reason, c->not_after);
		buf_add_str(reason, str_of(": refresh it, or see why it was not renewed"));
		return CERTIFICATE_EXPIRING;
	}
	return CERTIFICATE_VALID;
}

enum certificate_state certificate_state_of(const struct subaccount *sa,
					    const struct link_status *link, int64_t now,
					    struct buf *reason)
{
	enum certificate_state state = CERTIFICATE_MISSING;

	if (!sa->has_certificate) {
		buf_add_str(reason, str_of(sa->defect));
		return CERTIFICATE_MISSING;
	}
	if (refused_as(link, &state)) {
		buf_add_str(reason, str_of(link->reason));
		return state;
	}
	state = by_dates(&sa->certificate, now - skew_of(link), reason);
	if (state != CERTIFICATE_VALID) {
		add_skew(reason, link);
	}
	return state;
}
