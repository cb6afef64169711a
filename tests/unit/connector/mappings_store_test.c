#include "connector/mappings_store.h"

#include "connector/mappings_tx.h"
#include "database.h"
#include "store/change.h"
#include "unit/unit.h"

static const struct state_actor ADMIN = {STR("user:Administrator"), STR("127.0.0.1")};
static const struct mappings_owner ONE = {STR("eu1.example"), STR("id-1")};
static const struct mappings_owner TWO = {STR("eu1.example"), STR("id-2")};

struct scene {
	struct store *s;
	struct arena *arena;
	struct err err;
};

static struct scene begin(void **state)
{
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"mappings", mappings_migrations}};
	struct database *d = *state;
	struct scene c = {.s = d->store, .arena = arena_new(KIB(4), MIB(4))};

	assert_ok(store_migrate(c.s, sets, COUNT(sets), &c.err), &c.err);
	return c;
}

static struct mapping_row sample(void)
{
	return (struct mapping_row){.virtual_host = STR("ERP.virtual"),
				    .virtual_port = STR("44300"),
				    .local_host = STR("10.0.0.1"),
				    .local_port = STR("443"),
				    .protocol = STR("HTTPS"),
				    .backend_type = STR("abapSys"),
				    .authentication_mode = STR("NONE"),
				    .description = STR(""),
				    .created_ms = 1771323471326};
}

static struct mapping_row add_sample(struct scene *c, struct mappings_owner owner)
{
	struct mapping_row row = sample(), found = {0};

	assert_ok(mappings_add(c->s, &ADMIN, owner, &row, &c->err), &c->err);
	assert_ok(mappings_get(c->s, c->arena, owner, STR("erp.VIRTUAL"), STR("44300"), &found,
			       &c->err),
		  &c->err);
	return found;
}

static void add_path(struct scene *c, int64_t mapping, const char *path, bool enabled)
{
	struct resource_row row = {
		.mapping = mapping, .path = str_of(path), .enabled = enabled, .created_ms = 7};

	assert_ok(resources_add(c->s, &ADMIN, ONE, &row, &c->err), &c->err);
}

TEST(a_mapping_comes_back_as_it_was_written)
{
	struct scene c = begin(state);
	struct mapping_row m = add_sample(&c, ONE);

	assert_str(m.virtual_host, "ERP.virtual");
	assert_str(m.local_port, "443");
	assert_true(m.sid.at == NULL); /* never set: absent, unlike "" */
	assert_true(m.description.at != NULL);
	assert_str(m.allowed_clients, "[]");
	assert_int_equal(m.created_ms, 1771323471326);
	arena_free(c.arena);
}

TEST(virtual_host_and_port_are_taken_once_per_subaccount)
{
	struct scene c = begin(state);
	struct mapping_row row = sample();

	add_sample(&c, ONE);
	row.virtual_host = STR("erp.Virtual");
	assert_false(mappings_add(c.s, &ADMIN, ONE, &row, &c.err));
	assert_int_equal(c.err.kind, ERR_CONFLICT);
	assert_ok(mappings_add(c.s, &ADMIN, TWO, &row, &c.err), &c.err);
	arena_free(c.arena);
}

TEST(a_mapping_is_edited_and_only_by_its_owner)
{
	struct scene c = begin(state);
	struct mapping_row m = add_sample(&c, ONE);

	m.local_host = STR("other");
	m.plain_prefix = true;
	assert_false(mappings_edit(c.s, &ADMIN, TWO, &m, &c.err));
	assert_int_equal(c.err.kind, ERR_MISSING);
	assert_ok(mappings_edit(c.s, &ADMIN, ONE, &m, &c.err), &c.err);
	assert_ok(mappings_get(c.s, c.arena, ONE, STR("erp.virtual"), STR("44300"), &m, &c.err),
		  &c.err);
	assert_str(m.local_host, "other");
	assert_true(m.plain_prefix);
	arena_free(c.arena);
}

TEST(resources_are_counted_listed_and_deleted_with_their_mapping)
{
	struct scene c = begin(state);
	struct mapping_row m = add_sample(&c, ONE);
	struct resource_row *rows, row;
	size_t n;

	add_path(&c, m.id, "/a", true);
	add_path(&c, m.id, "/b", false);
	add_path(&c, m.id, "/c", true);
	assert_ok(resources_list(c.s, c.arena, m.id, &rows, &n, &c.err), &c.err);
	assert_int_equal(n, 3);
	assert_str(rows[1].path, "/b");
	m = (struct mapping_row){0};
	assert_ok(mappings_get(c.s, c.arena, ONE, STR("erp.virtual"), STR("44300"), &m, &c.err),
		  &c.err);
	assert_int_equal(m.n_resources, 3);
	assert_int_equal(m.n_enabled, 2);
	assert_ok(resources_get(c.s, c.arena, m.id, STR("/b"), &row, &c.err), &c.err);
	row.enabled = row.exact = true;
	assert_ok(resources_edit(c.s, &ADMIN, ONE, &row, &c.err), &c.err);
	assert_ok(resources_get(c.s, c.arena, m.id, STR("/b"), &row, &c.err), &c.err);
	assert_true(row.enabled && row.exact && !row.upgrade);
	assert_ok(resources_delete(c.s, &ADMIN, ONE, m.id, STR("/b"), &c.err), &c.err);
	assert_false(resources_delete(c.s, &ADMIN, ONE, m.id, STR("/b"), &c.err));
	assert_int_equal(c.err.kind, ERR_MISSING);
	assert_ok(mappings_delete(c.s, &ADMIN, ONE, m.id, &c.err), &c.err);
	assert_ok(resources_list(c.s, c.arena, 0, &rows, &n, &c.err), &c.err);
	assert_int_equal(n, 0);
	arena_free(c.arena);
}

