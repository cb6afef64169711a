#pragma once
/*
 * The certificate of the connector's administration (spec 2.4): its own self-signed one, until an
 * administrator installs another: self-signed with names of choice, or signed by a CA over a CSR,
 * or brought with its key as PKCS#12. In force for the next handshake, without a restart.
 *
 * Nothing is given up before its successor is known to work: key opened at the key process, a
 * signature made, TLS configuration built, stored; only then published. Private keys never leave
 * the key process. Every call blocks: only in jobs; any thread.
 */
#include "connector/state_store.h"
#include "crypto/tls.h"
#include "keys/client.h"

struct ui_certificate;
struct ui_row;

enum {
	UI_HOSTS_MAX = 16,
	UI_DAYS = 365, /* of a self-signed one, as the original's */
};

/* What makes and uses keys: the key process, and local keys in tests. */
struct ui_keys {
	void *user;
	bool (*generate)(void *user, enum key_kind kind, struct buf *sealed, struct buf *spki,
			 struct err *err);
	bool (*open)(void *user, struct str sealed, struct str spki, enum keys_purpose purpose,
		     struct key **out, struct err *err);
	/* By the key itself. */
	bool (*self_sign)(void *user, const struct issue_facts *facts, struct str spki,
			  struct str sealed, struct buf *der, struct err *err);
	/* ui_container_open(). */
	bool (*open_container)(void *user, struct str bytes, struct str password,
			       struct ui_row *out, struct err *err);
};
struct ui_keys ui_keys_of(struct keys_client *client); /* lent */

struct ui_settings {
	struct store *store;
	struct ui_keys keys;
	/* The connector's own certificate, renewed where it is due: TLS configuration, and the
	 * chain as PEM. */
	bool (*open_default)(void *user, struct tls_config **tls, struct buf *chain_pem,
			     struct err *err);
	void (*publish)(void *user, struct tls_config *take); /* for the next handshake */
	void *user;
};

/*
 * Publishes the installed certificate, or the default. An installed one that cannot be used (its
 * key does not open) is logged, and the default serves: an administration without a door would
 * help nobody. ERR: not even the default could be opened.
 */
NODISCARD bool ui_certificate_new(const struct ui_settings *settings, struct ui_certificate **out,
				  struct err *err);
void ui_certificate_free(struct ui_certificate *u); /* takes NULL */
/* Each hour and at SIGHUP: the default follows its names and its end; an installed one stays. */
NODISCARD bool ui_certificate_refresh(struct ui_certificate *u, struct err *err);

/* The chain in use, leaf first. */
void ui_certificate_chain(struct ui_certificate *u, struct buf *pem, bool *is_default);

/* Whether it is the connector's own, which is renewed in time. */
bool ui_certificate_is_default(struct ui_certificate *u);

struct ui_request {
	const char *subject; /* "CN=…,O=…" */
	const char *hosts[UI_HOSTS_MAX];
	size_t n_hosts;
	enum key_kind kind;
};
NODISCARD bool ui_certificate_self_sign(struct ui_certificate *u, const struct state_actor *actor,
					const struct ui_request *request, int64_t now,
					struct err *err);
/* A new key, which waits; an earlier CSR is void. Appends the request as PEM. */
NODISCARD bool ui_certificate_request(struct ui_certificate *u, const struct state_actor *actor,
				      const struct ui_request *request, struct buf *pem,
				      struct err *err);
/*
 * The signed chain for the key that waits: PEM in any order, or PKCS#7. ERR_CONFIG: no key waits,
 * none of the certificates is its own, one does not belong to the chain, or the time is wrong.
 */
NODISCARD bool ui_certificate_install(struct ui_certificate *u, const struct state_actor *actor,
				      struct str chain, int64_t now, struct err *err);
/* A PKCS#12 file: its one key and chain. */
NODISCARD bool ui_certificate_upload(struct ui_certificate *u, const struct state_actor *actor,
				     struct str bytes, struct str password, int64_t now,
				     struct err *err);
/* Back to the default. ERR_MISSING: none is installed. */
NODISCARD bool ui_certificate_remove(struct ui_certificate *u, const struct state_actor *actor,
				     struct err *err);
