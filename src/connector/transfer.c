#include "connector/transfer.h"

#include "base/archive.h"
#include "connector/mappings_tx.h"
#include "connector/rules.h"
#include "connector/transfer_priv.h"

/* ---- names ---- */

static const char *const modes[] = {"add", "overwrite", "replace"};

bool transfer_mode_of(struct str name, enum transfer_mode *out)
{
	for (size_t i = 0; i < COUNT(modes); i++) {
		if (str_eq(name, str_of(modes[i]))) {
			*out = (enum transfer_mode)i;
			return true;
		}
	}
	return false;
}

const char *transfer_mode_name(enum transfer_mode mode)
{
	return modes[mode];
}

const char *transfer_kind_name(enum transfer_kind kind)
{
	static const char *const names[] = {"systemMapping", "resource", "domainMapping",
					    "setting"};

	return names[kind];
}

const char *transfer_action_name(enum transfer_action action)
{
	static const char *const names[] = {"added", "changed", "removed", "kept", "unchanged"};

	return names[action];
}

void transfer_write_counts(struct jsonw *w, const struct transfer_plan *plan)
{
	for (size_t kind = 0; kind < TRANSFER_KINDS; kind++) {
		jsonw_key(w, transfer_kind_name((enum transfer_kind)kind));
		jsonw_object(w);
		for (size_t action = 0; action < TRANSFER_ACTIONS; action++) {
			jsonw_key_int(w, transfer_action_name((enum transfer_action)action),
				      plan->counts[kind][action]);
		}
		jsonw_object_end(w);
	}
}

/* ---- writing ---- */

struct writing {
	struct arena *arena;
	struct mappings_owner owner;
	struct buf mappings, domains, settings, manifest;
};

static void write_mapping(struct jsonw *w, const struct mapping_row *row,
			  const struct resource_row *resources, size_t n)
{
	jsonw_object(w);
	rules_write_mapping(w, row, false);
	jsonw_key_text(w, "matching", row->plain_prefix ? "prefix" : "segment");
	jsonw_key(w, "resources");
	jsonw_array(w);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(w);
		rules_write_resource(w, &resources[i]);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}

/* Both lists are in the order of the mappings. */
static bool write_mappings(struct db *db, struct writing *w, struct err *err)
{
	struct mapping_row *rows;
	struct resource_row *resources;
	size_t n, n_resources, at = 0;

	if (!mappings_read_in(db, w->arena, w->owner, &rows, &n, err) ||
	    !resources_read_in(db, w->arena, w->owner, &resources, &n_resources, err)) {
		return false;
	}
	struct jsonw json = jsonw_to(&w->mappings);
	jsonw_array(&json);
	for (size_t i = 0; i < n; i++) {
		size_t first = at;
		while (at < n_resources && resources[at].mapping == rows[i].id) {
			at++;
		}
		write_mapping(&json, &rows[i], resources + first, at - first);
	}
	jsonw_array_end(&json);
	return true;
}

static bool write_domains(struct db *db, struct writing *w, struct err *err)
{
	struct domain_row *rows;
	size_t n;

	if (!domains_read_in(db, w->arena, w->owner, &rows, &n, err)) {
		return false;
	}
	struct jsonw json = jsonw_to(&w->domains);
	jsonw_array(&json);
	for (size_t i = 0; i < n; i++) {
		jsonw_object(&json);
		rules_write_domain(&json, &rows[i]);
		jsonw_object_end(&json);
	}
	jsonw_array_end(&json);
	return true;
}

static bool write_settings(struct db *db, struct writing *w, struct err *err)
{
	struct state_subaccount sa = {0};

	if (!state_subaccount_get_in(db, w->owner, &sa, err)) {
		return false;
	}
	struct jsonw json = jsonw_to(&w->settings);
	jsonw_object(&json);
	jsonw_key_text(&json, "description", sa.description);
	jsonw_key_text(&json, "locationID", sa.location_id);
	jsonw_key_bool(&json, "autoCertRenewal", sa.auto_renewal);
	jsonw_object_end(&json);
	state_subaccount_fini(&sa);
	return true;
}

/* Of one moment; may be called again. */
static bool collect(struct db *db, void *user, struct err *err)
{
	struct writing *w = user;

	buf_reset(&w->mappings);
	buf_reset(&w->domains);
	buf_reset(&w->settings);
	return write_mappings(db, w, err) && write_domains(db, w, err) &&
	       write_settings(db, w, err);
}

static void write_manifest(struct writing *w, const char *program, int64_t now_ms)
{
	struct jsonw json = jsonw_to(&w->manifest);

	jsonw_object(&json);
	jsonw_key_text(&json, "format", TRANSFER_FORMAT);
	jsonw_key_int(&json, "version", TRANSFER_VERSION);
	jsonw_key_text(&json, "program", program);
	jsonw_key_int(&json, "createdAt", now_ms);
	jsonw_object_end(&json);
}

static bool pack(struct writing *w, int64_t now_ms, struct buf *out, struct err *err)
{
	const struct archive_entry entries[] = {
		{TRANSFER_MANIFEST, buf_str(&w->manifest)},
		{TRANSFER_MAPPINGS, buf_str(&w->mappings)},
		{TRANSFER_DOMAINS, buf_str(&w->domains)},
		{TRANSFER_SETTINGS, buf_str(&w->settings)},
	};

	if (buf_failed(&w->mappings) || buf_failed(&w->domains) || buf_failed(&w->settings)) {
		return err_set(err, ERR_LIMIT, "too much is configured for one file");
	}
	return archive_write(entries, COUNT(entries), now_ms / 1000, out, err);
}

bool transfer_write(struct store *s, struct mappings_owner owner, const char *program,
		    int64_t now_ms, struct buf *out, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(KIB(64), TRANSFER_MEMORY_MAX);
	struct writing w = {
		.arena = arena,
		.owner = owner,
		.mappings = BUF(ARCHIVE_ENTRY_MAX),
		.domains = BUF(ARCHIVE_ENTRY_MAX),
		.settings = BUF(KIB(64)),
		.manifest = BUF(KIB(4)),
	};

	write_manifest(&w, program, now_ms);
	bool ok = store_read(s, collect, &w, err) && pack(&w, now_ms, out, err);
	buf_fini(&w.mappings);
	buf_fini(&w.domains);
	buf_fini(&w.settings);
	buf_fini(&w.manifest);
	return ok;
}
