#pragma once
/*
 * The connector's own state in the database: who it is, its settings, its subaccounts with their
 * certificates. System mappings, resources and trust have a store of their own.
 *
 * Every change is one transaction with its audit row (store/change.h), so kill -9 leaves the old
 * state or the new one. Private keys and passwords come sealed and are kept as they are. Everything
 * blocks: only in jobs. Texts longer than their array are refused with ERR_CONFIG, never cut.
 */
#include "keys/reseal.h"
#include "store/migrate.h"

extern const struct migration state_migrations[]; /* module "connector" */

enum {
	STATE_UUID = 37,
	STATE_HOST = 262, /* "host:port" */
	STATE_NAME = 256, /* display name, user */
	STATE_LOCATION = 129,
	STATE_TEXT = 1025,            /* description */
	STATE_SUBACCOUNTS_MAX = 1000, /* of one installation: ERR_LIMIT */
	STATE_CHAIN_MAX = 256 * 1024, /* bytes of a chain, or of trust anchors, as PEM */
};

struct state_actor {
	struct str who;  /* "user:Administrator", "system" */
	struct str from; /* address, or "" */
};

/* ---- the installation ---- */

/* A UUID, made at the first call and kept for ever. */
NODISCARD bool state_installation(struct store *s, char into[static STATE_UUID], struct err *err);

/* Small named values. The names that have a meaning for several modules: */
#define STATE_SETTING_DESCRIPTION   "description"
#define STATE_SETTING_HA_ROLE       "ha-role"       /* "master", "shadow"; absent: undefined */
#define STATE_SETTING_USER          "admin.user"    /* absent: Administrator */
#define STATE_SETTING_PASSWORD_HASH "admin.hash"    /* Argon2id in PHC form */
#define STATE_SETTING_MUST_CHANGE   "admin.initial" /* "1": the initial password still holds */

/* *found false and nothing appended when it was never set. */
NODISCARD bool state_setting_get(struct store *s, const char *name, struct buf *value, bool *found,
				 struct err *err);
struct state_setting {
	const char *name;
	struct str value; /* at == NULL: removed */
};
/* All or nothing; one audit row `what` with the names, never with the values. */
NODISCARD bool state_settings_set(struct store *s, const struct state_actor *actor,
				  const char *what, const struct state_setting *settings, size_t n,
				  struct err *err);

/* The corporate proxy. host "": none. The password is sealed with label STATE_PROXY_LABEL. */
#define STATE_PROXY_LABEL "password:proxy"
struct state_proxy {
	char host[STATE_NAME];
	uint16_t port;
	char user[STATE_NAME];
	struct buf sealed_password; /* empty: none; buf_fini() by who holds the struct */
};
NODISCARD bool state_proxy_get(struct store *s, struct state_proxy *out, struct err *err);
NODISCARD bool state_proxy_set(struct store *s, const struct state_actor *actor,
			       const struct state_proxy *proxy, struct err *err);

/* ---- subaccounts ---- */

struct state_subaccount {
	char region_host[STATE_HOST]; /* lower case, as the user gave it: with a port if it had one
				       */
	char subaccount[STATE_UUID];  /* lower case */
	char display_name[STATE_NAME];
	char description[STATE_TEXT];
	char location_id[STATE_LOCATION];
	char user[STATE_NAME];   /* who added it, or refreshed its certificate last */
	char owners[STATE_TEXT]; /* as last learned from the cloud side; may be empty */
	bool auto_renewal;
	bool connected;      /* the administrator's wish */
	bool system_anchors; /* the region host is also verified by the system's trust store */
	char *anchors_pem;   /* owned; free(): trust anchors for the region host */
	int64_t created;     /* Unix seconds */
};
void state_subaccount_fini(struct state_subaccount *sa);

/* ERR_CONFLICT when it exists already. */
NODISCARD bool state_subaccount_add(struct store *s, const struct state_actor *actor,
				    const struct state_subaccount *sa, struct err *err);
/* Writes every field but region host, subaccount and created. ERR_MISSING. */
NODISCARD bool state_subaccount_edit(struct store *s, const struct state_actor *actor,
				     const char *what, const struct state_subaccount *sa,
				     struct err *err);
