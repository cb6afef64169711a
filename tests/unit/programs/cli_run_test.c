#include <pthread.h>
#include <unistd.h>

#include "http/server.h"
#include "programs/cli.h"
#include "unit/unit.h"

/* The whole command line against a server of ours on loopback that plays both programs. */
static struct {
	struct loop *loop;
	struct jobs *jobs;
	struct http_server *server;
	pthread_t thread;
	char url[64];
	char out[32768];
} stage;

static char last_body[4096];
static char last_path[512];
static char password[64];

static bool authorize(struct http_call *call)
{
	struct str user = STR_NONE, given = STR_NONE;
	if (!http_basic(call, &user, &given) || !str_eq(given, str_of(password)) ||
	    !str_eq(user, STR("Administrator"))) {
		http_problem(call, 401, "the user or the password is wrong");
		return false;
	}
	assert_false(call->head->keep_alive);
	assert_true(str_copy(call->body, last_body, sizeof last_body));
	assert_true(str_copy(call->path, last_path, sizeof last_path));
	return true;
}

static void done(struct http_call *call)
{
	call->status = 204;
}

static void answer(struct http_call *call, const char *json)
{
	http_answer_text(call, 200, "application/json", str_of(json));
}

static void list_subaccounts(struct http_call *call)
{
	answer(call, "[{\"regionHost\":\"eu1:9444\",\"subaccount\":\"one\",\"locationID\":\"\"},"
		     "{\"regionHost\":\"eu1:9444\",\"subaccount\":\"two\",\"locationID\":\"L\"},"
		     "{\"regionHost\":\"eu2:9444\",\"subaccount\":\"two\",\"locationID\":\"\"}]");
}

static void show_subaccount(struct http_call *call)
{
	buf_addf(&call->out,
		 "{\"regionHost\":\"%.*s\",\"subaccount\":\"%.*s\",\"tunnel\":{\"state\":"
		 "\"Connected\"}}",
		 STR_ARGS(http_param(call, "rh")), STR_ARGS(http_param(call, "sa")));
	http_answer_json(call, 200);
}

static void set_password(struct http_call *call)
{
	const struct json *json = NULL;
	struct str old = STR_NONE, new = STR_NONE;
	if (http_json(call, &json) && json_get_str(json, "oldPassword", &old) &&
	    json_get_str(json, "newPassword", &new) && str_eq(old, str_of(password))) {
		assert_true(str_copy(new, password, sizeof password));
		call->status = 204;
		return;
	}
	http_problem(call, 400, "wrong password");
}

static void page_users(struct http_call *call)
{
	struct str after = http_query(call, "after");
	if (after.at == NULL) {
		answer(call,
		       "{\"items\":[{\"name\":\"ann\",\"roles\":[\"display\"]}],\"next\":\"a/b\"}");
	} else {
		assert_str(after, "a/b");
		answer(call, "{\"items\":[{\"name\":\"bob\",\"locked\":true}],\"next\":null}");
	}
}

/* Pages of two, without end. */
static void page_changes(struct http_call *call)
{
	answer(call,
	       "{\"items\":[{\"n\":2,\"what\":\"b\"},{\"n\":1,\"what\":\"a\"}],\"next\":\"1\"}");
}

static void show_version(struct http_call *call)
{
	answer(call, "{\"version\":\"1.2\"}");
}

static void show_role(struct http_call *call)
{
	answer(call, "{\"ha\":\"master\",\"description\":\"\"}");
}

static void page_certificates(struct http_call *call)
{
	if (http_query(call, "after").at == NULL) {
		answer(call,
		       "{\"items\":[{\"source\":\"ui\",\"label\":\"old\",\"state\":\"expired\","
		       "\"remainingSeconds\":-7300}],\"next\":\"1:ui/ui\"}");
	} else {
		assert_str(http_query(call, "after"), "1:ui/ui");
		answer(call, "{\"items\":[{\"source\":\"ca\",\"label\":\"new\",\"state\":\"valid\","
			     "\"remainingSeconds\":2600000}],\"next\":null}");
	}
}

