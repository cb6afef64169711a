#include "cloud/directory/authdata.h"

#include "base/json.h"
#include "unit/cloud/directory/fixture.h"

enum {
	NOW = 1000000,
};

static const uint8_t pin[32] = {0xab, 0xcd};
static const uint8_t key_one[32] = {1}, key_two[32] = {2};

/* The token inside a fresh text. */
static void create(struct store *s, char token[static 64])
{
	AUTO_BUF struct buf text = BUF_SECRET(4096), json = BUF(4096);
	AUTO(json_free) struct json *parsed = NULL;
	struct str value;
	struct err err;
	int64_t expires;

	assert_ok(directory_authdata_create(s, &actor, STR(SUBACCOUNT), STR(REGION ":9444"), pin,
					    NOW, &text, &expires, &err),
		  &err);
	assert_int_equal(expires, NOW + 300);
	assert_true(buf_add_decoded_base64url(&json, buf_str(&text)));
	assert_ok(json_parse(buf_str(&json), 4096, &parsed, &err), &err);
	assert_true(json_get_str(parsed, "regionHost", &value));
	assert_str(value, REGION ":9444");
	assert_true(json_get_str(parsed, "subaccount", &value));
	assert_str(value, SUBACCOUNT);
	assert_true(json_get_str(parsed, "displayName", &value));
	assert_str(value, "Plant Hamburg");
	assert_true(json_get_str(parsed, "rootPin", &value));
	assert_true(str_starts(value, STR("abcd00")) && value.len == 64);
	assert_true(json_get_int(parsed, "expires", &expires));
	assert_int_equal(expires, (NOW + 300) * 1000LL);
	assert_true(json_get_str(parsed, "token", &value));
	assert_true(str_copy(value, token, 64));
}

static enum directory_authdata use(struct store *s, const char *sa, const char *token,
				   const uint8_t *key, int64_t now)
{
	char creator[DIRECTORY_NAME_MAX] = "";
	struct err err;
	enum directory_authdata outcome =
		directory_authdata_use(s, str_of(sa), str_of(token), key, now, creator, &err);

	if (outcome == DIRECTORY_AUTHDATA_OK) {
		assert_string_equal(creator, "user:root");
	}
	return outcome;
}

static void the_first_use_binds_it_to_a_key(void **state)
{
	struct store *s = ready(state);
	char token[64];

	create(s, token);
	assert_int_equal(use(s, SUBACCOUNT, token, key_one, NOW), DIRECTORY_AUTHDATA_OK);
	assert_int_equal(use(s, SUBACCOUNT, token, key_one, NOW + 10), DIRECTORY_AUTHDATA_OK);
	assert_int_equal(use(s, SUBACCOUNT, token, key_two, NOW + 10), DIRECTORY_AUTHDATA_USED);
}

static void it_ends_after_five_minutes(void **state)
{
	struct store *s = ready(state);
	char token[64];

	create(s, token);
	assert_int_equal(use(s, SUBACCOUNT, token, key_one, NOW + 300), DIRECTORY_AUTHDATA_EXPIRED);
	create(s, token);
	assert_int_equal(use(s, SUBACCOUNT, token, key_one, NOW + 299), DIRECTORY_AUTHDATA_OK);
	assert_int_equal(use(s, SUBACCOUNT, token, key_one, NOW + 300), DIRECTORY_AUTHDATA_EXPIRED);
}

static void an_unknown_token_or_another_subaccount_is_refused(void **state)
{
	struct store *s = ready(state);
	char token[64];

	create(s, token);
	assert_int_equal(use(s, OTHER, token, key_one, NOW), DIRECTORY_AUTHDATA_UNKNOWN);
	token[0] = token[0] == 'A' ? 'B' : 'A';
	assert_int_equal(use(s, SUBACCOUNT, token, key_one, NOW), DIRECTORY_AUTHDATA_UNKNOWN);
}

static void too_many_open_ones_are_refused(void **state)
{
	struct store *s = ready(state);
	AUTO_BUF struct buf text = BUF_SECRET(4096);
	char token[64];
	struct err err;
	int64_t expires;

	for (int i = 0; i < DIRECTORY_AUTHDATA_OPEN_MAX; i++) {
		create(s, token);
	}
	assert_err(directory_authdata_create(s, &actor, STR(SUBACCOUNT), STR(REGION ":9444"), pin,
					     NOW, &text, &expires, &err),
		   &err, ERR_LIMIT, "open already");
	assert_ok(directory_authdata_create(s, &actor, STR(SUBACCOUNT), STR(REGION ":9444"), pin,
					    NOW + 301, &text, &expires, &err),
		  &err);
}

