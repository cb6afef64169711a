/* Files that want to harm: every limit of crypto/formats/container.h is tried, and entries that
 * differ among themselves are reported one by one. */
#include "unit/crypto/formats/craft.h"

static struct testcert root, leaf, other;

static int make_all(UNUSED void **state)
{
	struct err err;

	testcert_root(&root, "CN=root");
	testcert_server(&leaf, &root, KEY_KIND_P256, "leaf.example");
	testcert_server(&other, &root, KEY_KIND_P256, "other.example");
	return container_prepare(&err) ? 0 : 1;
}

static int free_all(UNUSED void **state)
{
	testcert_free(&root);
	testcert_free(&leaf);
	testcert_free(&other);
	return 0;
}

static void set_mac_iterations(struct buf *file, int64_t iterations)
{
	const unsigned char *at = (const unsigned char *)file->at;
	PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)file->len);
	const ASN1_INTEGER *iter = NULL;
	unsigned char *der = NULL;

	PKCS12_get0_mac(NULL, NULL, NULL, &iter, p12);
	assert_int_equal(ASN1_INTEGER_set_int64((ASN1_INTEGER *)(uintptr_t)iter, iterations), 1);
	int len = i2d_PKCS12(p12, &der);
	buf_reset(file);
	buf_add(file, der, (size_t)len);
	OPENSSL_free(der);
	PKCS12_free(p12);
}

/* With OpenSSL's own PKCS12_parse the second row runs for a quarter of an hour. */
static void a_mac_of_too_many_iterations_is_refused_unread(UNUSED void **state)
{
	static const int64_t counts[] = {CONTAINER_ITERATIONS_MAX + 1, INT64_C(1) << 31, INT64_MAX};

	for (size_t i = 0; i < COUNT(counts); i++) {
		AUTO_BUF struct buf file = material("pkcs12/openssl-modern.p12");
		struct err err;
		set_mac_iterations(&file, counts[i]);
		clock_t before = clock(); /* of this process: others may have the processor */
		assert_int_equal(refused(buf_str(&file), "changeit", NULL, &err),
				 CONTAINER_OVER_LIMIT);
		assert_true((clock() - before) / CLOCKS_PER_SEC < 2);
		assert_int_equal(err.kind, ERR_LIMIT);
		assert_non_null(strstr(err.text, "(iterations)"));
	}
}

static void a_mac_of_no_or_negative_iterations_is_malformed(UNUSED void **state)
{
	AUTO_BUF struct buf file = material("pkcs12/openssl-modern.p12");
	struct err err;

	set_mac_iterations(&file, -5);
	assert_int_equal(refused(buf_str(&file), "changeit", NULL, &err), CONTAINER_MALFORMED);
}

/* Three derivations of 2048 each: MAC, certificates, key. */
static void iterations_count_together(UNUSED void **state)
{
	AUTO_BUF struct buf file = material("pkcs12/openssl-modern.p12");
	struct err err;

	for (uint64_t most = 1; most < UINT64_C(3) * 2048; most += 1000) {
		const struct container_limits limits = {.iterations = most};
		assert_int_equal(refused(buf_str(&file), "changeit", &limits, &err),
				 CONTAINER_OVER_LIMIT);
	}
	const struct container_limits enough = {.iterations = UINT64_C(3) * 2048};
	AUTO(container_free) struct container *c = NULL;
	const struct str password = STR("changeit");
	assert_int_equal(container_open(buf_str(&file), &password, &enough, &c, &err),
			 CONTAINER_OPENED);
}

static void many_entries_are_refused_and_a_thousand_are_not(UNUSED void **state)
{
	static const size_t counts[] = {1000, CONTAINER_ENTRIES_MAX, CONTAINER_ENTRIES_MAX + 1};

	for (size_t i = 0; i < COUNT(counts); i++) {
		AUTO_BUF struct buf file = BUF(MIB(4));
		safebags *bags = NULL;
		for (size_t n = 0; n < counts[i]; n++) {
			char name[40];
			snprintf(name, sizeof name, "entry %zu", n);
			add_cert_bag(&bags, &root, n == 0 ? NULL : name);
		}
		write_p12(bags, NULL, &file);
		struct err err;
		if (counts[i] > CONTAINER_ENTRIES_MAX) {
			assert_int_equal(refused(buf_str(&file), NULL, NULL, &err),
					 CONTAINER_OVER_LIMIT);
			assert_non_null(strstr(err.text, "(entries)"));
			continue;
		}
		AUTO(container_free) struct container *c = opened(buf_str(&file), NULL);
		assert_int_equal(c->n, counts[i]);
		assert_int_equal(count_kind(c, CONTAINER_CERTIFICATE), counts[i]);
	}
}

