#include "connector/enrol.h"

#include <stdio.h>
#include <string.h>

#include "unit/connector/fake_est.h"
#include "unit/connector/fake_keys.h"

#define INSTANCE "11112222-3333-4444-5555-666677778888"

struct stage {
	struct fake_est est;
	struct fake_keys keys;
	struct key_source source;
	struct buf sealed, spki;
	struct key *csr_key;
	struct enrol_result result;
	struct err err;
	struct enrol_peer peer;
};

static void begin(struct stage *s)
{
	*s = (struct stage){
		.sealed = BUF_SECRET(KIB(8)), .spki = BUF(KIB(2)), .result = ENROL_RESULT};
	fake_est_start(&s->est);
	s->source = fake_key_source(&s->keys);
	assert_ok(s->source.generate(s->source.user, &s->sealed, &s->spki, &s->err), &s->err);
	assert_ok(s->source.open(s->source.user, buf_str(&s->sealed), buf_str(&s->spki),
				 KEYS_FOR_CSR, &s->csr_key, &s->err),
		  &s->err);
	s->peer = (struct enrol_peer){.region_host = s->est.region_host,
				      .subaccount = FAKE_SUBACCOUNT,
				      .instance = INSTANCE,
				      .anchors_pem = buf_str(&s->est.root.pem)};
}

static void end(struct stage *s)
{
	key_free(s->csr_key);
	fake_keys_free(&s->keys);
	enrol_result_fini(&s->result);
	buf_fini(&s->sealed);
	buf_fini(&s->spki);
	fake_est_stop(&s->est);
}

static enum enrol_outcome enrol(struct stage *s, const char *user, const char *password)
{
	struct enrol_proof proof = {.user = user, .password = password};
	enum enrol_outcome outcome = enrol_cacerts(&s->peer, &s->result, &s->err);

	if (outcome != ENROL_DONE) {
		return outcome;
	}
	return enrol_certificate(&s->peer, &proof, s->csr_key, &s->result, &s->err);
}

static bool says(const struct stage *s, const char *part)
{
	return str_contains(str_of(s->err.text), str_of(part));
}

TEST(an_owner_gets_a_certificate_for_the_key_that_was_sent)
{
	struct stage s;
	struct cert_facts facts;
	uint8_t ours[32];

	begin(&s);
	int64_t began = clock_unix();
	if (enrol(&s, "ann", "right") != ENROL_DONE) {
		fail_msg("%s", s.err.text);
	}
	int64_t took = clock_unix() - began; /* on one clock the skew is a part of it */
	digest_sha256(buf_str(&s.spki), ours);
	assert_ok(cert_read_pem(buf_str(&s.result.chain), &facts, &s.err), &s.err);
	assert_memory_equal(facts.spki_sha256, ours, 32);
	assert_ok(cert_verify_chain(buf_str(&s.result.chain), buf_str(&s.est.root.pem), 0, &s.err),
		  &s.err);
	assert_string_equal(s.est.instance, INSTANCE);
	assert_string_equal(s.est.csr.common_name, INSTANCE);
	assert_in_range(s.result.skew_s + 1, 0, took + 1);
	end(&s);
}

TEST(nothing_secret_leaves_before_the_server_is_verified)
{
	struct stage s;
	char expected[65];

	begin(&s);
	s.peer.anchors_pem = buf_str(&s.est.foreign.pem);
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_UNTRUSTED);
	assert_int_equal(atomic_load(&s.est.asked), 0);
	assert_int_equal(atomic_load(&s.est.secrets), 0);
	for (size_t i = 0; i < 32; i++) {
		snprintf(expected + 2 * i, 3, "%02x", s.est.root_pin[i]);
	}
	assert_string_equal(s.result.root_sha256, expected);
	assert_true(says(&s, expected));
	end(&s);
}

TEST(a_confirmed_pin_is_enough_and_makes_the_root_an_anchor)
{
	struct stage s;

	begin(&s);
	s.peer.anchors_pem = STR_NONE;
	s.peer.root_pin = s.est.root_pin;
	if (enrol(&s, "ann", "right") != ENROL_DONE) {
		fail_msg("%s", s.err.text);
	}
	assert_str(buf_str(&s.result.anchors), s.est.root.pem.at);
	end(&s);
}

TEST(a_server_that_looks_expired_asks_for_the_clock_and_not_for_its_root)
{
	struct stage s;
	struct testcert old = {0};
	AUTO_BUF struct buf chain = BUF(CERT_DER_MAX * 4);

	begin(&s);
	testcert_key(&old, KEY_KIND_P256);
	testcert_issue(&old, &s.est.issuing,
		       (struct issue_facts){.profile = ISSUE_SERVER,
					    .subject = "CN=server",
					    .sans = {"localhost", "127.0.0.1"},
					    .n_sans = 2,
					    .not_before = clock_unix() - 7200,
					    .not_after = clock_unix() - 3600});
	buf_add_str(&chain, buf_str(&old.pem));
	buf_add_str(&chain, buf_str(&s.est.ca_pem));
	struct tls_settings tls = {.server = true,
				   .chain_pem = buf_str(&chain),
				   .key = old.key,
				   .anchors_pem = buf_str(&s.est.root.pem)};
	tls_config_unref(s.est.tls);
	assert_ok(tls_config_new(&tls, &s.est.tls, &s.err), &s.err);
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_FAILED);
	assert_true(says(&s, "has expired"));
	assert_true(says(&s, "machine's clock"));
	assert_int_equal(s.est.secrets, 0);
	end(&s);
	testcert_free(&old);
}

TEST(a_wrong_pin_is_refused)
{
	struct stage s;
	uint8_t pin[32] = {1};

	begin(&s);
	s.peer.root_pin = pin;
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_UNTRUSTED);
	assert_int_equal(atomic_load(&s.est.secrets), 0);
	end(&s);
}

