#include "cloud/directory/certificates.h"

#include "cloud/directory/connectors.h"
#include "unit/cloud/directory/fixture.h"

enum {
	DAY = 24 * 3600,
	ISSUED = 1000000,
};

static struct directory_certificate record(struct store *s, const char *serial,
					   const char *instance, int64_t at)
{
	struct directory_certificate c = {.subaccount = SUBACCOUNT,
					  .not_before = at - 3600,
					  .not_after = at + 365 * DAY,
					  .issued = at,
					  .issued_to = "user:alice"};
	struct err err;

	snprintf(c.serial, sizeof(c.serial), "%s", serial);
	snprintf(c.instance, sizeof(c.instance), "%s", instance);
	memset(c.spki_sha256, serial[1], sizeof(c.spki_sha256));
	assert_ok(directory_certificate_record(s, &actor, &c, &err), &err);
	return c;
}

static struct cert_facts facts_of(const struct directory_certificate *c)
{
	struct cert_facts f = {.not_before = c->not_before, .not_after = c->not_after};

	memcpy(f.serial, c->serial, sizeof(f.serial));
	memcpy(f.spki_sha256, c->spki_sha256, sizeof(f.spki_sha256));
	snprintf(f.uri, sizeof(f.uri), "spiffe://" REGION "/subaccount/%s/connector/%s",
		 c->subaccount, c->instance);
	return f;
}

static struct directory_presented shown(const struct cert_facts *f)
{
	return (struct directory_presented){.state = TLS_PEER_TRUSTED,
					    .facts = f,
					    .region_host = STR(REGION),
					    .subaccount = STR(SUBACCOUNT),
					    .instance = STR(INSTANCE)};
}

static enum directory_judgement tunnel(struct store *s, const struct directory_certificate *c,
				       int64_t now, struct err *err)
{
	struct cert_facts f = facts_of(c);
	struct directory_presented p = shown(&f);

	return directory_judge_tunnel(s, &p, now, err);
}

static enum directory_judgement renewal(struct store *s, const struct directory_certificate *c,
					int64_t now, int64_t days)
{
	struct cert_facts f = facts_of(c);
	struct directory_presented p = shown(&f);
	struct err err;

	return directory_judge_renewal(s, &p, now, days * DAY, &err);
}

static enum directory_cert_state state_of(struct store *s, const char *serial, int64_t now)
{
	struct directory_certificate c;
	struct err err;

	assert_ok(directory_certificate_find(s, str_of(serial), &c, &err), &err);
	return directory_certificate_state(&c, now);
}

