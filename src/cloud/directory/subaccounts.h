#pragma once
/* Subaccounts: the tenants. */
#include "cloud/directory/actor.h"

struct directory_subaccount {
	char id[DIRECTORY_UUID];              /* lower case */
	char region_host[DIRECTORY_HOST_MAX]; /* lower case, no port: the authority of SPIFFE ids */
	char display_name[DIRECTORY_NAME_MAX];
	char subdomain[DIRECTORY_LABEL_MAX]; /* DNS label, unique, lower case; never empty */
	char description[512];
	bool locked;          /* no tunnels, no tokens, no requests */
	bool renewal_allowed; /* false: simplereenroll answers 403 */
	int64_t created;
	int64_t version; /* grows with each edit: the ETag */
};

/*
 * `id` empty: one is drawn. `subdomain` empty: made of the display name, or of the id when that
 * gives no label or is taken. ERR_CONFLICT when id or subdomain exists; ERR_CONFIG names the bad
 * field. `owner`: name of an existing, unlocked user; ERR_MISSING otherwise. On success `want`
 * holds the row as stored.
 */
NODISCARD bool directory_subaccount_create(struct store *s, const struct directory_actor *actor,
					   struct directory_subaccount *want, struct str owner,
					   struct err *err);
/* By id; ERR_MISSING. */
NODISCARD bool directory_subaccount_find(struct store *s, struct str id,
					 struct directory_subaccount *out, struct err *err);
/* By subdomain or id: the tenant of a Host's first label, of `/t/{…}`, of x-zid. */
NODISCARD bool directory_subaccount_resolve(struct store *s, struct str label,
					    struct directory_subaccount *out, struct err *err);
/*
 * Ordered by display name (bytewise), then id. `after`: id of the last row of the page before, or
 * "". `owner`: only those of this user; "" for all.
 */
NODISCARD bool directory_subaccount_list(struct store *s, struct str owner, struct str after,
					 size_t limit, struct directory_subaccount **rows,
					 size_t *n, struct err *err);
/* Writes display name, subdomain, description, locked, renewal_allowed of `want`; region and id
 * never change. */
enum directory_edit directory_subaccount_edit(struct store *s, const struct directory_actor *actor,
					      struct directory_subaccount *want, int64_t version,
					      struct err *err);
/* With its owners, connectors, certificates, bindings and claims: its certificates stop at once. */
NODISCARD bool directory_subaccount_delete(struct store *s, const struct directory_actor *actor,
					   struct str id, struct err *err);
