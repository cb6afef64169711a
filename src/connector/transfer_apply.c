/*
 * What an import would do and what it does: one walk over the file and what is there, which writes
 * or does not, so that a preview cannot say anything else than the import does.
 */
#include "base/clock.h"
#include "base/crash.h"
#include "base/map.h"
#include "connector/mappings_priv.h"
#include "connector/mappings_tx.h"
#include "connector/transfer_priv.h"

/* What is there. */
struct present {
	struct mapping_row *row;
	struct str name;
	struct resource_row *resources;
	size_t n;
	bool seen; /* the file has it too */
};

struct walk {
	/* given */
	const struct state_actor *actor; /* NULL: a preview, nothing is written */
	struct mappings_owner owner;
	const struct transfer_file *file;
	const struct transfer_options *options;
	struct arena *arena;
	struct transfer_plan *plan;
	/* of one run */
	struct db *db;
	struct present *present;
	size_t n_present;
	int64_t now_ms;
};

static bool full(struct err *err)
{
	return err_set(err, ERR_LIMIT, "the file is too large");
}

static bool writes(const struct walk *w)
{
	return w->actor != NULL;
}

/* NULL: the arena is full. */
static void *grow(struct walk *w, void *rows, size_t n, size_t size)
{
	return mappings_grow(w->arena, rows, n, size);
}

static bool note(struct walk *w, enum transfer_kind kind, enum transfer_action action,
		 struct str name, struct str within, struct err *err)
{
	struct transfer_plan *p = w->plan;

	p->counts[kind][action]++;
	if (action == TRANSFER_SAME) {
		return true;
	}
	p->steps = grow(w, p->steps, p->n, sizeof *p->steps);
	if (p->steps == NULL) {
		return full(err);
	}
	p->steps[p->n++] = (struct transfer_step){kind, action, name, within};
	return true;
}

/* What happens to something that is on both sides. */
static enum transfer_action meeting(const struct walk *w, bool same)
{
	if (same) {
		return TRANSFER_SAME;
	}
	return w->options->mode == TRANSFER_ADD ? TRANSFER_KEPT : TRANSFER_CHANGED;
}

static int64_t created(const struct walk *w, int64_t ms)
{
	return ms != 0 ? ms : w->now_ms;
}

/* ---- resources ---- */

static bool same_resource(const struct resource_row *a, const struct resource_row *b)
{
	return a->enabled == b->enabled && a->exact == b->exact && a->upgrade == b->upgrade &&
	       str_eq(a->description, b->description);
}

static bool add_resource(struct walk *w, const struct transfer_mapping *m, int64_t mapping,
			 const struct resource_row *from, struct err *err)
{
	struct resource_row row = *from;

	row.mapping = mapping;
	row.created_ms = created(w, from->created_ms);
	return note(w, TRANSFER_RESOURCE, TRANSFER_ADDED, row.path, m->name, err) &&
	       (!writes(w) || resources_insert_in(w->db, &row, err));
}

static bool meet_resource(struct walk *w, const struct transfer_mapping *m,
			  const struct resource_row *old, const struct resource_row *from,
			  struct err *err)
{
	enum transfer_action action = meeting(w, same_resource(old, from));
	struct resource_row row = *from;

	row.mapping = old->mapping;
	return note(w, TRANSFER_RESOURCE, action, row.path, m->name, err) &&
	       (action != TRANSFER_CHANGED || !writes(w) || resources_update_in(w->db, &row, err));
}

/* Those that the file does not have. */
static bool remove_resources(struct walk *w, const struct present *p, const struct map *in_file,
			     struct err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct resource_row *row = &p->resources[i];
		if (map_get(in_file, row->path) == NULL &&
		    (!note(w, TRANSFER_RESOURCE, TRANSFER_REMOVED, row->path, p->name, err) ||
		     (writes(w) && !resources_delete_in(w->db, row, err)))) {
			return false;
		}
	}
	return true;
}