static void a_certificate_lives_from_unconfirmed_to_retired(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate first = record(s, "01:aa", INSTANCE, ISSUED);
	struct err err;
	int64_t grace = DIRECTORY_SUPERSEDE_GRACE_S, now = ISSUED + DAY;

	assert_int_equal(state_of(s, "01:aa", ISSUED), DIRECTORY_CERT_UNCONFIRMED);
	assert_int_equal(tunnel(s, &first, ISSUED, &err), DIRECTORY_ADMITTED);
	assert_ok(directory_certificate_confirm(s, STR("01:aa"), ISSUED,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	assert_int_equal(state_of(s, "01:aa", ISSUED), DIRECTORY_CERT_ACTIVE);

	struct directory_certificate second = record(s, "02:bb", INSTANCE, now);
	assert_int_equal(state_of(s, "01:aa", now + DAY), DIRECTORY_CERT_ACTIVE);
	assert_ok(directory_certificate_confirm(s, STR("02:bb"), now, DIRECTORY_SUPERSEDE_GRACE_S,
						&err),
		  &err);
	assert_int_equal(tunnel(s, &first, now + grace - 1, &err), DIRECTORY_ADMITTED);
	assert_int_equal(tunnel(s, &first, now + grace, &err), DIRECTORY_SUPERSEDED);
	assert_true(str_contains(str_of(err.text), STR("by serial 02:bb")));
	assert_true(str_contains(str_of(err.text), STR("older copy")));
	assert_int_equal(tunnel(s, &second, now + grace, &err), DIRECTORY_ADMITTED);
	assert_int_equal(state_of(s, "01:aa", now + grace), DIRECTORY_CERT_SUPERSEDED);
	assert_int_equal(state_of(s, "01:aa", ISSUED + 400 * DAY), DIRECTORY_CERT_RETIRED);
}

static void confirming_twice_changes_nothing(void **state)
{
	struct store *s = ready(state);
	struct err err;

	record(s, "01:aa", INSTANCE, ISSUED);
	assert_ok(directory_certificate_confirm(s, STR("01:aa"), ISSUED,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	int64_t before = head_of(s);
	assert_ok(directory_certificate_confirm(s, STR("01:aa"), ISSUED + 5,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	assert_int_equal(head_of(s), before);
	assert_err(directory_certificate_confirm(s, STR("09:ff"), ISSUED,
						 DIRECTORY_SUPERSEDE_GRACE_S, &err),
		   &err, ERR_MISSING, "no such certificate");
}

static void another_installation_is_not_superseded(void **state)
{
	struct store *s = ready(state);
	struct err err;

	record(s, "01:aa", OTHER, ISSUED);
	record(s, "02:bb", INSTANCE, ISSUED);
	assert_ok(directory_certificate_confirm(s, STR("02:bb"), ISSUED,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	assert_int_equal(state_of(s, "01:aa", ISSUED + DAY), DIRECTORY_CERT_UNCONFIRMED);
}

static void a_fourth_unconfirmed_one_replaces_the_oldest(void **state)
{
	struct store *s = ready(state);

	record(s, "01:aa", INSTANCE, ISSUED);
	record(s, "02:bb", INSTANCE, ISSUED);
	record(s, "03:cc", INSTANCE, ISSUED);
	assert_int_equal(state_of(s, "01:aa", ISSUED), DIRECTORY_CERT_UNCONFIRMED);
	record(s, "04:dd", INSTANCE, ISSUED);
	assert_int_equal(state_of(s, "01:aa", ISSUED), DIRECTORY_CERT_SUPERSEDED);
	assert_int_equal(state_of(s, "02:bb", ISSUED), DIRECTORY_CERT_UNCONFIRMED);
}

static void revoked_is_refused_at_once(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	struct err err;

	assert_err(directory_certificate_revoke(s, &actor, STR(OTHER), STR("01:aa"), ISSUED, &err),
		   &err, ERR_MISSING, "no such certificate");
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:aa"), ISSUED,
					       &err),
		  &err);
	assert_int_equal(tunnel(s, &c, ISSUED, &err), DIRECTORY_REVOKED);
	assert_int_equal(renewal(s, &c, ISSUED, 30), DIRECTORY_REVOKED);
	int64_t before = head_of(s);
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:aa"), ISSUED,
					       &err),
		  &err);
	assert_int_equal(head_of(s), before);
}

static struct directory_certificate renewed(const char *serial, int64_t at)
{
	struct directory_certificate c = {.subaccount = SUBACCOUNT,
					  .instance = INSTANCE,
					  .not_before = at - 3600,
					  .not_after = at + 365 * DAY,
					  .issued = at,
					  .issued_to = DIRECTORY_ISSUED_RENEWAL};

	snprintf(c.serial, sizeof(c.serial), "%s", serial);
	memset(c.spki_sha256, serial[1], sizeof(c.spki_sha256));
	return c;
}

static bool renew(struct store *s, const char *proof, const char *serial, int64_t at,
		  struct err *err)
{
	struct directory_certificate c = renewed(serial, at);

	return directory_certificate_renew(s, &actor, &c, str_of(proof), err);
}

static void what_a_revoked_one_renewed_itself_to_is_revoked_too(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate next = renewed("02:bb", ISSUED + DAY);
	struct err err;

	record(s, "01:aa", INSTANCE, ISSUED);
	assert_ok(renew(s, "01:aa", "02:bb", ISSUED + DAY, &err), &err);
	record(s, "03:cc", INSTANCE, ISSUED + DAY); /* an owner refreshed: it stays */
	record(s, "04:dd", OTHER, ISSUED + DAY);
	assert_int_equal(tunnel(s, &next, ISSUED + DAY, &err), DIRECTORY_ADMITTED);
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:aa"),
					       ISSUED + DAY, &err),
		  &err);
	assert_int_equal(tunnel(s, &next, ISSUED + DAY, &err), DIRECTORY_REVOKED);
	assert_int_equal(renewal(s, &next, ISSUED + DAY, 30), DIRECTORY_REVOKED);
	assert_int_equal(state_of(s, "03:cc", ISSUED + DAY), DIRECTORY_CERT_UNCONFIRMED);
	assert_int_equal(state_of(s, "04:dd", ISSUED + DAY), DIRECTORY_CERT_UNCONFIRMED);
}

static void one_that_opened_tunnels_is_not_revoked_with_an_older_one(void **state)
{
	struct store *s = ready(state);
	struct err err;

	record(s, "01:aa", INSTANCE, ISSUED);
	assert_ok(renew(s, "01:aa", "02:bb", ISSUED + DAY, &err), &err);
	assert_ok(directory_certificate_confirm(s, STR("02:bb"), ISSUED + DAY,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:aa"),
					       ISSUED + 2 * DAY, &err),
		  &err);
	assert_int_equal(state_of(s, "02:bb", ISSUED + 2 * DAY), DIRECTORY_CERT_ACTIVE);
}

static void one_that_was_revoked_after_it_was_judged_renews_nothing(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate row;
	struct err err;

	record(s, "01:aa", INSTANCE, ISSUED);
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:aa"), ISSUED,
					       &err),
		  &err);
	assert_err(renew(s, "01:aa", "02:bb", ISSUED + 1, &err), &err, ERR_DENIED, "revoked");
	assert_err(directory_certificate_find(s, STR("02:bb"), &row, &err), &err, ERR_MISSING, "");
}

