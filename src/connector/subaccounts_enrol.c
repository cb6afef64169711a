#include "connector/subaccounts_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/json.h"
#include "base/log.h"
#include "store/change.h"

/* One visit to the cloud side's CA: for whom, as whom, and what came of it. */
struct visit {
	struct visit *next; /* of subaccounts.visits */
	bool entered;
	struct subaccounts *s;
	const struct state_actor *actor;
	char host[STATE_HOST], uuid[STATE_UUID];
	char display_name[STATE_NAME];
	char user[STATE_NAME], password[STATE_NAME];
	struct enrol_authdata data;
	bool has_data, has_pin;
	uint8_t pin[32];
	struct subaccount_set *set; /* for the proxy and the anchors known so far */
	struct buf proxy_url, anchors;
	struct state_certificate current; /* renewal: the certificate that is the proof */
	struct key *current_key;
	struct state_certificate fresh; /* the key of the CSR */
	struct enrol_result *result;
};

static bool is_visited(const struct visit *v)
{
	for (const struct visit *at = v->s->visits; at != NULL; at = at->next) {
		if (strcmp(at->host, v->host) == 0 && strcmp(at->uuid, v->uuid) == 0) {
			return true;
		}
	}
	return false;
}

/*
 * One at a time for a subaccount: two would send the same key and get two certificates for it. The
 * second sees what the first left behind.
 */
static void enter(struct visit *v)
{
	struct subaccounts *s = v->s;

	pthread_mutex_lock(&s->lock);
	while (is_visited(v)) {
		pthread_cond_wait(&s->left, &s->lock);
	}
	v->next = s->visits;
	s->visits = v;
	v->entered = true;
	pthread_mutex_unlock(&s->lock);
	subaccount_set_unref(v->set);
	v->set = subaccounts_ref(s);
}

static void leave(struct visit *v)
{
	struct visit **at = &v->s->visits;

	pthread_mutex_lock(&v->s->lock);
	while (v->entered && *at != v) {
		at = &(*at)->next;
	}
	if (v->entered) {
		*at = v->next;
		pthread_cond_broadcast(&v->s->left);
	}
	pthread_mutex_unlock(&v->s->lock);
}

static void visit_fini(struct visit *v)
{
	leave(v);
	explicit_bzero(v->password, sizeof(v->password));
	explicit_bzero(&v->data, sizeof(v->data));
	subaccount_set_unref(v->set);
	buf_fini(&v->proxy_url);
	buf_fini(&v->anchors);
	state_certificate_fini(&v->current);
	state_certificate_fini(&v->fresh);
	key_free(v->current_key);
}

static void visit_init(struct visit *v, struct subaccounts *s, const struct state_actor *actor,
		       struct enrol_result *result)
{
	*v = (struct visit){.s = s,
			    .actor = actor,
			    .proxy_url = BUF(KIB(1)),
			    .anchors = BUF(2 * STATE_CHAIN_MAX),
			    .result = result};
	v->set = subaccounts_ref(s);
	if (result->chain.max == 0) {
		*result = ENROL_RESULT;
	}
}

/* ---- what the user gave ---- */

static bool agrees(struct str given, const char *said)
{
	return given.len == 0 || str_eq_nocase(given, str_of(said));
}

static bool read_authdata(struct visit *v, struct str region_host, struct str subaccount,
			  struct str text, struct err *err)
{
	if (!enrol_read_authdata(text, &v->data, err)) {
		return false;
	}
	if (!agrees(region_host, v->data.region_host) || !agrees(subaccount, v->data.subaccount)) {
		return err_set(err, ERR_CONFIG,
			       "the authentication data is for subaccount %s at region host %s",
			       v->data.subaccount, v->data.region_host);
	}
	v->has_data = true;
	memcpy(v->pin, v->data.root_pin, sizeof(v->pin));
	v->has_pin = true;
	return str_copy(str_of(v->data.display_name), v->display_name, sizeof(v->display_name)) &&
	       subaccounts_read_names(str_of(v->data.region_host), str_of(v->data.subaccount),
				      v->host, v->uuid, err);
}

