/* The certificate of the administration, with local keys and a real database. */
#include "connector/ui_certificate.h"

#include "connector/ui_store.h"
#include "crypto/cert.h"
#include "database.h"
#include "store/audit.h"
#include "unit/connector/fake_keys.h"

static const struct state_actor ADMIN = {STR("user:Administrator"), STR("127.0.0.1")};
enum {
	NOW = 1800000000,
	DAY = 86400,
};

static struct scene {
	struct store *s;
	struct fake_keys keys;
	struct ui_certificate *ui;
	struct err err;
	unsigned published, defaults;
	bool default_fails;
} c;

static bool make_key(void *user, enum key_kind kind, struct buf *sealed, struct buf *spki,
		     struct err *err)
{
	(void)kind; /* P-256 is quicker */
	return fake_generate(user, sealed, spki, err);
}

static bool issue_by(const struct issue_facts *facts, struct str spki, struct str issuer,
		     struct str sealed, struct buf *der, struct err *err)
{
	AUTO(local_key_free) struct local_key *k = NULL;

	return local_key_read(sealed, &k, err) &&
	       issue_certificate(facts, spki, issuer, k, der, err);
}

static bool self_sign(void *user UNUSED, const struct issue_facts *facts, struct str spki,
		      struct str sealed, struct buf *der, struct err *err)
{
	return issue_by(facts, spki, STR_NONE, sealed, der, err);
}

/* A chain of one, as ui_identity makes it. */
static bool open_default(void *user UNUSED, struct tls_config **tls, struct buf *chain_pem,
			 struct err *err)
{
	const struct issue_facts facts = {.profile = ISSUE_SERVER,
					  .subject = "CN=default",
					  .sans = {"localhost"},
					  .n_sans = 1,
					  .not_before = NOW,
					  .not_after = NOW + DAY,
					  .serial = {7}};
	AUTO_BUF struct buf sealed = BUF_SECRET(KIB(16)), spki = BUF(KIB(2)), der = BUF(KIB(8));
	AUTO(key_free) struct key *key = NULL;

	c.defaults++;
	if (c.default_fails) {
		return err_set(err, ERR_SYSTEM, "no default");
	}
	if (!fake_generate(&c.keys, &sealed, &spki, err) ||
	    !issue_by(&facts, buf_str(&spki), STR_NONE, buf_str(&sealed), &der, err) ||
	    !fake_open(&c.keys, buf_str(&sealed), buf_str(&spki), KEYS_FOR_TLS_SERVER, &key, err)) {
		return false;
	}
	cert_add_pem(chain_pem, buf_str(&der));
	const struct tls_settings settings = {
		.server = true, .chain_pem = buf_str(chain_pem), .key = key};
	return tls_config_new(&settings, tls, err);
}

/* "Contains" a key and a chain of one, or two strangers; the password is "right". */
static bool open_container(void *user UNUSED, struct str bytes, struct str password,
			   struct ui_row *out, struct err *err)
{
	const struct issue_facts facts = {.profile = ISSUE_SERVER,
					  .subject = "CN=uploaded",
					  .sans = {"plant.example"},
					  .n_sans = 1,
					  .not_before = NOW - 1,
					  .not_after = NOW + DAY,
					  .serial = {9}};
	AUTO_BUF struct buf der = BUF(KIB(8));

	if (!str_eq(password, STR("right"))) {
		return err_set(err, ERR_CONFIG, "wrong password");
	}
	if (!fake_generate(&c.keys, &out->sealed, &out->spki, err) ||
	    !issue_by(&facts, buf_str(&out->spki), STR_NONE, buf_str(&out->sealed), &der, err)) {
		return false;
	}
	if (str_eq(bytes, STR("another key"))) {
		buf_reset(&out->sealed);
		buf_reset(&out->spki);
		if (!fake_generate(&c.keys, &out->sealed, &out->spki, err)) {
			return false;
		}
	}
	cert_add_pem(&out->chain_pem, buf_str(&der));
	return true;
}

static void publish(void *user UNUSED, struct tls_config *take)
{
	c.published++;
	tls_config_unref(take);
}

static void restart(void)
{
	const struct ui_settings settings = {
		.store = c.s,
		.keys = {&c.keys, make_key, fake_open, self_sign, open_container},
		.open_default = open_default,
		.publish = publish,
	};

	ui_certificate_free(c.ui);
	c.ui = NULL;
	assert_ok(ui_certificate_new(&settings, &c.ui, &c.err), &c.err);
}

