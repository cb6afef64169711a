/* The handlers, driven through route table, authorization and a real database. */
#include "connector/admin.h"

#include "crypto/seal.h"
#include "database.h"
#include "http/router.h"
#include "unit/connector/fake_subaccounts.h"
#include "unit/connector/origin.h"

#define ONE      "/api/v1/configuration/subaccounts/" FAKE_REGION "/" FAKE_ID
#define MAPPINGS ONE "/systemMappings"
#define CONF     "/api/v1/configuration"

static struct admin *admin;
static struct mappings *mappings;
static struct http_server_settings server;
static const char *password;

/* ---- one call ---- */

static struct arena *arena;
static char *answer; /* the body of the last answer */
static char location[400], cookie[200], token[100];

static void keep_field(const struct http_call *call, const char *name, char *into, size_t size)
{
	into[0] = '\0';
	for (size_t i = 0; i < call->n_fields; i++) {
		if (str_eq_nocase(call->fields[i].name, str_of(name))) {
			assert_true(str_copy(call->fields[i].value, into, size));
		}
	}
}

static void finish(struct http_call *call)
{
	free(answer);
	answer = str_dup(buf_str(&call->out));
	keep_field(call, "Location", location, sizeof location);
	keep_field(call, "Set-Cookie", cookie, sizeof cookie);
	keep_field(call, "X-CSRF-Token", token, sizeof token);
	json_free(call->json);
	buf_fini(&call->out);
}

static struct str basic(const char *with)
{
	AUTO_BUF struct buf text = BUF(1000), pair = BUF(1000);

	buf_addf(&pair, "Administrator:%s", with);
	buf_add_str(&text, STR("Basic "));
	buf_add_base64(&text, pair.at, pair.len);
	return arena_str(arena, buf_str(&text));
}

static unsigned send_fields(const char *method, const char *target, const char *body,
			    struct http_field *fields, size_t n)
{
	struct http_head head = {.method = str_of(method),
				 .authority = STR("host:8443"),
				 .path = str_of(target),
				 .fields = fields,
				 .n_fields = n,
				 .keep_alive = true};
	struct http_call call = {.arena = arena,
				 .head = &head,
				 .body = str_of(body),
				 .user = admin,
				 .settings = &server,
				 .status = 200,
				 .out = BUF(MIB(1))};
	struct http_path path;
	AUTO_BUF struct buf allow = BUF(1000);
	struct err err = {0};

	assert_ok(http_path_read(head.path, arena, &path, &err), &err);
	call.path = path.path;
	call.query = path.query;
	assert_int_equal(
		route_find(admin_tables, &path, head.method, &call.route, call.params, &allow),
		ROUTE_FOUND);
	assert_true(address_parse(STR("127.0.0.1"), 1, &call.peer));
	if (admin_authorize(&call)) {
		call.route->handler(&call);
	}
	finish(&call);
	return call.status;
}

static unsigned send_as(const char *method, const char *target, const char *body, const char *type,
			const char *with)
{
	struct http_field fields[2] = {{STR("Content-Type"), str_of(type), false},
				       {STR("Authorization"), STR(""), true}};

	if (with != NULL) {
		fields[1].value = basic(with);
	}
	return send_fields(method, target, body, fields, with ? 2 : 1);
}

static unsigned call(const char *method, const char *target, const char *body)
{
	return send_as(method, target, body, "application/json", password);
}

static void expect(unsigned status, const char *method, const char *target, const char *body)
{
	unsigned got = call(method, target, body);

	if (got != status) {
		fail_msg("%s %s gave %u, not %u: %s", method, target, got, status, answer);
	}
}

static void says(const char *part)
{
	if (strstr(answer, part) == NULL) {
		fail_msg("\"%s\" is not in %s", part, answer);
	}
}

/* ---- life ---- */

static void set(struct store *s, const char *name, const char *value)
{
	struct err err = {0};
	struct state_setting row = {name, str_of(value)};

	assert_ok(state_settings_set(s, &(struct state_actor){STR("system"), STR("")}, "test", &row,
				     1, &err),
		  &err);
}

static int start(void **state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations},
					     {"mappings", mappings_migrations}};
	struct err err = {0};
	char hash[128];

	assert_int_equal(database_on_sqlite(state), 0);
	struct database *d = *state;
	fake_reset();
	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	assert_ok(password_hash(STR("code"), hash, &err), &err);
	set(d->store, STATE_SETTING_PASSWORD_HASH, hash);
	set(d->store, STATE_SETTING_MUST_CHANGE, "1");
	arena = arena_new(KIB(64), MIB(16));
	mappings = mappings_new(d->store);
	struct admin_settings settings = {.store = d->store,
					  .subaccounts = &fake,
					  .renewals = (void *)&fake,
					  .mappings = mappings,
					  .version = "0.1.0"};
	assert_ok(admin_new(&settings, &admin, &err), &err);
	server = (struct http_server_settings){.tables = admin_tables,
					       .user = admin,
					       .authorize = admin_authorize,
					       .render_error = admin_render_error,
					       .lenient_json = true};
	password = "code";
	return 0;
}