/* `p` NULL: the mapping is new, as `id`. */
static bool walk_resources(struct walk *w, const struct transfer_mapping *m,
			   const struct present *p, int64_t id, struct err *err)
{
	AUTO(map_free) struct map *there = map_new();
	AUTO(map_free) struct map *in_file = map_new();
	size_t n = p ? p->n : 0;

	for (size_t i = 0; i < n; i++) {
		map_put(there, p->resources[i].path, &p->resources[i]);
	}
	for (size_t i = 0; i < m->n; i++) {
		struct resource_row *from = &m->resources[i], *old = map_get(there, from->path);
		map_put(in_file, from->path, from);
		n += old == NULL;
		if (old ? !meet_resource(w, m, old, from, err)
			: !add_resource(w, m, id, from, err)) {
			return false;
		}
	}
	if (w->options->mode == TRANSFER_REPLACE) {
		return p == NULL || remove_resources(w, p, in_file, err);
	}
	return n <= RESOURCES_MAX || err_set(err, ERR_LIMIT,
					     "%.*s would have %zu resources; at most %d are "
					     "allowed",
					     STR_ARGS(str_first(m->name, 200)), n, RESOURCES_MAX);
}

/* ---- system mappings ---- */

static bool same_mapping(const struct mapping_row *a, const struct mapping_row *b)
{
	const struct str pairs[][2] = {
		{a->local_host, b->local_host},
		{a->local_port, b->local_port},
		{a->protocol, b->protocol},
		{a->backend_type, b->backend_type},
		{a->authentication_mode, b->authentication_mode},
		{a->sid, b->sid},
		{a->description, b->description},
		{a->snc_partner, b->snc_partner},
		{a->sap_router, b->sap_router},
		{a->allowed_clients.at ? a->allowed_clients : STR("[]"),
		 b->allowed_clients.at ? b->allowed_clients : STR("[]")},
		{a->blocked_users.at ? a->blocked_users : STR("[]"),
		 b->blocked_users.at ? b->blocked_users : STR("[]")},
	};
	bool same = a->host_internal == b->host_internal && a->plain_prefix == b->plain_prefix;

	for (size_t i = 0; same && i < COUNT(pairs); i++) {
		same = str_eq(pairs[i][0], pairs[i][1]);
	}
	return same;
}

static bool add_mapping(struct walk *w, const struct transfer_mapping *m, struct err *err)
{
	struct mapping_row row = m->row;
	int64_t id = 0;

	row.created_ms = created(w, row.created_ms);
	if (!note(w, TRANSFER_MAPPING, TRANSFER_ADDED, m->name, STR_NONE, err) ||
	    (writes(w) && !mappings_insert_in(w->db, w->owner, &row, &id, err))) {
		return false;
	}
	return w->options->without_resources || walk_resources(w, m, NULL, id, err);
}

static bool meet_mapping(struct walk *w, const struct transfer_mapping *m, struct present *p,
			 struct err *err)
{
	enum transfer_action action = meeting(w, same_mapping(p->row, &m->row));
	struct mapping_row row = m->row;

	p->seen = true;
	row.id = p->row->id;
	if (!note(w, TRANSFER_MAPPING, action, m->name, STR_NONE, err) ||
	    (action == TRANSFER_CHANGED && writes(w) &&
	     !mappings_update_in(w->db, w->owner, &row, err))) {
		return false;
	}
	return w->options->mode == TRANSFER_ADD || w->options->without_resources ||
	       walk_resources(w, m, p, row.id, err);
}

static bool remove_mapping(struct walk *w, const struct present *p, struct err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!note(w, TRANSFER_RESOURCE, TRANSFER_REMOVED, p->resources[i].path, p->name,
			  err)) {
			return false;
		}
	}
	return note(w, TRANSFER_MAPPING, TRANSFER_REMOVED, p->name, STR_NONE, err) &&
	       (!writes(w) || mappings_delete_in(w->db, w->owner, p->row->id, err));
}

