#include "cloud/directory/runtime.h"

#include "unit/unit.h"

enum {
	TENANTS = 5,
	ANCHORS = 7,
};

/* Hashes 1, 3, 3, 3, 5, 7, 9, in their last byte. */
static void fill(struct runtime_anchor *anchors)
{
	static const uint8_t ends[ANCHORS] = {1, 3, 3, 3, 5, 7, 9};
	static const char *const ders[ANCHORS] = {"a", "b", "c", "d", "e", "f", "g"};

	for (size_t i = 0; i < ANCHORS; i++) {
		anchors[i].subject_sha256[31] = ends[i];
		anchors[i].der = str_of(ders[i]);
	}
}

struct heard {
	char ders[ANCHORS + 1];
	size_t n, most;
};

static bool hear(struct str der, void *user)
{
	struct heard *h = user;

	h->ders[h->n++] = der.at[0];
	return h->n < h->most;
}

static const char *of_hash(struct heard *h, uint8_t end, size_t most)
{
	struct runtime_anchor anchors[ANCHORS] = {{.der = STR_NONE}};
	const struct runtime_tenant t = {.anchors = anchors, .n_anchors = ANCHORS};
	uint8_t hash[32] = {0};

	fill(anchors);
	hash[31] = end;
	*h = (struct heard){.most = most};
	runtime_each_anchor(&t, hash, hear, h);
	return h->ders;
}

TEST(anchors_are_found_by_their_name_and_no_others)
{
	struct heard h;

	assert_string_equal(of_hash(&h, 3, ANCHORS), "bcd");
	assert_string_equal(of_hash(&h, 3, 2), "bc");
	assert_string_equal(of_hash(&h, 1, ANCHORS), "a");
	assert_string_equal(of_hash(&h, 9, ANCHORS), "g");
	for (uint8_t end = 0; end <= 10; end = (uint8_t)(end + 2)) {
		assert_string_equal(of_hash(&h, end, ANCHORS), "");
	}
}

TEST(a_tenant_without_anchors_has_none)
{
	const struct runtime_tenant t = {.n_anchors = 0};
	const uint8_t hash[32] = {0};
	struct heard h = {.most = 1};

	runtime_each_anchor(&t, hash, hear, &h);
	assert_int_equal(h.n, 0);
}

TEST(a_tenant_is_found_by_its_id)
{
	struct runtime_tenant tenants[TENANTS] = {{.generation = 0}};
	struct runtime_snapshot snap = {.n = TENANTS, .tenants = tenants};

	for (int i = 0; i < TENANTS; i++) {
		(void)snprintf(tenants[i].subaccount, sizeof(tenants[i].subaccount), "%d0", i + 1);
		tenants[i].generation = i;
	}
	for (int i = 0; i < TENANTS; i++) {
		assert_ptr_equal(runtime_find(&snap, str_of(tenants[i].subaccount)), &tenants[i]);
	}
	assert_null(runtime_find(&snap, STR("")));
	assert_null(runtime_find(&snap, STR("15")));
	assert_null(runtime_find(&snap, STR("500")));
	snap.n = 0;
	assert_null(runtime_find(&snap, STR("10")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anchors_are_found_by_their_name_and_no_others),
		cmocka_unit_test(a_tenant_without_anchors_has_none),
		cmocka_unit_test(a_tenant_is_found_by_its_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
