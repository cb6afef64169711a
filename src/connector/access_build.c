#include "connector/access.h"

#include "base/err.h"
#include "connector/access_priv.h"

enum {
	ARENA_FIRST = 16 * 1024,
	ARENA_MAX = 256 * 1024 * 1024, /* of one snapshot: beyond it a configuration is refused */
};

static bool too_large(struct err *err)
{
	return err_set(err, ERR_LIMIT, "the configuration of access control is too large");
}

static void subaccount_fini(struct access_subaccount *s)
{
	map_free(s->by_virtual);
	map_free(s->by_internal);
	map_free(s->domains);
}

void access_free(struct access *a)
{
	if (a == NULL) {
		return;
	}
	size_t at = 0;
	struct str key;
	void *value;
	while (map_next(a->subaccounts, &at, &key, &value)) {
		subaccount_fini(value);
	}
	map_free(a->subaccounts);
	tls_config_unref(a->tls);
	arena_free(a->arena);
	free(a->slots);
	free(a);
}

static void free_snapshot(struct snapshot *s)
{
	access_free((struct access *)(void *)s);
}

struct access *access_new(void)
{
	struct access *a = NEW(struct access);

	snapshot_init(&a->snapshot, free_snapshot);
	a->arena = arena_new(ARENA_FIRST, ARENA_MAX);
	a->subaccounts = map_new();
	return a;
}

struct snapshot *access_snapshot(struct access *a)
{
	return &a->snapshot;
}

void access_set_tls(struct access *a, struct tls_config *take, struct str trust)
{
	tls_config_unref(a->tls);
	a->tls = take;
	a->trust = arena_str(a->arena, trust);
}

bool access_add_subaccount(struct access *a, struct str key, struct str name,
			   struct str location_id, struct err *err)
{
	if (map_get(a->subaccounts, key) != NULL) {
		return err_set(err, ERR_CONFLICT, "subaccount %.*s exists already", STR_ARGS(key));
	}
	struct access_subaccount *s = arena_get_zeroed(a->arena, sizeof *s);
	if (s == NULL) {
		return too_large(err);
	}
	s->key = arena_str(a->arena, key);
	s->name = arena_str(a->arena, name.len > 0 ? name : key);
	s->location_id = arena_str(a->arena, location_id.len > 0 ? location_id : STR("default"));
	if (!s->key.at || !s->name.at || !s->location_id.at) {
		return too_large(err);
	}
	s->by_virtual = map_new();
	s->by_internal = map_new();
	s->domains = map_new();
	map_put(a->subaccounts, s->key, s);
	return true;
}

static struct access_subaccount *subaccount_of(struct access *a, struct str key, struct err *err)
{
	struct access_subaccount *s = map_get(a->subaccounts, key);

	if (s == NULL) {
		err_set(err, ERR_MISSING, "subaccount %.*s does not exist", STR_ARGS(key));
	}
	return s;
}

/* A lower-case copy of "host:port" in the arena; at == NULL when it does not fit. */
static struct str keep_name(struct access *a, struct str host, uint16_t port)
{
	char text[ACCESS_NAME_MAX];
	struct str name = access_name(host, port, text);

	return name.len > 0 ? arena_str(a->arena, name) : STR_NONE;
}

static struct access_slot *new_slot(struct access *a)
{
	struct access_slot *slot = arena_get_zeroed(a->arena, sizeof *slot);

	if (slot == NULL || a->n_slots >= ACCESS_MAPPINGS_MAX) {
		return NULL;
	}
	if (a->n_slots == a->cap_slots) {
		a->cap_slots = a->cap_slots ? a->cap_slots * 2 : 16;
		a->slots = must_realloc(a->slots, a->cap_slots * sizeof(struct access_slot *));
	}
	slot->mapping.slot = (unsigned)a->n_slots;
	a->slots[a->n_slots++] = slot;
	return slot;
}

static bool index_internal(struct access *a, struct access_subaccount *s, struct access_mapping *m)
{
	struct str with_port = keep_name(a, m->internal_host, m->internal_port);
	struct str any_port = keep_name(a, m->internal_host, 0);

	if (!with_port.at || !any_port.at) {
		return false;
	}
	if (map_get(s->by_internal, with_port) == NULL) {
		map_put(s->by_internal, with_port, m);
	}
	if (map_get(s->by_internal, any_port) == NULL) {
		map_put(s->by_internal, any_port, m);
	}
	return true;
}

