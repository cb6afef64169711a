#include "programs/cli.h"
#include "unit/unit.h"

static const struct cli_command command = {
	.words = "test this",
	.method = "POST",
	.path = "/sub/{SUB}/x/{PATH}/{NAME}",
	.body = "\"fixed\":1",
	.rows = {{"SUB", NULL, CLI_SUBACCOUNT, true, ""},
		 {"PATH", NULL, CLI_RESOURCE, true, ""},
		 {"NAME", "name", CLI_TEXT, true, ""},
		 {"to", "local", CLI_HOST_PORT, false, ""},
		 {"count", "count", CLI_NUMBER, false, ""},
		 {"list", "list", CLI_LIST, false, ""},
		 {"must", "must", CLI_BOOL, true, ""},
		 {"may", "may", CLI_BOOL, false, ""}},
};

static char text_a[] = "0f9a@r:9444", text_b[] = "/a-b+c/\xc3\xa4", text_c[] = "n/?#%";

TEST(values_reach_their_places_in_the_path)
{
	struct err err = {0};
	AUTO_BUF struct buf path = BUF(1000);
	char *values[CLI_ROWS_MAX] = {text_a, text_b, text_c};
	assert_ok(cli_write_path(&command, values, NULL, &path, &err), &err);
	assert_str(buf_str(&path), "/sub/r:9444/0f9a/x/-a+2Db+2Bc-%C3%A4/n%2F%3F%23%25");
}

TEST(a_region_that_was_looked_up_is_used_and_none_is_an_error)
{
	struct err err = {0};
	char id[] = "0f9a";
	AUTO_BUF struct buf path = BUF(1000);
	char *values[CLI_ROWS_MAX] = {id, text_b, text_c};
	assert_ok(cli_write_path(&command, values, "found", &path, &err), &err);
	assert_true(str_starts(buf_str(&path), STR("/sub/found/0f9a/x/")));
	assert_err(cli_write_path(&command, values, NULL, &path, &err), &err, ERR_CONFIG, "0f9a");
	values[2] = NULL;
	assert_err(cli_write_path(&command, values, "found", &path, &err), &err, ERR_CONFIG,
		   "NAME");
	char empty[] = "";
	values[2] = empty; /* DELETE on "…/" would mean all of them */
	assert_err(cli_write_path(&command, values, "found", &path, &err), &err, ERR_CONFIG,
		   "NAME");
}

static struct str body_of(char **values, struct buf *out, struct err *err)
{
	buf_reset(out);
	return cli_write_body(&command, values, out, err) ? buf_str(out) : STR("failed");
}

TEST(values_become_members_of_their_types)
{
	struct err err = {0};
	AUTO_BUF struct buf out = BUF(1000);
	char to[] = "[::1]:80", count[] = "7", list[] = "a, b", on[] = "on", quote[] = "\"";
	char *values[CLI_ROWS_MAX] = {NULL, NULL, quote, to, count, list, NULL, on};
	assert_str(body_of(values, &out, &err),
		   "{\"fixed\":1,\"name\":\"\\\"\",\"localHost\":\"::1\",\"localPort\":\"80\","
		   "\"count\":7,"
		   "\"list\":[\"a\",\"b\"],\"may\":true}");
	values[7] = count;
	assert_str(body_of(values, &out, &err), "failed");
	values[7] = NULL;
	values[3] = count;
	assert_str(body_of(values, &out, &err), "failed");
	assert_non_null(strstr(err.text, "host:port"));
}

TEST(what_is_not_given_has_its_usual_value)
{
	static const struct cli_command put = {
		.words = "put",
		.rows = {{"to", "", CLI_HOST_PORT, false, ""},
			 {"mode", "mode", CLI_TEXT, false, "", "NONE"},
			 {"on", "on", CLI_BOOL, false, "", "on"}}};
	struct err err = {0};
	AUTO_BUF struct buf out = BUF(1000);
	char to[] = "squid:3128", mode[] = "X", off[] = "off";
	char *values[CLI_ROWS_MAX] = {to};
	assert_ok(cli_write_body(&put, values, &out, &err), &err);
	assert_str(buf_str(&out),
		   "{\"host\":\"squid\",\"port\":\"3128\",\"mode\":\"NONE\",\"on\":true}");
	buf_reset(&out);
	values[1] = mode;
	values[2] = off;
	assert_ok(cli_write_body(&put, values, &out, &err), &err);
	assert_true(str_ends(buf_str(&out), STR("\"mode\":\"X\",\"on\":false}")));
}

TEST(a_command_without_members_sends_nothing)
{
	static const struct cli_command get = {.words = "get",
					       .rows = {{"X", NULL, CLI_TEXT, true, ""}}};
	struct err err = {0};
	AUTO_BUF struct buf out = BUF(1000);
	char *values[CLI_ROWS_MAX] = {text_c};
	assert_ok(cli_write_body(&get, values, &out, &err), &err);
	assert_int_equal(out.len, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(values_reach_their_places_in_the_path),
	cmocka_unit_test(a_region_that_was_looked_up_is_used_and_none_is_an_error),
	cmocka_unit_test(values_become_members_of_their_types),
	cmocka_unit_test(what_is_not_given_has_its_usual_value),
	cmocka_unit_test(a_command_without_members_sends_nothing),
};
UNIT_MAIN(tests)