static void diagnose(struct http_call *call)
{
	bool broken = str_eq(http_param(call, "rh"), STR("eu2:9444"));

	buf_addf(&call->out,
		 "{\"regionHost\":\"%.*s\",\"subaccount\":\"%.*s\",\"healthy\":%s,"
		 "\"brokenLink\":%s,\"steps\":[{\"link\":\"dns\",\"result\":\"ok\",\"found\":"
		 "\"known\",\"nextStep\":\"\",\"milliseconds\":3},{\"link\":\"tcp\",\"result\":"
		 "\"%s\",\"found\":\"refused\",\"nextStep\":\"start it\",\"milliseconds\":4},"
		 "{\"link\":\"tls\",\"result\":\"not-reached\",\"found\":\"\",\"nextStep\":\"\","
		 "\"milliseconds\":0}]}",
		 STR_ARGS(http_param(call, "rh")), STR_ARGS(http_param(call, "sa")),
		 broken ? "false" : "true", broken ? "\"tcp\"" : "null",
		 broken ? "broken" : "not-reached");
	http_answer_json(call, 200);
}

/* What GET tells behind the first look, which sees the run on its way. */
static const char *reseal_end;
static bool reseal_seen;

#define RESEAL_BEGAN "\"started\":\"2026-01-02T03:04:05.678Z\""

static void reseal(struct http_call *call)
{
	reseal_seen = str_eq(http_query(call, "dataKeys"), STR("new"));
	answer(call, "{\"running\":true,\"progress\":{" RESEAL_BEGAN "}}");
	call->status = 202;
}

static void show_reseal(struct http_call *call)
{
	if (reseal_seen) {
		answer(call, reseal_end);
		return;
	}
	reseal_seen = true;
	answer(call, "{\"running\":true,\"progress\":{" RESEAL_BEGAN
		     ",\"itemsDone\":1,\"itemsAll\":2},\"last\":null}");
}

#define V1   "/api/v1/configuration"
#define MINE "/api/drawbridge/v1"
static const struct http_route routes[] = {
	{.method = "GET", .pattern = V1 "/subaccounts", .handler = list_subaccounts},
	{.method = "POST", .pattern = V1 "/subaccounts", .handler = done},
	{.method = "GET", .pattern = V1 "/subaccounts/{rh}/{sa}", .handler = show_subaccount},
	{.method = "PUT", .pattern = V1 "/subaccounts/{rh}/{sa}/state", .handler = done},
	{.method = "POST", .pattern = V1 "/subaccounts/{rh}/{sa}/systemMappings", .handler = done},
	{.method = "DELETE",
	 .pattern = V1 "/subaccounts/{rh}/{sa}/systemMappings/{v}/resources/{id}",
	 .handler = done},
	{.method = "PUT", .pattern = V1 "/connector/authentication/basic", .handler = set_password},
	{.method = "POST", .pattern = V1 "/connector/haRole", .handler = done},
	{.method = "GET", .pattern = V1 "/connector", .handler = show_role},
	{.method = "GET", .pattern = "/api/v1/connector/version", .handler = show_version},
	{.method = "GET", .pattern = MINE "/certificates", .handler = page_certificates},
	{.method = "POST", .pattern = MINE "/subaccounts/{rh}/{sa}/diagnosis", .handler = diagnose},
	{.method = "POST", .pattern = MINE "/master-key", .handler = reseal},
	{.method = "GET", .pattern = MINE "/master-key", .handler = show_reseal},
	{.method = "GET", .pattern = MINE "/users", .handler = page_users},
	{.method = "GET", .pattern = MINE "/audit", .handler = page_changes},
	{.method = "PUT", .pattern = MINE "/users/{user}/password", .handler = set_password},
	{NULL},
};
static const struct http_route *const tables[] = {routes, NULL};

static void *run_loop(void *user UNUSED)
{
	loop_run(stage.loop);
	return NULL;
}