static void a_loop_of_renewals_is_stopped_until_an_hour_has_passed(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	char serial[32];
	struct err err;

	assert_ok(directory_certificate_confirm(s, STR("01:aa"), ISSUED,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	for (int i = 0; i < DIRECTORY_RENEWALS_PER_HOUR_MAX; i++) {
		if (i % 100 == 0) {
			assert_int_equal(renewal(s, &c, ISSUED + i, 30), DIRECTORY_ADMITTED);
		}
		snprintf(serial, sizeof(serial), "05:%04x", (unsigned)i);
		assert_ok(renew(s, "01:aa", serial, ISSUED + 1 + i, &err), &err);
	}
	assert_int_equal(renewal(s, &c, ISSUED + 3600, 30), DIRECTORY_RENEWAL_TOO_OFTEN);
	assert_int_equal(directory_judgement_status(DIRECTORY_RENEWAL_TOO_OFTEN), 429);
	assert_int_equal(tunnel(s, &c, ISSUED + 3600, &err), DIRECTORY_ADMITTED);
	assert_int_equal(renewal(s, &c, ISSUED + 3601, 30), DIRECTORY_ADMITTED);
	assert_ok(renew(s, "01:aa", "06:00", ISSUED + 3601, &err), &err);
	assert_int_equal(renewal(s, &c, ISSUED + 3601, 30), DIRECTORY_RENEWAL_TOO_OFTEN);
}

static void without_a_trusted_certificate_there_is_none(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	struct cert_facts f = facts_of(&c);
	struct directory_presented p = shown(&f);
	struct err err;

	p.state = TLS_PEER_ABSENT;
	assert_int_equal(directory_judge_tunnel(s, &p, ISSUED, &err), DIRECTORY_NO_CERTIFICATE);
	p.state = TLS_PEER_UNTRUSTED; /* forged, whatever it says */
	assert_int_equal(directory_judge_tunnel(s, &p, ISSUED, &err), DIRECTORY_NO_CERTIFICATE);
	assert_int_equal(directory_judge_renewal(s, &p, ISSUED + 366 * DAY, 30 * DAY, &err),
			 DIRECTORY_NO_CERTIFICATE);
}

static void a_foreign_certificate_is_refused(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	struct cert_facts f = facts_of(&c);
	struct directory_presented p = shown(&f);
	struct err err;

	p.subaccount = STR(OTHER);
	assert_int_equal(directory_judge_tunnel(s, &p, ISSUED, &err), DIRECTORY_FOREIGN);
	p = shown(&f);
	p.instance = STR(OTHER);
	assert_int_equal(directory_judge_tunnel(s, &p, ISSUED, &err), DIRECTORY_FOREIGN);
	p = shown(&f);
	p.region_host = STR("elsewhere.example");
	assert_int_equal(directory_judge_tunnel(s, &p, ISSUED, &err), DIRECTORY_FOREIGN);
	p = shown(&f);
	f.uri[0] = 0;
	assert_int_equal(directory_judge_tunnel(s, &p, ISSUED, &err), DIRECTORY_FOREIGN);
}

static void a_serial_that_is_not_in_the_directory_is_refused(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	struct err err;

	c.spki_sha256[0] ^= 1; /* the serial of one, the key of another */
	assert_int_equal(tunnel(s, &c, ISSUED, &err), DIRECTORY_UNKNOWN_SERIAL);
	c.spki_sha256[0] ^= 1;
	snprintf(c.serial, sizeof(c.serial), "07:77");
	assert_int_equal(tunnel(s, &c, ISSUED, &err), DIRECTORY_UNKNOWN_SERIAL);
}

static void time_is_judged_for_tunnels_and_more_mildly_for_renewal(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	struct err err;
	int64_t end = c.not_after;

	assert_int_equal(tunnel(s, &c, c.not_before - 1, &err), DIRECTORY_NOT_YET_VALID);
	assert_int_equal(tunnel(s, &c, end, &err), DIRECTORY_ADMITTED);
	assert_int_equal(tunnel(s, &c, end + 1, &err), DIRECTORY_EXPIRED);
	assert_int_equal(directory_judgement_status(DIRECTORY_EXPIRED), 401);
	assert_int_equal(renewal(s, &c, end + 1, 30), DIRECTORY_ADMITTED);
	assert_int_equal(renewal(s, &c, end + 30 * DAY, 30), DIRECTORY_ADMITTED);
	assert_int_equal(renewal(s, &c, end + 30 * DAY + 1, 30), DIRECTORY_EXPIRED);
	assert_int_equal(renewal(s, &c, end + 1, 0), DIRECTORY_EXPIRED);
}

static void locks_and_forced_disconnects_are_obeyed(void **state)
{
	struct store *s = ready(state);
	struct directory_certificate c = record(s, "01:aa", INSTANCE, ISSUED);
	struct directory_subaccount sa;
	struct err err;

	assert_ok(directory_connector_set_disconnected(s, &actor, STR(SUBACCOUNT), STR(INSTANCE),
						       true, &err),
		  &err);
	assert_int_equal(tunnel(s, &c, ISSUED, &err), DIRECTORY_DISCONNECTED);
	assert_int_equal(renewal(s, &c, ISSUED, 30), DIRECTORY_ADMITTED);
	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	sa.renewal_allowed = false;
	assert_int_equal(directory_subaccount_edit(s, &actor, &sa, 1, &err), DIRECTORY_EDITED);
	assert_int_equal(renewal(s, &c, ISSUED, 30), DIRECTORY_RENEWAL_FORBIDDEN);
	sa.locked = true;
	assert_int_equal(directory_subaccount_edit(s, &actor, &sa, 2, &err), DIRECTORY_EDITED);
	assert_int_equal(tunnel(s, &c, ISSUED, &err), DIRECTORY_LOCKED);
	assert_ok(directory_subaccount_delete(s, &actor, STR(SUBACCOUNT), &err), &err);
	assert_int_equal(tunnel(s, &c, ISSUED, &err), DIRECTORY_NO_SUBACCOUNT);
}

static void used_serials(struct store *s, char into[static 200])
{
	int64_t after = 0;
	size_t n = 1;

	into[0] = '\0';
	while (n == 1) { /* in pages of one */
		AUTO_FREE struct directory_certificate_used *rows = NULL;
		struct err err;
		assert_ok(directory_certificate_used(s, after, 1, &rows, &n, &err), &err);
		if (n == 1) {
			after = rows[0].n;
			assert_string_equal(rows[0].display_name, "Plant Hamburg");
			assert_true(rows[0].renewal_allowed);
			snprintf(into + strlen(into), 200 - strlen(into), "%s ",
				 rows[0].certificate.serial);
		}
	}
}

static void of_each_connector_the_one_in_use_is_named(void **state)
{
	struct store *s = ready(state);
	char seen[200];
	struct err err;

	record(s, "01:01", INSTANCE, ISSUED);
	record(s, "01:02", OTHER, ISSUED);
	used_serials(s, seen);
	assert_string_equal(seen, "01:01 01:02 ");
	assert_ok(directory_certificate_confirm(s, STR("01:01"), ISSUED,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	record(s, "01:03", INSTANCE, ISSUED + 5); /* not confirmed: the active one counts */
	used_serials(s, seen);
	assert_string_equal(seen, "01:01 01:02 ");
	assert_ok(directory_certificate_confirm(s, STR("01:03"), ISSUED + 9,
						DIRECTORY_SUPERSEDE_GRACE_S, &err),
		  &err);
	used_serials(s, seen);
	assert_string_equal(seen, "01:02 01:03 ");
	record(s, "01:04", OTHER, ISSUED + 5); /* of two unconfirmed ones the newer */
	used_serials(s, seen);
	assert_string_equal(seen, "01:03 01:04 ");
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:03"), ISSUED,
					       &err),
		  &err);
	used_serials(s, seen);
	assert_string_equal(seen, "01:04 ");
}

static void lists_are_newest_first_in_pages(void **state)
{
	struct store *s = ready(state);
	AUTO_FREE struct directory_certificate *rows = NULL;
	struct err err;
	size_t n;

	record(s, "01:aa", INSTANCE, ISSUED);
	record(s, "02:bb", OTHER, ISSUED);
	record(s, "03:cc", INSTANCE, ISSUED);
	assert_ok(directory_certificate_list(s, STR(SUBACCOUNT), STR(INSTANCE), STR("03:cc"), 10,
					     &rows, &n, &err),
		  &err);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].serial, "01:aa");
	assert_string_equal(rows[0].issued_to, "user:alice");
}

