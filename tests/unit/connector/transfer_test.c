/* Export, preview and import against both databases. */
#include "connector/transfer.h"

#include "base/archive.h"
#include "database.h"
#include "store/audit.h"
#include "unit/unit.h"

static const struct state_actor ADMIN = {STR("user:Administrator"), STR("127.0.0.1")};
#define HOST "eu1.example:443"
#define ID_1 "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a11"
#define ID_2 "b1799d1c-0f3a-4e37-9d3c-3d6b7c1c0a22"
static const struct mappings_owner ONE = {STR(HOST), STR(ID_1)};
static const struct mappings_owner TWO = {STR(HOST), STR(ID_2)};

struct scene {
	struct store *s;
	struct arena *arena;
	struct err err;
	struct transfer_plan plan;
};

static void add_subaccount(struct scene *c, const char *id, const char *location)
{
	struct state_subaccount sa = {.auto_renewal = true};

	snprintf(sa.region_host, sizeof sa.region_host, "%s", HOST);
	snprintf(sa.subaccount, sizeof sa.subaccount, "%s", id);
	snprintf(sa.location_id, sizeof sa.location_id, "%s", location);
	snprintf(sa.description, sizeof sa.description, "plant %s", location);
	assert_ok(state_subaccount_add(c->s, &ADMIN, &sa, &c->err), &c->err);
}

static struct scene begin(void **state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"connector", state_migrations},
					     {"mappings", mappings_migrations}};
	struct database *d = *state;
	struct scene c = {.s = d->store, .arena = arena_new(KIB(4), MIB(64))};

	assert_ok(store_migrate(c.s, sets, COUNT(sets), &c.err), &c.err);
	add_subaccount(&c, ID_1, "north");
	add_subaccount(&c, ID_2, "");
	return c;
}

static struct mapping_row mapping(const char *host, const char *local)
{
	return (struct mapping_row){.virtual_host = str_of(host),
				    .virtual_port = STR("80"),
				    .local_host = str_of(local),
				    .local_port = STR("8000"),
				    .protocol = STR("HTTP"),
				    .backend_type = STR("abapSys"),
				    .authentication_mode = STR("NONE"),
				    .created_ms = 1771323471326};
}

static int64_t add_mapping(struct scene *c, struct mappings_owner owner, const char *host,
			   const char *local)
{
	struct mapping_row row = mapping(host, local), found;

	assert_ok(mappings_add(c->s, &ADMIN, owner, &row, &c->err), &c->err);
	assert_ok(mappings_get(c->s, c->arena, owner, row.virtual_host, row.virtual_port, &found,
			       &c->err),
		  &c->err);
	return found.id;
}

static void add_path(struct scene *c, int64_t id, const char *path, bool exact)
{
	struct resource_row row = {.mapping = id,
				   .path = str_of(path),
				   .enabled = true,
				   .exact = exact,
				   .created_ms = 7};

	assert_ok(resources_add(c->s, &ADMIN, ONE, &row, &c->err), &c->err);
}

static void furnish(struct scene *c)
{
	int64_t id = add_mapping(c, ONE, "ERP.virtual", "10.0.0.1");

	add_path(c, id, "/sap", false);
	add_path(c, id, "/odata", true);
	add_mapping(c, ONE, "hr.virtual", "10.0.0.2");
	assert_ok(
		domains_add(c->s, &ADMIN, ONE, STR("corp.example"), STR("cloud.example"), &c->err),
		&c->err);
}

static void export(struct scene *c, struct mappings_owner owner, struct buf *zip)
{
	*zip = BUF(ARCHIVE_MAX + KIB(64));
	assert_ok(transfer_write(c->s, owner, "test", 1767225600000, zip, &c->err), &c->err);
}

static void import(struct scene *c, struct mappings_owner owner, const struct buf *zip,
		   enum transfer_mode mode)
{
	AUTO(transfer_free) struct transfer_file *file = NULL;
	const struct transfer_options options = {.mode = mode};
	struct transfer_plan preview;

	assert_ok(transfer_read(buf_str(zip), c->arena, &file, &c->err), &c->err);
	assert_ok(transfer_preview(c->s, owner, file, &options, c->arena, &preview, &c->err),
		  &c->err);
	assert_ok(transfer_apply(c->s, &ADMIN, owner, file, &options, c->arena, &c->plan, &c->err),
		  &c->err);
	assert_int_equal(preview.n, c->plan.n);
	assert_memory_equal(preview.counts, c->plan.counts, sizeof preview.counts);
}

