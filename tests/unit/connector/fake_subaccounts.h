#pragma once
/* Two subaccounts without keys, certificates or tunnels: what the administration's handlers ask
 * for. */
#include "connector/renewals.h"
#include "unit/unit.h"

#define FAKE_REGION "eu1.example:9444"
#define FAKE_ID     "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"

struct subaccounts {
	struct subaccount rows[2];
	size_t n;
	char proxy_host[STATE_NAME];
	uint16_t proxy_port;
	enum enrol_outcome outcome; /* of the next enrolment */
	char said[400];             /* what was asked for last */
};

static struct subaccounts fake;

static void fake_reset(void)
{
	fake = (struct subaccounts){.n = 1};
	snprintf(fake.rows[0].state.region_host, STATE_HOST, "%s", FAKE_REGION);
	snprintf(fake.rows[0].state.subaccount, STATE_UUID, "%s", FAKE_ID);
	snprintf(fake.rows[0].key, sizeof fake.rows[0].key, "%s@%s", FAKE_ID, FAKE_REGION);
}

struct subaccount_set *subaccounts_ref(struct subaccounts *s)
{
	struct subaccount_set *set = NEW(struct subaccount_set);

	set->rows = s->rows;
	set->n = s->n;
	set->proxy_port = s->proxy_port;
	snprintf(set->proxy_host, sizeof set->proxy_host, "%s", s->proxy_host);
	return set;
}

void subaccount_set_unref(struct subaccount_set *set)
{
	free(set);
}

const struct subaccount *subaccount_find(const struct subaccount_set *set, struct str region_host,
					 struct str subaccount)
{
	for (size_t i = 0; i < set->n; i++) {
		if (str_eq_nocase(str_of(set->rows[i].state.region_host), region_host) &&
		    str_eq_nocase(str_of(set->rows[i].state.subaccount), subaccount)) {
			return &set->rows[i];
		}
	}
	return NULL;
}

static enum enrol_outcome fake_enrol(const struct subaccount_credentials *c,
				     struct enrol_result *why, struct err *err)
{
	snprintf(fake.said, sizeof fake.said, "%.*s/%.*s/%.*s", STR_ARGS(c->user),
		 STR_ARGS(c->password), STR_ARGS(c->confirmed_root));
	if (fake.outcome == ENROL_UNTRUSTED) {
		memset(why->root_sha256, 'a', 64);
	}
	if (fake.outcome != ENROL_DONE) {
		err_set(err, ERR_NETWORK, "the reason");
	}
	why->retry_after_s = 7;
	return fake.outcome;
}

enum enrol_outcome subaccounts_add(struct subaccounts *s, const struct state_actor *actor UNUSED,
				   struct str region_host, struct str subaccount,
				   const struct subaccount_edit *facts,
				   const struct subaccount_credentials *credentials,
				   struct enrol_result *why, struct err *err)
{
	enum enrol_outcome outcome = fake_enrol(credentials, why, err);
	struct subaccount *row = &s->rows[1];

	if (outcome == ENROL_DONE) {
		s->n = 2;
		assert_true(str_copy(region_host, row->state.region_host, STATE_HOST));
		assert_true(str_copy(subaccount, row->state.subaccount, STATE_UUID));
		assert_true(str_copy(facts->location_id, row->state.location_id, STATE_LOCATION));
		snprintf(row->key, sizeof row->key, "%s@%s", row->state.subaccount,
			 row->state.region_host);
	}
	return outcome;
}

enum enrol_outcome subaccounts_refresh(struct subaccounts *s UNUSED,
				       const struct state_actor *actor UNUSED,
				       struct str region_host UNUSED, struct str subaccount UNUSED,
				       const struct subaccount_credentials *credentials,
				       struct enrol_result *why, struct err *err)
{
	return fake_enrol(credentials, why, err);
}

bool subaccounts_edit(struct subaccounts *s, const struct state_actor *actor UNUSED,
		      struct str region_host UNUSED, struct str subaccount UNUSED,
		      const struct subaccount_edit *edit, struct err *err UNUSED)
{
	if (edit->display_name.at != NULL) {
		assert_true(
			str_copy(edit->display_name, s->rows[0].state.display_name, STATE_NAME));
	}
	if (edit->auto_renewal != NULL) {
		s->rows[0].state.auto_renewal = *edit->auto_renewal;
	}
	return true;
}

bool subaccounts_connect(struct subaccounts *s, const struct state_actor *actor UNUSED,
			 struct str region_host UNUSED, struct str subaccount UNUSED,
			 bool connected, struct err *err UNUSED)
{
	s->rows[0].state.connected = connected;
	return true;
}

bool subaccounts_delete(struct subaccounts *s, const struct state_actor *actor UNUSED,
			struct str region_host UNUSED, struct str subaccount UNUSED,
			struct err *err UNUSED)
{
	s->n = 0;
	return true;
}

bool subaccounts_set_proxy(struct subaccounts *s, const struct state_actor *actor UNUSED,
			   struct str host, uint16_t port, struct str user UNUSED,
			   struct str password UNUSED, struct err *err UNUSED)
{
	s->proxy_port = port;
	return str_copy(host, s->proxy_host, sizeof s->proxy_host);
}

bool subaccounts_around(struct subaccounts *s UNUSED, bool (*fn)(void *user, struct err *err),
			void *user, struct err *err)
{
	return fn(user, err);
}

/* ---- no tunnels ---- */

struct link_status_set *links_status(struct links *l UNUSED)
{
	return NULL;
}

void link_status_set_unref(struct link_status_set *set UNUSED)
{
}

const struct link_status *link_status_find(const struct link_status_set *set UNUSED,
					   const char *key UNUSED)
{
	return NULL;
}

const char *link_status_name(enum link_status_state state UNUSED)
{
	return "";
}

const char *link_status_own_name(enum link_status_state state UNUSED)
{
	return "";
}

void links_hurry(struct links *l UNUSED)
{
}

/* ---- renewal: what fake.outcome says ---- */

struct renewal_status_set *renewals_status(struct renewals *r UNUSED)
{
	struct renewal_status_set *set = NEW(struct renewal_status_set);

	set->n = 1;
	set->rows = NEW(struct renewal_status);
	*set->rows = (struct renewal_status){.state = RENEWAL_RETRYING,
					     .next_ms = 1800000000000,
					     .last = {.tried_ms = 1700000000000,
						      .result = STATE_RENEWAL_FAILED,
						      .failures = 3,
						      .text = "not reached"}};
	snprintf(set->rows->key, sizeof set->rows->key, "%s@%s", FAKE_ID, FAKE_REGION);
	return set;
}

void renewal_status_set_unref(struct renewal_status_set *set)
{
	if (set != NULL) {
		free(set->rows);
		free(set);
	}
}

const struct renewal_status *renewal_status_find(const struct renewal_status_set *set,
						 const char *key)
{
	return strcmp(set->rows->key, key) == 0 ? set->rows : NULL;
}

enum enrol_outcome renewals_try(struct renewals *r UNUSED, const struct state_actor *actor UNUSED,
				struct str region_host UNUSED, struct str subaccount UNUSED,
				struct enrol_result *why, struct err *err)
{
	return fake_enrol(&(struct subaccount_credentials){.user = STR("renewal")}, why, err);
}
