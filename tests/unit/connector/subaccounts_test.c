#include "connector/subaccounts.h"

#include <string.h>
#include <unistd.h>

#include "connector/mappings_store.h"
#include "database.h"
#include "store/audit.h"
#include "store/migrate.h"
#include "unit/connector/fake_est.h"
#include "unit/connector/fake_keys.h"

static const struct state_actor ADMIN = {.who = STR("user:Administrator"),
					 .from = STR("127.0.0.1")};

struct scene {
	struct database *database;
	struct fake_est est;
	struct fake_keys keys;
	struct subaccounts *subaccounts;
	struct subaccount_set *set;
	struct enrol_result why;
	struct err err;
	int changes;
};

static void on_change(void *user)
{
	((struct scene *)user)->changes++;
}

static void open_subaccounts(struct scene *s, bool trusts)
{
	struct subaccounts_settings settings = {.store = s->database->store,
						.keys = fake_key_source(&s->keys),
						.anchors_pem = trusts ? s->est.root.pem.at : NULL,
						.on_change = on_change,
						.user = s};

	assert_ok(subaccounts_new(&settings, &s->subaccounts, &s->err), &s->err);
}

static void begin(struct scene *s, void **state, bool trusts)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations},
					     {"mappings", mappings_migrations}};

	*s = (struct scene){.database = *state};
	fake_est_start(&s->est);
	assert_ok(store_migrate(s->database->store, sets, COUNT(sets), &s->err), &s->err);
	open_subaccounts(s, trusts);
}

static void end(struct scene *s)
{
	subaccount_set_unref(s->set);
	subaccounts_free(s->subaccounts);
	enrol_result_fini(&s->why);
	fake_keys_free(&s->keys);
	fake_est_stop(&s->est);
}

/* The newest snapshot's row of the test's subaccount, or NULL. */
static const struct subaccount *look(struct scene *s)
{
	subaccount_set_unref(s->set);
	s->set = subaccounts_ref(s->subaccounts);
	return subaccount_find(s->set, str_of(s->est.region_host), STR(FAKE_SUBACCOUNT));
}

static enum enrol_outcome add(struct scene *s, const char *password)
{
	struct subaccount_edit facts = {.location_id = STR("hall-2")};
	struct subaccount_credentials credentials = {.user = STR("ann"),
						     .password = str_of(password)};

	return subaccounts_add(s->subaccounts, &ADMIN, str_of(s->est.region_host),
			       STR(FAKE_SUBACCOUNT), &facts, &credentials, &s->why, &s->err);
}

static void must_add(struct scene *s)
{
	if (add(s, "right") != ENROL_DONE) {
		fail_msg("%s", s->err.text);
	}
}

TEST(a_subaccount_that_was_added_can_be_dialled_also_after_a_restart)
{
	struct scene s;

	begin(&s, state, true);
	must_add(&s);
	assert_int_equal(s.changes, 1);
	for (int i = 0; i < 2; i++) {
		const struct subaccount *sa = look(&s);
		assert_non_null(sa);
		assert_string_equal(sa->defect, "");
		assert_string_equal(sa->state.location_id, "hall-2");
		assert_string_equal(sa->state.user, "ann");
		assert_true(sa->state.connected);
		assert_non_null(sa->tls);
		assert_string_equal(sa->host, "localhost");
		assert_true(sa->certificate.not_after > sa->certificate.not_before);
		assert_false(sa->certificate_confirmed);
		subaccounts_free(s.subaccounts);
		open_subaccounts(&s, true);
	}
	assert_int_equal(s.keys.generated, 1);
	end(&s);
}

struct denied_count {
	const char *what;
	int n;
};

static void count_one(const struct audit_entry *entry, void *user)
{
	struct denied_count *c = user;

	c->n += str_eq(entry->audit.what, str_of(c->what)) && str_eq(entry->audit.who, ADMIN.who) &&
		entry->audit.after.len > 2;
}

static int count_denied(struct scene *s, const char *what)
{
	struct denied_count c = {.what = what};

	assert_ok(store_denied_each(s->database->store, NULL, 100, count_one, &c, &s->err),
		  &s->err);
	return c.n;
}

TEST(a_wrong_password_leaves_a_key_that_is_used_again)
{
	struct scene s;

	begin(&s, state, true);
	assert_int_equal(add(&s, "wrong"), ENROL_WRONG);
	assert_int_equal(count_denied(&s, "denied enrolment"), 1);
	assert_null(look(&s));
	must_add(&s);
	assert_int_equal(s.keys.generated, 1);
	end(&s);
}