static void assert_counts(const struct scene *c, enum transfer_kind kind, unsigned added,
			  unsigned changed, unsigned removed, unsigned kept, unsigned same)
{
	const unsigned expected[TRANSFER_ACTIONS] = {added, changed, removed, kept, same};

	for (size_t i = 0; i < TRANSFER_ACTIONS; i++) {
		if (c->plan.counts[kind][i] != expected[i]) {
			fail_msg("%s: %u %s, expected %u", transfer_kind_name(kind),
				 c->plan.counts[kind][i],
				 transfer_action_name((enum transfer_action)i), expected[i]);
		}
	}
}

/* "host->local[path path]" of each mapping, then the domains. */
static const char *shape(struct scene *c, struct mappings_owner owner)
{
	AUTO_BUF struct buf text = BUF(KIB(64));
	struct mapping_row *rows;
	struct resource_row *resources;
	struct domain_row *domains;
	size_t n, m;

	assert_ok(mappings_list(c->s, c->arena, owner, &rows, &n, &c->err), &c->err);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%.*s->%.*s[", STR_ARGS(rows[i].virtual_host),
			 STR_ARGS(rows[i].local_host));
		assert_ok(resources_list(c->s, c->arena, rows[i].id, &resources, &m, &c->err),
			  &c->err);
		for (size_t k = 0; k < m; k++) {
			buf_addf(&text, "%.*s%s ", STR_ARGS(resources[k].path),
				 resources[k].exact ? "!" : "");
		}
		buf_add_str(&text, STR("] "));
	}
	assert_ok(domains_list(c->s, c->arena, owner, &domains, &n, &c->err), &c->err);
	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%.*s=%.*s ", STR_ARGS(domains[i].internal),
			 STR_ARGS(domains[i].virtual_domain));
	}
	return arena_text(c->arena, buf_str(&text));
}

#define FURNISHED                                                                                  \
	"ERP.virtual->10.0.0.1[/sap /odata! ] hr.virtual->10.0.0.2[] corp.example=cloud.example "

TEST(another_subaccount_takes_over_all_but_the_identity)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;
	struct state_subaccount sa;

	furnish(&c);
	export(&c, ONE, &zip);
	import(&c, TWO, &zip, TRANSFER_ADD);
	assert_counts(&c, TRANSFER_MAPPING, 2, 0, 0, 0, 0);
	assert_counts(&c, TRANSFER_RESOURCE, 2, 0, 0, 0, 0);
	assert_counts(&c, TRANSFER_DOMAIN, 1, 0, 0, 0, 0);
	assert_string_equal(shape(&c, TWO), FURNISHED);
	assert_string_equal(shape(&c, ONE), FURNISHED);
	assert_ok(state_subaccount_get(c.s, HOST, ID_2, &sa, &c.err), &c.err);
	assert_string_equal(sa.location_id, "north"); /* it had none: adding fills it */
	assert_string_equal(sa.description, "plant ");
	state_subaccount_fini(&sa);
	arena_free(c.arena);
}

TEST(the_file_names_no_subaccount)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;
	AUTO(archive_free) struct archive *a = NULL;

	furnish(&c);
	export(&c, ONE, &zip);
	assert_ok(archive_open(buf_str(&zip), &a, &c.err), &c.err);
	assert_int_equal(archive_count(a), 4);
	for (size_t i = 0; i < archive_count(a); i++) {
		assert_false(str_contains(archive_content(a, i), STR(ID_1)));
		assert_false(str_contains(archive_content(a, i), STR("eu1.example")));
	}
	arena_free(c.arena);
}

TEST(the_same_file_changes_nothing)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;

	furnish(&c);
	export(&c, ONE, &zip);
	for (int mode = TRANSFER_ADD; mode <= TRANSFER_REPLACE; mode++) {
		import(&c, ONE, &zip, (enum transfer_mode)mode);
		assert_int_equal(c.plan.n, 0);
		assert_counts(&c, TRANSFER_MAPPING, 0, 0, 0, 0, 2);
		assert_string_equal(shape(&c, ONE), FURNISHED);
	}
	arena_free(c.arena);
}