static bool read_credentials(struct visit *v, struct str region_host, struct str subaccount,
			     const struct subaccount_credentials *c, struct err *err)
{
	if (c->authentication_data.len > 0) {
		return read_authdata(v, region_host, subaccount, c->authentication_data, err);
	}
	if (!subaccounts_read_names(region_host, subaccount, v->host, v->uuid, err)) {
		return false;
	}
	if (c->user.len == 0 || c->password.len == 0 ||
	    !str_copy(c->user, v->user, sizeof(v->user)) ||
	    !str_copy(c->password, v->password, sizeof(v->password))) {
		return err_set(err, ERR_CONFIG,
			       "an owner's user and password, or authentication data, are needed");
	}
	if (c->confirmed_root.len > 0) {
		v->has_pin = true;
		if (!str_to_hex_bytes(c->confirmed_root, v->pin, sizeof(v->pin))) {
			return err_set(err, ERR_CONFIG,
				       "the confirmed fingerprint is no SHA-256 in hex");
		}
	}
	return true;
}

/* ---- the steps ---- */

/* The key of a try before, or a new one, which is on disk when this returns. */
static bool prepare_key(struct visit *v, struct err *err)
{
	const struct key_source *keys = &v->s->settings.keys;
	struct store *store = v->s->settings.store;
	bool found = false;

	state_certificate_fini(&v->fresh);
	if (!state_key_pending(store, v->host, v->uuid, &v->fresh, &found, err)) {
		return false;
	}
	if (found) {
		return true;
	}
	if (!keys->generate(keys->user, &v->fresh.sealed, &v->fresh.spki, err)) {
		return false;
	}
	CRASH_POINT("connector.key.made");
	return state_key_add(store, v->actor, v->host, v->uuid, buf_str(&v->fresh.sealed),
			     buf_str(&v->fresh.spki), &v->fresh.id, err);
}

static struct enrol_peer peer_of(struct visit *v)
{
	const struct subaccounts_settings *settings = &v->s->settings;
	const struct subaccount *known = subaccount_find(v->set, str_of(v->host), str_of(v->uuid));
	bool proxied = v->set->proxy_host[0] != '\0';
	/* One that was added by a confirmed root trusts that root alone for good: whoever opens TLS
	 * in between with a root of the system's would get the owner's password otherwise. */
	bool by_system = settings->system_anchors && (known == NULL || known->state.system_anchors);

	buf_reset(&v->anchors);
	buf_add_str(&v->anchors, str_of(v->set->anchors_pem));
	if (known != NULL) {
		buf_add_str(&v->anchors, str_of(known->state.anchors_pem));
	}
	buf_reset(&v->proxy_url);
	buf_addf(&v->proxy_url, "http://%s:%u", v->set->proxy_host, v->set->proxy_port);
	return (struct enrol_peer){
		.region_host = v->host,
		.subaccount = v->uuid,
		.instance = v->s->instance,
		.system_anchors = !v->has_pin && by_system,
		.anchors_pem = v->has_pin ? STR_NONE : buf_str(&v->anchors),
		.root_pin = v->has_pin ? v->pin : NULL,
		.proxy = proxied ? v->proxy_url.at : NULL,
		.proxy_user = v->set->proxy_user[0] != '\0' ? v->set->proxy_user : NULL,
		.proxy_password = v->set->proxy_user[0] != '\0' ? v->set->proxy_password : NULL,
	};
}

static struct enrol_proof proof_of(const struct visit *v)
{
	if (v->current_key != NULL) {
		return (struct enrol_proof){.chain_pem = buf_str(&v->current.chain_pem),
					    .key = v->current_key};
	}
	if (v->has_data) {
		return (struct enrol_proof){.token = v->data.token};
	}
	return (struct enrol_proof){.user = v->user, .password = v->password};
}

/* A pin from authentication data cannot be confirmed away: the data says who must answer. */
static enum enrol_outcome judge_trust(const struct visit *v, enum enrol_outcome outcome,
				      struct err *err)
{
	if (outcome != ENROL_UNTRUSTED || !v->has_data) {
		return outcome;
	}
	(void)err_set(err, ERR_DENIED,
		      "%s does not present the root that the authentication data names; nothing "
		      "was sent. Something in between opens TLS, or the data is of another region",
		      v->host);
	return ENROL_FAILED;
}

