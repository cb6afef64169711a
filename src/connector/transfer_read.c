/* From the bytes of a file to rows that were judged; nothing here touches the database. */
#include "base/archive.h"
#include "base/map.h"
#include "connector/mappings_tx.h"
#include "connector/rules.h"
#include "connector/transfer_priv.h"

#define MAPPING_KNOWN                                                                              \
	RULES_MAPPING_FIELDS ",creationDate,allowedClients,blacklistedUsers,matching,resources"
#define RESOURCE_KNOWN                                                                             \
	RULES_RESOURCE_FIELDS ",creationDate,enabled,exactMatchOnly,websocketUpgradeAllowed"

/* What every part needs. */
struct reading {
	const struct archive *archive;
	struct arena *arena;
	struct transfer_file *file;
	struct err *err;
};

static bool full(struct err *err)
{
	return err_set(err, ERR_LIMIT, "the file is too large");
}

/* The tree is the file's. *out NULL: the archive has no such entry. */
static bool parse(struct reading *r, const char *name, const struct json **out)
{
	struct str text;
	struct json *tree;

	*out = NULL;
	if (!archive_find(r->archive, name, &text)) {
		return true;
	}
	if (!json_parse(text, ARCHIVE_ENTRY_MAX, &tree, r->err)) {
		return err_wrap(r->err, "%s", name);
	}
	r->file->trees[r->file->n_trees++] = tree;
	*out = tree;
	return true;
}

/* ---- the manifest ---- */

static bool is_ours(struct reading *r)
{
	const struct json *j;
	struct str format;
	int64_t version;

	if (!parse(r, TRANSFER_MANIFEST, &j)) {
		return false;
	}
	if (j == NULL || !json_get_str(j, "format", &format) ||
	    !str_eq(format, STR(TRANSFER_FORMAT)) || !json_get_int(j, "version", &version)) {
		return err_set(r->err, ERR_CONFIG,
			       "this archive is no export of a subaccount: " TRANSFER_MANIFEST
			       " is missing or says something else");
	}
	if (version > TRANSFER_VERSION) {
		return err_set(r->err, ERR_CONFIG,
			       "this file was written by a newer version (format %lld, this "
			       "connector reads %d): update this connector",
			       (long long)version, TRANSFER_VERSION);
	}
	return version >= 1 ||
	       err_set(r->err, ERR_CONFIG, "format %lld does not exist", (long long)version);
}

static bool has_only_ours(struct reading *r)
{
	static const char *const names[] = {TRANSFER_MANIFEST, TRANSFER_MAPPINGS, TRANSFER_DOMAINS,
					    TRANSFER_SETTINGS};

	for (size_t i = 0; i < archive_count(r->archive); i++) {
		bool known = false;
		for (size_t k = 0; k < COUNT(names); k++) {
			known = known || str_eq(archive_name(r->archive, i), str_of(names[k]));
		}
		if (!known) {
			return err_set(r->err, ERR_CONFIG,
				       "\"%.*s\" in the archive is not known: nothing was imported",
				       STR_ARGS(archive_name(r->archive, i)));
		}
	}
	return true;
}

/* ---- lists ---- */

/* Room for all members; NULL when it is no list, too long, or too large. */
static void *rows_for(struct reading *r, const char *what, const struct json *list, size_t max,
		      size_t size)
{
	size_t n = json_count(list);

	if (!json_is_array(list)) {
		err_set(r->err, ERR_CONFIG, "%s must be a list", what);
		return NULL;
	}
	if (n > max) {
		err_set(r->err, ERR_LIMIT, "%s has %zu entries; at most %zu are allowed", what, n,
			max);
		return NULL;
	}
	void *rows = arena_get_zeroed(r->arena, (n + 1) * size);
	if (rows == NULL) {
		full(r->err);
	}
	return rows;
}

/* Each name once; `names` is of one list. */
static bool is_new(struct reading *r, struct map *names, struct str name)
{
	return map_put(names, name, r) == NULL ||
	       err_set(r->err, ERR_CONFIG, "%.*s is there twice", STR_ARGS(str_first(name, 200)));
}

static bool read_created(const struct json *j, int64_t *created_ms)
{
	int64_t ms;

	if (json_get_int(j, "creationDate", &ms) && ms > 0) {
		*created_ms = ms;
	}
	return true;
}

static bool read_resource(struct reading *r, const struct json *j, struct str protocol,
			  struct map *names, struct resource_row *row)
{
	return rules_are_known(j, RESOURCE_KNOWN, r->err) &&
	       rules_read_resource(r->arena, j, protocol, row, r->err) &&
	       read_created(j, &row->created_ms) && is_new(r, names, row->path);
}

static bool read_resources(struct reading *r, const struct json *list, struct transfer_mapping *m)
{
	AUTO(map_free) struct map *names = map_new();

	if (list == NULL) {
		return true;
	}
	m->resources = rows_for(r, "resources", list, RESOURCES_MAX, sizeof *m->resources);
	for (; m->resources != NULL && m->n < json_count(list); m->n++) {
		if (!read_resource(r, json_at(list, m->n), m->row.protocol, names,
				   &m->resources[m->n])) {
			return err_wrap(r->err, "resource %zu", m->n + 1);
		}
	}
	return m->resources != NULL;
}