/* What the subaccount became since the export. */
static void drift(struct scene *c)
{
	struct mapping_row row;

	assert_ok(mappings_get(c->s, c->arena, ONE, STR("erp.virtual"), STR("80"), &row, &c->err),
		  &c->err);
	row.local_host = STR("10.9.9.9");
	assert_ok(mappings_edit(c->s, &ADMIN, ONE, &row, &c->err), &c->err);
	assert_ok(resources_delete(c->s, &ADMIN, ONE, row.id, STR("/odata"), &c->err), &c->err);
	add_path(c, row.id, "/new", false);
	add_path(c, add_mapping(c, ONE, "new.virtual", "10.0.0.3"), "/", false);
	assert_ok(domains_edit(c->s, &ADMIN, ONE, STR("corp.example"), STR("corp.example"),
			       STR("other.example"), &c->err),
		  &c->err);
	assert_ok(domains_add(c->s, &ADMIN, ONE, STR("x"), STR("y"), &c->err), &c->err);
}

TEST(add_leaves_what_is_there)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;

	furnish(&c);
	export(&c, ONE, &zip);
	drift(&c);
	const char *before = shape(&c, ONE);
	import(&c, ONE, &zip, TRANSFER_ADD);
	assert_counts(&c, TRANSFER_MAPPING, 0, 0, 0, 1, 1);
	assert_counts(&c, TRANSFER_DOMAIN, 0, 0, 0, 1, 0);
	assert_string_equal(shape(&c, ONE), before);
	arena_free(c.arena);
}

TEST(overwrite_replaces_what_has_the_same_name)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;

	furnish(&c);
	export(&c, ONE, &zip);
	drift(&c);
	import(&c, ONE, &zip, TRANSFER_OVERWRITE);
	assert_counts(&c, TRANSFER_MAPPING, 0, 1, 0, 0, 1);
	assert_counts(&c, TRANSFER_RESOURCE, 1, 0, 0, 0, 1);
	assert_counts(&c, TRANSFER_DOMAIN, 0, 1, 0, 0, 0);
	assert_string_equal(shape(&c, ONE),
			    "ERP.virtual->10.0.0.1[/sap /new /odata! ] hr.virtual->10.0.0.2[] "
			    "new.virtual->10.0.0.3[/ ] corp.example=cloud.example x=y ");
	arena_free(c.arena);
}

TEST(replace_leaves_what_the_file_has_and_nothing_else)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;

	furnish(&c);
	export(&c, ONE, &zip);
	drift(&c);
	import(&c, ONE, &zip, TRANSFER_REPLACE);
	assert_counts(&c, TRANSFER_MAPPING, 0, 1, 1, 0, 1);
	assert_counts(&c, TRANSFER_RESOURCE, 1, 0, 2, 0, 1);
	assert_counts(&c, TRANSFER_DOMAIN, 0, 1, 1, 0, 0);
	assert_string_equal(shape(&c, ONE), FURNISHED);
	arena_free(c.arena);
}

static void keep_entry(const struct audit_entry *entry, void *user)
{
	buf_addf(user, "%.*s %.*s %.*s", STR_ARGS(entry->audit.what), STR_ARGS(entry->audit.tenant),
		 STR_ARGS(entry->audit.after));
}

TEST(an_import_is_one_change_with_its_audit_row)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip, seen = BUF(KIB(64));
	int64_t before, after;

	furnish(&c);
	export(&c, ONE, &zip);
	assert_ok(store_head(c.s, &before, &c.err), &c.err);
	import(&c, TWO, &zip, TRANSFER_REPLACE);
	assert_ok(store_head(c.s, &after, &c.err), &c.err);
	assert_int_equal(after, before + 1);
	assert_ok(store_audit_each(c.s, INT64_MAX, 1, keep_entry, &seen, &c.err), &c.err);
	assert_true(
		str_contains(buf_str(&seen), STR("subaccount.import " ID_2 " {\"mode\":\"replace\","
						 "\"systemMapping\":{\"added\":2,")));
	arena_free(c.arena);
}

/* ---- files that are refused ---- */

#define MANIFEST STR("{\"format\":\"drawbridge-subaccount\",\"version\":1}")
#define ROW                                                                                        \
	"{\"virtualHost\":\"v\",\"virtualPort\":\"80\",\"localHost\":\"l\",\"localPort\":\"1\","   \
	"\"protocol\":\"HTTP\",\"backendType\":\"hana\""

