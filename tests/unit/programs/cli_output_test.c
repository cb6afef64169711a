#include "programs/cli.h"
#include "unit/unit.h"

static void assert_text(const char *json, const char *columns, const char *expected)
{
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	AUTO_BUF struct buf out = BUF(10000);
	assert_ok(json_parse(str_of(json), 10000, &j, &err), &err);
	cli_write_text(&out, j, columns);
	assert_str(buf_str(&out), expected);
}

TEST(a_list_is_a_table)
{
	assert_text("[{\"id\":\"a\",\"t\":{\"state\":\"Up\"},\"n\":1},"
		    "{\"id\":\"l\xc3\xa4nger\",\"t\":{},\"n\":null}]",
		    "id,t.state,n",
		    "ID      STATE  N\n"
		    "a       Up     1\n"
		    "l\xc3\xa4nger  -      -\n");
	assert_text("[]", "id", "ID\n");
}

TEST(an_object_is_lines_without_links)
{
	assert_text("{\"id\":\"a\",\"_links\":{\"self\":{\"href\":\"x\"}},\"on\":true,"
		    "\"cert\":{\"notAfterTimeStamp\":1795315570000,\"n\":5},"
		    "\"owners\":[{\"user\":\"ann\"},{\"user\":\"bob\"}],\"roles\":[\"a\",\"b\"],"
		    "\"none\":[]}",
		    NULL,
		    "id: a\non: true\ncert.notAfterTimeStamp: 2026-11-22T02:46:10Z\ncert.n: 5\n"
		    "owners: ann, bob\nroles: a, b\nnone: \n");
}

TEST(a_server_cannot_steer_the_terminal)
{
	assert_text("{\"a\":\"x\\u001b[2J\\n\\u009by\"}", NULL, "a: x.[2J..y\n");
	assert_text("{\"k\\u001b\":\"\"}", NULL, "k.: \n");
	assert_text("[{\"id\":\"\\r\\u007f\"}]", "id", "ID\n..\n");
}

TEST(a_pem_keeps_its_lines_and_nothing_else_does)
{
	assert_text("{\"rootPin\":\"ab\",\"rootPem\":\"-----BEGIN CERTIFICATE-----\\nAb+/9=\\n"
		    "-----END CERTIFICATE-----\\n\",\"host\":\"h\"}",
		    NULL,
		    "rootPin: ab\nrootPem:\n-----BEGIN CERTIFICATE-----\nAb+/9=\n"
		    "-----END CERTIFICATE-----\nhost: h\n");
	assert_text("{\"a\":\"-----BEGIN X-----\\n\\rok: true\"}", NULL,
		    "a: -----BEGIN X-----..ok: true\n");
}

TEST(objects_in_a_list_are_numbered_lines)
{
	assert_text(
		"{\"ok\":true,\"serverCertificates\":[{\"subject\":\"CN=a\",\"dns\":[\"a\",\"b\"],"
		"\"pem\":\"-----BEGIN CERTIFICATE-----\\nAb\"},{\"subject\":\"CN=ca\",\"of\":"
		"{\"n\":[{\"x\":1}]}}],\"asked\":null}",
		NULL,
		"ok: true\nserverCertificates.1.subject: CN=a\nserverCertificates.1.dns: a, b\n"
		"serverCertificates.2.subject: CN=ca\nserverCertificates.2.of.n.1.x: 1\nasked: \n");
}

TEST(what_is_empty_or_a_date_is_said)
{
	assert_text("{}", NULL, "none\n");
	assert_text("{\"_links\":{}}", NULL, "none\n");
	assert_text(
		"{\"creationDate\":\"1795315570000\",\"names\":[{\"type\":\"DNS\",\"value\":\"a\"},"
		"{\"type\":\"IP\",\"value\":\"::1\"}]}",
		NULL, "creationDate: 2026-11-22T02:46:10Z\nnames: DNS:a, IP:::1\n");
	assert_text("{\"creationDate\":\"long ago\"}", NULL, "creationDate: long ago\n");
}

TEST(json_is_printed_as_it_came)
{
	struct err err = {0};
	AUTO(json_free) struct json *j = NULL;
	AUTO_BUF struct buf out = BUF(1000);
	assert_ok(json_parse(STR("{ \"a\" : [1, true] }"), 1000, &j, &err), &err);
	cli_write_json(&out, j);
	assert_str(buf_str(&out), "{\"a\":[1,true]}\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_list_is_a_table),
	cmocka_unit_test(an_object_is_lines_without_links),
	cmocka_unit_test(a_server_cannot_steer_the_terminal),
	cmocka_unit_test(a_pem_keeps_its_lines_and_nothing_else_does),
	cmocka_unit_test(objects_in_a_list_are_numbered_lines),
	cmocka_unit_test(what_is_empty_or_a_date_is_said),
	cmocka_unit_test(json_is_printed_as_it_came),
};
UNIT_MAIN(tests)