TEST(a_subaccount_that_exists_is_a_conflict_and_nothing_is_asked)
{
	struct scene s;

	begin(&s, state, true);
	must_add(&s);
	int asked = atomic_load(&s.est.asked);
	assert_int_equal(add(&s, "right"), ENROL_FAILED);
	assert_int_equal(s.err.kind, ERR_CONFLICT);
	assert_int_equal(atomic_load(&s.est.asked), asked);
	end(&s);
}

TEST(an_unknown_root_is_confirmed_by_its_fingerprint)
{
	struct scene s;
	struct subaccount_edit facts = {0};

	begin(&s, state, false);
	assert_int_equal(add(&s, "right"), ENROL_UNTRUSTED);
	assert_int_equal(strlen(s.why.root_sha256), 64);
	assert_int_equal(atomic_load(&s.est.secrets), 0);
	struct subaccount_credentials credentials = {.user = STR("ann"),
						     .password = STR("right"),
						     .confirmed_root = str_of(s.why.root_sha256)};
	assert_int_equal(subaccounts_add(s.subaccounts, &ADMIN, str_of(s.est.region_host),
					 STR(FAKE_SUBACCOUNT), &facts, &credentials, &s.why,
					 &s.err),
			 ENROL_DONE);
	assert_string_equal(look(&s)->state.anchors_pem, s.est.root.pem.at);
	assert_non_null(look(&s)->tls);
	end(&s);
}

/* As if another root had been confirmed, and one in between had its own in the system's store. */
static void put_one_in_between(struct scene *s, char path[static 64])
{
	struct store *store = s->database->store;
	struct state_subaccount row = {0};
	struct subaccounts_settings settings = {
		.store = store, .keys = fake_key_source(&s->keys), .system_anchors = true};

	assert_ok(state_subaccount_get(store, s->est.region_host, FAKE_SUBACCOUNT, &row, &s->err),
		  &s->err);
	free(row.anchors_pem);
	row.anchors_pem = str_dup(buf_str(&s->est.foreign.pem));
	assert_ok(state_subaccount_edit(store, &ADMIN, "test", &row, &s->err), &s->err);
	state_subaccount_fini(&row);

	snprintf(path, 64, "/tmp/subaccounts-test-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->est.root.pem.at, s->est.root.pem.len), s->est.root.pem.len);
	close(fd);
	assert_int_equal(setenv("SSL_CERT_FILE", path, 1), 0);
	subaccounts_free(s->subaccounts);
	assert_ok(subaccounts_new(&settings, &s->subaccounts, &s->err), &s->err);
}

TEST(a_root_of_the_system_gets_no_password_where_another_one_was_confirmed)
{
	struct scene s;
	struct subaccount_edit facts = {0};
	struct subaccount_credentials credentials = {.user = STR("ann"), .password = STR("right")};
	char path[64], confirmed[65];

	begin(&s, state, false);
	struct str host = str_of(s.est.region_host);
	assert_int_equal(add(&s, "right"), ENROL_UNTRUSTED);
	memcpy(confirmed, s.why.root_sha256, sizeof(confirmed));
	credentials.confirmed_root = str_of(confirmed);
	assert_int_equal(subaccounts_add(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT), &facts,
					 &credentials, &s.why, &s.err),
			 ENROL_DONE);
	credentials.confirmed_root = STR_NONE;
	put_one_in_between(&s, path);
	int secrets = atomic_load(&s.est.secrets);
	assert_int_equal(subaccounts_refresh(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT),
					     &credentials, &s.why, &s.err),
			 ENROL_UNTRUSTED);
	assert_int_equal(subaccounts_renew(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT),
					   &s.why, &s.err),
			 ENROL_UNTRUSTED);
	assert_int_equal(atomic_load(&s.est.secrets), secrets);
	assert_int_equal(atomic_load(&s.est.reenrolled), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
	end(&s);
}