static int begin_with(struct database *d)
{
	const struct migration_set sets[] = {{"store", store_migrations}, {"ui", ui_migrations}};

	c = (struct scene){.s = d->store};
	assert_ok(store_migrate(c.s, sets, COUNT(sets), &c.err), &c.err);
	restart();
	return 0;
}

static int begin_sqlite(void **state)
{
	assert_int_equal(database_on_sqlite(state), 0);
	return begin_with(*state);
}

static int begin_postgresql(void **state)
{
	assert_int_equal(database_on_postgresql(state), 0);
	return begin_with(*state);
}

static int end(void **state)
{
	ui_certificate_free(c.ui);
	fake_keys_free(&c.keys);
	return database_end(state);
}

static void in_use(const char *subject, bool is_default)
{
	AUTO_BUF struct buf pem = BUF(KIB(64));
	struct cert_facts facts;
	bool was_default;

	ui_certificate_chain(c.ui, &pem, &was_default);
	assert_ok(cert_read_pem(buf_str(&pem), &facts, &c.err), &c.err);
	assert_string_equal(facts.subject, subject);
	assert_int_equal(was_default, is_default);
}

static const struct ui_request REQUEST = {
	.subject = "CN=plant", .hosts = {"plant.example", "10.1.2.3"}, .n_hosts = 2};

/* ---- a CA of the plant ---- */

static struct buf ca_sealed, ca_spki, ca_der;

static void make_ca(void)
{
	const struct issue_facts facts = {.profile = ISSUE_ROOT,
					  .subject = "CN=Plant CA",
					  .not_before = NOW - DAY,
					  .not_after = NOW + 1000L * DAY,
					  .serial = {1}};

	ca_sealed = BUF_SECRET(KIB(16));
	ca_spki = BUF(KIB(2));
	ca_der = BUF(KIB(8));
	assert_ok(fake_generate(&c.keys, &ca_sealed, &ca_spki, &c.err), &c.err);
	assert_ok(
		issue_by(&facts, buf_str(&ca_spki), STR_NONE, buf_str(&ca_sealed), &ca_der, &c.err),
		&c.err);
}

static void end_ca(void)
{
	buf_fini(&ca_sealed);
	buf_fini(&ca_spki);
	buf_fini(&ca_der);
}

/* What the CA makes of the waiting key, as PEM. */
static void sign_waiting(struct buf *pem, int64_t from, int64_t to)
{
	const struct issue_facts facts = {.profile = ISSUE_SERVER,
					  .subject = "CN=signed",
					  .sans = {"plant.example"},
					  .n_sans = 1,
					  .not_before = from,
					  .not_after = to,
					  .serial = {2}};
	AUTO_UI_ROW struct ui_row row;
	AUTO_BUF struct buf der = BUF(KIB(8));
	bool found;

	ui_row_init(&row);
	assert_ok(ui_store_get(c.s, UI_WAITING, &row, &found, &c.err), &c.err);
	assert_true(found);
	assert_ok(issue_by(&facts, buf_str(&row.spki), buf_str(&ca_der), buf_str(&ca_sealed), &der,
			   &c.err),
		  &c.err);
	cert_add_pem(pem, buf_str(&der));
}

static void request(void)
{
	AUTO_BUF struct buf pem = BUF(KIB(32));

	assert_ok(ui_certificate_request(c.ui, &ADMIN, &REQUEST, &pem, &c.err), &c.err);
	assert_true(str_starts(buf_str(&pem), STR("-----BEGIN CERTIFICATE REQUEST-----")));
}

/* ---- what must hold ---- */

TEST(without_an_installed_one_the_default_serves)
{
	in_use("CN=default", true);
	assert_int_equal(c.published, 1);
	assert_ok(ui_certificate_refresh(c.ui, &c.err), &c.err);
	assert_int_equal(c.defaults, 2); /* looked at again, since it may be due */
}