static int stop(void **state)
{
	admin_free(admin);
	mappings_free(mappings);
	arena_free(arena);
	free(answer);
	answer = NULL;
	return database_end(state);
}

/* As an administrator does at the first start. */
static void set_up_installation(void)
{
	expect(204, "PUT", CONF "/connector/authentication/basic",
	       "{\"oldPassword\"=\"code\",\"newPassword\"=\"better\"}");
	password = "better";
	expect(204, "POST", CONF "/connector/haRole", "master");
}

static int start_ready(void **state)
{
	int failed = start(state);

	set_up_installation();
	return failed;
}

static const char MAPPING[] =
	"{\"virtualHost\":\"erp.virtual\",\"virtualPort\":44300,\"localHost\":\"10.0.0.1\","
	"\"localPort\":\"8000\",\"protocol\":\"HTTP\",\"backendType\":\"abapSys\","
	"\"authenticationMode\":\"NONE\",\"hostInHeader\":\"internal\"}";

/* What the workers would say now. */
static bool allows(const char *path)
{
	struct snapshot *s = snapshot_ref(mappings_access(mappings));
	struct access_request r = {.subaccount = STR(FAKE_ID "@" FAKE_REGION),
				   .authority = STR("erp.virtual:44300"),
				   .path = str_of(path)};
	struct access_verdict verdict;
	struct err err = {0};
	bool good = access_check(access_of(s), &r, &verdict, &err) == ACCESS_ALLOWED;

	snapshot_unref(s);
	return good;
}

/* ---- first start and logins ---- */

TEST(before_the_password_is_changed_everything_else_is_forbidden)
{
	expect(403, "GET", CONF "/connector", "");
	assert_string_equal(answer, "{\"type\":\"FORBIDDEN_REQUEST\",\"message\":\"operation "
				    "unavailable unless initial password is changed\"}");
	expect(403, "POST", CONF "/connector/haRole", "\"master\"");
	expect(400, "PUT", CONF "/connector/authentication/basic",
	       "{\"oldPassword\":\"code\",\"newPassword\":\"code\"}");
	expect(400, "PUT", CONF "/connector/authentication/basic",
	       "{\"oldPassword\":\"wrong\",\"newPassword\":\"x\"}");
	expect(403, "PUT", CONF "/connector/authentication/basic",
	       "{\"user\":\"me\",\"password\":\"code\"}");
}

TEST(before_the_role_is_chosen_everything_else_is_forbidden)
{
	expect(204, "PUT", CONF "/connector/authentication/basic",
	       "{\"oldPassword\":\"code\",\"newPassword\":\"better\"}");
	assert_int_equal(call("GET", CONF "/connector", ""), 401); /* the setup code is over */
	password = "better";
	expect(403, "GET", CONF "/subaccounts", "");
	says("method is not allowed for connector running with HA role undefined");
	expect(200, "GET", CONF "/connector/haRole", "");
	assert_string_equal(answer, "\"undefined\"");
	expect(400, "POST", CONF "/connector/haRole", "\"shadow\"");
	expect(204, "PUT", CONF "/connector/haRole", "\"master\"");
	expect(200, "GET", CONF "/connector/haRole", "");
	assert_string_equal(answer, "\"master\"");
	expect(200, "GET", CONF "/subaccounts", "");
}

TEST(nobody_is_let_in_without_the_right_password)
{
	assert_int_equal(send_as("GET", CONF "/connector", "", "", NULL), 401);
	assert_int_equal(send_as("GET", CONF "/connector", "", "", "wrong"), 401);
	assert_int_equal(send_as("GET", "/exposed?action=ping", "", "", NULL), 200);
	assert_int_equal(send_as("GET", "/exposed?action=hasMasterRole", "", "", NULL), 200);
	assert_string_equal(answer, "true");
}

static double cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cost_of(struct http_field *field)
{
	double start_ms = cpu_ms();
	unsigned status = field != NULL ? send_fields("GET", CONF "/connector", "", field, 1)
					: send_as("GET", CONF "/connector", "", "", "wrong");

	assert_int_equal(status, 401);
	return cpu_ms() - start_ms;
}

/* The lesser of two: what else the machine does is counted in now and then. */
TEST(a_wrong_name_costs_as_much_as_a_wrong_password)
{
	struct http_field bob = {STR("Authorization"), STR("Basic Ym9iOndyb25n"), true};
	double password_ms = cost_of(NULL), name_ms = cost_of(&bob);
	double password_again_ms = cost_of(NULL), name_again_ms = cost_of(&bob);

	password_ms = password_again_ms < password_ms ? password_again_ms : password_ms;
	name_ms = name_again_ms < name_ms ? name_again_ms : name_ms;
	if (name_ms < password_ms / 4) {
		fail_msg("a wrong name took %f ms, a wrong password %f ms", name_ms, password_ms);
	}
}

