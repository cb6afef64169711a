#pragma once
/*
 * What the connector exposes, in the database: system mappings, their resources, cookie domains,
 * and the certificates that are trusted in back ends.
 *
 * Rows have no foreign key to the subaccounts, which are another module's; who deletes one takes
 * its rows away too (mappings_tx.h). Every change is one transaction with its audit row. Texts of
 * results are in the caller's arena; a text that is too long for it is ERR_LIMIT. Everything
 * blocks: only in jobs.
 */
#include "base/arena.h"
#include "connector/state_store.h"

extern const struct migration mappings_migrations[]; /* module "mappings" */

enum {
	MAPPINGS_MAX = 5000,   /* of one subaccount: ERR_LIMIT */
	RESOURCES_MAX = 10000, /* of one mapping */
	DOMAINS_MAX = 1000,
	TRUSTED_MAX = 1000,
};

/* Which subaccount; both lower case, as in state_subaccount. */
struct mappings_owner {
	struct str region_host, subaccount;
};

struct mapping_row {
	int64_t id;
	struct str region_host, subaccount; /* of a result */
	struct str virtual_host, virtual_port, local_host, local_port;
	struct str protocol, backend_type, authentication_mode;
	bool host_internal, plain_prefix;
	struct str sid, description; /* at == NULL: never set */
	struct str snc_partner, sap_router;
	struct str allowed_clients, blocked_users; /* JSON arrays */
	int64_t created_ms;
	int64_t n_resources, n_enabled; /* of a result */
};

/* In the order in which they were added. An owner of two empty strings: all. */
NODISCARD bool mappings_list(struct store *s, struct arena *arena, struct mappings_owner owner,
			     struct mapping_row **rows, size_t *n, struct err *err);
/* Hosts without regard to case. ERR_MISSING. */
NODISCARD bool mappings_get(struct store *s, struct arena *arena, struct mappings_owner owner,
			    struct str host, struct str port, struct mapping_row *out,
			    struct err *err);
/* ERR_CONFLICT when virtual host and port are taken. */
NODISCARD bool mappings_add(struct store *s, const struct state_actor *actor,
			    struct mappings_owner owner, const struct mapping_row *row,
			    struct err *err);
/* Everything but virtual host, port and creation; `row->id` names it. */
NODISCARD bool mappings_edit(struct store *s, const struct state_actor *actor,
			     struct mappings_owner owner, const struct mapping_row *row,
			     struct err *err);
/* With its resources; an id of 0: all of the owner. */
NODISCARD bool mappings_delete(struct store *s, const struct state_actor *actor,
			       struct mappings_owner owner, int64_t id, struct err *err);

struct resource_row {
	int64_t mapping;
	struct str path, description; /* description at == NULL: never set */
	bool enabled, exact, upgrade;
	int64_t created_ms;
};
/* In the order of mapping and of addition. mapping 0: of all mappings. */
NODISCARD bool resources_list(struct store *s, struct arena *arena, int64_t mapping,
			      struct resource_row **rows, size_t *n, struct err *err);
NODISCARD bool resources_get(struct store *s, struct arena *arena, int64_t mapping, struct str path,
			     struct resource_row *out, struct err *err);
NODISCARD bool resources_add(struct store *s, const struct state_actor *actor,
			     struct mappings_owner owner, const struct resource_row *row,
			     struct err *err);
NODISCARD bool resources_edit(struct store *s, const struct state_actor *actor,
			      struct mappings_owner owner, const struct resource_row *row,
			      struct err *err);
/* path at == NULL: all of the mapping. */
NODISCARD bool resources_delete(struct store *s, const struct state_actor *actor,
				struct mappings_owner owner, int64_t mapping, struct str path,
				struct err *err);

struct domain_row {
	struct str region_host, subaccount, internal, virtual_domain;
};
NODISCARD bool domains_list(struct store *s, struct arena *arena, struct mappings_owner owner,
			    struct domain_row **rows, size_t *n, struct err *err);
NODISCARD bool domains_add(struct store *s, const struct state_actor *actor,
			   struct mappings_owner owner, struct str internal,
			   struct str virtual_domain, struct err *err);
/* `internal` may get a new name. ERR_MISSING. */
NODISCARD bool domains_edit(struct store *s, const struct state_actor *actor,
			    struct mappings_owner owner, struct str internal,
			    struct str to_internal, struct str to_virtual, struct err *err);
/* internal at == NULL: all. */
NODISCARD bool domains_delete(struct store *s, const struct state_actor *actor,
			      struct mappings_owner owner, struct str internal, struct err *err);

struct trusted_row {
	struct str alias, pem;
};
NODISCARD bool trusted_list(struct store *s, struct arena *arena, struct trusted_row **rows,
			    size_t *n, struct err *err);
/* ERR_CONFLICT when the alias (the certificate's fingerprint) is there. */
NODISCARD bool trusted_add(struct store *s, const struct state_actor *actor,
			   const struct trusted_row *rows, size_t n, struct err *err);
/* alias at == NULL: all. */
NODISCARD bool trusted_delete(struct store *s, const struct state_actor *actor, struct str alias,
			      struct err *err);