TEST(a_self_signed_one_is_in_use_at_once_and_after_a_restart)
{
	assert_ok(ui_certificate_self_sign(c.ui, &ADMIN, &REQUEST, NOW, &c.err), &c.err);
	in_use("CN=plant", false);
	assert_int_equal(c.published, 2);
	assert_ok(ui_certificate_refresh(c.ui, &c.err), &c.err);
	in_use("CN=plant", false); /* the hourly look does not replace it */
	restart();
	in_use("CN=plant", false);
	assert_int_equal(c.defaults, 1);
}

TEST(a_signed_chain_is_taken_in_any_order)
{
	AUTO_BUF struct buf chain = BUF(KIB(64));

	make_ca();
	request();
	in_use("CN=default", true);
	cert_add_pem(&chain, buf_str(&ca_der));
	sign_waiting(&chain, NOW - 1, NOW + DAY);
	assert_ok(ui_certificate_install(c.ui, &ADMIN, buf_str(&chain), NOW, &c.err), &c.err);
	in_use("CN=signed", false);
	assert_err(ui_certificate_install(c.ui, &ADMIN, buf_str(&chain), NOW, &c.err), &c.err,
		   ERR_CONFIG, "no certificate signing request waits");
	end_ca();
}

TEST(a_new_request_makes_the_earlier_one_void)
{
	AUTO_BUF struct buf early = BUF(KIB(64)), late = BUF(KIB(64));

	make_ca();
	request();
	sign_waiting(&early, NOW - 1, NOW + DAY);
	request();
	assert_err(ui_certificate_install(c.ui, &ADMIN, buf_str(&early), NOW, &c.err), &c.err,
		   ERR_CONFIG, "");
	in_use("CN=default", true);
	sign_waiting(&late, NOW - 1, NOW + DAY);
	assert_ok(ui_certificate_install(c.ui, &ADMIN, buf_str(&late), NOW, &c.err), &c.err);
	end_ca();
}

/*
 * A CA takes days to answer. Any other certificate that was put in use meanwhile, and the chain of
 * an earlier request that was installed beside a new one, threw the key away that it answers for.
 */
TEST(a_stopgap_leaves_the_request_waiting)
{
	AUTO_BUF struct buf chain = BUF(KIB(64));

	make_ca();
	request();
	sign_waiting(&chain, NOW - 1, NOW + DAY);
	assert_ok(ui_certificate_self_sign(c.ui, &ADMIN, &REQUEST, NOW, &c.err), &c.err);
	in_use("CN=plant", false);
	assert_ok(ui_certificate_install(c.ui, &ADMIN, buf_str(&chain), NOW, &c.err), &c.err);
	in_use("CN=signed", false);
	end_ca();
}

TEST(what_does_not_fit_leaves_the_old_one)
{
	AUTO_BUF struct buf expired = BUF(KIB(64)), future = BUF(KIB(64)), stranger = BUF(KIB(64));

	make_ca();
	assert_err(ui_certificate_install(c.ui, &ADMIN, STR("x"), NOW, &c.err), &c.err, ERR_CONFIG,
		   "no certificate signing request waits");
	request();
	sign_waiting(&expired, NOW - DAY, NOW - 1);
	sign_waiting(&future, NOW + 100, NOW + DAY);
	cert_add_pem(&stranger, buf_str(&ca_der));
	assert_err(ui_certificate_install(c.ui, &ADMIN, buf_str(&expired), NOW, &c.err), &c.err,
		   ERR_CONFIG, "expired");
	assert_err(ui_certificate_install(c.ui, &ADMIN, buf_str(&future), NOW, &c.err), &c.err,
		   ERR_CONFIG, "not valid yet");
	assert_err(ui_certificate_install(c.ui, &ADMIN, buf_str(&stranger), NOW, &c.err), &c.err,
		   ERR_CONFIG, "");
	assert_err(ui_certificate_install(c.ui, &ADMIN, STR("no certificate"), NOW, &c.err), &c.err,
		   ERR_CONFIG, "");
	in_use("CN=default", true);
	assert_int_equal(c.published, 1);
	end_ca();
}

TEST(a_key_that_does_not_open_leaves_the_old_one)
{
	c.keys.refuses = true;
	assert_err(ui_certificate_self_sign(c.ui, &ADMIN, &REQUEST, NOW, &c.err), &c.err,
		   ERR_DENIED, "does not open");
	in_use("CN=default", true);
	c.keys.refuses = false;
	restart();
	in_use("CN=default", true);
}