static bool purge_one(struct db *db, void *user, struct err *err)
{
	(void)user;
	return mappings_purge_in(db, ONE, err);
}

TEST(deleting_all_leaves_the_others_alone)
{
	struct scene c = begin(state);
	struct mapping_row *rows;
	size_t n;

	add_sample(&c, ONE);
	add_sample(&c, TWO);
	assert_ok(domains_add(c.s, &ADMIN, ONE, STR("a.lan"), STR("a"), &c.err), &c.err);
	assert_ok(store_tx(c.s, purge_one, NULL, &c.err), &c.err);
	assert_ok(mappings_list(c.s, c.arena, (struct mappings_owner){STR(""), STR("")}, &rows, &n,
				&c.err),
		  &c.err);
	assert_int_equal(n, 1);
	assert_str(rows[0].subaccount, "id-2");
	struct domain_row *domains;
	assert_ok(domains_list(c.s, c.arena, ONE, &domains, &n, &c.err), &c.err);
	assert_int_equal(n, 0);
	arena_free(c.arena);
}

TEST(cookie_domains_live_and_change)
{
	struct scene c = begin(state);
	struct domain_row *rows;
	size_t n;

	assert_ok(domains_add(c.s, &ADMIN, ONE, STR("a.lan"), STR("a"), &c.err), &c.err);
	assert_false(domains_add(c.s, &ADMIN, ONE, STR("a.lan"), STR("b"), &c.err));
	assert_int_equal(c.err.kind, ERR_CONFLICT);
	assert_ok(domains_edit(c.s, &ADMIN, ONE, STR("a.lan"), STR("b.lan"), STR("v"), &c.err),
		  &c.err);
	assert_ok(domains_list(c.s, c.arena, ONE, &rows, &n, &c.err), &c.err);
	assert_int_equal(n, 1);
	assert_str(rows[0].internal, "b.lan");
	assert_false(domains_delete(c.s, &ADMIN, ONE, STR("a.lan"), &c.err));
	assert_ok(domains_delete(c.s, &ADMIN, ONE, STR_NONE, &c.err), &c.err);
	arena_free(c.arena);
}

TEST(certificates_are_trusted_by_alias_all_or_none)
{
	struct scene c = begin(state);
	struct trusted_row *rows;
	const struct trusted_row two[] = {{STR("a"), STR("pem a")}, {STR("b"), STR("pem b")}};
	const struct trusted_row again[] = {{STR("c"), STR("pem c")}, {STR("b"), STR("pem b")}};
	size_t n;

	assert_ok(trusted_add(c.s, &ADMIN, two, 2, &c.err), &c.err);
	assert_false(trusted_add(c.s, &ADMIN, again, 2, &c.err));
	assert_int_equal(c.err.kind, ERR_CONFLICT);
	assert_ok(trusted_list(c.s, c.arena, &rows, &n, &c.err), &c.err);
	assert_int_equal(n, 2);
	assert_ok(trusted_delete(c.s, &ADMIN, STR("a"), &c.err), &c.err);
	assert_false(trusted_delete(c.s, &ADMIN, STR("a"), &c.err));
	assert_int_equal(c.err.kind, ERR_MISSING);
	arena_free(c.arena);
}

TEST(every_change_has_its_audit_row)
{
	struct scene c = begin(state);
	int64_t rows = 0;
	struct mapping_row m = add_sample(&c, ONE);

	add_path(&c, m.id, "/a", true);
	assert_ok(mappings_delete(c.s, &ADMIN, ONE, 0, &c.err), &c.err);
	assert_ok(store_verify_audit(c.s, &rows, &c.err), &c.err);
	assert_int_equal(rows, 3);
	arena_free(c.arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(a_mapping_comes_back_as_it_was_written),
		ON_BOTH(virtual_host_and_port_are_taken_once_per_subaccount),
		ON_BOTH(a_mapping_is_edited_and_only_by_its_owner),
		ON_BOTH(resources_are_counted_listed_and_deleted_with_their_mapping),
		ON_BOTH(deleting_all_leaves_the_others_alone),
		ON_BOTH(cookie_domains_live_and_change),
		ON_BOTH(certificates_are_trusted_by_alias_all_or_none),
		ON_BOTH(every_change_has_its_audit_row),
	};
	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
