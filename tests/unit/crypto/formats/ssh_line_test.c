#include "crypto/formats/ssh_line.h"

#include "crypto/tenant_key.h"
#include "unit/crypto/oracle.h"

static void ssh_keygen_reads_every_kind(UNUSED void **state)
{
	static const struct {
		const char *type, *curve;
		unsigned bits;
		const char *line, *shown;
	} rows[] = {
		{"RSA", NULL, 2048, "ssh-rsa AAAA", "2048 SHA256:"},
		{"RSA", NULL, 1024, "ssh-rsa AAAA", "1024 SHA256:"},
		{"DSA", NULL, 1024, "ssh-dss AAAA", "1024 SHA256:"},
		{"EC", "P-256", 0, "ecdsa-sha2-nistp256 AAAA", "256 SHA256:"},
		{"EC", "P-384", 0, "ecdsa-sha2-nistp384 AAAA", "384 SHA256:"},
		{"EC", "P-521", 0, "ecdsa-sha2-nistp521 AAAA", "521 SHA256:"},
		{"Ed25519", NULL, 0, "ssh-ed25519 AAAA", "256 SHA256:"},
	};
	struct oracle o = oracle_open("ssh-keygen");

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(local_key_free) struct local_key *k = NULL;
		AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
		AUTO_BUF struct buf line = BUF(SSH_LINE_MAX);
		char fingerprint[SSH_FINGERPRINT_MAX];
		struct err err = {0};
		assert_true(local_key_generate_named(rows[i].type, rows[i].bits, rows[i].curve, &k,
						     &err));
		assert_true(local_key_spki(k, &spki, &err));
		assert_true(ssh_line_write(buf_str(&spki), STR("public key for alias x y"), &line,
					   &err));
		assert_true(str_starts(buf_str(&line), str_of(rows[i].line)));
		assert_true(ssh_line_fingerprint(buf_str(&spki), fingerprint, &err));
		oracle_file(&o, "key.pub", buf_str(&line));
		oracle_says(&o, "ssh-keygen -lf key.pub", rows[i].shown);
		oracle_says(&o, "ssh-keygen -lf key.pub", fingerprint);
		oracle_says(&o, "ssh-keygen -lf key.pub", "public key for alias x y");
	}
	oracle_close(&o);
}

static void a_comment_stays_on_its_line(UNUSED void **state)
{
	struct testcert c = {0};
	AUTO_BUF struct buf line = BUF(SSH_LINE_MAX);
	struct err err = {0};

	testcert_key(&c, KEY_KIND_P256);
	assert_true(ssh_line_write(buf_str(&c.spki), STR("a\nssh-rsa evil"), &line, &err));
	assert_int_equal(str_find(buf_str(&line), '\n'), line.len);
	assert_true(str_ends(buf_str(&line), STR(" a?ssh-rsa evil")));
	testcert_free(&c);
}

static void other_curves_have_no_line(UNUSED void **state)
{
	static const char *const curves[] = {"secp256k1", "sect571r1", "P-224"};

	for (size_t i = 0; i < COUNT(curves); i++) {
		AUTO(local_key_free) struct local_key *k = NULL;
		AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
		AUTO_BUF struct buf line = BUF(SSH_LINE_MAX);
		struct err err = {0};
		assert_true(local_key_generate_named("EC", 0, curves[i], &k, &err));
		assert_true(local_key_spki(k, &spki, &err));
		assert_false(ssh_line_write(buf_str(&spki), STR("x"), &line, &err));
		assert_int_equal(err.kind, ERR_CONFIG);
		assert_int_equal(line.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ssh_keygen_reads_every_kind),
		cmocka_unit_test(a_comment_stays_on_its_line),
		cmocka_unit_test(other_curves_have_no_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
