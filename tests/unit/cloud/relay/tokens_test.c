#include "cloud/relay/tokens.h"

#include "unit/cloud/relay/fake_directory.h"

struct set {
	struct fake fake;
	struct directory_snapshot *snap;
	struct tokens *tokens;
	struct buf token;
	const struct token_facts *facts;
	struct err err;
};

static void start(struct set *s)
{
	memset(s, 0, sizeof(*s));
	fake_start(&s->fake);
	s->snap = fake_snapshot(&s->fake);
	s->tokens = tokens_new();
	s->token = BUF(JOSE_TOKEN_MAX);
}

static void stop(struct set *s)
{
	buf_fini(&s->token);
	tokens_free(s->tokens);
	snapshot_unref(&s->snap->base);
	fake_stop(&s->fake);
}

static bool check(struct set *s, unsigned long long number, int64_t now)
{
	return tokens_check(s->tokens, buf_str(&s->token), s->snap, number, now, &s->facts,
			    &s->err);
}

TEST(a_good_token_is_verified_once_and_again_after_a_change)
{
	struct set s;

	start(&s);
	fake_token(&s.fake, FAKE_SUBACCOUNT, 60, &s.token);
	assert_ok(check(&s, 1, clock_unix()), &s.err);
	assert_string_equal(s.facts->subaccount, FAKE_SUBACCOUNT);
	assert_ok(check(&s, 1, clock_unix()), &s.err);
	assert_int_equal(tokens_verified(s.tokens), 1);
	assert_ok(check(&s, 2, clock_unix()), &s.err);
	assert_int_equal(tokens_verified(s.tokens), 2);
	assert_int_equal(tokens_known(s.tokens), 1);
	stop(&s);
}

TEST(a_token_ends_at_its_time_also_when_it_is_known)
{
	struct set s;

	start(&s);
	fake_token(&s.fake, FAKE_SUBACCOUNT, 60, &s.token);
	assert_ok(check(&s, 1, clock_unix()), &s.err);
	assert_err(check(&s, 1, clock_unix() + 61), &s.err, ERR_DENIED, "expired");
	assert_int_equal(tokens_known(s.tokens), 0);
	stop(&s);
}

TEST(a_foreign_a_broken_and_a_huge_token_are_refused)
{
	struct set s, other;

	start(&s);
	start(&other);
	fake_token(&other.fake, FAKE_SUBACCOUNT, 60, &s.token);
	assert_err(check(&s, 1, clock_unix()), &s.err, ERR_DENIED, "");
	buf_reset(&s.token);
	buf_add_str(&s.token, STR("not.a.token"));
	assert_err(check(&s, 1, clock_unix()), &s.err, ERR_DENIED, "");
	char *huge = must_alloc(JOSE_TOKEN_MAX + 1);
	assert_false(tokens_check(s.tokens, str_make(huge, JOSE_TOKEN_MAX + 1), s.snap, 1, 0,
				  &s.facts, &s.err));
	assert_int_equal(tokens_known(s.tokens), 0);
	free(huge);
	stop(&other);
	stop(&s);
}

TEST(what_the_directory_took_back_ends_a_token)
{
	struct set s;

	start(&s);
	fake_token(&s.fake, FAKE_SUBACCOUNT, 60, &s.token);
	assert_ok(check(&s, 1, clock_unix()), &s.err);
	s.snap->no_binding = true;
	assert_err(check(&s, 2, clock_unix()), &s.err, ERR_DENIED, FAKE_CLIENT);
	s.snap->no_binding = false;
	s.snap->subaccount.locked = true;
	assert_ok(check(&s, 3, clock_unix()), &s.err);
	assert_true(s.facts->locked);
	buf_reset(&s.token);
	fake_token(&s.fake, "another", 60, &s.token);
	assert_err(check(&s, 3, clock_unix()), &s.err, ERR_DENIED, "another");
	stop(&s);
}

TEST(a_client_speaks_for_its_own_subaccount_only)
{
	struct set s;

	start(&s);
	fake_token(&s.fake, FAKE_SUBACCOUNT, 60, &s.token);
	s.snap->binding_of = "0d3f6f0e-0000-4000-8000-000000000009";
	assert_err(check(&s, 1, clock_unix()), &s.err, ERR_DENIED, "is not one of subaccount");
	stop(&s);
}

TEST(many_tokens_do_not_grow_the_table)
{
	struct set s;

	start(&s);
	/* The signature of ES256 is random, so each is another token. */
	for (int i = 0; i < 40; i++) {
		buf_reset(&s.token);
		fake_token(&s.fake, FAKE_SUBACCOUNT, 60, &s.token);
		assert_ok(check(&s, 1, clock_unix()), &s.err);
		assert_ok(check(&s, 1, clock_unix()), &s.err);
	}
	assert_int_equal(tokens_verified(s.tokens), 40);
	assert_true(tokens_known(s.tokens) <= 40);
	stop(&s);
}

TEST(a_token_is_found_in_both_schemes)
{
	AUTO_BUF struct buf room = BUF(JOSE_TOKEN_MAX);
	struct str token;

	assert_true(tokens_from_field(STR("Bearer abc"), &room, &token));
	assert_str(token, "abc");
	assert_true(tokens_from_field(STR("bearer  abc"), &room, &token));
	assert_str(token, "abc");
	assert_true(tokens_from_field(STR("Basic YWJjOg=="), &room, &token)); /* abc: */
	assert_str(token, "abc");
	assert_false(tokens_from_field(STR("Basic YWJjOmQ="), &room, &token)); /* abc:d */
	assert_false(tokens_from_field(STR("Basic YWJj"), &room, &token));     /* abc */
	assert_false(tokens_from_field(STR("Basic !"), &room, &token));
	assert_false(tokens_from_field(STR("Digest abc"), &room, &token));
	assert_false(tokens_from_field(STR("Bearer "), &room, &token));
	assert_false(tokens_from_field(STR(""), &room, &token));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_good_token_is_verified_once_and_again_after_a_change),
	cmocka_unit_test(a_token_ends_at_its_time_also_when_it_is_known),
	cmocka_unit_test(a_foreign_a_broken_and_a_huge_token_are_refused),
	cmocka_unit_test(what_the_directory_took_back_ends_a_token),
	cmocka_unit_test(a_client_speaks_for_its_own_subaccount_only),
	cmocka_unit_test(many_tokens_do_not_grow_the_table),
	cmocka_unit_test(a_token_is_found_in_both_schemes),
};
UNIT_MAIN(tests)