TEST(authentication_data_says_where_and_a_false_root_is_final)
{
	struct scene s;
	AUTO_BUF struct buf text = BUF(KIB(4));
	struct subaccount_edit facts = {.description = STR("by data")};
	uint8_t wrong[32] = {1};

	begin(&s, state, false);
	fake_est_authdata(&s.est, wrong, 1, &text);
	struct subaccount_credentials credentials = {.authentication_data = buf_str(&text)};
	assert_int_equal(subaccounts_add(s.subaccounts, &ADMIN, STR_NONE, STR_NONE, &facts,
					 &credentials, &s.why, &s.err),
			 ENROL_FAILED);
	assert_int_equal(s.err.kind, ERR_DENIED);
	assert_int_equal(atomic_load(&s.est.secrets), 0);

	buf_reset(&text);
	fake_est_authdata(&s.est, s.est.root_pin, 1, &text);
	credentials.authentication_data = buf_str(&text);
	assert_int_equal(subaccounts_add(s.subaccounts, &ADMIN, STR("other.example"), STR_NONE,
					 &facts, &credentials, &s.why, &s.err),
			 ENROL_FAILED);
	assert_int_equal(s.err.kind, ERR_CONFIG);
	assert_int_equal(subaccounts_add(s.subaccounts, &ADMIN, STR_NONE, STR_NONE, &facts,
					 &credentials, &s.why, &s.err),
			 ENROL_DONE);
	assert_string_equal(look(&s)->state.display_name, "Plant");
	assert_string_equal(look(&s)->state.description, "by data");
	end(&s);
}

TEST(edits_are_live_and_keep_the_tls_configuration)
{
	struct scene s;
	struct subaccount_edit edit = {.location_id = STR(""), .description = STR("new")};

	begin(&s, state, true);
	must_add(&s);
	const struct tls_config *tls = look(&s)->tls;
	struct str host = str_of(s.est.region_host);
	assert_ok(
		subaccounts_edit(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT), &edit, &s.err),
		&s.err);
	assert_ok(subaccounts_connect(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT), false,
				      &s.err),
		  &s.err);
	assert_string_equal(look(&s)->state.location_id, "");
	assert_string_equal(look(&s)->state.description, "new");
	assert_false(look(&s)->state.connected);
	assert_ptr_equal(look(&s)->tls, tls);
	assert_int_equal(s.changes, 3);
	assert_err(subaccounts_connect(s.subaccounts, &ADMIN, STR("other"), STR(FAKE_SUBACCOUNT),
				       true, &s.err),
		   &s.err, ERR_MISSING, "does not exist");
	assert_ok(subaccounts_delete(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT), &s.err),
		  &s.err);
	assert_null(look(&s));
	end(&s);
}

TEST(a_new_certificate_is_dialled_and_confirmed_when_it_opened_a_tunnel)
{
	struct scene s;
	struct subaccount_credentials credentials = {.user = STR("ann"), .password = STR("right")};

	begin(&s, state, true);
	must_add(&s);
	struct str host = str_of(s.est.region_host);
	int64_t first = look(&s)->certificate_id;
	assert_ok(subaccounts_confirm(s.subaccounts, first, &s.err), &s.err);
	assert_true(look(&s)->certificate_confirmed);
	assert_int_equal(subaccounts_refresh(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT),
					     &credentials, &s.why, &s.err),
			 ENROL_DONE);
	int64_t second = look(&s)->certificate_id;
	assert_true(second > first);
	assert_false(look(&s)->certificate_confirmed);
	assert_int_equal(subaccounts_renew(s.subaccounts, &ADMIN, host, STR(FAKE_SUBACCOUNT),
					   &s.why, &s.err),
			 ENROL_DONE);
	assert_int_equal(atomic_load(&s.est.reenrolled), 1);
	assert_true(look(&s)->certificate_id > second);
	assert_ok(subaccounts_confirm(s.subaccounts, look(&s)->certificate_id, &s.err), &s.err);
	assert_ok(subaccounts_confirm(s.subaccounts, first, &s.err), &s.err); /* too late: fine */
	assert_int_equal(s.keys.generated, 3);
	end(&s);
}

static void *refresh_too(void *user)
{
	struct scene *s = user;
	struct subaccount_credentials credentials = {.user = STR("ann"), .password = STR("right")};
	struct enrol_result why = {0};
	struct err err = {0};

	assert_int_equal(subaccounts_refresh(s->subaccounts, &ADMIN, str_of(s->est.region_host),
					     STR(FAKE_SUBACCOUNT), &credentials, &why, &err),
			 ENROL_DONE);
	enrol_result_fini(&why);
	return NULL;
}

TEST(two_refreshes_at_once_get_a_key_and_a_certificate_each)
{
	struct scene s;
	pthread_t others[4];

	begin(&s, state, true);
	must_add(&s);
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_int_equal(pthread_create(&others[i], NULL, refresh_too, &s), 0);
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		pthread_join(others[i], NULL);
	}
	assert_int_equal(s.keys.generated, 1 + COUNT(others));
	assert_int_equal(s.est.enrolled, 1 + COUNT(others));
	end(&s);
}

TEST(a_key_that_does_not_open_is_a_defect_and_no_crash)
{
	struct scene s;

	begin(&s, state, true);
	must_add(&s);
	subaccounts_free(s.subaccounts);
	s.keys.refuses = true;
	open_subaccounts(&s, true);
	assert_null(look(&s)->tls);
	assert_true(str_contains(str_of(look(&s)->defect), STR("private key")));
	end(&s);
}