static int start(void **state UNUSED)
{
	struct err err = {0};
	uint16_t port = 0;
	assert_ok(loop_new(&stage.loop, &err), &err);
	assert_ok(jobs_new("unit", 1, 10, &stage.jobs, &err), &err);
	struct http_server_settings settings = {
		.tables = tables, .jobs = stage.jobs, .authorize = authorize};
	assert_ok(http_server_new(stage.loop, &settings, &stage.server, &err), &err);
	assert_ok(http_server_listen(stage.server, "127.0.0.1:0", NULL, NULL, &port, &err), &err);
	snprintf(stage.url, sizeof stage.url, "http://127.0.0.1:%u/", port);
	snprintf(password, sizeof password, "secret");
	setenv("DRAWBRIDGE_PASSWORD", "secret", 1);
	setenv("DRAWBRIDGE_URL", stage.url, 1);
	return pthread_create(&stage.thread, NULL, run_loop, NULL);
}

static int stop(void **state UNUSED)
{
	loop_stop(stage.loop);
	pthread_join(stage.thread, NULL);
	http_server_close(stage.server);
	for (int i = 0; i < 5; i++) {
		loop_turn(stage.loop, 1);
	}
	jobs_free(stage.jobs);
	loop_free(stage.loop);
	return 0;
}

/* Runs the program's words (split at spaces) with both outputs in stage.out. */
static int run(const char *line)
{
	char path[] = "/tmp/cli_run_test.XXXXXX";
	char *words[24] = {must_strdup("drawbridge")};
	int n = 1;
	struct str rest = str_of(line), word = STR_NONE;
	while (str_next(&rest, ' ', &word)) {
		words[n++] = str_dup(word);
	}
	fflush(stdout);
	fflush(stderr);
	int out = dup(STDOUT_FILENO), errors = dup(STDERR_FILENO);
	int file = mkstemp(path);
	dup2(file, STDOUT_FILENO);
	dup2(file, STDERR_FILENO);
	int status = cli_main(n, words);
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	ssize_t got = pread(file, stage.out, sizeof(stage.out) - 1, 0);
	stage.out[got > 0 ? got : 0] = '\0';
	close_fd(out);
	close_fd(errors);
	close_fd(file);
	unlink(path);
	while (n > 0) {
		free(words[--n]);
	}
	return status;
}

static void assert_run(const char *line, int status, const char *part)
{
	int got = run(line);
	if (got != status || strstr(stage.out, part) == NULL) {
		fail_msg("\"%s\" ended with %d and \"%s\"", line, got, stage.out);
	}
}

TEST(a_list_is_printed_as_a_table_or_as_json)
{
	assert_run("subaccount list", 0,
		   "REGIONHOST  SUBACCOUNT  LOCATIONID\neu1:9444    one         -\n");
	assert_run("subaccount list --output json", 0, "[{\"regionHost\":\"eu1:9444\"");
}

static size_t count_of(const char *part)
{
	size_t n = 0;

	for (const char *at = stage.out; (at = strstr(at, part)) != NULL; at++) {
		n++;
	}
	return n;
}

TEST(a_list_without_end_is_cut_and_says_so)
{
	assert_run("cloud audit --limit 3 --output json", 0, "there are older ones: --limit N");
	assert_int_equal(count_of("\"n\":"), 3);
	assert_run("cloud audit --output json", 0, "there are older ones");
	assert_int_equal(count_of("\"n\":"), 1000);
	assert_run("cloud audit --limit none", 2, "--limit is a number");
}

TEST(a_subaccount_is_found_by_its_id_unless_two_regions_have_it)
{
	assert_run("subaccount show one", 0, "subaccount: one\ntunnel.state: Connected\n");
	assert_run("subaccount disconnect two", 2, "say two@REGION-HOST");
	assert_run("subaccount disconnect two@eu2:9444", 0, "");
	assert_string_equal(last_path, "/api/v1/configuration/subaccounts/eu2:9444/two/state");
	assert_string_equal(last_body, "{\"connected\":false}");
	assert_run("subaccount show three", 1, "no subaccount three");
}