/* Verifies the cloud side, sends the CSR, stores what comes. */
static enum enrol_outcome get_certificate(struct visit *v, struct err *err)
{
	const struct key_source *keys = &v->s->settings.keys;
	struct enrol_peer peer = peer_of(v);
	struct enrol_proof proof = proof_of(v);
	AUTO(key_free) struct key *csr_key = NULL;

	enum enrol_outcome outcome = enrol_cacerts(&peer, v->result, err);
	if (outcome != ENROL_DONE) {
		return judge_trust(v, outcome, err);
	}
	if (!prepare_key(v, err) ||
	    !keys->open(keys->user, buf_str(&v->fresh.sealed), buf_str(&v->fresh.spki),
			KEYS_FOR_CSR, &csr_key, err)) {
		return ENROL_FAILED;
	}
	CRASH_POINT("connector.key.stored");
	outcome = enrol_certificate(&peer, &proof, csr_key, v->result, err);
	if (outcome != ENROL_DONE) {
		return judge_trust(v, outcome, err);
	}
	CRASH_POINT("connector.certificate.arrived");
	if (!state_certificate_received(v->s->settings.store, v->actor, v->fresh.id,
					buf_str(&v->result->chain), enrol_time(v->result), err)) {
		return ENROL_FAILED;
	}
	CRASH_POINT("connector.certificate.stored");
	return ENROL_DONE;
}

/* Who tried with what was not good enough; tries by the program itself are in the log of changes.
 */
static void note_denied(const struct visit *v, const char *what, enum enrol_outcome outcome,
			const struct err *why)
{
	AUTO_BUF struct buf object = BUF(KIB(1));
	AUTO_BUF struct buf after = BUF(KIB(4));
	struct jsonw w = jsonw_to(&after);
	struct err err = {0};

	if (outcome != ENROL_WRONG && outcome != ENROL_REFUSED && outcome != ENROL_UNTRUSTED) {
		return;
	}
	buf_addf(&object, "%s@%s", v->uuid, v->host);
	jsonw_object(&w);
	jsonw_key_text(&w, "reason", why->text);
	jsonw_key_text(&w, "cloudUser", v->has_data ? "" : v->user);
	jsonw_object_end(&w);
	const struct change_audit audit = {.who = v->actor->who,
					   .from = v->actor->from,
					   .tenant = str_of(v->uuid),
					   .what = str_of(what),
					   .object = buf_str(&object),
					   .after = buf_str(&after)};
	if (!store_denied(v->s->settings.store, &audit, &err)) {
		log_error("a denied enrolment could not be recorded", LOG_ERR(&err));
	}
}

/* ---- adding ---- */

static bool write_row(struct visit *v, const struct subaccount_edit *facts, struct err *err)
{
	struct state_subaccount row = {
		.connected = true, .auto_renewal = true, .created = clock_unix()};
	struct subaccounts *s = v->s;

	memcpy(row.region_host, v->host, sizeof(row.region_host));
	memcpy(row.subaccount, v->uuid, sizeof(row.subaccount));
	memcpy(row.display_name, v->display_name, sizeof(row.display_name));
	memcpy(row.user, v->user, sizeof(row.user));
	row.system_anchors = !v->has_pin && s->settings.system_anchors;
	if (!subaccounts_apply(facts, &row, err)) {
		return false;
	}
	row.anchors_pem = str_dup(buf_str(&v->result->anchors));
	pthread_mutex_lock(&s->lock);
	bool ok = state_subaccount_add(s->settings.store, v->actor, &row, err) &&
		  subaccounts_reload(s, err);
	pthread_mutex_unlock(&s->lock);
	state_subaccount_fini(&row);
	if (ok && s->settings.on_change != NULL) {
		s->settings.on_change(s->settings.user);
	}
	return ok;
}

static enum enrol_outcome add(struct visit *v, const struct subaccount_edit *facts, struct err *err)
{
	struct state_subaccount trial = {0};

