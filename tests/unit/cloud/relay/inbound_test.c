#include "cloud/relay/inbound.h"

#include "unit/cloud/relay/fake_runtime.h"

/* ---- a published keystore of the one tenant ---- */

static struct runtime_anchor anchors[] = {
	{.subject_sha256 = {1}, .der = {"one", 3}},
	{.subject_sha256 = {2}, .der = {"two", 3}},
	{.subject_sha256 = {2}, .der = {"zwei", 4}},
};

/* Nothing looks into it here. */
static struct tls_anchors *const prepared = (struct tls_anchors *)(uintptr_t)anchors;

static void publish(struct snapshot_cell *cell, int64_t generation, size_t n_anchors)
{
	fake_runtime(cell, (struct runtime_tenant){.generation = generation,
						   .anchors = anchors,
						   .n_anchors = n_anchors,
						   .prepared = prepared});
}

struct scene {
	struct fake fake;
	struct snapshot_cell runtime;
	struct inbound *in;
};

static void start(struct scene *s)
{
	fake_runtime_freed = 0;
	fake_start(&s->fake);
	snapshot_cell_init(&s->runtime);
	s->in = inbound_new(&s->fake.cell, &s->runtime, "relay.example");
}

static void stop(struct scene *s)
{
	inbound_free(s->in);
	snapshot_cell_fini(&s->runtime);
	fake_stop(&s->fake);
}

/* As the generation before it, which only says so in addition. */
static void require(struct scene *s, int64_t generation)
{
	fake_runtime(&s->runtime, (struct runtime_tenant){.generation = generation,
							  .anchors = anchors,
							  .requires_certificate = true});
}

static struct tls_trust hello(struct scene *s, const char *name)
{
	struct tls_trust t = {.asks = false};

	assert_true(inbound_hello(str_of(name), s->in, &t));
	return t;
}

static void let_go(struct tls_trust *t)
{
	if (t->release != NULL) {
		t->release(t->user);
	}
}

static bool collect(struct str der, void *to)
{
	buf_add_str(to, der);
	return true;
}

/* ---- names ---- */

TEST(a_tenant_is_known_by_its_label_in_any_case)
{
	static const char *const names[] = {"acme.relay.example", "ACME.Relay.EXAMPLE",
					    "acme.relay.example.", FAKE_SUBACCOUNT ".relay.example",
					    "0F9A7C1E-5B1D-4C3E-9B1A-000000000001.relay.example"};
	struct scene s;

	start(&s);
	publish(&s.runtime, 7, COUNT(anchors));
	for (size_t i = 0; i < COUNT(names); i++) {
		struct tls_trust t = hello(&s, names[i]);
		assert_string_equal(t.owner, FAKE_SUBACCOUNT);
		assert_true(t.asks);
		assert_false(t.requires);
		let_go(&t);
	}
	stop(&s);
}

TEST(other_names_are_nobody_and_nobody_is_asked)
{
	static const char *const names[] = {"",
					    "relay.example",
					    ".relay.example",
					    "localhost",
					    "acme.relay.example.evil",
					    "acmerelay.example",
					    "acme.other.example",
					    "."};
	struct scene s;

	start(&s);
	publish(&s.runtime, 7, COUNT(anchors));
	for (size_t i = 0; i < COUNT(names); i++) {
		struct tls_trust t = hello(&s, names[i]);
		assert_string_equal(t.owner, "");
		assert_false(t.asks || t.requires);
		assert_null(t.release);
	}
	stop(&s);
}

TEST(a_name_below_the_host_that_is_no_tenants_is_refused)
{
	static const char *const names[] = {"acmee.relay.example", "a.acme.relay.example",
					    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					     "aaaaaaaaaaaaaaaaa.relay.example")};
	struct scene s;
	struct tls_trust t = {.asks = false};

	start(&s);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_false(inbound_hello(str_of(names[i]), s.in, &t));
		assert_null(t.release);
	}
	stop(&s);
}

/* ---- trust ---- */

TEST(the_anchors_of_the_snapshot_of_that_moment_are_given)
{
	AUTO_BUF struct buf some = BUF(KIB(1));
	const uint8_t two[32] = {2}, three[32] = {3};
	struct scene s;

	start(&s);
	publish(&s.runtime, 7, COUNT(anchors));
	struct tls_trust t = hello(&s, "acme.relay.example");
	publish(&s.runtime, 8, 0); /* the handshake goes on with what it began with */
	assert_int_equal(fake_runtime_freed, 0);
	assert_ptr_equal(t.anchors, prepared);
	t.find(t.user, two, collect, &some);
	t.find(t.user, three, collect, &some);
	assert_str(buf_str(&some), "twozwei");
	let_go(&t);
	assert_int_equal(fake_runtime_freed, 1);
	stop(&s);
}

TEST(who_marks_nothing_asks_nothing_unless_it_requires)
{
	struct scene s;

	start(&s);
	struct tls_trust t = hello(&s, "acme.relay.example"); /* no keystore yet */
	assert_false(t.asks);
	assert_string_equal(t.owner, FAKE_SUBACCOUNT);
	let_go(&t);
	publish(&s.runtime, 1, 0);
	t = hello(&s, "acme.relay.example");
	assert_false(t.asks);
	let_go(&t);
	require(&s, 1);
	t = hello(&s, "acme.relay.example");
	assert_true(t.asks && t.requires);
	let_go(&t);
	stop(&s);
}

TEST(the_context_is_one_of_tenant_generation_and_rule)
{
	uint8_t seen[5][TLS_CONTEXT];
	struct scene s;

	start(&s);
	struct tls_trust t = hello(&s, "acme.relay.example");
	memcpy(seen[0], t.context, TLS_CONTEXT);
	for (int i = 1; i <= 2; i++) {
		publish(&s.runtime, i, 1);
		t = hello(&s, "acme.relay.example");
		memcpy(seen[i], t.context, TLS_CONTEXT);
		let_go(&t);
	}
	t = hello(&s, FAKE_SUBACCOUNT ".relay.example");
	assert_memory_equal(seen[2], t.context, TLS_CONTEXT);
	let_go(&t);
	require(&s, 2);
	t = hello(&s, "acme.relay.example");
	memcpy(seen[3], t.context, TLS_CONTEXT);
	let_go(&t);
	t = hello(&s, "");
	memcpy(seen[4], t.context, TLS_CONTEXT);
	for (size_t i = 0; i < COUNT(seen); i++) {
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(seen[i], seen[j], TLS_CONTEXT);
		}
	}
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_is_known_by_its_label_in_any_case),
		cmocka_unit_test(other_names_are_nobody_and_nobody_is_asked),
		cmocka_unit_test(a_name_below_the_host_that_is_no_tenants_is_refused),
		cmocka_unit_test(the_anchors_of_the_snapshot_of_that_moment_are_given),
		cmocka_unit_test(who_marks_nothing_asks_nothing_unless_it_requires),
		cmocka_unit_test(the_context_is_one_of_tenant_generation_and_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