static bool read_matching(struct reading *r, const struct json *j, bool *plain_prefix)
{
	struct str matching = rules_text(r->arena, j, "matching");

	*plain_prefix = str_eq(matching, STR("prefix"));
	return matching.at == NULL || *plain_prefix || str_eq(matching, STR("segment")) ||
	       err_set(r->err, ERR_CONFIG, "matching must be \"segment\" or \"prefix\"");
}

static bool read_mapping(struct reading *r, const struct json *j, struct map *names,
			 struct transfer_mapping *m)
{
	char name[MAPPINGS_NAME_MAX];

	if (!rules_are_known(j, MAPPING_KNOWN, r->err) ||
	    !rules_read_mapping(r->arena, j, &m->row, r->err) ||
	    !read_matching(r, j, &m->row.plain_prefix)) {
		return false;
	}
	m->name = arena_str(r->arena, mappings_name(m->row.virtual_host, m->row.virtual_port, name,
						    sizeof name));
	if (m->name.at == NULL) {
		return full(r->err);
	}
	return is_new(r, names, m->name) && read_created(j, &m->row.created_ms) &&
	       (read_resources(r, json_get(j, "resources"), m) ||
		err_wrap(r->err, "%.*s", STR_ARGS(str_first(m->name, 200))));
}

static bool read_mappings(struct reading *r)
{
	AUTO(map_free) struct map *names = map_new();
	struct transfer_file *f = r->file;
	const struct json *list;

	if (!parse(r, TRANSFER_MAPPINGS, &list) || list == NULL) {
		return list == NULL;
	}
	f->mappings = rows_for(r, TRANSFER_MAPPINGS, list, MAPPINGS_MAX, sizeof *f->mappings);
	for (; f->mappings != NULL && f->n_mappings < json_count(list); f->n_mappings++) {
		if (!read_mapping(r, json_at(list, f->n_mappings), names,
				  &f->mappings[f->n_mappings])) {
			return err_wrap(r->err, TRANSFER_MAPPINGS ", entry %zu", f->n_mappings + 1);
		}
	}
	return f->mappings != NULL;
}

static bool read_domain(struct reading *r, const struct json *j, struct map *names,
			struct domain_row *row)
{
	return rules_are_known(j, RULES_DOMAIN_FIELDS, r->err) &&
	       rules_read_domain(r->arena, j, row, r->err) && is_new(r, names, row->internal);
}

static bool read_domains(struct reading *r)
{
	AUTO(map_free) struct map *names = map_new();
	struct transfer_file *f = r->file;
	const struct json *list;

	if (!parse(r, TRANSFER_DOMAINS, &list) || list == NULL) {
		return list == NULL;
	}
	f->domains = rows_for(r, TRANSFER_DOMAINS, list, DOMAINS_MAX, sizeof *f->domains);
	for (; f->domains != NULL && f->n_domains < json_count(list); f->n_domains++) {
		if (!read_domain(r, json_at(list, f->n_domains), names,
				 &f->domains[f->n_domains])) {
			return err_wrap(r->err, TRANSFER_DOMAINS ", entry %zu", f->n_domains + 1);
		}
	}
	return f->domains != NULL;
}

/* ---- settings ---- */

static bool judge_settings(struct reading *r, const struct json *j)
{
	struct transfer_file *f = r->file;
	const struct json *renewal = json_get(j, "autoCertRenewal");

	if (!rules_are_known(j, "description,locationID,autoCertRenewal", r->err) ||
	    !rules_are_texts(j, "description,locationID", r->err)) {
		return false;
	}
	f->description = rules_text(r->arena, j, "description");
	f->location_id = rules_text(r->arena, j, "locationID");
	if (f->description.len >= STATE_TEXT || f->location_id.len >= STATE_LOCATION) {
		return err_set(r->err, ERR_CONFIG, "description or locationID is too long");
	}
	f->has_renewal = renewal != NULL;
	return renewal == NULL || json_bool(renewal, &f->auto_renewal) ||
	       err_set(r->err, ERR_CONFIG, "autoCertRenewal is neither true nor false");
}

static bool read_settings(struct reading *r)
{
	const struct json *j;

	if (!parse(r, TRANSFER_SETTINGS, &j) || j == NULL) {
		return j == NULL;
	}
	return judge_settings(r, j) || err_wrap(r->err, TRANSFER_SETTINGS);
}

/* ---- all ---- */

static bool read_all(struct reading *r)
{
	return is_ours(r) && has_only_ours(r) && read_mappings(r) && read_domains(r) &&
	       read_settings(r);
}

bool transfer_read(struct str zip, struct arena *arena, struct transfer_file **out, struct err *err)
{
	AUTO(archive_free) struct archive *archive = NULL;
	AUTO(transfer_free) struct transfer_file *file = NEW(struct transfer_file);
	struct reading r = {.arena = arena, .file = file, .err = err};

	if (!archive_open(zip, &archive, err)) {
		return false;
	}
	r.archive = archive;
	if (!read_all(&r)) {
		return false;
	}
	*out = TAKE(file);
	return true;
}

void transfer_free(struct transfer_file *file)
{
	for (size_t i = 0; file != NULL && i < file->n_trees; i++) {
		json_free(file->trees[i]);
	}
	free(file);
}