TEST(many_wrong_passwords_are_slowed_down)
{
	unsigned status = 0;
	for (int i = 0; i < 10 && status != 429; i++) {
		status = send_as("GET", CONF "/connector", "", "", "wrong");
	}
	assert_int_equal(status, 429);
}

TEST(a_session_must_send_its_token_when_it_writes)
{
	expect(200, "GET", CONF "/connector", "");
	char own[200], own_token[100];
	snprintf(own, sizeof own, "%.*s", (int)strcspn(cookie, ";"), cookie);
	snprintf(own_token, sizeof own_token, "%s", token);
	struct http_field fields[3] = {{STR("Cookie"), str_of(own), false},
				       {STR("Content-Type"), STR("application/json"), false},
				       {STR("X-CSRF-Token"), str_of(own_token), false}};
	const char *body = "{\"description\":\"s\"}";
	assert_int_equal(send_fields("PUT", CONF "/connector", body, fields, 2), 403);
	assert_int_equal(send_fields("PUT", CONF "/connector", body, fields, 3), 200);
}

/* With a session of somebody else's the password could be tried without a pause or a trace. */
TEST(who_has_a_session_is_slowed_down_at_guessing_the_password)
{
	const char *body = "{\"oldPassword\":\"wrong\",\"newPassword\":\"x\"}";
	unsigned status = 0;

	expect(200, "GET", CONF "/connector", "");
	char own[200], own_token[100];
	snprintf(own, sizeof own, "%.*s", (int)strcspn(cookie, ";"), cookie);
	snprintf(own_token, sizeof own_token, "%s", token);
	struct http_field fields[3] = {{STR("Cookie"), str_of(own), false},
				       {STR("Content-Type"), STR("application/json"), false},
				       {STR("X-CSRF-Token"), str_of(own_token), false}};
	for (int i = 0; i < 10 && status != 429; i++) {
		status =
			send_fields("PUT", CONF "/connector/authentication/basic", body, fields, 3);
		assert_true(status == 400 || status == 429);
	}
	assert_int_equal(status, 429);
}

TEST(the_user_may_be_renamed_but_not_with_the_password_at_once)
{
	expect(400, "PUT", CONF "/connector/authentication/basic",
	       "{\"user\":\"me\",\"oldPassword\":\"better\",\"newPassword\":\"x\"}");
	expect(400, "PUT", CONF "/connector/authentication/basic",
	       "{\"user\":\"me\",\"password\":\"wrong\"}");
	expect(204, "PUT", CONF "/connector/authentication/basic",
	       "{\"user\":\"me\",\"password\":\"better\"}");
	assert_int_equal(call("GET", CONF "/connector", ""), 401);
}

/* ---- the connector ---- */

TEST(the_description_is_written_and_null_is_refused)
{
	expect(200, "PUT", CONF "/connector", "{description=\"hall 3\"}");
	assert_string_equal(answer, "{\"ha\":\"master\",\"description\":\"hall 3\"}");
	expect(400, "PUT", CONF "/connector", "{\"description\":null}");
	assert_int_equal(send_as("PUT", CONF "/connector", "{\"description\":\"x\"}", "text/plain",
				 password),
			 415);
	expect(200, "GET", "/api/v1/connector/version", "");
	assert_string_equal(answer, "{\"version\":\"0.1.0\"}");
}

TEST(the_proxy_is_set_shown_without_its_password_and_removed)
{
	expect(204, "PUT", CONF "/connector/proxy",
	       "{\"host\":\"squid\",\"port\":3128,\"user\":\"u\",\"password\":\"secret\"}");
	expect(200, "GET", CONF "/connector/proxy", "");
	says("\"host\":\"squid\",\"port\":\"3128\"");
	assert_null(strstr(answer, "secret"));
	expect(400, "PUT", CONF "/connector/proxy", "{\"host\":\"squid\",\"port\":\"x\"}");
	expect(204, "PUT", CONF "/connector/proxy", "{}");
	expect(200, "GET", CONF "/connector/proxy", "");
	assert_string_equal(answer, "{}");
}

TEST(a_body_that_is_no_object_or_holds_no_texts_changes_nothing)
{
	static const char *const bad[] = {
		"[]",
		"null",
		"x",
		"{\"port\":\"3128\"}",
		"{\"host\":[\"squid\"],\"port\":3128}",
		"{\"host\":\"a b\",\"port\":3128}",
		"{\"host\":\"proxy..corp\",\"port\":3128}",
		"{\"host\":\"squid\",\"port\":3128,\"user\":\"a:b\"}",
		"{\"host\":\"squid\",\"port\":3128,\"password\":\"a\\n\"}"};

	expect(204, "PUT", CONF "/connector/proxy", "{\"host\":\"first\",\"port\":1}");
	for (size_t i = 0; i < COUNT(bad); i++) {
		expect(400, "PUT", CONF "/connector/proxy", bad[i]);
	}
	expect(200, "GET", CONF "/connector/proxy", "");
	says("\"host\":\"first\"");
}