TEST(the_proxy_keeps_its_password_until_another_one_comes)
{
	struct scene s;

	begin(&s, state, true);
	assert_ok(subaccounts_set_proxy(s.subaccounts, &ADMIN, STR("127.0.0.1"), 1, STR("plant"),
					STR("geheim"), &s.err),
		  &s.err);
	assert_ok(subaccounts_set_proxy(s.subaccounts, &ADMIN, STR("127.0.0.1"), 2, STR("plant"),
					STR_NONE, &s.err),
		  &s.err);
	(void)look(&s);
	assert_string_equal(s.set->proxy_password, "geheim");
	assert_int_equal(s.set->proxy_port, 2);
	/* It was sent to whatever host was entered beside the stars. */
	assert_err(subaccounts_set_proxy(s.subaccounts, &ADMIN, STR("elsewhere.test"), 2,
					 STR("plant"), STR_NONE, &s.err),
		   &s.err, ERR_CONFIG, "stored password");
	assert_err(subaccounts_set_proxy(s.subaccounts, &ADMIN, STR("127.0.0.1"), 2, STR("other"),
					 STR_NONE, &s.err),
		   &s.err, ERR_CONFIG, "stored password");
	assert_int_equal(add(&s, "right"), ENROL_FAILED); /* nothing listens there */
	assert_int_equal(s.err.kind, ERR_NETWORK);
	assert_ok(
		subaccounts_set_proxy(s.subaccounts, &ADMIN, STR(""), 0, STR(""), STR_NONE, &s.err),
		&s.err);
	(void)look(&s);
	assert_string_equal(s.set->proxy_password, "");
	must_add(&s);
	assert_err(subaccounts_set_proxy(s.subaccounts, &ADMIN, STR("a b"), 1, STR(""), STR_NONE,
					 &s.err),
		   &s.err, ERR_CONFIG, "host name");
	end(&s);
}

TEST(owners_are_learned_once)
{
	struct scene s;

	begin(&s, state, true);
	must_add(&s);
	int before = s.changes;
	const char *key = look(&s)->key;
	assert_ok(subaccounts_learn_owners(s.subaccounts, key, "ann, bob", &s.err), &s.err);
	assert_string_equal(look(&s)->state.owners, "ann, bob");
	assert_ok(subaccounts_learn_owners(s.subaccounts, look(&s)->key, "ann, bob", &s.err),
		  &s.err);
	assert_int_equal(s.changes, before + 1);
	end(&s);
}

TEST(names_that_could_change_the_url_are_refused)
{
	static const char *const hosts[] = {"",    "a b",     "a/b", "a@b",
					    "a?b", "a:99999", "a:",  "\xc3\xa4"};
	struct subaccount_credentials credentials = {.user = STR("ann"), .password = STR("right")};
	struct subaccount_edit facts = {0};
	struct scene s;

	begin(&s, state, true);
	for (size_t i = 0; i < COUNT(hosts); i++) {
		assert_int_equal(subaccounts_add(s.subaccounts, &ADMIN, str_of(hosts[i]),
						 STR(FAKE_SUBACCOUNT), &facts, &credentials, &s.why,
						 &s.err),
				 ENROL_FAILED);
		assert_int_equal(s.err.kind, ERR_CONFIG);
	}
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_SQLITE(a_subaccount_that_was_added_can_be_dialled_also_after_a_restart),
		ON_SQLITE(a_wrong_password_leaves_a_key_that_is_used_again),
		ON_SQLITE(a_subaccount_that_exists_is_a_conflict_and_nothing_is_asked),
		ON_SQLITE(an_unknown_root_is_confirmed_by_its_fingerprint),
		ON_SQLITE(a_root_of_the_system_gets_no_password_where_another_one_was_confirmed),
		ON_SQLITE(authentication_data_says_where_and_a_false_root_is_final),
		ON_SQLITE(edits_are_live_and_keep_the_tls_configuration),
		ON_SQLITE(a_new_certificate_is_dialled_and_confirmed_when_it_opened_a_tunnel),
		ON_SQLITE(two_refreshes_at_once_get_a_key_and_a_certificate_each),
		ON_SQLITE(a_key_that_does_not_open_is_a_defect_and_no_crash),
		ON_SQLITE(the_proxy_keeps_its_password_until_another_one_comes),
		ON_SQLITE(owners_are_learned_once),
		ON_SQLITE(names_that_could_change_the_url_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