static void the_work_for_keys_is_limited(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(1));
	safebags *bags = NULL;
	struct err err;

	add_key_bag(&bags, &leaf, "one", NULL);
	add_key_bag(&bags, &other, "two", NULL);
	write_p12(bags, NULL, &file);
	const struct container_limits limits = {.key_work = 1};
	assert_int_equal(refused(buf_str(&file), NULL, &limits, &err), CONTAINER_OVER_LIMIT);
	assert_non_null(strstr(err.text, "(key_work)"));
	AUTO(container_free) struct container *c = opened(buf_str(&file), NULL);
	assert_int_equal(c->n, 2);
}

static void a_file_that_is_too_big_is_not_looked_at(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(4));
	struct err err;

	while (file.len <= CONTAINER_FILE_MAX) {
		buf_add_str(&file, buf_str(&root.pem));
	}
	assert_int_equal(refused(buf_str(&file), NULL, NULL, &err), CONTAINER_OVER_LIMIT);
	assert_non_null(strstr(err.text, "(file_bytes)"));
}

static void nesting_ends(UNUSED void **state)
{
	for (unsigned depth = 1; depth <= CONTAINER_DEPTH_MAX + 20; depth++) {
		AUTO_BUF struct buf file = BUF(MIB(1));
		wrap(&file, 0x30); /* an empty SafeContents */
		for (unsigned i = 0; i < depth; i++) {
			wrap(&file, 0xa0);
			prepend(&file, "\x06\x0b" OID_SAFE_CONTENTS, 13);
			wrap(&file, 0x30); /* the bag */
			wrap(&file, 0x30); /* the contents that it is in */
		}
		wrap_pfx(&file);
		struct err err;
		if (depth <= CONTAINER_DEPTH_MAX) {
			AUTO(container_free) struct container *c = opened(buf_str(&file), NULL);
			assert_int_equal(c->n, 0);
		} else {
			enum container_outcome outcome = refused(buf_str(&file), NULL, NULL, &err);
			/* beyond thirty libcrypto itself gives up */
			assert_true(outcome == CONTAINER_OVER_LIMIT ||
				    outcome == CONTAINER_MALFORMED);
			assert_true(depth > CONTAINER_DEPTH_MAX + 1 ||
				    outcome == CONTAINER_OVER_LIMIT);
		}
	}
}

static void a_key_under_another_password_is_named(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(1));
	safebags *bags = NULL;

	add_key_bag(&bags, &leaf, "mine", "pass");
	add_key_bag(&bags, &other, "foreign", "sesame");
	add_cert_bag(&bags, &leaf, NULL);
	write_p12(bags, "pass", &file);
	AUTO(container_free) struct container *c = opened(buf_str(&file), "pass");
	assert_int_equal(c->n, 2);
	assert_pair(item_named(c, "mine"));
	const struct container_item *item = item_named(c, "foreign");
	assert_int_equal(item->reason, CONTAINER_OTHER_PASSWORD);
	assert_string_equal(item->why, "the key opens with another password than the file");
}

static void a_key_without_certificate_is_named(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(1));
	safebags *bags = NULL;

	add_key_bag(&bags, &leaf, "alone", NULL);
	add_cert_bag(&bags, &other, "stranger");
	write_p12(bags, NULL, &file);
	AUTO(container_free) struct container *c = opened(buf_str(&file), NULL);
	const struct container_item *item = item_named(c, "alone");
	assert_int_equal(item->kind, CONTAINER_SKIPPED);
	assert_int_equal(item->reason, CONTAINER_NO_CERTIFICATE);
	assert_null(item->key.at);
	assert_int_equal(item_named(c, "stranger")->kind, CONTAINER_CERTIFICATE);
}