	if (subaccount_find(v->set, str_of(v->host), str_of(v->uuid)) != NULL) {
		(void)err_set(err, ERR_CONFLICT, "Subaccount '%s@%s' exists already", v->uuid,
			      v->host);
		return ENROL_FAILED;
	}
	if (!subaccounts_apply(facts, &trial, err)) { /* before the cloud side is asked */
		return ENROL_FAILED;
	}
	enum enrol_outcome outcome = get_certificate(v, err);
	if (outcome == ENROL_DONE && !write_row(v, facts, err)) {
		outcome = ENROL_FAILED;
	}
	CRASH_POINT("connector.subaccount.stored");
	return outcome;
}

enum enrol_outcome subaccounts_add(struct subaccounts *s, const struct state_actor *actor,
				   struct str region_host, struct str subaccount,
				   const struct subaccount_edit *facts,
				   const struct subaccount_credentials *credentials,
				   struct enrol_result *why, struct err *err)
{
	struct visit v;
	enum enrol_outcome outcome = ENROL_FAILED;

	visit_init(&v, s, actor, why);
	if (read_credentials(&v, region_host, subaccount, credentials, err)) {
		enter(&v);
		outcome = add(&v, facts, err);
		note_denied(&v, "denied enrolment", outcome, err);
	}
	visit_fini(&v);
	return outcome;
}

/* ---- a new certificate for one that is there ---- */

static bool apply_visit(struct state_subaccount *row, const void *user, struct err *err)
{
	const struct visit *v = user;

	(void)err;
	if (v->user[0] != '\0') {
		memcpy(row->user, v->user, sizeof(row->user));
	}
	free(row->anchors_pem);
	row->anchors_pem = str_dup(buf_str(&v->result->anchors));
	return true;
}

static enum enrol_outcome replace(struct visit *v, const char *what, struct err *err)
{
	enum enrol_outcome outcome = get_certificate(v, err);

	if (outcome == ENROL_DONE &&
	    !subaccounts_change(v->s, v->actor, what, v->host, v->uuid, apply_visit, v, err)) {
		outcome = ENROL_FAILED;
	}
	CRASH_POINT("connector.subaccount.changed");
	return outcome;
}

static bool must_exist(struct visit *v, struct err *err)
{
	enter(v);
	return subaccount_find(v->set, str_of(v->host), str_of(v->uuid)) != NULL ||
	       err_set(err, ERR_MISSING, "Subaccount with value '%s@%s' does not exist", v->uuid,
		       v->host);
}

enum enrol_outcome subaccounts_refresh(struct subaccounts *s, const struct state_actor *actor,
				       struct str region_host, struct str subaccount,
				       const struct subaccount_credentials *credentials,
				       struct enrol_result *why, struct err *err)
{
	struct visit v;
	enum enrol_outcome outcome = ENROL_FAILED;

	visit_init(&v, s, actor, why);
	if (read_credentials(&v, region_host, subaccount, credentials, err) &&
	    must_exist(&v, err)) {
		outcome = replace(&v, "certificate.refresh", err);
		note_denied(&v, "denied refresh", outcome, err);
	}
	visit_fini(&v);
	return outcome;
}

static bool open_current(struct visit *v, struct err *err)
{
	const struct key_source *keys = &v->s->settings.keys;

	return state_certificate_newest(v->s->settings.store, v->host, v->uuid, false, &v->current,
					err) &&
	       keys->open(keys->user, buf_str(&v->current.sealed), buf_str(&v->current.spki),
			  KEYS_FOR_TLS_CLIENT, &v->current_key, err);
}

enum enrol_outcome subaccounts_renew(struct subaccounts *s, const struct state_actor *actor,
				     struct str region_host, struct str subaccount,
				     struct enrol_result *why, struct err *err)
{
	struct visit v;
	enum enrol_outcome outcome = ENROL_FAILED;

	visit_init(&v, s, actor, why);
	if (subaccounts_read_names(region_host, subaccount, v.host, v.uuid, err) &&
	    must_exist(&v, err) && open_current(&v, err)) {
		outcome = replace(&v, "certificate.renew", err);
	}
	visit_fini(&v);
	return outcome;
}
