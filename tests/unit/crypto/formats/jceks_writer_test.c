#include "crypto/formats/jceks_writer.h"

#include "crypto/formats/container.h"
#include "unit/crypto/oracle.h"

static struct testcert root, one, two;

static int make_all(UNUSED void **state)
{
	testcert_root(&root, "CN=root");
	testcert_server(&one, &root, KEY_KIND_P256, "one.example");
	testcert_server(&two, &root, KEY_KIND_P256, "two.example");
	return 0;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&one);
	testcert_free(&two);
	return 0;
}

/* "Pair" has a chain of two, and somebody else is called "pair_1" already. */
static void write_store(struct buf *out, struct str third)
{
	const struct str chain[] = {buf_str(&one.der), buf_str(&root.der)};
	const struct str other[] = {buf_str(&two.der)};
	const struct jceks_entry entries[] = {
		{STR("Pair"), chain, 2, 1700000000000},
		{STR("pair_1"), other, 1, 1700000000000},
		{third, other, 1, 1700000000000},
	};
	struct err err = {0};

	if (!jceks_write(entries, COUNT(entries), out, &err)) {
		fail_msg("%s", err.text);
	}
	assert_int_equal(container_detect(buf_str(out)), CONTAINER_JCEKS);
}

static void keytool_reads_it(UNUSED void **state)
{
	struct oracle o = oracle_open("keytool");
	AUTO_BUF struct buf file = BUF(JCEKS_MAX);

	write_store(&file, STR("schlüssel 🔑"));
	oracle_file(&o, "store.jks", buf_str(&file));
	static const char list[] =
		"keytool -list -v -storetype JCEKS -keystore store.jks </dev/null";
	oracle_says(&o, list, "Your keystore contains 4 entries");
	oracle_says(&o, list, "Alias name: pair\n");
	oracle_says(&o, list, "Alias name: pair_1\n");
	oracle_says(&o, list, "Alias name: pair__1\n");
	oracle_says(&o, list, "DNSName: one.example");
	oracle_says(&o,
		    "keytool -exportcert -alias pair__1 -storetype JCEKS -keystore store.jks "
		    "-file root.der </dev/null",
		    "stored");
	AUTO_BUF struct buf hash = BUF(KIB(4));
	oracle_file(&o, "expected.der", buf_str(&root.der));
	assert_int_equal(oracle_run(&o, "cmp root.der expected.der", &hash), 0);
	oracle_close(&o);
}

static void pyjks_reads_it_and_finds_the_digest_right(UNUSED void **state)
{
	struct oracle o = oracle_open("/usr/bin/python3");
	AUTO_BUF struct buf file = BUF(JCEKS_MAX);
	AUTO_BUF struct buf ignored = BUF(KIB(64));

	if (oracle_run(&o, "/usr/bin/python3 -c 'import jks'", &ignored) != 0) {
		oracle_close(&o);
		print_message("pyjks is not installed\n");
		skip();
	}
	write_store(&file, STR("schlüssel")); /* pyjks knows no surrogates */
	oracle_file(&o, "store.jks", buf_str(&file));
	static const char list[] =
		"/usr/bin/python3 -c \"import jks; k = jks.KeyStore.load('store.jks', ''); "
		"print(k.store_type, len(k.private_keys), sorted(k.certs))\"";
	oracle_says(&o, list, "jceks 0 ['pair', 'pair_1', 'pair__1', 'schl");
	file.at[40] ^= 1;
	oracle_file(&o, "store.jks", buf_str(&file));
	assert_int_not_equal(oracle_run(&o, list, &ignored), 0);
	oracle_close(&o);
}

static void an_alias_twice_or_a_full_buffer_is_refused(UNUSED void **state)
{
	const struct str chain[] = {buf_str(&one.der)};
	const struct jceks_entry entries[] = {{STR("a"), chain, 1, 0}, {STR("A"), chain, 1, 0}};
	struct err err = {0};
	AUTO_BUF struct buf file = BUF(JCEKS_MAX);
	AUTO_BUF struct buf small = BUF(100);

	assert_false(jceks_write(entries, 2, &file, &err));
	assert_false(jceks_write(entries, 1, &small, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keytool_reads_it),
		cmocka_unit_test(pyjks_reads_it_and_finds_the_digest_right),
		cmocka_unit_test(an_alias_twice_or_a_full_buffer_is_refused),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
