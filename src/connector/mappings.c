#include "connector/mappings.h"

#include <pthread.h>

#include "base/log.h"
#include "crypto/seal.h"

enum {
	READ_FIRST = 64 * 1024,
	READ_MAX = 256 * 1024 * 1024,
};

struct mappings {
	struct store *store;
	struct snapshot_cell cell;
	pthread_mutex_t lock; /* an older reading must not replace a newer one */
};

struct mappings *mappings_new(struct store *store)
{
	struct mappings *m = NEW(struct mappings);

	m->store = store;
	snapshot_cell_init(&m->cell);
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void mappings_free(struct mappings *m)
{
	if (m == NULL) {
		return;
	}
	snapshot_cell_fini(&m->cell);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct snapshot_cell *mappings_access(struct mappings *m)
{
	return &m->cell;
}

static void left_out(const char *what, struct str name, const struct err *err)
{
	log_warning("a stored rule of access control is left out", LOG_TEXT("kind", what),
		    LOG_STR("name", name), LOG_ERR(err));
}

static bool add_subaccounts(struct access *a, const struct subaccount_set *set, struct err *err)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct subaccount *sa = &set->rows[i];
		const char *name =
			sa->state.display_name[0] ? sa->state.display_name : sa->state.subaccount;
		if (!access_add_subaccount(a, str_of(sa->key), str_of(name),
					   str_of(sa->state.location_id), err)) {
			return false;
		}
	}
	return true;
}

static struct str key_of(struct arena *arena, struct str region_host, struct str subaccount)
{
	return str_of(
		arena_printf(arena, "%.*s@%.*s", STR_ARGS(subaccount), STR_ARGS(region_host)));
}

static enum access_protocol protocol_of(struct str name)
{
	if (str_eq(name, STR("HTTP"))) {
		return ACCESS_HTTP;
	}
	return str_eq(name, STR("HTTPS")) ? ACCESS_HTTPS : ACCESS_OTHER;
}

/* False: it was left out. */
static bool add_mapping(struct access *a, struct arena *arena, const struct mapping_row *row,
			unsigned *slot)
{
	struct err err = {0};
	struct access_mapping m = {
		.virtual_host = row->virtual_host,
		.internal_host = row->local_host,
		.protocol = protocol_of(row->protocol),
		.host_internal = row->host_internal,
		.plain_prefix = row->plain_prefix,
	};

	if (!str_to_port(row->virtual_port, &m.virtual_port) ||
	    !str_to_port(row->local_port, &m.internal_port)) {
		return false; /* "sapgw00", or a range: not for HTTP */
	}
	if (!access_add_mapping(a, key_of(arena, row->region_host, row->subaccount), &m, slot,
				&err)) {
		left_out("mapping", row->virtual_host, &err);
		return false;
	}
	return m.protocol != ACCESS_OTHER;
}

/* Both lists are in the order of the mappings' ids. */
static bool add_mappings(struct mappings *m, struct access *a, struct arena *arena, struct err *err)
{
	struct mapping_row *rows;
	struct resource_row *resources;
	size_t n, n_resources, at = 0;
	const struct mappings_owner all = {STR(""), STR("")};

	if (!mappings_list(m->store, arena, all, &rows, &n, err) ||
	    !resources_list(m->store, arena, 0, &resources, &n_resources, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned slot = 0;
		bool added = add_mapping(a, arena, &rows[i], &slot);
		for (; at < n_resources && resources[at].mapping <= rows[i].id; at++) {
			const struct resource_row *r = &resources[at];
			struct err why = {0};
			if (added && r->mapping == rows[i].id &&
			    !access_add_resource(a, slot,
						 &(struct access_resource){.path = r->path,
									   .enabled = r->enabled,
									   .exact = r->exact,
									   .upgrade = r->upgrade},
						 &why)) {
				left_out("resource", r->path, &why);
			}
		}
	}
	return true;
}

static bool add_domains(struct mappings *m, struct access *a, struct arena *arena, struct err *err)
{
	struct domain_row *rows;
	size_t n;

	if (!domains_list(m->store, arena, (struct mappings_owner){STR(""), STR("")}, &rows, &n,
			  err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct err why = {0};
		if (!access_add_cookie_domain(
			    a, key_of(arena, rows[i].region_host, rows[i].subaccount),
			    rows[i].internal, rows[i].virtual_domain, &why)) {
			left_out("cookie domain", rows[i].internal, &why);
		}
	}
	return true;
}

static bool add_trust(struct mappings *m, struct access *a, struct arena *arena, struct err *err)
{
	struct trusted_row *rows;
	size_t n;
	AUTO_BUF struct buf pem = BUF(READ_MAX);
	uint8_t hash[32];

	if (!trusted_list(m->store, arena, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		buf_add_str(&pem, rows[i].pem);
		buf_add_c(&pem, '\n');
	}
	/* Also with none: then the handshake fails and names the issuer that would be trusted. */
	struct tls_config *tls = NULL;
	struct tls_settings settings = {.allow_tls12 = true,
					.peer = TLS_PEER_VERIFY,
					.anchors_pem = buf_str(&pem),
					.alpn = "http/1.1"};
	if (!tls_config_new(&settings, &tls, err)) {
		return err_wrap(err, "trust store of back ends");
	}
	digest_sha256(buf_str(&pem), hash);
	AUTO_BUF struct buf name = BUF(128);
	buf_add_hex(&name, hash, sizeof hash);
	access_set_tls(a, tls, buf_str(&name));
	return true;
}

bool mappings_publish(struct mappings *m, const struct subaccount_set *set, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(READ_FIRST, READ_MAX);
	AUTO(access_free) struct access *a = access_new();

	pthread_mutex_lock(&m->lock);
	bool good = add_trust(m, a, arena, err) && add_subaccounts(a, set, err) &&
		    add_mappings(m, a, arena, err) && add_domains(m, a, arena, err) &&
		    access_seal(a, err);
	if (good) {
		snapshot_publish(&m->cell, access_snapshot(TAKE(a)));
	}
	pthread_mutex_unlock(&m->lock);
	return good;
}
