#pragma once
/*
 * The subaccounts of this installation: added, edited, connected, refreshed; and what the rest of
 * the connector needs to know of them, as an immutable snapshot.
 *
 * Functions that change something block (SQL, the key process, the cloud side): only in jobs, that
 * is in REST handlers. Changes of one process are serialised inside. After each change a new
 * snapshot is published and `on_change` called (on that job's thread), so that links follow.
 */
#include "base/snapshot.h"
#include "connector/enrol.h"
#include "connector/state_store.h"
#include "crypto/cert.h"
#include "crypto/tls.h"

struct subaccounts;

/* One subaccount in the snapshot; texts as in state_subaccount. */
struct subaccount {
	struct state_subaccount state;
	char key[STATE_HOST + STATE_UUID]; /* "{uuid}@{region host}": names it across modules */
	char host[STATE_HOST];             /* where tunnels are dialled: the region host … */
	uint16_t port;                     /* … and its port */
	bool has_certificate;
	int64_t certificate_id;        /* state_certificate.id */
	int64_t certificate_received;  /* Unix seconds, by the cloud side's clock where known */
	struct cert_facts certificate; /* leaf of the newest that may dial */
	bool certificate_confirmed;
	struct tls_config *tls; /* NULL when there is no usable certificate: see `defect` */
	char defect[400]; /* why it cannot be dialled (corrupt row, key does not open); or "" */
};

struct subaccount_set {
	struct snapshot snapshot; /* first */
	char instance[STATE_UUID];
	/* the corporate proxy; host "": none */
	char proxy_host[STATE_NAME], proxy_user[STATE_NAME], proxy_password[STATE_NAME];
	uint16_t proxy_port;
	char *anchors_pem; /* configured, besides each row's own; never NULL */
	size_t n;
	struct subaccount *rows; /* in order of region host and subaccount */
};

struct subaccounts_settings {
	struct store *store; /* migrated; lent */
	struct key_source keys;
	const char *anchors_pem; /* configured trust anchors for region hosts, copied; NULL: none */
	bool system_anchors;     /* true in production */
	void (*on_change)(void *user);
	void *user;
};

/* Reads everything and publishes the first snapshot. A subaccount whose key does not open or whose
 * row is corrupt is there with its defect. */
NODISCARD bool subaccounts_new(const struct subaccounts_settings *settings,
			       struct subaccounts **out, struct err *err);
void subaccounts_free(struct subaccounts *s); /* takes NULL */

/* Other configured trust anchors, from the next connection on; open tunnels are replaced. */
NODISCARD bool subaccounts_set_anchors(struct subaccounts *s, const char *anchors_pem,
				       struct err *err);

struct subaccount_set *subaccounts_ref(struct subaccounts *s); /* owned: subaccount_set_unref() */
struct subaccount_set *subaccount_set_ref(struct subaccount_set *set);
void subaccount_set_unref(struct subaccount_set *set); /* takes NULL */
/* Case does not matter. NULL: none. */
const struct subaccount *subaccount_find(const struct subaccount_set *set, struct str region_host,
					 struct str subaccount);

/* at == NULL: not given. Lent. */
struct subaccount_edit {
	struct str display_name, description, location_id;
	const bool *auto_renewal;
};

struct subaccount_credentials {
	struct str user, password;      /* an owner of the subaccount; or */
	struct str authentication_data; /* which wins */
	struct str confirmed_root;      /* hex SHA-256 of the root's public key, confirmed by the
					   administrator after ENROL_UNTRUSTED; or empty */
};

/*
 * Adds a subaccount: verifies the cloud side, makes a key, gets a certificate, stores, wishes to be
 * connected. region_host and subaccount may be empty with authentication data, which must agree
 * otherwise. ENROL_DONE: it is in the snapshot. Else nothing but a waiting key is left behind:
 *   ENROL_UNTRUSTED  409, `why` has the fingerprint      ENROL_WRONG  400 or 401
 *   ENROL_REFUSED    403, the text names the owners and where to change them
 *   ENROL_FAILED     by err's kind: ERR_CONFIG 400, ERR_CONFLICT 409 (exists), ERR_NETWORK 502 …
 */
enum enrol_outcome subaccounts_add(struct subaccounts *s, const struct state_actor *actor,
				   struct str region_host, struct str subaccount,
				   const struct subaccount_edit *facts,
				   const struct subaccount_credentials *credentials,
				   struct enrol_result *why, struct err *err);
/* A new certificate with an owner's credentials (POST .../validity); the old one serves until the
 * new one has opened a tunnel. Works after expiry too. */
enum enrol_outcome subaccounts_refresh(struct subaccounts *s, const struct state_actor *actor,
				       struct str region_host, struct str subaccount,
				       const struct subaccount_credentials *credentials,
				       struct enrol_result *why, struct err *err);
/* The same with the current certificate (simplereenroll). */
enum enrol_outcome subaccounts_renew(struct subaccounts *s, const struct state_actor *actor,
				     struct str region_host, struct str subaccount,
				     struct enrol_result *why, struct err *err);
/* ERR_MISSING. "" clears; a display name then falls back to the subaccount's id where shown. */
NODISCARD bool subaccounts_edit(struct subaccounts *s, const struct state_actor *actor,
				struct str region_host, struct str subaccount,
				const struct subaccount_edit *edit, struct err *err);
NODISCARD bool subaccounts_connect(struct subaccounts *s, const struct state_actor *actor,
				   struct str region_host, struct str subaccount, bool connected,
				   struct err *err);
NODISCARD bool subaccounts_delete(struct subaccounts *s, const struct state_actor *actor,
				  struct str region_host, struct str subaccount, struct err *err);
/* password at == NULL: keeps the one that is stored. host "": no proxy. Live at once. */
NODISCARD bool subaccounts_set_proxy(struct subaccounts *s, const struct state_actor *actor,
				     struct str host, uint16_t port, struct str user,
				     struct str password, struct err *err);
/* A tunnel was opened with certificate `id` (links tells). Blocks. */
NODISCARD bool subaccounts_confirm(struct subaccounts *s, int64_t certificate_id, struct err *err);
/* The owners as the relay named them (links tells). Blocks; no audit when nothing changed. */
NODISCARD bool subaccounts_learn_owners(struct subaccounts *s, const char *key, const char *owners,
					struct err *err);
/*
 * Runs `fn`, which changes rows of subaccounts in the database, while nothing here does; then reads
 * them again and tells. Blocks. False, with nothing read again, when fn says so.
 */
NODISCARD bool subaccounts_around(struct subaccounts *s, bool (*fn)(void *user, struct err *err),
				  void *user, struct err *err);