static const struct {
	struct archive_entry entries[2];
	const char *says;
} bad_files[] = {
	{{{"readme.txt", STR("hello")}}, "no export of a subaccount"},
	{{{"drawbridge.json", STR("{\"format\":\"other\",\"version\":1}")}}, "no export"},
	{{{"drawbridge.json", STR("{\"format\":\"drawbridge-subaccount\"}")}}, "no export"},
	{{{"drawbridge.json", STR("{\"format\":\"drawbridge-subaccount\",\"version\":2}")}},
	 "newer version (format 2"},
	{{{"drawbridge.json", STR("nonsense")}}, "drawbridge.json: "},
	{{{"drawbridge.json", MANIFEST}, {"key.pem", STR("x")}}, "\"key.pem\" in the archive"},
	{{{"drawbridge.json", MANIFEST}, {"systemMappings.json", STR("{}")}}, "must be a list"},
	{{{"drawbridge.json", MANIFEST}, {"systemMappings.json", STR("[1]")}},
	 "systemMappings.json, entry 1: an object"},
	{{{"drawbridge.json", MANIFEST}, {"systemMappings.json", STR("[" ROW ",\"color\":1}]")}},
	 "\"color\" is not known"},
	{{{"drawbridge.json", MANIFEST}, {"systemMappings.json", STR("[" ROW "}," ROW "}]")}},
	 "entry 2: v:80 is there twice"},
	{{{"drawbridge.json", MANIFEST},
	  {"systemMappings.json", STR("[" ROW ",\"resources\":[{\"id\":\"/a/../b\"}]}]")}},
	 "v:80: resource 1: id: "},
	{{{"drawbridge.json", MANIFEST},
	  {"systemMappings.json",
	   STR("[" ROW ",\"resources\":[{\"id\":\"/a\"},{\"id\":\"/a\"}]}]")}},
	 "resource 2: /a is there twice"},
	{{{"drawbridge.json", MANIFEST},
	  {"domainMappings.json", STR("[{\"internalDomain\":\"a\"}]")}},
	 "virtualDomain"},
	{{{"drawbridge.json", MANIFEST}, {"settings.json", STR("{\"subaccount\":\"x\"}")}},
	 "settings.json: the field \"subaccount\""},
	{{{"drawbridge.json", MANIFEST}, {"settings.json", STR("{\"autoCertRenewal\":7}")}},
	 "autoCertRenewal"},
};

TEST(files_that_are_not_right_are_refused_with_the_place_named)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(4), MIB(8));

	for (size_t i = 0; i < COUNT(bad_files); i++) {
		AUTO_BUF struct buf zip = BUF(ARCHIVE_MAX);
		AUTO(transfer_free) struct transfer_file *file = NULL;
		struct err err;
		size_t n = bad_files[i].entries[1].name ? 2 : 1;
		assert_ok(archive_write(bad_files[i].entries, n, 0, &zip, &err), &err);
		assert_err(transfer_read(buf_str(&zip), arena, &file, &err), &err, ERR_CONFIG,
			   bad_files[i].says);
	}
}

TEST(more_rows_than_allowed_are_refused)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(4), MIB(64));
	AUTO_BUF struct buf text = BUF(MIB(4)), zip = BUF(ARCHIVE_MAX);
	AUTO(transfer_free) struct transfer_file *file = NULL;
	struct err err;

	for (int i = 0; i <= DOMAINS_MAX; i++) {
		buf_addf(&text, "%c{\"internalDomain\":\"d%d\",\"virtualDomain\":\"v\"}",
			 i ? ',' : '[', i);
	}
	buf_add_c(&text, ']');
	const struct archive_entry entries[] = {{"drawbridge.json", MANIFEST},
						{"domainMappings.json", buf_str(&text)}};
	assert_ok(archive_write(entries, 2, 0, &zip, &err), &err);
	assert_err(transfer_read(buf_str(&zip), arena, &file, &err), &err, ERR_LIMIT,
		   "at most 1000");
}