/* Both lists come in the order of the mappings. */
static bool read_present(struct walk *w, struct map *by_name, struct err *err)
{
	struct mapping_row *rows;
	struct resource_row *resources;
	size_t n_resources, at = 0;
	char name[MAPPINGS_NAME_MAX];

	if (!mappings_read_in(w->db, w->arena, w->owner, &rows, &w->n_present, err) ||
	    !resources_read_in(w->db, w->arena, w->owner, &resources, &n_resources, err)) {
		return false;
	}
	w->present = arena_get_zeroed(w->arena, (w->n_present + 1) * sizeof *w->present);
	for (size_t i = 0; w->present != NULL && i < w->n_present; i++) {
		struct present *p = &w->present[i];
		p->row = &rows[i];
		p->resources = resources + at;
		while (at < n_resources && resources[at].mapping == rows[i].id) {
			at++;
			p->n++;
		}
		p->name =
			arena_str(w->arena, mappings_name(p->row->virtual_host,
							  p->row->virtual_port, name, sizeof name));
		if (p->name.at == NULL) {
			return full(err);
		}
		map_put(by_name, p->name, p);
	}
	return w->present != NULL || full(err);
}

static bool walk_mappings(struct walk *w, struct err *err)
{
	AUTO(map_free) struct map *by_name = map_new();
	const unsigned *counts = w->plan->counts[TRANSFER_MAPPING];

	if (!read_present(w, by_name, err)) {
		return false;
	}
	for (size_t i = 0; i < w->file->n_mappings; i++) {
		const struct transfer_mapping *m = &w->file->mappings[i];
		struct present *p = map_get(by_name, m->name);
		if (p ? !meet_mapping(w, m, p, err) : !add_mapping(w, m, err)) {
			return false;
		}
	}
	for (size_t i = 0; w->options->mode == TRANSFER_REPLACE && i < w->n_present; i++) {
		if (!w->present[i].seen && !remove_mapping(w, &w->present[i], err)) {
			return false;
		}
	}
	size_t n = w->n_present + counts[TRANSFER_ADDED] - counts[TRANSFER_REMOVED];
	return n <= MAPPINGS_MAX ||
	       err_set(err, ERR_LIMIT, "there would be %zu system mappings; at most %d are allowed",
		       n, MAPPINGS_MAX);
}

/* ---- cookie domains ---- */

static bool walk_domain(struct walk *w, const struct domain_row *from, struct domain_row *old,
			struct err *err)
{
	if (old == NULL) {
		return note(w, TRANSFER_DOMAIN, TRANSFER_ADDED, from->internal, STR_NONE, err) &&
		       (!writes(w) || domains_insert_in(w->db, w->owner, from, err));
	}
	enum transfer_action action = meeting(w, str_eq(old->virtual_domain, from->virtual_domain));
	int64_t changed;
	return note(w, TRANSFER_DOMAIN, action, from->internal, STR_NONE, err) &&
	       (action != TRANSFER_CHANGED || !writes(w) ||
		domains_update_in(w->db, w->owner, old->internal, from, &changed, err));
}

static bool remove_domain(struct walk *w, const struct domain_row *row, struct err *err)
{
	int64_t changed;

	return note(w, TRANSFER_DOMAIN, TRANSFER_REMOVED, row->internal, STR_NONE, err) &&
	       (!writes(w) || domains_delete_in(w->db, w->owner, row->internal, &changed, err));
}