/* A token that `name` made, cut out of its text. */
static void create_as(struct store *s, const char *name, char token[static 64])
{
	AUTO_BUF struct buf who = BUF(64), text = BUF_SECRET(4096), json = BUF(4096);
	AUTO(json_free) struct json *parsed = NULL;
	struct str value;
	struct err err;
	int64_t expires;

	buf_addf(&who, "user:%s", name);
	const struct directory_actor maker = {.who = buf_str(&who), .from = STR("")};
	assert_ok(directory_authdata_create(s, &maker, STR(SUBACCOUNT), STR(REGION ":9444"), pin,
					    NOW, &text, &expires, &err),
		  &err);
	assert_true(buf_add_decoded_base64url(&json, buf_str(&text)));
	assert_ok(json_parse(buf_str(&json), 4096, &parsed, &err), &err);
	assert_true(json_get_str(parsed, "token", &value));
	assert_true(str_copy(value, token, 64));
}

static enum directory_authdata try(struct store *s, const char *token)
{
	char creator[DIRECTORY_NAME_MAX] = "";
	struct err err;

	return directory_authdata_use(s, STR(SUBACCOUNT), str_of(token), key_one, NOW + 1, creator,
				      &err);
}

static void what_a_former_owner_made_opens_nothing(void **state)
{
	struct store *s = ready(state);
	char alices[64], bobs[64];
	struct err err;

	assert_ok(directory_owner_add(s, &actor, STR(SUBACCOUNT), STR("bob"), &err), &err);
	create_as(s, "alice", alices);
	create_as(s, "bob", bobs);
	assert_ok(directory_owner_remove(s, &actor, STR(SUBACCOUNT), STR("bob"), &err), &err);
	assert_int_equal(try(s, bobs), DIRECTORY_AUTHDATA_UNKNOWN);
	assert_int_equal(try(s, alices), DIRECTORY_AUTHDATA_OK);
}

static void who_is_locked_or_deleted_or_has_another_password_keeps_no_token(void **state)
{
	struct store *s = ready(state);
	struct directory_user bob;
	char token[64];
	struct err err;

	create_as(s, "bob", token);
	assert_ok(directory_user_find(s, STR("bob"), &bob, &err), &err);
	bob.locked = true;
	assert_int_equal(directory_user_edit(s, &actor, &bob, bob.version, &err), DIRECTORY_EDITED);
	assert_int_equal(try(s, token), DIRECTORY_AUTHDATA_UNKNOWN);

	create_as(s, "bob", token);
	assert_ok(directory_user_write_password(s, &actor, STR("bob"), "hash", false, &err), &err);
	assert_int_equal(try(s, token), DIRECTORY_AUTHDATA_UNKNOWN);

	create_as(s, "bob", token);
	assert_ok(directory_user_delete(s, &actor, STR("bob"), &err), &err);
	assert_int_equal(try(s, token), DIRECTORY_AUTHDATA_UNKNOWN);
}

static void who_only_gets_another_name_keeps_it(void **state)
{
	struct store *s = ready(state);
	struct directory_user bob;
	char token[64];
	struct err err;

	create_as(s, "bob", token);
	assert_ok(directory_user_find(s, STR("bob"), &bob, &err), &err);
	snprintf(bob.display_name, sizeof(bob.display_name), "Robert");
	assert_int_equal(directory_user_edit(s, &actor, &bob, bob.version, &err), DIRECTORY_EDITED);
	assert_int_equal(try(s, token), DIRECTORY_AUTHDATA_OK);
	create_as(s, "bob", token);
	bob.roles = 0;
	assert_int_equal(directory_user_edit(s, &actor, &bob, bob.version, &err), DIRECTORY_EDITED);
	assert_int_equal(try(s, token), DIRECTORY_AUTHDATA_UNKNOWN);
}

TEST(each_outcome_has_its_status)
{
	assert_int_equal(directory_authdata_status(DIRECTORY_AUTHDATA_UNKNOWN), 401);
	assert_int_equal(directory_authdata_status(DIRECTORY_AUTHDATA_EXPIRED), 401);
	assert_int_equal(directory_authdata_status(DIRECTORY_AUTHDATA_USED), 403);
	assert_int_equal(directory_authdata_status(DIRECTORY_AUTHDATA_FAILED), 503);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(the_first_use_binds_it_to_a_key),
		ON_BOTH(it_ends_after_five_minutes),
		ON_BOTH(an_unknown_token_or_another_subaccount_is_refused),
		ON_BOTH(too_many_open_ones_are_refused),
		ON_BOTH(what_a_former_owner_made_opens_nothing),
		ON_BOTH(who_is_locked_or_deleted_or_has_another_password_keeps_no_token),
		ON_BOTH(who_only_gets_another_name_keeps_it),
		cmocka_unit_test(each_outcome_has_its_status),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
