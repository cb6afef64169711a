#pragma once
/*
 * When a certificate is worth an alert, and when a message: pure, no clock, no I/O.
 *
 * A certificate is judged by the time that it has left. One that renews itself at two thirds of its
 * life is left alone until three quarters have passed: thresholds that are longer than a quarter of
 * its life do not count (half, where nobody renews it). Where no threshold is left, because it
 * lives for days or minutes, a quarter, an eighth and a sixteenth of its life take their place.
 *
 * A message goes out when a state or a threshold is reached that is worse than before, again each
 * `repeat_s` while it lasts, and exactly once when it is over.
 */
#include "base/err.h"
#include "base/str.h"

enum alert_state { /* stored: never renumber */
	ALERT_FINE,
	ALERT_EXPIRING,
	ALERT_RENEWAL_FAILING, /* it should have renewed itself by now, and could not */
	ALERT_NOT_YET_VALID,
	ALERT_EXPIRED,
};
const char *alert_state_name(enum alert_state state); /* "expiring", "renewal-failing" … */

/* A certificate in use, as its source knows it. All texts are lent and never NULL but where said.
 */
struct alert_certificate {
	const char *source;     /* which kind: "subaccount", "ui", "listener" … */
	const char *name;       /* stays the same when it is replaced; unique within its source */
	const char *label;      /* for people: "certificate of subaccount Plant 7" */
	const char *subaccount; /* id of the tenant that may see it; "" for the operator's own */
	const char *subject, *issuer, *serial;
	int64_t not_before, not_after; /* Unix seconds */
	int64_t received;              /* since when it is in use; 0: not_before */
	bool renews_itself;
	const char *renewal_error; /* why the last try of its renewal failed; NULL: it did not */
	const char *next_step;     /* where and how to renew it */
};

enum {
	ALERT_THRESHOLDS_MAX = 16,
};
struct alert_policy {
	int64_t thresholds_s[ALERT_THRESHOLDS_MAX]; /* falling */
	size_t n;
	int64_t repeat_s; /* 0: never */
};
/* "60d, 30d, 7d, 12h" into falling thresholds. ERR_CONFIG. */
NODISCARD bool alert_policy_read(struct str text, struct alert_policy *out, struct err *err);

struct alert_verdict {
	enum alert_state state;
	int64_t threshold_s; /* that was passed, for ALERT_EXPIRING; else 0 */
};
struct alert_verdict alert_judge(const struct alert_certificate *c,
				 const struct alert_policy *policy, int64_t now);

/* What is remembered of one certificate between two looks; zeroed for one that was always fine. */
struct alert_memory {
	enum alert_state state;
	int64_t threshold_s;
	int64_t since;  /* Unix seconds: when this alert began */
	int64_t told;   /* when the last message was due */
	int64_t solved; /* when it ended; 0: it has not */
};

enum alert_act {
	ALERT_DO_NOTHING, /* *m may have changed all the same */
	ALERT_DO_RAISE,
	ALERT_DO_REPEAT,
	ALERT_DO_SOLVE,
};
enum alert_act alert_step(struct alert_memory *m, struct alert_verdict v,
			  const struct alert_policy *policy, int64_t now);