TEST(a_mapping_is_sent_as_the_original_wants_it)
{
	assert_run("mapping add one v:44300 erp.internal:8000", 0, "");
	assert_string_equal(
		last_body,
		"{\"virtualHost\":\"v\",\"virtualPort\":\"44300\","
		"\"localHost\":\"erp.internal\",\"localPort\":\"8000\",\"protocol\":"
		"\"HTTP\",\"backendType\":\"nonSAPsys\",\"authenticationMode\":\"NONE\"}");
	assert_run("resource delete one v:44300 /a/b", 0, "");
	assert_true(str_ends(str_of(last_path), STR("/systemMappings/v:44300/resources/-a-b")));
}

TEST(secrets_come_from_the_environment)
{
	setenv("DRAWBRIDGE_CLOUD_PASSWORD", "p\"w", 1);
	assert_run("subaccount add --region-host eu1:9444 --subaccount x --cloud-user ann", 0, "");
	assert_string_equal(
		last_body,
		"{\"regionHost\":\"eu1:9444\",\"subaccount\":\"x\",\"cloudUser\":\"ann\","
		"\"cloudPassword\":\"p\\\"w\"}");
	unsetenv("DRAWBRIDGE_CLOUD_PASSWORD");
	setenv("DRAWBRIDGE_AUTHENTICATION_DATA", "abc", 1);
	assert_run("subaccount add --location-id L", 0, "");
	assert_string_equal(last_body, "{\"authenticationData\":\"abc\",\"locationID\":\"L\"}");
	unsetenv("DRAWBRIDGE_AUTHENTICATION_DATA");
}

TEST(pages_become_one_list)
{
	assert_run("cloud user list", 0,
		   "NAME  DISPLAYNAME  ROLES    LOCKED\nann   -            display  -\n"
		   "bob   -            -        true\n");
	assert_run("cloud user list --output json", 0,
		   "[{\"name\":\"ann\",\"roles\":[\"display\"]},{\"name\":\"bob\",\"locked\":true}]"
		   "\n");
}

TEST(status_tells_all_subaccounts)
{
	assert_run("connector status", 0, "version: 1.2\nrole: master\nREGIONHOST");
	assert_non_null(strstr(stage.out, "Connected"));
	assert_run("connector status --output json", 0,
		   "{\"version\":\"1.2\",\"ha\":\"master\",\"subaccounts\":[{");
}

TEST(certificates_are_listed_with_their_remaining_life)
{
	assert_run("cert list", 0, "SOURCE");
	assert_non_null(strstr(stage.out, "over for 2 h"));
	assert_non_null(strstr(stage.out, "30 d"));
	assert_run("cert list --fail-on-expiry", 1, "1 certificate need");
	assert_run("cert list --expiring-within 1d", 0, "old");
	assert_null(strstr(stage.out, "new"));
	assert_run("cert list --expiring-within 60d --fail-on-expiry", 1,
		   "2 certificates expired or expire within 60d");
	assert_run("cert list --expiring-within soon", 2, "a time like 30d");
	assert_run("cloud certificates --output json", 0, "\"remaining\":\"30 d\"}]");
}

TEST(the_doctor_names_the_broken_link_and_the_next_step)
{
	assert_run("doctor two@eu2:9444", 1, "two@eu2:9444: the link \"tcp\" is broken\n");
	assert_non_null(strstr(stage.out, "  ok       dns         known (3 ms)\n"));
	assert_non_null(strstr(stage.out, "  broken   tcp         refused (4 ms)\n"
					  "           next step: start it\n"));
	assert_null(strstr(stage.out, "tls"));
	assert_run("doctor one", 0, "one@eu1:9444: every link holds\n");
	assert_run("doctor", 1, "1 of 3 subaccounts cannot be reached");
	assert_run("doctor --url http://127.0.0.1:1", 1,
		   "the connector's administration does not answer at http://127.0.0.1:1: is it "
		   "running?");
}