static bool walk_domains(struct walk *w, struct err *err)
{
	AUTO(map_free) struct map *there = map_new();
	AUTO(map_free) struct map *in_file = map_new();
	struct domain_row *rows;
	size_t n, added = 0;

	if (!domains_read_in(w->db, w->arena, w->owner, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		map_put(there, rows[i].internal, &rows[i]);
	}
	for (size_t i = 0; i < w->file->n_domains; i++) {
		struct domain_row *from = &w->file->domains[i],
				  *old = map_get(there, from->internal);
		map_put(in_file, from->internal, from);
		added += old == NULL;
		if (!walk_domain(w, from, old, err)) {
			return false;
		}
	}
	if (w->options->mode != TRANSFER_REPLACE) {
		return n + added <= DOMAINS_MAX ||
		       err_set(err, ERR_LIMIT,
			       "there would be %zu cookie domains; at most %d are allowed",
			       n + added, DOMAINS_MAX);
	}
	for (size_t i = 0; i < n; i++) {
		if (map_get(in_file, rows[i].internal) == NULL &&
		    !remove_domain(w, &rows[i], err)) {
			return false;
		}
	}
	return true;
}

/* ---- settings ---- */

/* An empty text is none, which adding may fill. */
static bool walk_text(struct walk *w, const char *name, struct str from, char *into, size_t size,
		      struct err *err)
{
	if (from.at == NULL) {
		return true;
	}
	enum transfer_action action = meeting(w, str_eq(from, str_of(into)));
	if (action == TRANSFER_KEPT && into[0] == '\0') {
		action = TRANSFER_CHANGED;
	}
	if (action == TRANSFER_CHANGED && !str_copy(from, into, size)) {
		return err_set(err, ERR_CONFIG, "%s is too long", name);
	}
	return note(w, TRANSFER_SETTING, action, str_of(name), STR_NONE, err);
}

static bool change_settings(struct walk *w, struct state_subaccount *sa, struct err *err)
{
	const struct transfer_file *f = w->file;

	if (!walk_text(w, "description", f->description, sa->description, sizeof sa->description,
		       err) ||
	    !walk_text(w, "locationID", f->location_id, sa->location_id, sizeof sa->location_id,
		       err)) {
		return false;
	}
	if (f->has_renewal) {
		enum transfer_action action = meeting(w, f->auto_renewal == sa->auto_renewal);
		sa->auto_renewal = action == TRANSFER_CHANGED ? f->auto_renewal : sa->auto_renewal;
		if (!note(w, TRANSFER_SETTING, action, STR("autoCertRenewal"), STR_NONE, err)) {
			return false;
		}
	}
	bool changes = w->plan->counts[TRANSFER_SETTING][TRANSFER_CHANGED] > 0;
	return !changes || !writes(w) || state_subaccount_edit_in(w->db, sa, err);
}

/* Read in any case: an import into a subaccount that is gone must fail. */
static bool walk_settings(struct walk *w, struct err *err)
{
	struct state_subaccount sa = {0};

	if (!state_subaccount_get_in(w->db, w->owner, &sa, err)) {
		return false;
	}
	bool ok = w->options->without_settings || change_settings(w, &sa, err);
	state_subaccount_fini(&sa);
	return ok;
}

/* ---- all ---- */

static bool run(struct db *db, void *user, struct err *err)
{
	struct walk *w = user;

	w->db = db;
	*w->plan = (struct transfer_plan){0}; /* it may run again */
	w->now_ms = clock_unix_ms();
	return walk_settings(w, err) && walk_mappings(w, err) && walk_domains(w, err);
}

static void record(struct walk *w, struct change *c)
{
	AUTO_BUF struct buf after = BUF(KIB(4));
	struct jsonw json = jsonw_to(&after);

	jsonw_object(&json);
	jsonw_key_text(&json, "mode", transfer_mode_name(w->options->mode));
	transfer_write_counts(&json, w->plan);
	jsonw_object_end(&json);
	const struct mappings_change m = {w->actor, w->owner, buf_str(&after)};
	mappings_record(c, &m, "subaccount.import", w->owner.region_host);
}

static bool change(struct db *db, struct change *c, void *user, struct err *err)
{
	if (!run(db, user, err)) {
		return false;
	}
	record(user, c);
	CRASH_POINT("import.written"); /* and not committed */
	return true;
}

bool transfer_preview(struct store *s, struct mappings_owner owner,
		      const struct transfer_file *file, const struct transfer_options *options,
		      struct arena *arena, struct transfer_plan *out, struct err *err)
{
	struct walk w = {
		.owner = owner, .file = file, .options = options, .arena = arena, .plan = out};

	return store_read(s, run, &w, err);
}

bool transfer_apply(struct store *s, const struct state_actor *actor, struct mappings_owner owner,
		    const struct transfer_file *file, const struct transfer_options *options,
		    struct arena *arena, struct transfer_plan *out, struct err *err)
{
	struct walk w = {.actor = actor,
			 .owner = owner,
			 .file = file,
			 .options = options,
			 .arena = arena,
			 .plan = out};

	if (!store_change(s, change, &w, NULL, err)) {
		return false;
	}
	CRASH_POINT("import.committed"); /* and not published */
	return true;
}
