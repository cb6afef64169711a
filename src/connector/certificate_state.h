#pragma once
/*
 * What state a subaccount certificate is in, as a person should see it: by its dates and the cloud
 * side's clock, and by what the relay said when it refused a tunnel. Pure.
 */
#include "connector/links.h"

enum {
	CERTIFICATE_EXPIRING_S = 30 * 86400, /* left before its end, and … */
	CERTIFICATE_EXPIRING_PART = 4, /* … less than a quarter of its life: renewal is late */
};

enum certificate_state {
	CERTIFICATE_MISSING,
	CERTIFICATE_VALID,
	CERTIFICATE_EXPIRING,
	CERTIFICATE_EXPIRED,
	CERTIFICATE_NOT_YET_VALID, /* mostly a wrong clock, which the reason names */
	CERTIFICATE_SUPERSEDED,    /* this machine is an older copy */
	CERTIFICATE_REVOKED,
	CERTIFICATE_UNKNOWN, /* not of this region, subaccount or installation */
};
const char *certificate_state_name(enum certificate_state state); /* "notYetValid" … */

/*
 * `link` may be NULL. `now`: our clock, Unix seconds; corrected by what the link knows. `reason`
 * gets why, with the next step, or "".
 */
enum certificate_state certificate_state_of(const struct subaccount *sa,
					    const struct link_status *link, int64_t now,
					    struct buf *reason);