/* With its certificates, keys, mappings, resources and cookie domains. ERR_MISSING. */
NODISCARD bool state_subaccount_delete(struct store *s, const struct state_actor *actor,
				       const char *region_host, const char *subaccount,
				       struct err *err);
NODISCARD bool state_subaccount_get(struct store *s, const char *region_host,
				    const char *subaccount, struct state_subaccount *out,
				    struct err *err);
/* In order of region host and subaccount; rows are owned by the caller: state_subaccounts_free().
 */
NODISCARD bool state_subaccount_list(struct store *s, struct state_subaccount **rows, size_t *n,
				     struct err *err);
void state_subaccounts_free(struct state_subaccount *rows, size_t n);

/* ---- certificates and their keys ---- */

enum state_cert_state {
	STATE_CERT_KEY,         /* a key without a certificate: the CSR may have left */
	STATE_CERT_UNCONFIRMED, /* opened no tunnel yet */
	STATE_CERT_ACTIVE,      /* opened a tunnel: the one in use */
	STATE_CERT_OLD,         /* replaced by an active one */
};

struct state_certificate {
	int64_t id;
	char region_host[STATE_HOST];
	char subaccount[STATE_UUID];
	enum state_cert_state state;
	struct buf sealed;    /* the private key, sealed by the key process */
	struct buf spki;      /* DER */
	struct buf chain_pem; /* leaf first; empty in STATE_CERT_KEY */
	int64_t received;     /* Unix seconds; 0 in STATE_CERT_KEY */
};
void state_certificate_fini(struct state_certificate *c);

/*
 * The key for the next CSR: the one that waits from a try before, or the given new one, which is
 * on disk when this returns. At most one waits per subaccount. The subaccount itself need not exist
 * yet. *out owns its buffers.
 */
NODISCARD bool state_key_pending(struct store *s, const char *region_host, const char *subaccount,
				 struct state_certificate *out, bool *found, struct err *err);
NODISCARD bool state_key_add(struct store *s, const struct state_actor *actor,
			     const char *region_host, const char *subaccount, struct str sealed,
			     struct str spki, int64_t *id, struct err *err);
/* STATE_CERT_KEY to STATE_CERT_UNCONFIRMED. */
NODISCARD bool state_certificate_received(struct store *s, const struct state_actor *actor,
					  int64_t id, struct str chain_pem, int64_t now,
					  struct err *err);
/* It opened a tunnel: active; every older one of the subaccount is old, with its key removed. */
NODISCARD bool state_certificate_confirm(struct store *s, const struct state_actor *actor,
					 int64_t id, struct err *err);
/* The newest that may dial: an unconfirmed one before the active one. ERR_MISSING: none. */
NODISCARD bool state_certificate_newest(struct store *s, const char *region_host,
					const char *subaccount, bool confirmed_only,
					struct state_certificate *out, struct err *err);

/* ---- automatic renewal: what the last try of each subaccount came to ---- */

enum state_renewal_result {
	STATE_RENEWAL_DONE,
	STATE_RENEWAL_FAILED, /* not reached, or it broke */
	STATE_RENEWAL_DENIED, /* the cloud side said no */
};

struct state_renewal {
	char region_host[STATE_HOST];
	char subaccount[STATE_UUID];
	int64_t tried_ms; /* Unix */
	enum state_renewal_result result;
	unsigned failures; /* in a row */
	char text[400];    /* why it failed; "" */
};

/* Replaces what was there; a try that failed is audited (one that succeeded is by its new
 * certificate). ERR_MISSING when there is no such subaccount. */
NODISCARD bool state_renewal_put(struct store *s, const struct state_actor *actor,
				 const struct state_renewal *row, struct err *err);
/* All; free(*rows). */
NODISCARD bool state_renewal_list(struct store *s, struct state_renewal **rows, size_t *n,
				  struct err *err);
/* Keys of subaccounts and the password of the proxy, to be sealed again (keys/reseal.h). */
extern const struct reseal_table state_reseal[];