TEST(a_refusal_says_why_and_ends_with_1)
{
	assert_run(
		"cloud version", 1,
		"there is nothing at this path (HTTP 404): is this the address of the cloud side?");
	assert_run("subaccount list --login bob", 1,
		   "the user or the password is wrong (HTTP 401)");
	assert_run("subaccount list --url http://127.0.0.1:1", 1, "127.0.0.1");
	assert_run("subaccount list --url http://192.0.2.1", 2, "only over https");
	assert_run("nothing", 2, "there is no command");
	assert_run("--output json", 2, "a command is missing");
	assert_run("--version", 0, "drawbridge ");
	assert_run("completion bash", 0, "complete -o default");
}

TEST(the_first_start_replaces_the_setup_code)
{
	setenv("DRAWBRIDGE_NEW_PASSWORD", "fresh", 1);
	assert_run("connector setup", 0, "");
	assert_string_equal(password, "fresh");
	assert_string_equal(last_body, "\"master\"");
	assert_run("cloud setup", 1, "HTTP 401");
	setenv("DRAWBRIDGE_PASSWORD", "fresh", 1);
	setenv("DRAWBRIDGE_NEW_PASSWORD", "secret", 1);
	assert_run("cloud setup", 0, "");
	assert_string_equal(password, "secret");
	assert_true(str_ends(str_of(last_path), STR("/users/Administrator/password")));
	setenv("DRAWBRIDGE_PASSWORD", "secret", 1);
	unsetenv("DRAWBRIDGE_NEW_PASSWORD");
}

TEST(ones_own_password_goes_with_the_old_one)
{
	setenv("DRAWBRIDGE_USER_PASSWORD", "third", 1);
	assert_run("cloud user password ann", 1, "wrong password");
	assert_string_equal(last_body, "{\"newPassword\":\"third\"}");
	assert_run("cloud user password Administrator", 0, "");
	assert_string_equal(password, "third");
	setenv("DRAWBRIDGE_PASSWORD", "third", 1);
	unsetenv("DRAWBRIDGE_USER_PASSWORD");
}

#define RESEAL_LAST(rest) "{\"running\":false,\"last\":{" RESEAL_BEGAN "," rest "}}"

TEST(sealing_again_is_waited_for)
{
	reseal_end = RESEAL_LAST("\"itemsDone\":2,\"failed\":0,\"error\":\"\"");
	assert_run("connector master-key reseal", 0, "itemsDone: 2");
	assert_run("cloud master-key reseal --new-data-keys", 0, "itemsDone: 2");
}

TEST(sealing_again_that_failed_ends_with_1)
{
	reseal_end = RESEAL_LAST("\"failed\":1,\"error\":\"\",\"failures\":[\"entry b\"]");
	assert_run("cloud master-key reseal --new-data-keys", 1, "failures: entry b");
	assert_non_null(strstr(stage.out, "1 of them do not open"));
	reseal_end = RESEAL_LAST("\"failed\":0,\"error\":\"the database is gone\"");
	assert_run("cloud master-key reseal --new-data-keys", 1,
		   "it stopped half way: the database is gone");
	reseal_end = "{\"running\":false,\"progress\":null,\"last\":null}";
	assert_run("cloud master-key reseal --new-data-keys", 1, "start it again");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_list_is_printed_as_a_table_or_as_json),
	cmocka_unit_test(a_list_without_end_is_cut_and_says_so),
	cmocka_unit_test(a_subaccount_is_found_by_its_id_unless_two_regions_have_it),
	cmocka_unit_test(a_mapping_is_sent_as_the_original_wants_it),
	cmocka_unit_test(secrets_come_from_the_environment),
	cmocka_unit_test(pages_become_one_list),
	cmocka_unit_test(status_tells_all_subaccounts),
	cmocka_unit_test(certificates_are_listed_with_their_remaining_life),
	cmocka_unit_test(the_doctor_names_the_broken_link_and_the_next_step),
	cmocka_unit_test(sealing_again_is_waited_for),
	cmocka_unit_test(sealing_again_that_failed_ends_with_1),
	cmocka_unit_test(a_refusal_says_why_and_ends_with_1),
	cmocka_unit_test(the_first_start_replaces_the_setup_code),
	cmocka_unit_test(ones_own_password_goes_with_the_old_one),
};

int main(void)
{
	return cmocka_run_group_tests(tests, start, stop);
}
