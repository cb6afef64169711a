#pragma once
/*
 * The connection test: TLS to a real server with a key pair of the tenant, told step by step.
 *
 * Trust is the tenant's own: the certificate entries of the keystore, whoever owns them, as for
 * every outbound connection (spec/keystore.md, 4). The system's roots do not count, so that a test
 * says what the runtime will meet; any entry ends a chain, an intermediate too.
 *
 * The name is resolved here, the *addresses* are judged, and those that may be called are called,
 * no other: a name that resolves differently the next time leads nowhere new. Refused are loopback,
 * link-local, unspecified and multicast addresses, and this machine's addresses with the port of
 * one of our listeners, unless `allow` covers them.
 *
 * Blocks up to CONNECTION_TEST_MS: only in jobs.
 */
#include "base/err.h"
#include "crypto/tls.h"
#include "net/address.h"

enum {
	CONNECTION_TEST_MS = 15000,    /* for all of it */
	CONNECTION_STEP_MS = 5000,     /* for resolving, and for each address */
	CONNECTION_AFTERMATH_MS = 500, /* for a ticket, a byte or an alert after the handshake */
	CONNECTION_HOST_MAX = 253,
	CONNECTION_CHAIN_MAX = 20, /* certificates of a pair */
	CONNECTION_PORTS_MAX = 8,  /* of our listeners */
};

/* A key pair that may be shown. */
struct connection_pair {
	const char *alias;
	int64_t not_before, not_after; /* Unix ms, of the leaf */
	const struct str *chain;       /* DERs, leaf first */
	size_t n;
};

/*
 * Which pair is shown when none is named and the server asks: of those that are of an acceptable
 * issuer, with a key whose signatures the server takes, usable for clientAuth, and valid now, the
 * one that stays valid longest; of equals the first alias (bytewise). `fits` is of each pair. `n`
 * when there is none.
 */
size_t connection_choose(const struct connection_pair *pairs, const struct tls_fit *fits, size_t n,
			 int64_t now);

struct connection_test {
	/* ---- what is asked for ---- */
	const char *host;
	uint16_t port;
	const char *alias; /* of `pairs`; NULL: chosen when the server asks */
	bool validate;     /* chain, time and name of the server */
	/* ---- whose ---- */
	const struct connection_pair *pairs;
	size_t n_pairs;
	void (*find)(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to);
	/* A key that signs as TLS client; freed by the test. */
	bool (*open)(void *user, size_t pair, struct key **out, struct err *err);
	void *user;
	/* ---- where it may go ---- */
	const char *allow; /* address_in_list() */
	uint16_t own_ports[CONNECTION_PORTS_MAX];
	size_t n_own_ports;
};

enum connection_problem {
	CONNECTION_FINE,
	CONNECTION_UNRESOLVED,
	CONNECTION_UNREACHABLE,
	CONNECTION_NO_TLS, /* something else is spoken there, or no common version or cipher */
	CONNECTION_UNTRUSTED,
	CONNECTION_EXPIRED,
	CONNECTION_NOT_YET_VALID,
	CONNECTION_OTHER_NAME,
	CONNECTION_OTHER_PURPOSE,
	CONNECTION_WEAK,
	CONNECTION_CERTIFICATE_REQUIRED, /* and none was shown */
	CONNECTION_CERTIFICATE_REFUSED,
	CONNECTION_KEY_FAILED, /* our own key could not be used */
};
const char *connection_problem_name(enum connection_problem p); /* "untrusted_root" … */

/* Zeroed before; connection_result_fini() after. */
struct connection_result {
	enum connection_problem problem; /* the first */
	char text[400];                  /* what is wrong */
	char next[300];                  /* and what to do about it */
	char address[64];                /* that was called; "" */
	char protocol[16], cipher[64];
	struct buf chain; /* what the server showed: u32 length and DER of each */
	bool asked;
	size_t n_acceptable;
	size_t pair;   /* that was shown; n_pairs: none */
	bool accepted; /* the handshake, with what was shown */
	int64_t took_ms;
};
void connection_result_fini(struct connection_result *r);

/*
 * False: the test was not made. ERR_CONFIG: host, port or alias; ERR_DENIED: it may not be called.
 * All that a server does is a result.
 */
NODISCARD bool connection_test_run(const struct connection_test *t, struct connection_result *out,
				   struct err *err);