/* ---- subaccounts ---- */

TEST(the_subaccount_entity_has_the_recorded_form)
{
	expect(200, "GET", CONF "/subaccounts", "");
	says("\"subaccount\":\"" FAKE_ID "\",\"locationID\":\"\"");
	expect(200, "GET", ONE, "");
	says("\"displayName\":\"" FAKE_ID "\"");
	says("\"connectedSinceTimeStamp\":0");
	says("\"applicationConnections\":[],\"serviceChannels\":[],\"subaccountCertificate\":{}");
	says("\"systemMappings\":{\"href\":\"https://host:8443" MAPPINGS "\"}");
	expect(404, "GET", CONF "/subaccounts/eu9/x", "");
	assert_string_equal(answer, "{\"type\":\"NOT_FOUND\",\"message\":\"Subaccount with value "
				    "'x@eu9' does not exist\"}");
}

TEST(a_subaccount_is_added_with_an_owners_password)
{
	const char *body = "{\"regionHost\":\"eu2\",\"subaccount\":\"id2\",\"cloudUser\":\"olga\","
			   "\"cloudPassword\":\"pw\",\"locationID\":\"hall\"}";
	expect(201, "POST", CONF "/subaccounts", body);
	assert_string_equal(location, "https://host:8443/api/v1/configuration/subaccounts/eu2/id2");
	says("\"locationID\":\"hall\"");
	assert_string_equal(fake.said, "olga/pw/");
	expect(400, "POST", CONF "/subaccounts", "{\"regionHost\":\"eu2\"}");
	expect(400, "POST", CONF "/subaccounts", "{\"cloudUser\":\"a\",\"cloudPassword\":\"b\"}");
}