/* The only one there is, whose key has become unusable: the door stays open with the default. */
TEST(an_installed_one_that_cannot_be_used_gives_way_until_it_can)
{
	AUTO_UI_ROW struct ui_row row;

	assert_ok(ui_certificate_self_sign(c.ui, &ADMIN, &REQUEST, NOW, &c.err), &c.err);
	ui_row_init(&row);
	bool found;
	assert_ok(ui_store_get(c.s, UI_IN_USE, &row, &found, &c.err), &c.err);
	row.sealed.at[0] ^= 1;
	assert_ok(ui_store_put(c.s, &ADMIN, "test", UI_IN_USE, &row, STR(""), &c.err), &c.err);
	restart();
	in_use("CN=default", true);
	row.sealed.at[0] ^= 1;
	assert_ok(ui_store_put(c.s, &ADMIN, "test", UI_IN_USE, &row, STR(""), &c.err), &c.err);
	assert_ok(ui_certificate_refresh(c.ui, &c.err), &c.err);
	in_use("CN=plant", false);
}

TEST(an_uploaded_key_is_in_use_and_a_wrong_one_leaves_the_old)
{
	assert_err(ui_certificate_upload(c.ui, &ADMIN, STR("file"), STR("wrong"), NOW, &c.err),
		   &c.err, ERR_CONFIG, "wrong password");
	assert_err(
		ui_certificate_upload(c.ui, &ADMIN, STR("another key"), STR("right"), NOW, &c.err),
		&c.err, ERR_CONFIG, "");
	assert_err(ui_certificate_upload(c.ui, &ADMIN, STR("file"), STR("right"), NOW + 2 * DAY,
					 &c.err),
		   &c.err, ERR_CONFIG, "expired");
	in_use("CN=default", true);
	assert_ok(ui_certificate_upload(c.ui, &ADMIN, STR("file"), STR("right"), NOW, &c.err),
		  &c.err);
	in_use("CN=uploaded", false);
	restart();
	in_use("CN=uploaded", false);
}

static void keep_what(const struct audit_entry *entry, void *user)
{
	buf_addf(user, "%.*s ", STR_ARGS(entry->audit.what));
}

TEST(removing_goes_back_to_the_default_and_all_is_in_the_audit)
{
	AUTO_BUF struct buf seen = BUF(KIB(4));

	assert_err(ui_certificate_remove(c.ui, &ADMIN, &c.err), &c.err, ERR_MISSING,
		   "own is in use");
	assert_ok(ui_certificate_self_sign(c.ui, &ADMIN, &REQUEST, NOW, &c.err), &c.err);
	request();
	c.default_fails = true;
	assert_err(ui_certificate_remove(c.ui, &ADMIN, &c.err), &c.err, ERR_SYSTEM, "no default");
	in_use("CN=plant", false);
	c.default_fails = false;
	assert_ok(ui_certificate_remove(c.ui, &ADMIN, &c.err), &c.err);
	in_use("CN=default", true);
	assert_ok(store_audit_each(c.s, INT64_MAX, 10, keep_what, &seen, &c.err), &c.err);
	assert_str(buf_str(&seen),
		   "ui-certificate.delete ui-certificate.request ui-certificate.self-sign ");
	restart();
	in_use("CN=default", true);
}

#define CASE(test)         cmocka_unit_test_setup_teardown(test, begin_sqlite, end)
#define CASE_ON_BOTH(test) CASE(test), cmocka_unit_test_setup_teardown(test, begin_postgresql, end)

static const struct CMUnitTest tests[] = {
	CASE(without_an_installed_one_the_default_serves),
	CASE_ON_BOTH(a_self_signed_one_is_in_use_at_once_and_after_a_restart),
	CASE_ON_BOTH(a_signed_chain_is_taken_in_any_order),
	CASE(a_new_request_makes_the_earlier_one_void),
	CASE(a_stopgap_leaves_the_request_waiting),
	CASE(what_does_not_fit_leaves_the_old_one),
	CASE(a_key_that_does_not_open_leaves_the_old_one),
	CASE(an_installed_one_that_cannot_be_used_gives_way_until_it_can),
	CASE(an_uploaded_key_is_in_use_and_a_wrong_one_leaves_the_old),
	CASE_ON_BOTH(removing_goes_back_to_the_default_and_all_is_in_the_audit),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
