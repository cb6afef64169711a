#include "unit/cloud/keystore/fixture.h"

static void count(struct keystore *k, const struct keystore_filter *f, size_t expected)
{
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct err err;

	assert_ok(keystore_list(k, &here, f, &l, &err), &err);
	assert_int_equal(keystore_list_count(l), expected);
}

static void pages_follow_the_folded_alias(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct keystore_filter f = {.after = STR("B"), .limit = 2};
	struct err err;

	put(k, "b", "CN=B", false);
	put(k, "A", "CN=A", false);
	put(k, "D", "CN=D", false);
	put(k, "c", "CN=C", false);
	put(k, "\xc3\xa4", "CN=E", false);
	assert_string_equal(aliases_of(k, &here), "A b c D \xc3\xa4");
	assert_ok(keystore_list(k, &here, &f, &l, &err), &err);
	assert_int_equal(keystore_list_count(l), 2);
	assert_string_equal(keystore_list_at(l, 0)->alias, "c");
	assert_string_equal(keystore_list_at(l, 1)->alias, "D");
	keystore_close(k);
}

static void filters_look_at_alias_names_and_time(void **state)
{
	struct keystore *k = ready(state);

	put(k, "one", "CN=First,O=Bank", false);
	put(k, "two", "CN=Second", false);
	count(k, &(struct keystore_filter){.text = STR("BANK")}, 1);
	count(k, &(struct keystore_filter){.text = STR("TW")}, 1);
	count(k, &(struct keystore_filter){.text = STR("nothing")}, 0);
	count(k, &(struct keystore_filter){.text = STR("CN="), .limit = 1}, 1);
	count(k, &(struct keystore_filter){.expires_before = NOW}, 0);
	count(k, &(struct keystore_filter){.expires_before = INT64_MAX}, 2);
	keystore_close(k);
}

static void the_head_counts_by_expiry(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_head head;
	const int64_t day = (int64_t)86400 * 1000, end = NOW + 365 * day;
	struct err err;

	put(k, "one", "CN=First", false);
	assert_ok(keystore_head(k, &here, NOW, &head, &err), &err);
	assert_int_equal(head.entries, 1);
	assert_int_equal(head.tenant_entries, 1);
	assert_int_equal(head.generation, 1);
	assert_string_equal(head.modified_by, "user:alice");
	assert_int_equal(head.expired + head.critical + head.warning + head.notice, 0);
	assert_ok(keystore_head(k, &here, end + 1, &head, &err), &err);
	assert_int_equal(head.expired, 1);
	assert_ok(keystore_head(k, &here, end - 14 * day, &head, &err), &err);
	assert_int_equal(head.critical, 1);
	assert_ok(keystore_head(k, &here, end - 30 * day, &head, &err), &err);
	assert_int_equal(head.warning, 1);
	assert_ok(keystore_head(k, &here, end - 60 * day, &head, &err), &err);
	assert_int_equal(head.notice, 1);
	keystore_close(k);
}

static void places_that_are_not_there(void **state)
{
	struct keystore *k = ready(state);
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct keystore_place place = here;
	struct err err;

	put(k, "one", "CN=First", false);
	assert_err(keystore_find(k, &here, STR("two"), &l, &err), &err, ERR_MISSING,
		   "there is no alias \"two\" in keystore \"system\"");
	place.name = "nonsense";
	assert_err(keystore_list(k, &place, NULL, &l, &err), &err, ERR_MISSING, "nonsense");
	place.name = KEYSTORE_SYSTEM;
	place.generation = 2;
	assert_err(keystore_list(k, &place, NULL, &l, &err), &err, ERR_MISSING, "generation 2");
	place.name = KEYSTORE_RENEWAL;
	place.generation = 0;
	assert_string_equal(aliases_of(k, &place), "");
	place.name = KEYSTORE_SYSTEM;
	place.tenant = STR("another");
	assert_string_equal(aliases_of(k, &place), "");
	keystore_close(k);
}

static const char *subject_of(struct keystore *k, const struct keystore_place *place,
			      const char *alias)
{
	static char text[100];
	struct keystore_list *list = NULL;
	struct err err;

	assert_ok(keystore_find(k, place, str_of(alias), &list, &err), &err);
	(void)snprintf(text, sizeof(text), "%.*s", STR_ARGS(keystore_list_at(list, 0)->subject));
	keystore_list_free(list);
	return text;
}

static void every_generation_can_be_read(void **state)
{
	struct keystore *k = ready(state);
	struct keystore_place place = here;
	AUTO_FREE struct keystore_generation *rows = NULL;
	struct err err;
	size_t n;

	put(k, "a", "CN=A", false);
	put(k, "b", "CN=B", false);
	put(k, "a", "CN=A2", true);
	place.generation = 1;
	assert_string_equal(aliases_of(k, &place), "a");
	place.generation = 2;
	assert_string_equal(aliases_of(k, &place), "a b");
	assert_string_equal(subject_of(k, &place, "A"), "CN=A");
	place.generation = 3;
	assert_string_equal(subject_of(k, &place, "A"), "CN=A2");
	place.generation = 1;
	struct keystore_list *none = NULL;
	assert_err(keystore_find(k, &place, STR("b"), &none, &err), &err, ERR_MISSING, "\"b\"");
	assert_ok(keystore_generations(k, STR(TENANT), 0, 2, &rows, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].n, 3);
	assert_string_equal(rows[0].what, "update");
	assert_int_equal(rows[0].opened, 1);
	assert_int_equal(rows[0].closed, 1);
	keystore_close(k);
}

static bool count_der(struct str der, void *user, struct err *err UNUSED)
{
	*(size_t *)user += der.len > 0;
	return true;
}

static void a_chain_is_given_back(void **state)
{
	struct keystore *k = ready(state);
	AUTO_BUF struct buf chain = BUF(KIB(64));
	struct err err;
	size_t n = 0;

	put(k, "a", "CN=A", false);
	assert_ok(keystore_chain(k, &here, STR("A"), &chain, &err), &err);
	assert_ok(keystore_chain_each(buf_str(&chain), count_der, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_err(keystore_chain_each(str_first(buf_str(&chain), 9), count_der, &n, &err), &err,
		   ERR_STORE, "damaged");
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(pages_follow_the_folded_alias), ON_BOTH(filters_look_at_alias_names_and_time),
	ON_BOTH(the_head_counts_by_expiry),     ON_BOTH(places_that_are_not_there),
	ON_BOTH(every_generation_can_be_read),  ON_BOTH(a_chain_is_given_back),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
