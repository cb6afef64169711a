#include "base/clock.h"
#include "unit/cloud/keystore/odata_fixture.h"

static struct keystore_entry sample(void)
{
	return (struct keystore_entry){.version = 3,
				       .alias = "my alias",
				       .owner = KEYS_OWNER_TENANT,
				       .kind = KEYS_ENTRY_KEY_PAIR,
				       .created_by = "user:alice",
				       .modified_by = "client:sb-x",
				       .created = 1000,
				       .modified = 2000,
				       .key_type = "EC",
				       .curve = "secp256r1",
				       .key_size = 256,
				       .x509_version = 3,
				       .not_after = 1492098664000,
				       .subject = STR("CN=\"x\"")};
}

static struct json *written(const char *query, const struct odata_row *row)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/t/plant/api/v1/KeystoreEntries", query, "");
	AUTO_ODATA struct odata_writer o = {0};
	struct json *json = NULL;
	struct err err;

	assert_true(odata_writer_start(call, ODATA_ENTRIES, &o));
	odata_write(&o, row);
	assert_ok(json_parse(said(&f), 100000, &json, &err), &err);
	fixture_end(&f.base);
	return json;
}

static void assert_text(const struct json *j, const char *key, const char *wanted)
{
	struct str text = STR_NONE;

	assert_true(json_get_str(j, key, &text));
	assert_str(text, wanted);
}

TEST(an_entry_is_written_as_the_original_does)
{
	struct keystore_entry e = sample();
	AUTO(json_free) struct json *j = written("", &(struct odata_row){.entry = &e});
	int64_t size = 0;

	assert_text(j, "Hexalias", "6D7920616C696173");
	assert_text(j, "Type", "Key Pair");
	assert_text(j, "Owner", "Tenant Administrator");
	assert_text(j, "ValidNotAfter", "/Date(1492098664000)/");
	assert_text(j, "CreatedBy", "alice");
	assert_text(j, "LastModifiedBy", "client:sb-x");
	assert_text(j, "Status", "unchanged");
	assert_true(json_is_null(json_get(j, "Validity")));
	assert_true(json_get_int(j, "KeySize", &size) && size == 256);
	assert_text(json_get(j, "__metadata"), "uri",
		    "https://cloud.example:9443/t/plant/api/v1/"
		    "KeystoreEntries('6D7920616C696173')");
	assert_text(json_get(json_get(j, "Sshkey"), "__deferred"), "uri",
		    "https://cloud.example:9443/t/plant/api/v1/"
		    "KeystoreEntries('6D7920616C696173')/Sshkey");
}

TEST(who_provides_is_masked)
{
	struct keystore_entry e = sample();
	e.owner = KEYS_OWNER_PROVIDER;
	AUTO(json_free) struct json *j = written("", &(struct odata_row){.entry = &e});

	assert_text(j, "Owner", "SAP");
	assert_text(j, "CreatedBy", "SAP");
	assert_text(j, "LastModifiedBy", "SAP");
}

TEST(another_store_is_named_in_uris)
{
	struct keystore_entry e = sample();
	AUTO(json_free)
	struct json *j =
		written("keystoreName=backup_admin_system", &(struct odata_row){.entry = &e});

	assert_text(json_get(json_get(j, "Certificate"), "__deferred"), "uri",
		    "https://cloud.example:9443/t/plant/api/v1/"
		    "KeystoreEntries('6D7920616C696173')/Certificate"
		    "?keystoreName=backup_admin_system");
}

TEST(select_leaves_the_rest_out)
{
	struct keystore_entry e = sample();
	AUTO(json_free)
	struct json *j = written("%24select=Alias,%20KeySize", &(struct odata_row){.entry = &e});

	assert_non_null(json_get(j, "Alias"));
	assert_non_null(json_get(j, "KeySize"));
	assert_null(json_get(j, "Type"));
	assert_null(json_get(j, "Sshkey"));
	struct odata_fixture f;
	struct odata_writer o;
	struct http_call *call = odata_start(&f, "/api/v1/x", "$select=Nonsense", "");
	assert_false(odata_writer_start(call, ODATA_ENTRIES, &o));
	assert_int_equal(call->status, 400);
	odata_writer_fini(&o);
	fixture_end(&f.base);
}

TEST(a_report_tells_each_entry_its_status)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/KeystoreResources", "", "");
	AUTO_ODATA struct odata_writer o = {0};
	AUTO(json_free) struct json *json = NULL;
	struct keystore_entry e = sample();
	struct keystore_report_row rows[] = {
		{.did = KEYSTORE_NEW, .entry = &e},
		{.did = KEYSTORE_NOT_IMPORTED, .alias = "sap_x", .reason = "reserved"}};
	struct err err;

	assert_true(odata_writer_start(call, ODATA_ENTRIES, &o));
	odata_write_report(&o, &(struct keystore_report){.n = 2, .rows = rows});
	assert_ok(json_parse(said(&f), 100000, &json, &err), &err);
	const struct json *list = json_get(json_get(json, "d"), "results");
	assert_text(json_at(list, 0), "Status", "new");
	assert_text(json_at(list, 1), "Status", "notImported: reserved");
	assert_text(json_at(list, 1), "Hexalias", "7361705F78");
	fixture_end(&f.base);
}

static msec_t cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (msec_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 10,000 entries must be written in 50 ms (a sanitized build gets more time). Of the processor's
 * time: others may have the machine meanwhile. */
TEST(ten_thousand_entries_are_written_quickly)
{
	struct odata_fixture f;
	struct http_call *call = odata_start(&f, "/api/v1/KeystoreEntries", "", "");
	AUTO_ODATA struct odata_writer o = {0};
	struct keystore_entry e = sample();

	call->out = BUF(64 * 1024 * 1024);
	assert_true(odata_writer_start(call, ODATA_ENTRIES, &o));
	msec_t start = cpu_ms();
	for (int i = 0; i < 10000; i++) {
		odata_write(&o, &(struct odata_row){.entry = &e});
	}
	msec_t took = cpu_ms() - start;
	print_message("10,000 entries: %lld ms, %zu bytes\n", (long long)took, call->out.len);
	assert_false(buf_failed(&call->out));
	assert_true(took < SEC(10));
	fixture_end(&f.base);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_entry_is_written_as_the_original_does),
	cmocka_unit_test(who_provides_is_masked),
	cmocka_unit_test(another_store_is_named_in_uris),
	cmocka_unit_test(select_leaves_the_rest_out),
	cmocka_unit_test(a_report_tells_each_entry_its_status),
	cmocka_unit_test(ten_thousand_entries_are_written_quickly),
};
UNIT_MAIN(tests)
