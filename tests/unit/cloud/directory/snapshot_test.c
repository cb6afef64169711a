#include "cloud/directory/snapshot.h"

#include "base/clock.h"
#include "cloud/directory/bindings.h"
#include "cloud/directory/connectors.h"
#include "cloud/directory/settings.h"
#include "unit/cloud/directory/fixture.h"

static void record(struct store *s, const char *serial)
{
	struct directory_certificate c = {.subaccount = SUBACCOUNT,
					  .instance = INSTANCE,
					  .not_after = clock_unix() + 1000,
					  .issued = clock_unix()};
	struct err err;

	snprintf(c.serial, sizeof(c.serial), "%s", serial);
	assert_ok(directory_certificate_record(s, &actor, &c, &err), &err);
}

static struct directory_snapshot *load(struct store *s)
{
	struct directory_snapshot *snap;
	struct err err;

	assert_ok(directory_snapshot_load(s, &snap, &err), &err);
	return snap;
}

static void drop(struct directory_snapshot *snap)
{
	snapshot_unref((struct snapshot *)(void *)snap);
}

static enum directory_judgement judged(struct store *s, const char *serial, int64_t since)
{
	struct directory_snapshot *snap = load(s);
	enum directory_judgement j = directory_snapshot_judge(snap, str_of(serial), STR(SUBACCOUNT),
							      STR(INSTANCE), since);

	drop(snap);
	return j;
}

static void it_holds_what_the_store_held(void **state)
{
	struct store *s = ready(state);
	struct directory_binding b;
	char secret[DIRECTORY_SECRET_MAX];
	struct err err;

	record(s, "01:aa");
	assert_ok(directory_binding_create(s, &actor, STR(SUBACCOUNT), STR("app"), 0, 1, &b, secret,
					   &err),
		  &err);
	struct directory_snapshot *snap = load(s);
	assert_int_equal(directory_snapshot_head(snap), head_of(s));
	assert_string_equal(directory_snapshot_subaccount(snap, STR(SUBACCOUNT))->display_name,
			    "Plant Hamburg");
	assert_string_equal(directory_snapshot_resolve(snap, STR("plant-hamburg"))->id, SUBACCOUNT);
	assert_null(directory_snapshot_subaccount(snap, STR("plant-hamburg")));
	assert_null(directory_snapshot_resolve(snap, STR("nothing")));
	assert_string_equal(directory_snapshot_certificate(snap, STR("01:aa"))->instance, INSTANCE);
	assert_string_equal(directory_snapshot_binding(snap, str_of(b.client_id)), SUBACCOUNT);
	assert_null(directory_snapshot_binding(snap, STR("sb-other")));
	assert_null(directory_snapshot_keys(snap));
	drop(snap);
}

static void a_running_tunnel_is_cut_for_these_reasons(void **state)
{
	struct store *s = ready(state);
	struct directory_subaccount sa;
	struct err err;

	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_UNKNOWN_SERIAL);
	assert_int_equal(judged(s, "01:aa", head_of(s) + 1), DIRECTORY_ADMITTED);
	record(s, "01:aa");
	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_ADMITTED);
	assert_ok(directory_connector_set_disconnected(s, &actor, STR(SUBACCOUNT), STR(INSTANCE),
						       true, &err),
		  &err);
	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_DISCONNECTED);
	assert_ok(directory_certificate_revoke(s, &actor, STR(SUBACCOUNT), STR("01:aa"), 5, &err),
		  &err);
	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_REVOKED);
	assert_ok(directory_subaccount_find(s, STR(SUBACCOUNT), &sa, &err), &err);
	sa.locked = true;
	assert_int_equal(directory_subaccount_edit(s, &actor, &sa, 1, &err), DIRECTORY_EDITED);
	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_LOCKED);
	assert_ok(directory_subaccount_delete(s, &actor, STR(SUBACCOUNT), &err), &err);
	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_NO_SUBACCOUNT);
}

static void superseding_does_not_cut(void **state)
{
	struct store *s = ready(state);
	struct err err;

	record(s, "01:aa");
	record(s, "02:bb");
	assert_ok(directory_certificate_confirm(s, STR("02:bb"), 1, DIRECTORY_SUPERSEDE_GRACE_S,
						&err),
		  &err);
	assert_int_equal(judged(s, "01:aa", 0), DIRECTORY_ADMITTED);
}

static void the_watcher_publishes_what_changed(void **state)
{
	struct store *s = ready(state);
	struct snapshot_cell cell;
	struct directory_watch *w;
	struct err err;

	snapshot_cell_init(&cell);
	assert_ok(directory_watch_start(s, &cell, &w, &err), &err);
	struct snapshot_view view = {.cell = &cell};
	const struct directory_snapshot *first = (void *)snapshot_view_refresh(&view);
	assert_null(directory_snapshot_certificate(first, STR("01:aa")));
	record(s, "01:aa");
	directory_watch_poke(w);
	assert_true(directory_watch_wait(w, head_of(s), SEC(20)));
	const struct directory_snapshot *second = (void *)snapshot_view_refresh(&view);
	assert_non_null(directory_snapshot_certificate(second, STR("01:aa")));
	assert_false(directory_watch_wait(w, head_of(s) + 1, 1));
	directory_watch_stop(w);
	snapshot_view_fini(&view);
	snapshot_cell_fini(&cell);
}

/* 300 ms at most pass here: the thread's own turn is what is tested. */
static void a_change_by_another_node_is_seen_without_being_told(void **state)
{
	struct database *d = *state;
	struct store *s = ready(state), *other;
	struct snapshot_cell cell;
	struct directory_watch *w;
	struct err err;

	snapshot_cell_init(&cell);
	assert_ok(store_open(d->url, 1, &other, &err), &err);
	assert_ok(directory_watch_start(s, &cell, &w, &err), &err);
	record(other, "01:aa");
	assert_true(directory_watch_wait(w, head_of(other), SEC(20)));
	directory_watch_stop(w);
	store_close(other);
	snapshot_cell_fini(&cell);
}

static void keys_that_cannot_be_read_do_not_stop_the_rest(void **state)
{
	struct store *s = ready(state);
	struct err err;

	assert_ok(directory_setting_set(s, &actor, STR(DIRECTORY_SETTING_JWKS), STR("{nonsense"),
					&err),
		  &err);
	struct directory_snapshot *snap = load(s);
	assert_null(directory_snapshot_keys(snap));
	assert_non_null(directory_snapshot_subaccount(snap, STR(SUBACCOUNT)));
	drop(snap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_BOTH(it_holds_what_the_store_held),
		ON_BOTH(a_running_tunnel_is_cut_for_these_reasons),
		ON_BOTH(superseding_does_not_cut),
		ON_BOTH(the_watcher_publishes_what_changed),
		ON_BOTH(a_change_by_another_node_is_seen_without_being_told),
		ON_BOTH(keys_that_cannot_be_read_do_not_stop_the_rest),
	};

	return cmocka_run_group_tests(tests, databases_start, databases_stop);
}