static void aliases_are_judged(UNUSED void **state)
{
	AUTO_BUF struct buf file = BUF(MIB(1));
	char fits[251] = {0}, long_one[252] = {0};
	safebags *bags = NULL;

	memset(fits, 'f', 250);
	memset(long_one, 'l', 251);
	add_cert_bag(&bags, &root, "Twice");
	add_cert_bag(&bags, &leaf, "tWICE");
	add_cert_bag(&bags, &other, long_one);
	write_p12(bags, NULL, &file);
	AUTO(container_free) struct container *c = opened(buf_str(&file), NULL);
	assert_int_equal(item_named(c, "Twice")->kind, CONTAINER_CERTIFICATE);
	assert_int_equal(item_named(c, "tWICE")->reason, CONTAINER_ALIAS_TWICE);
	assert_int_equal(count_kind(c, CONTAINER_SKIPPED), 2);
	long_one[250] = '\0';
	assert_int_equal(item_named(c, long_one)->reason, CONTAINER_ALIAS_BAD);

	AUTO_BUF struct buf second = BUF(MIB(1));
	bags = NULL;
	add_cert_bag(&bags, &root, fits);
	write_p12(bags, NULL, &second);
	AUTO(container_free) struct container *d = opened(buf_str(&second), NULL);
	assert_int_equal(item_named(d, fits)->kind, CONTAINER_CERTIFICATE);
}

/* "a\0b" would be "a" for whoever thinks in C, and half a surrogate is no character. */
static void an_alias_that_is_no_text_is_refused(UNUSED void **state)
{
	static const struct {
		const char *bmp;
		size_t len;
	} rows[] = {{"\0a\0\0\0b", 6}, {"\xd8\x3d\0a", 4}, {"\xdd\x11", 2}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_BUF struct buf file = BUF(MIB(1));
		safebags *bags = NULL;
		add_cert_bag(&bags, &root, NULL);
		PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, 0);
		assert_int_equal(PKCS12_add1_attr_by_NID(bag, NID_friendlyName, V_ASN1_BMPSTRING,
							 (const unsigned char *)rows[i].bmp,
							 (int)rows[i].len),
				 1);
		write_p12(bags, NULL, &file);
		AUTO(container_free) struct container *c = opened(buf_str(&file), NULL);
		assert_int_equal(c->n, 1);
		assert_int_equal(c->items[0].reason, CONTAINER_ALIAS_BAD);
	}
}

static void no_flipped_byte_is_trusted(UNUSED void **state)
{
	AUTO_BUF struct buf file = material("pkcs12/openssl-3des.p12");

	for (size_t i = 0; i < file.len; i++) {
		AUTO(container_free) struct container *c = NULL;
		const struct str password = STR("changeit");
		const struct container_limits limits = {.iterations = 20000};
		struct err err = {0};
		file.at[i] = (char)(file.at[i] ^ 1);
		enum container_outcome outcome =
			container_open(buf_str(&file), &password, &limits, &c, &err);
		file.at[i] = (char)(file.at[i] ^ 1);
		/* Bytes outside of the MAC's reach, such as the name of a NULL parameter, are left.
		 */
		if (outcome == CONTAINER_OPENED && c->n == 1) {
			assert_pair(&c->items[0]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mac_of_too_many_iterations_is_refused_unread),
		cmocka_unit_test(a_mac_of_no_or_negative_iterations_is_malformed),
		cmocka_unit_test(iterations_count_together),
		cmocka_unit_test(many_entries_are_refused_and_a_thousand_are_not),
		cmocka_unit_test(the_work_for_keys_is_limited),
		cmocka_unit_test(a_file_that_is_too_big_is_not_looked_at),
		cmocka_unit_test(nesting_ends),
		cmocka_unit_test(a_key_under_another_password_is_named),
		cmocka_unit_test(a_key_without_certificate_is_named),
		cmocka_unit_test(aliases_are_judged),
		cmocka_unit_test(an_alias_that_is_no_text_is_refused),
		cmocka_unit_test(no_flipped_byte_is_trusted),
	};
	return cmocka_run_group_tests(tests, make_all, free_all);
}