TEST(enrolment_that_fails_says_why)
{
	const char *body = "{\"regionHost\":\"eu2\",\"subaccount\":\"id2\",\"cloudUser\":\"olga\","
			   "\"cloudPassword\":\"pw\",\"rootFingerprint\":\"AA:bb\"}";
	static const struct {
		enum enrol_outcome outcome;
		unsigned status;
		const char *part;
	} rows[] = {
		{ENROL_UNTRUSTED, 409, "\"rootFingerprint\":\"aaaa"},
		{ENROL_WRONG, 400, "the reason"},
		{ENROL_REFUSED, 403, "the reason"},
		{ENROL_LATER, 503, "the reason"},
		{ENROL_FAILED, 502, "the reason"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		fake.outcome = rows[i].outcome;
		expect(rows[i].status, "POST", CONF "/subaccounts", body);
		says(rows[i].part);
	}
	assert_string_equal(fake.said, "olga/pw/aabb");
}

TEST(a_subaccount_is_edited_connected_refreshed_and_deleted)
{
	expect(200, "PUT", ONE, "{\"displayName\":\"Plant\",\"autoCertRenewal\":\"true\"}");
	says("\"displayName\":\"Plant\",\"autoCertRenewal\":true");
	expect(204, "PUT", ONE "/state", "{\"connected\":\"true\"}");
	assert_true(fake.rows[0].state.connected);
	expect(400, "PUT", ONE "/state", "{}");
	expect(200, "POST", ONE "/validity", "{\"user\":\"olga\",\"password\":\"pw\"}");
	expect(400, "POST", ONE "/validity", "{}");
	says("\"BAD_REQUEST\"");
	expect(204, "DELETE", ONE, "");
	expect(404, "GET", ONE, "");
}

#define RENEWAL "/api/drawbridge/v1/subaccounts/" FAKE_REGION "/" FAKE_ID "/renewal"

TEST(automatic_renewal_is_shown_switched_and_tried_now)
{
	expect(200, "GET", RENEWAL, "");
	says("\"enabled\":false,\"state\":\"retrying\",\"next\":\"2027-01-15T08:00:00Z\"");
	says("\"lastResult\":\"failed\",\"lastError\":\"not reached\",\"failures\":3");
	expect(204, "PUT", RENEWAL, "{\"enabled\":true}");
	assert_true(fake.rows[0].state.auto_renewal);
	expect(400, "PUT", RENEWAL, "{}");
	expect(204, "POST", RENEWAL, "");
	fake.outcome = ENROL_REFUSED;
	expect(403, "POST", RENEWAL, "");
	says("the reason");
	expect(200, "GET", "/api/drawbridge/v1/subaccounts/" FAKE_REGION "/" FAKE_ID, "");
	says("\"certificate\":{\"state\":\"missing\"");
	says("\"renewal\":{\"enabled\":true");
}

/* ---- mappings and resources ---- */

TEST(a_mapping_is_created_read_changed_and_deleted)
{
	expect(201, "POST", MAPPINGS, MAPPING);
	assert_string_equal(location, "https://host:8443" MAPPINGS "/erp.virtual:44300");
	assert_string_equal(answer, "");
	expect(409, "POST", MAPPINGS, MAPPING);
	says("\"type\":\"ILLEGAL_STATE\"");
	expect(200, "GET", MAPPINGS "/ERP.virtual:44300", "");
	says("\"virtualPort\":\"44300\",\"localHost\":\"10.0.0.1\",\"localPort\":\"8000\","
	     "\"creationDate\":\"");
	says("\"hostInHeader\":\"INTERNAL\",\"totalResourcesCount\":0");
	assert_null(strstr(answer, "\"sid\""));
	expect(204, "PUT", MAPPINGS "/erp.virtual:44300",
	       "{\"localHost\":\"other\",\"localPort\":1,\"protocol\":\"https\","
	       "\"backendType\":\"nonSAPsys\",\"authenticationMode\":\"NONE\",\"sid\":\"ABC\"}");
	expect(200, "GET", MAPPINGS "/erp.virtual:44300", "");
	says("\"localHost\":\"other\",\"localPort\":\"1\"");
	says("\"protocol\":\"HTTPS\"");
	says("\"hostInHeader\":\"VIRTUAL\",\"sid\":\"ABC\"");
	expect(204, "DELETE", MAPPINGS "/erp.virtual:44300", "");
	expect(404, "GET", MAPPINGS "/erp.virtual:44300", "");
	expect(404, "DELETE", MAPPINGS "/erp.virtual:44300", "");
}

TEST(bad_mappings_are_refused_with_the_field_named)
{
	static const char *const fields[][2] = {
		{"virtualHost", "\"a b\""},
		{"virtualHost", "\"\""},
		{"virtualHost", "\"a..b\""},
		{"virtualHost", "\"-a\""},
		{"virtualPort", "0"},
		{"virtualPort", "70000"},
		{"virtualPort", "\"1-2\""},
		{"localHost", "\"x/y\""},
		{"localHost", "\".a\""},
		{"localHost", "\"300.1.1.1\""},
		{"localPort", "\"a\""},
		{"protocol", "\"FTP\""},
		{"backendType", "\"x\""},
		{"hostInHeader", "\"X\""},
		{"authenticationMode", "\"X\""},
		{"allowedClients", "[\"1000\"]"},
		{"allowedClients", "[1]"},
		{"blacklistedUsers", "[{\"client\":\"100\"}]"},
		{"description", "[]"},
	};
	static const char *const good[][2] = {
		{"virtualHost", "\"h\""}, {"virtualPort", "1"},
		{"localHost", "\"h\""},   {"localPort", "1"},
		{"protocol", "\"HTTP\""}, {"backendType", "\"hana\""},
		{"hostInHeader", "null"}, {"authenticationMode", "null"},
		{"allowedClients", "[]"}, {"blacklistedUsers", "[]"},
		{"description", "\"a\""},
	};
	for (size_t i = 0; i < COUNT(fields); i++) {
		AUTO_BUF struct buf body = BUF(1000);
		buf_add_c(&body, '{');
		for (size_t k = 0; k < COUNT(good); k++) {
			bool this = strcmp(good[k][0], fields[i][0]) == 0;
			buf_addf(&body, "%s\"%s\":%s", k ? "," : "", good[k][0],
				 this ? fields[i][1] : good[k][1]);
		}
		buf_add_c(&body, '}');
		expect(400, "POST", MAPPINGS, body.at);
		says(fields[i][0]);
	}
}

/* What was stored before its host was judged so strictly must hinder nobody, and can be mended. */
TEST(a_stored_host_that_would_be_refused_today_hinders_nothing)
{
	struct mappings_owner owner = {STR(FAKE_REGION), STR(FAKE_ID)};
	struct state_actor actor = {STR("Administrator"), STR("127.0.0.1")};
	struct mapping_row row = {.virtual_host = STR("a..b"),
				  .virtual_port = STR("80"),
				  .local_host = STR(".c"),
				  .local_port = STR("80"),
				  .protocol = STR("HTTP"),
				  .backend_type = STR("hana"),
				  .authentication_mode = STR("NONE")};
	struct err err;

	assert_ok(mappings_add(((struct database *)*state)->store, &actor, owner, &row, &err),
		  &err);
	expect(201, "POST", MAPPINGS, MAPPING); /* publishes all of them, as a start does */
	expect(200, "GET", MAPPINGS "/a..b:80", "");
	says("\"localHost\":\".c\"");
	expect(204, "PUT", MAPPINGS "/a..b:80",
	       "{\"localHost\":\"c\",\"localPort\":80,\"protocol\":\"HTTP\","
	       "\"backendType\":\"hana\"}");
	expect(204, "DELETE", MAPPINGS "/a..b:80", "");
}

TEST(resources_have_the_originals_defaults_and_encoding)
{
	const char *one = MAPPINGS "/erp.virtual:44300/resources/-a+2Db-c+2Bd";
	expect(201, "POST", MAPPINGS, MAPPING);
	expect(201, "POST", MAPPINGS "/erp.virtual:44300/resources", "{\"id\":\"/a-b/c+d\"}");
	assert_string_equal(str_skip(str_of(location), 17).at, one);
	expect(200, "GET", one, "");
	says("{\"id\":\"/a-b/c+d\",\"enabled\":false,\"exactMatchOnly\":false,"
	     "\"websocketUpgradeAllowed\":false,\"creationDate\":\"");
	says("\"_links\":{\"self\":");
	expect(200, "GET", MAPPINGS "/erp.virtual:44300/resources", "");
	says("\"_links\":{}");
	expect(409, "POST", MAPPINGS "/erp.virtual:44300/resources", "{\"id\":\"/a-b/c+d\"}");
	expect(204, "PUT", one, "{\"enabled\":\"true\",\"exactMatchOnly\":\"true\"}");
	expect(200, "GET", one, "");
	says("\"enabled\":true,\"exactMatchOnly\":true");
	expect(400, "PUT", one, "{\"id\":\"/other\",\"enabled\":true}");
	says("cannot be changed");
	expect(204, "DELETE", one, "");
	expect(404, "GET", one, "");
}

TEST(resources_that_could_never_match_are_refused)
{
	static const char *const ids[] = {"a", "/a/../b", "/a?b", "/a//b", "/%2f", ""};
	expect(201, "POST", MAPPINGS, MAPPING);
	for (size_t i = 0; i < COUNT(ids); i++) {
		AUTO_BUF struct buf body = BUF(100);
		buf_addf(&body, "{\"id\":\"%s\"}", ids[i]);
		expect(400, "POST", MAPPINGS "/erp.virtual:44300/resources", body.at);
	}
	expect(400, "POST", MAPPINGS "/erp.virtual:44300/resources",
	       "{\"id\":\"/a\",\"enabled\":\"perhaps\"}");
	expect(404, "POST", MAPPINGS "/other:1/resources", "{\"id\":\"/a\"}");
}

TEST(a_change_is_in_force_at_once)
{
	const char *one = MAPPINGS "/erp.virtual:44300/resources/-a";
	expect(201, "POST", MAPPINGS, MAPPING);
	assert_false(allows("/a"));
	expect(201, "POST", MAPPINGS "/erp.virtual:44300/resources",
	       "{\"id\":\"/a\",\"enabled\":true}");
	assert_true(allows("/a/x"));
	assert_false(allows("/ab"));
	expect(204, "PUT",
	       "/api/drawbridge/v1/subaccounts/" FAKE_REGION "/" FAKE_ID
	       "/systemMappings/erp.virtual:44300/matching",
	       "{\"matching\":\"prefix\"}");
	assert_true(allows("/ab"));
	expect(204, "PUT", one, "{\"enabled\":false}");
	assert_false(allows("/a/x"));
	expect(204, "PUT", one, "{\"enabled\":true}");
	assert_true(allows("/a/x"));
	expect(204, "DELETE", MAPPINGS, "");
	assert_false(allows("/a/x"));
}

TEST(cookie_domains_have_their_own_list)
{
	expect(201, "POST", ONE "/domainMappings",
	       "{\"virtualDomain\":\"v.example\",\"internalDomain\":\"i.example\"}");
	assert_string_equal(location, "https://host:8443" ONE "/domainMappings/i.example");
	expect(400, "POST", ONE "/domainMappings",
	       "{\"virtualDomain\":\"v;x\",\"internalDomain\":\"i\"}");
	expect(204, "PUT", ONE "/domainMappings/i.example",
	       "{\"virtualDomain\":\"w.example\",\"internalDomain\":\"i.example\"}");
	expect(200, "GET", ONE "/domainMappings", "");
	says("[{\"virtualDomain\":\"w.example\",\"internalDomain\":\"i.example\",\"_links\":");
	expect(204, "DELETE", ONE "/domainMappings/i.example", "");
	expect(404, "DELETE", ONE "/domainMappings/i.example", "");
}

/* ---- trust ---- */

TEST(certificates_are_trusted_shown_and_removed)
{
	struct origin_tls tls;
	AUTO_BUF struct buf body = BUF(KIB(64));
	const char *store = CONF "/connector/onPremise/truststore";

	origin_tls_open(&tls);
	buf_addf(&body,
		 "--xyz\r\nContent-Disposition: form-data; name=\"certificate\"; "
		 "filename=\"ca.pem\"\r\n\r\n%s\r\n--xyz--\r\n",
		 tls.root_pem.at);
	assert_int_equal(send_as("POST", CONF "/connector/onPremise/truststore/certificates",
				 body.at, "multipart/form-data; boundary=xyz", password),
			 201);
	assert_int_equal(send_as("POST", CONF "/connector/onPremises/truststore/certificates",
				 body.at, "multipart/form-data; boundary=xyz", password),
			 400); /* it is there */
	assert_int_equal(send_as("POST", CONF "/connector/onPremise/truststore/certificates",
				 "--xyz--\r\n", "multipart/form-data; boundary=xyz", password),
			 400);
	expect(200, "GET", store, "");
	says("{\"trustAllBackends\":false,\"trustedBackends\":[{\"alias\":\"");
	says("\"subjectDN\":\"CN=Plant CA\"");
	expect(200, "GET", CONF "/connector/onPremises/truststore/certificates", "");
	says("-----BEGIN CERTIFICATE-----");
	struct snapshot *with = snapshot_ref(mappings_access(mappings));
	expect(204, "DELETE", CONF "/connector/onPremise/truststore/certificates", "");
	struct snapshot *without = snapshot_ref(mappings_access(mappings));
	assert_non_null(access_tls(access_of(without))); /* names the issuer, trusts nobody */
	assert_ptr_not_equal(access_tls(access_of(with)), access_tls(access_of(without)));
	snapshot_unref(with);
	snapshot_unref(without);
	expect(204, "PATCH", store, "{\"trustAllBackends\":\"false\"}");
	expect(409, "PATCH", store, "{\"trustAllBackends\":true}");
	origin_tls_close(&tls);
}

TEST(our_own_list_says_why_there_is_no_tunnel)
{
	snprintf(fake.rows[0].defect, sizeof fake.rows[0].defect, "the key does not open");
	expect(200, "GET", "/api/drawbridge/v1/subaccounts/" FAKE_REGION "/" FAKE_ID, "");
	says("\"reason\":\"the key does not open\"");
	expect(404, "GET", "/api/drawbridge/v1/subaccounts/eu9/x", "");
	says("\"detail\":"); /* problem+json there */
	expect(200, "GET", CONF "/subaccounts/corrupted", "");
	says(FAKE_ID);
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, start, stop)
#define READY(name) cmocka_unit_test_setup_teardown(name, start_ready, stop)

TEST(allowed_clients_are_replaced_added_and_deleted)
{
	expect(201, "POST", MAPPINGS, MAPPING);
	expect(200, "GET", MAPPINGS "/erp.virtual:44300/allowedClients", "");
	assert_string_equal(answer, "[]");
	expect(201, "POST", MAPPINGS "/erp.virtual:44300/allowedClients",
	       "[\"100\",\"200\",\"100\"]");
	assert_non_null(strstr(location, "/allowedClients"));
	expect(204, "PATCH", MAPPINGS "/erp.virtual:44300/allowedClients", "[\"200\",\"300\"]");
	expect(200, "GET", MAPPINGS "/ERP.virtual:44300/allowedClients", "");
	assert_string_equal(answer, "[\"100\",\"200\",\"300\"]");
	expect(204, "DELETE", MAPPINGS "/erp.virtual:44300/allowedClients/200", "");
	expect(404, "DELETE", MAPPINGS "/erp.virtual:44300/allowedClients/200", "");
	expect(200, "GET", MAPPINGS "/erp.virtual:44300", "");
	says("\"allowedClients\":[\"100\",\"300\"]");
	expect(400, "POST", MAPPINGS "/erp.virtual:44300/allowedClients", "[\"1\"]");
	says("three characters");
	expect(400, "PATCH", MAPPINGS "/erp.virtual:44300/allowedClients", "{}");
	expect(204, "DELETE", MAPPINGS "/erp.virtual:44300/allowedClients", "");
	expect(200, "GET", MAPPINGS "/erp.virtual:44300/allowedClients", "");
	assert_string_equal(answer, "[]");
	expect(404, "GET", MAPPINGS "/other.virtual:1/allowedClients", "");
}

TEST(blocked_users_are_pairs)
{
	expect(201, "POST", MAPPINGS, MAPPING);
	expect(201, "POST", MAPPINGS "/erp.virtual:44300/blockedClientUsers",
	       "[{\"client\":\"100\",\"user\":\"EVE\"}]");
	expect(204, "PATCH", MAPPINGS "/erp.virtual:44300/blockedClientUsers",
	       "[{\"client\":\"100\",\"user\":\"EVE\"},{\"client\":\"200\",\"user\":\"BOB\"}]");
	expect(400, "POST", MAPPINGS "/erp.virtual:44300/blockedClientUsers", "[\"EVE\"]");
	expect(204, "DELETE", MAPPINGS "/erp.virtual:44300/blockedClientUsers/100:EVE", "");
	expect(200, "GET", MAPPINGS "/erp.virtual:44300/blockedClientUsers", "");
	assert_string_equal(answer, "[{\"client\":\"200\",\"user\":\"BOB\"}]");
	expect(200, "GET", MAPPINGS "/erp.virtual:44300", "");
	says("\"blacklistedUsers\":[{\"client\":\"200\"");
}

TEST(a_master_without_shadow_answers_for_high_availability)
{
	expect(200, "GET", CONF "/connector/ha/master/config", "");
	says("\"haEnabled\":false");
	expect(200, "GET", CONF "/connector/ha/master/state", "");
	says("\"ALONE\"");
	expect(204, "PUT", CONF "/connector/ha/master/config", "{\"haEnabled\":\"false\"}");
	expect(409, "PUT", CONF "/connector/ha/master/config", "{\"haEnabled\":true}");
	says("several masters");
	expect(400, "PUT", CONF "/connector/ha/master/config", "{}");
	expect(409, "POST", CONF "/connector/ha/master/state", "{\"op\":\"SWITCH\"}");
	says("ILLEGAL_STATE");
	expect(400, "POST", CONF "/connector/ha/master/state", "{\"op\":\"JUMP\"}");
	expect(204, "DELETE", CONF "/connector/ha/master/state", "");
	expect(403, "GET", CONF "/connector/ha/shadow/state", "");
	says("FORBIDDEN_REQUEST");
}

static unsigned submit(const char *form)
{
	return send_as("POST", "/j_security_check", form, "application/x-www-form-urlencoded",
		       NULL);
}

TEST(the_form_logs_in_and_shows_itself_again_otherwise)
{
	char form[200], pair[300];

	assert_int_equal(send_as("GET", "/api/login", "", "", NULL), 200);
	says("j_security_check");
	assert_int_equal(submit("j_username=Administrator&j_password=wrong"), 200);
	says("j_security_check");
	assert_string_equal(cookie, "");
	assert_int_equal(submit("j_username=Administrator"), 400);
	snprintf(form, sizeof form, "j_username=Administrator&j_password=%s", password);
	assert_int_equal(submit(form), 302);
	assert_string_equal(location, "/");
	assert_non_null(strstr(cookie, "JSESSIONID="));
	assert_true(token[0] != '\0');
	snprintf(pair, sizeof pair, "%.*s", (int)strcspn(cookie, ";"), cookie);
	struct http_field fields[] = {{STR("Cookie"), str_of(pair), false}};
	assert_int_equal(send_fields("GET", CONF "/connector", "", fields, 1), 200);
	assert_int_equal(send_fields("GET", "/api/login", "", fields, 1), 204);
}

/* Programs look for text/html to see that they must log in again (spec 8.8). */
TEST(an_ended_session_is_answered_by_the_page_and_a_browsers_script_by_401)
{
	struct http_field fields[] = {{STR("Cookie"), STR("JSESSIONID=0123456789abcdef"), false},
				      {STR("Sec-Fetch-Mode"), STR("cors"), false}};

	assert_int_equal(send_fields("GET", CONF "/connector", "", fields, 1), 200);
	says("<form");
	assert_int_equal(send_fields("GET", CONF "/connector", "", fields, 2), 401);
	assert_int_equal(send_fields("GET", "/api/drawbridge/v1/audit", "", fields, 1), 401);
	assert_int_equal(send_fields("GET", CONF "/connector", "", fields, 0), 401);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FRESH(before_the_password_is_changed_everything_else_is_forbidden),
		FRESH(before_the_role_is_chosen_everything_else_is_forbidden),
		READY(allowed_clients_are_replaced_added_and_deleted),
		READY(blocked_users_are_pairs),
		READY(a_master_without_shadow_answers_for_high_availability),
		READY(the_form_logs_in_and_shows_itself_again_otherwise),
		READY(an_ended_session_is_answered_by_the_page_and_a_browsers_script_by_401),
		READY(nobody_is_let_in_without_the_right_password),
		READY(a_wrong_name_costs_as_much_as_a_wrong_password),
		READY(many_wrong_passwords_are_slowed_down),
		READY(a_session_must_send_its_token_when_it_writes),
		READY(who_has_a_session_is_slowed_down_at_guessing_the_password),
		READY(the_user_may_be_renamed_but_not_with_the_password_at_once),
		READY(the_description_is_written_and_null_is_refused),
		READY(the_proxy_is_set_shown_without_its_password_and_removed),
		READY(a_body_that_is_no_object_or_holds_no_texts_changes_nothing),
		READY(the_subaccount_entity_has_the_recorded_form),
		READY(a_subaccount_is_added_with_an_owners_password),
		READY(enrolment_that_fails_says_why),
		READY(a_subaccount_is_edited_connected_refreshed_and_deleted),
		READY(automatic_renewal_is_shown_switched_and_tried_now),
		READY(a_mapping_is_created_read_changed_and_deleted),
		READY(bad_mappings_are_refused_with_the_field_named),
		READY(a_stored_host_that_would_be_refused_today_hinders_nothing),
		READY(resources_have_the_originals_defaults_and_encoding),
		READY(resources_that_could_never_match_are_refused),
		READY(a_change_is_in_force_at_once),
		READY(cookie_domains_have_their_own_list),
		READY(certificates_are_trusted_shown_and_removed),
		READY(our_own_list_says_why_there_is_no_tunnel),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