TEST(a_pinned_server_cannot_hand_out_other_roots)
{
	struct stage s;

	begin(&s);
	s.peer.anchors_pem = STR_NONE;
	s.peer.root_pin = s.est.root_pin;
	s.est.names_foreign = true;
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_FAILED);
	assert_int_equal(s.err.kind, ERR_PROTOCOL);
	assert_int_equal(atomic_load(&s.est.secrets), 0);
	end(&s);
}

TEST(a_wrong_password_and_a_stranger_are_told_apart)
{
	struct stage s;

	begin(&s);
	assert_int_equal(enrol(&s, "ann", "wrong"), ENROL_WRONG);
	assert_true(says(&s, "wrong user or password"));
	assert_false(says(&s, "owners"));
	assert_int_equal(enrol(&s, "bob", "right"), ENROL_REFUSED);
	assert_true(says(&s, "the owners are: ann"));
	assert_true(says(&s, "Core Account"));
	end(&s);
}

TEST(a_token_enrols_and_the_current_certificate_renews)
{
	struct stage s;
	struct enrol_proof token = {.token = "one-time"};

	begin(&s);
	assert_int_equal(enrol_cacerts(&s.peer, &s.result, &s.err), ENROL_DONE);
	assert_int_equal(enrol_certificate(&s.peer, &token, s.csr_key, &s.result, &s.err),
			 ENROL_DONE);
	AUTO_BUF struct buf chain = BUF(ENROL_PEM_MAX);
	buf_add_str(&chain, buf_str(&s.result.chain));
	struct enrol_proof current = {.chain_pem = buf_str(&chain), .key = s.csr_key};
	assert_int_equal(enrol_certificate(&s.peer, &current, s.csr_key, &s.result, &s.err),
			 ENROL_DONE);
	assert_int_equal(atomic_load(&s.est.reenrolled), 1);
	assert_int_equal(atomic_load(&s.est.secrets), 1);
	end(&s);
}

TEST(a_certificate_for_another_key_is_refused)
{
	struct stage s;

	begin(&s);
	s.est.lies = true;
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_FAILED);
	assert_int_equal(s.err.kind, ERR_PROTOCOL);
	assert_int_equal(s.result.chain.len, 0);
	end(&s);
}

TEST(an_unreachable_region_names_host_and_proxy)
{
	struct stage s;

	begin(&s);
	s.peer.proxy = "http://127.0.0.1:1";
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_FAILED);
	assert_int_equal(s.err.kind, ERR_NETWORK);
	assert_true(says(&s, s.est.region_host));
	assert_true(says(&s, "proxy"));
	end(&s);
}

TEST(a_host_that_speaks_no_est_is_told)
{
	struct stage s;

	begin(&s);
	s.peer.subaccount = "11111111-0f3a-4e37-9d3c-3d6b7c1c0a11";
	assert_int_equal(enrol(&s, "ann", "right"), ENROL_REFUSED);
	assert_int_equal(atomic_load(&s.est.secrets), 0);
	end(&s);
}

TEST(authentication_data_is_read_and_damage_is_named)
{
	struct fake_est e = {.region_host = "cf.eu1.example"};
	AUTO_BUF struct buf text = BUF(KIB(4));
	AUTO_BUF struct buf folded = BUF(KIB(4));
	AUTO_BUF struct buf other = BUF(KIB(4));
	struct enrol_authdata data;
	struct err err = {0};
	uint8_t pin[32] = {0xab};

	fake_est_authdata(&e, pin, 1234, &text);
	for (size_t i = 0; i < text.len; i++) {
		buf_addf(&folded, "%c%s", text.at[i], i % 60 == 59 ? "\r\n" : "");
	}
	assert_ok(enrol_read_authdata(buf_str(&folded), &data, &err), &err);
	assert_string_equal(data.region_host, "cf.eu1.example");
	assert_string_equal(data.subaccount, FAKE_SUBACCOUNT);
	assert_string_equal(data.display_name, "Plant");
	assert_string_equal(data.token, "one-time");
	assert_int_equal(data.expires_ms, 1234);
	assert_memory_equal(data.root_pin, pin, 32);

	assert_err(enrol_read_authdata(str_first(buf_str(&text), text.len / 2), &data, &err), &err,
		   ERR_CONFIG, "copy all of it");
	buf_add_base64url(&other, "{\"version\":2}", 13);
	assert_err(enrol_read_authdata(buf_str(&other), &data, &err), &err, ERR_CONFIG,
		   "version 2");
	buf_reset(&other);
	buf_add_base64url(&other, "{\"version\":1}", 13);
	assert_err(enrol_read_authdata(buf_str(&other), &data, &err), &err, ERR_CONFIG,
		   "regionHost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_gets_a_certificate_for_the_key_that_was_sent),
		cmocka_unit_test(nothing_secret_leaves_before_the_server_is_verified),
		cmocka_unit_test(a_confirmed_pin_is_enough_and_makes_the_root_an_anchor),
		cmocka_unit_test(
			a_server_that_looks_expired_asks_for_the_clock_and_not_for_its_root),
		cmocka_unit_test(a_wrong_pin_is_refused),
		cmocka_unit_test(a_pinned_server_cannot_hand_out_other_roots),
		cmocka_unit_test(a_wrong_password_and_a_stranger_are_told_apart),
		cmocka_unit_test(a_token_enrols_and_the_current_certificate_renews),
		cmocka_unit_test(a_certificate_for_another_key_is_refused),
		cmocka_unit_test(an_unreachable_region_names_host_and_proxy),
		cmocka_unit_test(a_host_that_speaks_no_est_is_told),
		cmocka_unit_test(authentication_data_is_read_and_damage_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
