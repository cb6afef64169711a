#pragma once
/*
 * The certificate authority of a region: a root and an issuing CA, made at the first start.
 *
 * Their keys live in the key process (class CA): here are sealed blobs, which nobody here can
 * open, and certificates. What may be issued is keyd's fixed profiles (crypto/issue.h); this room
 * supplies the facts and records each serial in the directory before the certificate leaves.
 *
 * Threads: ca_open() at start; afterwards immutable but for two numbers, so every other function
 * from any job. All block (SQL, keyd).
 */
#include "cloud/directory/certificates.h"
#include "crypto/csr.h"
#include "keys/client.h"
#include "store/migrate.h"

struct ca;
struct sessions;

enum {
	CA_ROOT_DAYS = 20 * 365,
	CA_ISSUING_DAYS = 10 * 365,
	CA_LEAF_DAYS = 365,           /* default validity of connectors and listeners */
	CA_LEAF_LEAST_S = 5,          /* shortest validity of a connector's certificate */
	CA_LEAF_MOST_S = 825 * 86400, /* longest, not-before included */
	CA_BACKDATE_S = 3600,         /* not-before lies so far back: clocks differ */
};

struct ca_settings {
	struct store *store;      /* lent */
	struct keys_client *keys; /* lent */
	const char *region_host; /* with or without port; lower-cased, without port in SPIFFE ids */
	int64_t leaf_validity_s; /* connectors; 0: CA_LEAF_DAYS */
};

/* Loads the CA, or makes it: several nodes that start at once end with the same one. Publishes the
 * anchors in the directory's settings. */
NODISCARD bool ca_open(const struct ca_settings *settings, int64_t now, struct ca **out,
		       struct err *err);
/*
 * Settings that change while it runs; any thread. `renew_expired_s`: how long after its end a
 * certificate may still renew itself, 0: never; before the first call
 * DIRECTORY_RENEW_EXPIRED_DAYS. ERR_CONFIG beyond the bounds above.
 */
NODISCARD bool ca_set_policy(struct ca *ca, int64_t leaf_validity_s, int64_t renew_expired_s,
			     struct err *err);
int64_t ca_renew_expired_s(const struct ca *ca);
void ca_close(struct ca *ca); /* takes NULL */
DEFINE_AUTO(ca_close, struct ca *)

/* EST's answers so far, for /metrics; any thread. */
enum ca_count {
	CA_ENROLLED,
	CA_RENEWED,
	CA_REFUSED,
	CA_COUNTS,
};
struct ca_counters {
	uint64_t enrolled, renewed, refused;
};
void ca_note(struct ca *ca, enum ca_count what);
struct ca_counters ca_count(const struct ca *ca);
/* Who failed to prove itself to EST lately (http/session.h: login_pause(), login_note()). */
struct sessions *ca_logins(struct ca *ca);

struct str ca_root_pem(const struct ca *ca);
struct str ca_issuing_pem(const struct ca *ca);
struct str ca_anchors_pem(const struct ca *ca);  /* root, then issuing CA */
const uint8_t *ca_root_pin(const struct ca *ca); /* 32 bytes: SHA-256 of the root's SPKI */
const char *ca_region_host(const struct ca *ca); /* lower case, no port */
struct store *ca_store(const struct ca *ca);

/* A certificate for a connector; recorded as unconfirmed. Appends DER. */
struct ca_connector {
	const struct directory_actor *actor;
	struct str subaccount, instance; /* UUIDs, lower case */
	const struct csr_facts *csr;     /* P-256 only: ERR_CONFIG otherwise */
	const char *issued_to; /* "user:alice", "authdata:user:alice", DIRECTORY_ISSUED_RENEWAL */
	struct str proof;      /* serial of the certificate that is renewed; empty: none */
};
NODISCARD bool ca_issue_connector(struct ca *ca, const struct ca_connector *want, int64_t now,
				  struct buf *der, struct err *err);

/*
 * The certificate of one of our own listeners, signed by the issuing CA. Kept in the store under
 * `name`; made anew (with a new key) when there is none, when the names changed, or when its
 * renewal time (two thirds of its life) has come. Call it at start and once an hour; a tls_config
 * made of it replaces the one before.
 */
struct ca_listener {
	struct buf chain_pem; /* leaf, issuing CA, root */
	struct key *key;      /* owned; signs through the key process */
	int64_t not_after, renew_at;
	bool renewed; /* made by this very call */
};
NODISCARD bool ca_listener_get(struct ca *ca, const char *name, const char *const *hosts,
			       size_t n_hosts, int64_t now, struct ca_listener *out,
			       struct err *err);
void ca_listener_fini(struct ca_listener *l);

/* Every certificate of the CA's own: "root", "issuing", and those of listeners by their names. */
typedef void ca_each_fn(const char *name, bool is_listener, struct str der, void *user);
NODISCARD bool ca_each_certificate(struct ca *ca, ca_each_fn *fn, void *user, struct err *err);

/* The module's tables; goes into store_migrate() as "ca". */
extern const struct migration ca_migrations[];