TEST(a_spiffe_id_is_read_exactly)
{
	AUTO_BUF struct buf uri = BUF(500);
	struct str host, sa, in;

	directory_spiffe_write(&uri, STR(REGION), STR(SUBACCOUNT), STR(INSTANCE));
	assert_true(directory_spiffe_read(buf_str(&uri), &host, &sa, &in));
	assert_str(host, REGION);
	assert_str(sa, SUBACCOUNT);
	assert_str(in, INSTANCE);
	buf_add_c(&uri, '/');
	assert_false(directory_spiffe_read(buf_str(&uri), &host, &sa, &in));
	assert_false(directory_spiffe_read(
		STR("spiffe:///subaccount/" SUBACCOUNT "/connector/" INSTANCE), &host, &sa, &in));
	assert_false(
		directory_spiffe_read(STR("spiffe://h/subaccount/" SUBACCOUNT), &host, &sa, &in));
	assert_false(directory_spiffe_read(STR("spiffe://h/subaccount/" SUBACCOUNT
					       "/connector/AAAAAAAA-0000-4000-8000-000000000001"),
					   &host, &sa, &in));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_certificate_lives_from_unconfirmed_to_retired),
		ON_BOTH(of_each_connector_the_one_in_use_is_named),
		ON_BOTH(confirming_twice_changes_nothing),
		ON_BOTH(another_installation_is_not_superseded),
		ON_BOTH(a_fourth_unconfirmed_one_replaces_the_oldest),
		ON_BOTH(revoked_is_refused_at_once),
		ON_BOTH(what_a_revoked_one_renewed_itself_to_is_revoked_too),
		ON_BOTH(one_that_opened_tunnels_is_not_revoked_with_an_older_one),
		ON_BOTH(one_that_was_revoked_after_it_was_judged_renews_nothing),
		ON_BOTH(a_loop_of_renewals_is_stopped_until_an_hour_has_passed),
		ON_BOTH(without_a_trusted_certificate_there_is_none),
		ON_BOTH(a_foreign_certificate_is_refused),
		ON_BOTH(a_serial_that_is_not_in_the_directory_is_refused),
		ON_BOTH(time_is_judged_for_tunnels_and_more_mildly_for_renewal),
		ON_BOTH(locks_and_forced_disconnects_are_obeyed),
		ON_BOTH(lists_are_newest_first_in_pages),
		cmocka_unit_test(a_spiffe_id_is_read_exactly),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
