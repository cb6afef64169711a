/* Where the connector's certificates are, for its alerts. */
#include "programs/connector_parts.h"

enum {
	TRUSTED_ARENA_MAX = 32 * 1024 * 1024, /* TRUSTED_MAX certificates */
};

/* ---- subaccount certificates ---- */

static void give_subaccount(const struct subaccount *sa, const struct renewal_status *renewal,
			    alert_each_fn *fn, void *user)
{
	const struct state_subaccount *s = &sa->state;
	bool failed = renewal != NULL && renewal->last.tried_ms > 0 &&
		      (renewal->state == RENEWAL_RETRYING || renewal->state == RENEWAL_REFUSED);
	AUTO_BUF struct buf label = BUF(KIB(2)), step = BUF(KIB(2));
	struct alert_certificate c = {.source = "subaccount",
				      .name = sa->key,
				      .subaccount = s->subaccount,
				      .received = sa->certificate_received,
				      .renews_itself = s->auto_renewal,
				      .renewal_error = failed ? renewal->last.text : NULL};

	buf_addf(&label, "certificate of subaccount %s",
		 s->display_name[0] ? s->display_name : s->subaccount);
	buf_addf(&step,
		 "an owner presses Refresh Certificate of the subaccount, or runs drawbridge cert "
		 "refresh %s@%s",
		 s->subaccount, s->region_host);
	c.label = label.at;
	c.next_step = step.at;
	daemon_alerts_give(&c, &sa->certificate, fn, user);
}

static bool each_subaccount(void *user, alert_each_fn *fn, void *fn_user, struct err *err UNUSED)
{
	const struct connector *c = user;
	struct subaccount_set *set = subaccounts_ref(c->subaccounts);
	struct renewal_status_set *renewals = c->renewals ? renewals_status(c->renewals) : NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct subaccount *sa = &set->rows[i];
		if (sa->has_certificate) {
			give_subaccount(sa,
					renewals ? renewal_status_find(renewals, sa->key) : NULL,
					fn, fn_user);
		}
	}
	renewal_status_set_unref(renewals);
	subaccount_set_unref(set);
	return true;
}

/* ---- the administration's ---- */

static bool each_ui(void *user, alert_each_fn *fn, void *fn_user, struct err *err UNUSED)
{
	struct connector *c = user;
	struct tls_config *now = daemon_tls_ref(&c->tls);
	struct cert_facts facts;

	if (now != NULL && tls_config_certificate(now, &facts)) {
		const struct alert_certificate base = {
			.source = "ui",
			.name = "ui",
			.label = "certificate of the administration",
			.renews_itself = ui_certificate_is_default(c->ui_certificate),
			.next_step = "replace the UI certificate under Configuration"};
		daemon_alerts_give(&base, &facts, fn, fn_user);
	}
	tls_config_unref(now);
	return true;
}

/* ---- what is trusted ---- */

static bool each_backend(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	const struct connector *c = user;
	AUTO(arena_free) struct arena *arena = arena_new(KIB(16), TRUSTED_ARENA_MAX);
	struct trusted_row *rows;
	size_t n = 0;

	if (!trusted_list(c->store, arena, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct cert_facts facts;
		if (!cert_read_pem(rows[i].pem, &facts, err)) {
			return false;
		}
		AUTO_BUF struct buf name = BUF(KIB(1)), label = BUF(KIB(2));
		buf_add_str(&name, str_first(rows[i].alias, 200));
		buf_addf(&label, "certificate trusted in internal systems, %.150s", facts.subject);
		const struct alert_certificate base = {
			.source = "backend-trust",
			.name = name.at,
			.label = label.at,
			.next_step = "upload its successor under Configuration, On Premises, "
				     "Trust Store, and delete this one"};
		daemon_alerts_give(&base, &facts, fn, fn_user);
	}
	return true;
}

static bool each_configured(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	const struct connector *c = user;
	struct subaccount_set *set = subaccounts_ref(c->subaccounts);
	const struct alert_certificate configured = {
		.source = "region-trust",
		.label = "anchor of trust.file",
		.next_step = "put its successor into trust.file and send SIGHUP"};
	bool ok =
		daemon_alerts_give_pem(&configured, "", str_of(set->anchors_pem), fn, fn_user, err);

	subaccount_set_unref(set);
	return ok;
}

/* The cloud side's CA, as it was learned with the certificate. */
static bool each_learned(void *user, alert_each_fn *fn, void *fn_user, struct err *err)
{
	const struct connector *c = user;
	struct subaccount_set *set = subaccounts_ref(c->subaccounts);
	bool ok = true;

	for (size_t i = 0; ok && i < set->n; i++) {
		const struct state_subaccount *s = &set->rows[i].state;
		char prefix[STATE_HOST + STATE_UUID + 2];
		const struct alert_certificate learned = {
			.source = "region-ca",
			.label = "CA of the cloud side",
			.subaccount = s->subaccount,
			.next_step = "the cloud side must renew its CA; then refresh the "
				     "subaccount certificate"};
		(void)snprintf(prefix, sizeof(prefix), "%s/", set->rows[i].key);
		ok = daemon_alerts_give_pem(&learned, prefix, str_of(s->anchors_pem), fn, fn_user,
					    err);
	}
	subaccount_set_unref(set);
	return ok;
}

bool connector_open_alerts(struct connector *c, struct err *err)
{
	const struct alert_source sources[] = {{"subaccount", each_subaccount, c},
					       {"ui", each_ui, c},
					       {"backend-trust", each_backend, c},
					       {"region-trust", each_configured, c},
					       {"region-ca", each_learned, c}};

	c->alerts = daemon_alerts_new(c->store, connector_program.name);
	for (size_t i = 0; i < COUNT(sources); i++) {
		alerts_add_source(c->alerts, &sources[i]);
	}
	return daemon_alerts_configure(c->alerts, &c->options.alert, err);
}
