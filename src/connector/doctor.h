#pragma once
/*
 * Which link from this connector to the relay is broken: each is tried for real, in the order in
 * which a tunnel needs them, and the first that does not hold ends the examination.
 *
 * The relay is asked with Drawbridge-Probe: it judges as for a tunnel and opens none, so a tunnel
 * that is up is not disturbed. Blocks: only in jobs.
 */
#include "connector/links.h"

enum doctor_link {
	DOCTOR_DNS,         /* the name of the relay, or of the corporate proxy */
	DOCTOR_TCP,         /* a connection to it */
	DOCTOR_PROXY,       /* the corporate proxy's CONNECT */
	DOCTOR_TLS,         /* the handshake: the relay is who it should be */
	DOCTOR_CLOCK,       /* this machine's clock against the relay's */
	DOCTOR_CERTIFICATE, /* the subaccount certificate: dates, and what the relay says of it */
	DOCTOR_UPGRADE,     /* the relay's answer to the upgrade */
	DOCTOR_SUBACCOUNT,  /* its state on the cloud side: locked, deleted, disconnected */
	DOCTOR_TUNNEL,      /* the connector's own tunnel */
	DOCTOR_LINKS,
};
const char *doctor_link_name(enum doctor_link link); /* "dns" … */

enum doctor_result {
	DOCTOR_NOT_REACHED, /* a link before it is broken */
	DOCTOR_OK,
	DOCTOR_SKIPPED, /* it is not in the way: no proxy is configured */
	DOCTOR_WARNING, /* it holds, and should be looked after */
	DOCTOR_BROKEN,
};
const char *doctor_result_name(enum doctor_result result); /* "ok", "broken" … */

struct doctor_step {
	enum doctor_result result;
	msec_t took;
	char found[500]; /* what was seen */
	char next[500];  /* what to do about it; "" */
};

struct doctor_report {
	struct doctor_step steps[DOCTOR_LINKS];
	enum doctor_link broken; /* DOCTOR_LINKS: none */
};

enum {
	DOCTOR_STEP_MS = 10000, /* each step at most */
	DOCTOR_SKEW_MAX_S = 300,
};

struct doctor_patient {
	const struct subaccount_set *set;
	const struct subaccount *subaccount; /* of the set */
	const struct link_status *link;      /* NULL: unknown */
	msec_t step_ms;                      /* 0: DOCTOR_STEP_MS */
};
void doctor_examine(const struct doctor_patient *patient, struct doctor_report *out);

/* The part behind the relay's answer, without I/O. `now`: our clock, Unix seconds. */
void doctor_judge(const struct doctor_patient *patient, const struct ptth_answer *answer,
		  int64_t now, struct doctor_report *out);