/* The file alone is within the limit, together with what is there it is not. */
TEST(an_import_that_would_pass_a_limit_leaves_everything)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf text = BUF(MIB(4)), zip = BUF(ARCHIVE_MAX);
	AUTO(transfer_free) struct transfer_file *file = NULL;
	const struct transfer_options options = {.mode = TRANSFER_ADD};

	furnish(&c);
	for (int i = 0; i < DOMAINS_MAX; i++) {
		buf_addf(&text, "%c{\"internalDomain\":\"d%d\",\"virtualDomain\":\"v\"}",
			 i ? ',' : '[', i);
	}
	buf_add_c(&text, ']');
	const struct archive_entry entries[] = {
		{"drawbridge.json", MANIFEST},
		{"systemMappings.json", STR("[" ROW "}]")},
		{"domainMappings.json", buf_str(&text)},
	};
	assert_ok(archive_write(entries, 3, 0, &zip, &c.err), &c.err);
	assert_ok(transfer_read(buf_str(&zip), c.arena, &file, &c.err), &c.err);
	assert_err(transfer_apply(c.s, &ADMIN, ONE, file, &options, c.arena, &c.plan, &c.err),
		   &c.err, ERR_LIMIT, "at most 1000");
	assert_string_equal(shape(&c, ONE), FURNISHED);
	arena_free(c.arena);
}

TEST(an_import_into_a_subaccount_that_is_gone_fails)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;
	AUTO(transfer_free) struct transfer_file *file = NULL;
	const struct transfer_options options = {.without_settings = true};

	export(&c, ONE, &zip);
	assert_ok(transfer_read(buf_str(&zip), c.arena, &file, &c.err), &c.err);
	assert_ok(state_subaccount_delete(c.s, &ADMIN, HOST, ID_2, &c.err), &c.err);
	assert_err(transfer_apply(c.s, &ADMIN, TWO, file, &options, c.arena, &c.plan, &c.err),
		   &c.err, ERR_MISSING, "does not exist");
	arena_free(c.arena);
}

/* In one change: what is added again later must not find old rules. */
TEST(a_subaccount_is_deleted_with_its_rules)
{
	struct scene c = begin(state);

	furnish(&c);
	add_mapping(&c, TWO, "two.virtual", "10.0.0.9");
	assert_ok(state_subaccount_delete(c.s, &ADMIN, HOST, ID_1, &c.err), &c.err);
	assert_string_equal(shape(&c, ONE), "");
	assert_string_equal(shape(&c, TWO), "two.virtual->10.0.0.9[] ");
	arena_free(c.arena);
}

TEST(resources_and_settings_can_be_left_out)
{
	struct scene c = begin(state);
	AUTO_BUF struct buf zip;
	AUTO(transfer_free) struct transfer_file *file = NULL;
	const struct transfer_options options = {TRANSFER_REPLACE, true, true};

	furnish(&c);
	export(&c, ONE, &zip);
	assert_ok(transfer_read(buf_str(&zip), c.arena, &file, &c.err), &c.err);
	assert_ok(transfer_apply(c.s, &ADMIN, TWO, file, &options, c.arena, &c.plan, &c.err),
		  &c.err);
	assert_counts(&c, TRANSFER_RESOURCE, 0, 0, 0, 0, 0);
	assert_counts(&c, TRANSFER_SETTING, 0, 0, 0, 0, 0);
	assert_string_equal(shape(&c, TWO), "ERP.virtual->10.0.0.1[] hr.virtual->10.0.0.2[] "
					    "corp.example=cloud.example ");
	arena_free(c.arena);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(another_subaccount_takes_over_all_but_the_identity),
	ON_SQLITE(the_file_names_no_subaccount),
	ON_BOTH(the_same_file_changes_nothing),
	ON_SQLITE(add_leaves_what_is_there),
	ON_SQLITE(overwrite_replaces_what_has_the_same_name),
	ON_BOTH(replace_leaves_what_the_file_has_and_nothing_else),
	ON_BOTH(an_import_is_one_change_with_its_audit_row),
	cmocka_unit_test(files_that_are_not_right_are_refused_with_the_place_named),
	cmocka_unit_test(more_rows_than_allowed_are_refused),
	ON_SQLITE(an_import_that_would_pass_a_limit_leaves_everything),
	ON_SQLITE(an_import_into_a_subaccount_that_is_gone_fails),
	ON_BOTH(a_subaccount_is_deleted_with_its_rules),
	ON_SQLITE(resources_and_settings_can_be_left_out),
};

int main(void)
{
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
