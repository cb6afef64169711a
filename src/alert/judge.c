#include "alert/judge.h"

#include "base/clock.h"

enum {
	/* Of its life, in percent: a certificate that renews itself begins when 33 are left. */
	RENEWAL_LATE_PERCENT = 30,
};

const char *alert_state_name(enum alert_state state)
{
	switch (state) {
	case ALERT_FINE:
		return "valid";
	case ALERT_EXPIRING:
		return "expiring";
	case ALERT_RENEWAL_FAILING:
		return "renewal-failing";
	case ALERT_NOT_YET_VALID:
		return "not-yet-valid";
	case ALERT_EXPIRED:
		return "expired";
	}
	return "unknown";
}

/* Falling, without doubles. */
static void insert(struct alert_policy *p, int64_t threshold_s)
{
	size_t at = 0;

	while (at < p->n && p->thresholds_s[at] > threshold_s) {
		at++;
	}
	if (at < p->n && p->thresholds_s[at] == threshold_s) {
		return;
	}
	for (size_t i = p->n++; i > at; i--) {
		p->thresholds_s[i] = p->thresholds_s[i - 1];
	}
	p->thresholds_s[at] = threshold_s;
}

bool alert_policy_read(struct str text, struct alert_policy *out, struct err *err)
{
	struct alert_policy p = {.repeat_s = out->repeat_s};
	struct str member;

	while (str_next_listed(&text, &member)) {
		msec_t ms = 0;
		if (!clock_parse_duration(member, &ms) || ms < 1000) {
			return err_set(err, ERR_CONFIG,
				       "alert.thresholds: \"%.*s\" is no time such as 30d or 12h",
				       STR_ARGS(str_first(member, 40)));
		}
		if (p.n == ALERT_THRESHOLDS_MAX) {
			return err_set(err, ERR_CONFIG, "alert.thresholds: more than %d",
				       ALERT_THRESHOLDS_MAX);
		}
		insert(&p, ms / 1000);
	}
	if (p.n == 0) {
		return err_set(err, ERR_CONFIG, "alert.thresholds is empty");
	}
	*out = p;
	return true;
}

static int64_t begin_of(const struct alert_certificate *c)
{
	return c->received > c->not_before ? c->received : c->not_before;
}

/* The smallest threshold that `left` has passed; 0: none. */
static int64_t passed(const struct alert_certificate *c, const struct alert_policy *policy,
		      int64_t left)
{
	int64_t life = c->not_after - begin_of(c);
	int64_t longest = life / (c->renews_itself ? 4 : 2);
	int64_t found = 0;
	bool any = false;

	for (size_t i = 0; i < policy->n; i++) {
		int64_t t = policy->thresholds_s[i];
		if (t <= longest) {
			any = true;
			found = left <= t ? t : found;
		}
	}
	for (int part = 4; !any && part <= 16; part *= 2) {
		found = left <= life / part ? life / part : found;
	}
	return found;
}

struct alert_verdict alert_judge(const struct alert_certificate *c,
				 const struct alert_policy *policy, int64_t now)
{
	int64_t left = c->not_after - now;
	int64_t life = c->not_after - begin_of(c);
	bool failing = c->renewal_error != NULL && c->renewal_error[0] != '\0';

	if (left < 0) {
		return (struct alert_verdict){.state = ALERT_EXPIRED};
	}
	if (now < c->not_before) {
		return (struct alert_verdict){.state = ALERT_NOT_YET_VALID};
	}
	int64_t threshold = passed(c, policy, left);
	if (failing && (threshold > 0 || left < life / 100 * RENEWAL_LATE_PERCENT)) {
		return (struct alert_verdict){.state = ALERT_RENEWAL_FAILING,
					      .threshold_s = threshold};
	}
	return (struct alert_verdict){.state = threshold > 0 ? ALERT_EXPIRING : ALERT_FINE,
				      .threshold_s = threshold};
}

/* 0 is "none passed yet", so the longest of all. */
static bool is_nearer(int64_t a, int64_t b)
{
	return a != 0 && (b == 0 || a < b);
}

enum alert_act alert_step(struct alert_memory *m, struct alert_verdict v,
			  const struct alert_policy *policy, int64_t now)
{
	bool lasts = m->state != ALERT_FINE;
	bool worse = v.state > m->state ||
		     (v.state == m->state && is_nearer(v.threshold_s, m->threshold_s));

	m->told = m->told > now ? now : m->told; /* the clock was set back */
	if (v.state == ALERT_FINE) {
		m->state = ALERT_FINE;
		m->threshold_s = 0;
		m->solved = lasts ? now : m->solved;
		return lasts ? ALERT_DO_SOLVE : ALERT_DO_NOTHING;
	}
	if (!lasts) {
		*m = (struct alert_memory){.since = now};
	}
	m->state = v.state;
	m->threshold_s = v.threshold_s;
	if (worse) {
		m->told = now;
		return ALERT_DO_RAISE;
	}
	if (policy->repeat_s > 0 && now - m->told >= policy->repeat_s) {
		m->told = now;
		return ALERT_DO_REPEAT;
	}
	return ALERT_DO_NOTHING;
}
