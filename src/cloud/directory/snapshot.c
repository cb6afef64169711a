#include "cloud/directory/snapshot.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "cloud/directory/snapshot_priv.h"

enum {
	/* A tunnel may outlive its certificate; after so long the serial is forgotten here. */
	CERTIFICATE_KEPT_S = 90 * 24 * 60 * 60,
};

struct directory_snapshot {
	struct snapshot snapshot;
	struct snapshot_rows rows;
	struct map *subaccounts; /* by id and by subdomain */
	struct map *certificates;
	struct map *disconnected;
	struct map *bindings;
	struct jose_keys *keys;
};

static void snapshot_free(struct snapshot *s)
{
	struct directory_snapshot *snap = CONTAINER_OF(s, struct directory_snapshot, snapshot);

	map_free(snap->subaccounts);
	map_free(snap->certificates);
	map_free(snap->disconnected);
	map_free(snap->bindings);
	jose_keys_free(snap->keys);
	directory_snapshot_rows_fini(&snap->rows);
	free(snap);
}

static void index_rows(struct directory_snapshot *snap)
{
	struct snapshot_rows *rows = &snap->rows;

	for (size_t i = 0; i < rows->n_subaccounts; i++) {
		struct directory_subaccount *sa = &rows->subaccounts[i];
		map_put(snap->subaccounts, str_of(sa->subdomain), sa);
		map_put(snap->subaccounts, str_of(sa->id), sa);
	}
	for (size_t i = 0; i < rows->n_certificates; i++) {
		struct directory_certificate *c = &rows->certificates[i];
		map_put(snap->certificates, str_of(c->serial), c);
	}
	for (size_t i = 0; i < rows->n_disconnected; i++) {
		struct snapshot_connector *c = &rows->disconnected[i];
		map_put(snap->disconnected, str_of(c->key), c);
	}
	for (size_t i = 0; i < rows->n_bindings; i++) {
		struct snapshot_binding *b = &rows->bindings[i];
		map_put(snap->bindings, str_of(b->client_id), b);
	}
}

bool directory_snapshot_load(struct store *s, struct directory_snapshot **out, struct err *err)
{
	struct directory_snapshot *snap = NEW(struct directory_snapshot);
	struct err bad;

	snapshot_init(&snap->snapshot, snapshot_free);
	snap->subaccounts = map_new();
	snap->certificates = map_new();
	snap->disconnected = map_new();
	snap->bindings = map_new();
	if (!directory_snapshot_read(s, clock_unix() - CERTIFICATE_KEPT_S, &snap->rows, err)) {
		snapshot_unref(&snap->snapshot);
		return false;
	}
	index_rows(snap);
	/* Bad keys must not keep a revocation from getting through: no token is accepted then. */
	if (snap->rows.jwks.len > 0 &&
	    !jose_keys_read(buf_str(&snap->rows.jwks), &snap->keys, &bad)) {
		log_error("the token server's public keys cannot be read", LOG_ERR(&bad));
	}
	*out = snap;
	return true;
}

int64_t directory_snapshot_head(const struct directory_snapshot *snap)
{
	return snap->rows.head;
}

const struct directory_subaccount *directory_snapshot_resolve(const struct directory_snapshot *snap,
							      struct str subdomain_or_id)
{
	return map_get(snap->subaccounts, subdomain_or_id);
}

const struct directory_subaccount *
directory_snapshot_subaccount(const struct directory_snapshot *snap, struct str id)
{
	const struct directory_subaccount *sa = map_get(snap->subaccounts, id);

	return sa != NULL && str_eq(str_of(sa->id), id) ? sa : NULL;
}

const struct directory_certificate *
directory_snapshot_certificate(const struct directory_snapshot *snap, struct str serial)
{
	return map_get(snap->certificates, serial);
}

bool directory_snapshot_is_disconnected(const struct directory_snapshot *snap,
					struct str subaccount, struct str instance)
{
	char key[2 * DIRECTORY_UUID];
	int len = snprintf(key, sizeof(key), "%.*s/%.*s", STR_ARGS(subaccount), STR_ARGS(instance));

	return len > 0 && (size_t)len < sizeof(key) &&
	       map_get(snap->disconnected, str_make(key, (size_t)len)) != NULL;
}

const char *directory_snapshot_binding(const struct directory_snapshot *snap, struct str client_id)
{
	const struct snapshot_binding *b = map_get(snap->bindings, client_id);

	return b != NULL ? b->subaccount : NULL;
}

const struct jose_keys *directory_snapshot_keys(const struct directory_snapshot *snap)
{
	return snap->keys;
}

enum directory_judgement directory_snapshot_judge(const struct directory_snapshot *snap,
						  struct str serial, struct str subaccount,
						  struct str instance, int64_t since)
{
	const struct directory_subaccount *sa = directory_snapshot_subaccount(snap, subaccount);
	const struct directory_certificate *c = directory_snapshot_certificate(snap, serial);

	if (snap->rows.head < since) {
		return DIRECTORY_ADMITTED; /* a picture older than the admission proves nothing */
	}
	if (sa == NULL) {
		return DIRECTORY_NO_SUBACCOUNT;
	}
	if (sa->locked) {
		return DIRECTORY_LOCKED;
	}
	if (c == NULL) {
		return DIRECTORY_UNKNOWN_SERIAL;
	}
	if (c->revoked != 0) {
		return DIRECTORY_REVOKED;
	}
	return directory_snapshot_is_disconnected(snap, subaccount, instance)
		       ? DIRECTORY_DISCONNECTED
		       : DIRECTORY_ADMITTED;
}