bool access_add_mapping(struct access *a, struct str subaccount, const struct access_mapping *m,
			unsigned *slot, struct err *err)
{
	struct access_subaccount *s = subaccount_of(a, subaccount, err);
	if (s == NULL) {
		return false;
	}
	struct str name = keep_name(a, m->virtual_host, m->virtual_port);
	if (name.at && map_get(s->by_virtual, name) != NULL) {
		return err_set(err, ERR_CONFLICT, "the mapping %.*s exists already",
			       STR_ARGS(name));
	}
	struct access_slot *made = name.at ? new_slot(a) : NULL;
	if (made == NULL) {
		return too_large(err);
	}
	struct access_mapping *mine = &made->mapping;
	*mine = *m;
	mine->slot = (unsigned)a->n_slots - 1;
	mine->subaccount = s;
	mine->resources = NULL;
	mine->n_resources = 0;
	mine->virtual_host = str_first(name, m->virtual_host.len);
	mine->internal_host = arena_str(a->arena, m->internal_host);
	mine->pool_key = STR_NONE;
	if (!mine->internal_host.at || !index_internal(a, s, mine)) {
		return too_large(err);
	}
	(void)map_put(s->by_virtual, name, mine);
	*slot = mine->slot;
	return true;
}

bool access_add_resource(struct access *a, unsigned slot, const struct access_resource *r,
			 struct err *err)
{
	struct access_draft *d = arena_get_zeroed(a->arena, sizeof *d);

	if (d == NULL || a->n_resources >= ACCESS_RESOURCES_MAX || slot >= a->n_slots) {
		return too_large(err);
	}
	d->resource = *r;
	if (!access_path_of_resource(r->path, a->arena, &d->resource.path, err)) {
		return false;
	}
	d->next = a->slots[slot]->drafts;
	a->slots[slot]->drafts = d;
	a->slots[slot]->mapping.n_resources++;
	a->n_resources++;
	return true;
}

bool access_add_cookie_domain(struct access *a, struct str subaccount, struct str internal,
			      struct str virtual_domain, struct err *err)
{
	struct access_subaccount *s = subaccount_of(a, subaccount, err);
	if (s == NULL) {
		return false;
	}
	struct access_domain *d = arena_get_zeroed(a->arena, sizeof *d);
	internal = str_starts(internal, STR(".")) ? str_skip(internal, 1) : internal;
	struct str name = keep_name(a, internal, 0);
	if (d == NULL || !name.at) {
		return too_large(err);
	}
	d->internal = name;
	d->virtual_domain = arena_str(a->arena, virtual_domain);
	if (!d->virtual_domain.at) {
		return too_large(err);
	}
	map_put(s->domains, name, d);
	return true;
}

/* Equal paths: the one that admits more comes last, so that it is met first. */
static int resource_cmp(const void *left, const void *right)
{
	const struct access_resource *a = left, *b = right;
	size_t common = a->path.len < b->path.len ? a->path.len : b->path.len;
	int order = memcmp(a->path.at, b->path.at, common);

	if (order != 0) {
		return order;
	}
	if (a->path.len != b->path.len) {
		return a->path.len < b->path.len ? -1 : 1;
	}
	return (int)a->enabled - (int)b->enabled;
}

static bool seal_mapping(struct access *a, struct access_slot *slot)
{
	struct access_mapping *m = &slot->mapping;
	size_t i = 0;

	m->pool_key = str_of(arena_printf(
		a->arena, "%.*s\n%.*s:%u\n%d\n%.*s:%u\n%.*s", STR_ARGS(m->subaccount->key),
		STR_ARGS(m->virtual_host), m->virtual_port, (int)m->protocol,
		STR_ARGS(m->internal_host), m->internal_port,
		STR_ARGS(m->protocol == ACCESS_HTTPS ? a->trust : STR_NONE)));
	m->resources = arena_get(a->arena, m->n_resources * sizeof *m->resources + 1);
	if (m->resources == NULL || m->pool_key.len == 0) {
		return false;
	}
	for (struct access_draft *d = slot->drafts; d != NULL; d = d->next) {
		m->resources[i++] = d->resource;
	}
	qsort(m->resources, m->n_resources, sizeof *m->resources, resource_cmp);
	for (i = 0; i < m->n_resources; i++) {
		int parent = (int)i - 1;
		while (parent >= 0 &&
		       !str_starts(m->resources[i].path, m->resources[parent].path)) {
			parent = m->resources[parent].parent;
		}
		m->resources[i].parent = parent;
	}
	return true;
}

bool access_seal(struct access *a, struct err *err)
{
	for (size_t i = 0; i < a->n_slots; i++) {
		if (!seal_mapping(a, a->slots[i])) {
			return too_large(err);
		}
	}
	return true;
}
