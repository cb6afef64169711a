#pragma once
/*
 * Getting a subaccount certificate: EST (RFC 7030, RFC 8951) as a client.
 *
 *   GET  https://{region host}/.well-known/est/{subaccount}/cacerts
 *   POST .../simpleenroll     Authorization: Basic (an owner), or Bearer (authentication data)
 *   POST .../simplereenroll   with the current certificate; no password
 *   POST fields: Content-Type: application/pkcs10, Drawbridge-Instance: {uuid of this installation}
 *
 * First contact (DESIGN 6): no password and no token leaves before the server is verified, by the
 * system's trust store, by the given anchors, or by a pin: the SHA-256 of the root's public key,
 * from the authentication data or confirmed by the administrator. Otherwise the outcome is
 * ENROL_UNTRUSTED with the root's fingerprint to be shown (409) and confirmed.
 *
 * The caller puts the key on disk before the CSR leaves. Blocks: only in jobs. No SQL here.
 */
#include "connector/key_source.h"

enum {
	ENROL_AUTHDATA_MAX = 4096,  /* bytes of pasted authentication data */
	ENROL_TIMEOUT_MS = 30000,   /* one EST request */
	ENROL_PORT = 443,           /* of a region host without one */
	ENROL_PEM_MAX = 256 * 1024, /* bytes of a CA's or our certificates */
	ENROL_SKEW_MAX_S = 300,     /* a larger difference of the clocks is named in errors */
	ENROL_SKEW_LEAST_S = 2,     /* a smaller one is the way of the answer */
};

/* What authentication data says; texts are NUL-terminated. */
struct enrol_authdata {
	char region_host[262];
	char subaccount[37];
	char display_name[256];
	int64_t expires_ms; /* Unix */
	char token[128];
	uint8_t root_pin[32];
};
/* base64url of JSON, as the cloud side's console gives it; ERR_CONFIG names what is wrong. */
NODISCARD bool enrol_read_authdata(struct str text, struct enrol_authdata *out, struct err *err);

/* How the region host is verified, and how it is reached. All lent. */
struct enrol_peer {
	const char *region_host; /* "host" or "host:port" */
	const char *subaccount;
	const char *instance;
	bool system_anchors;
	struct str anchors_pem;  /* may be empty */
	const uint8_t *root_pin; /* 32 bytes, or NULL */
	const char *proxy;       /* "http://host:port", or NULL */
	const char *proxy_user, *proxy_password;
};

enum enrol_outcome {
	ENROL_DONE,
	ENROL_UNTRUSTED, /* nothing was sent; result->root_sha256 is to be confirmed: 409 */
	ENROL_WRONG,     /* 401: user, password, token or certificate; names nobody */
	ENROL_REFUSED,   /* 403 and the like: not an owner (the text names them), locked … */
	ENROL_LATER,     /* 429, 503: result->retry_after_s */
	ENROL_FAILED,    /* network, protocol, our side: err's kind tells */
};

struct enrol_result {
	char root_sha256[65];  /* hex of the root's SPKI pin, where known */
	struct buf anchors;    /* PEM: the CA's self-signed certificates (cacerts); the pinned one
				  alone where there is a pin */
	struct buf issuing;    /* PEM: its other certificates */
	struct buf chain;      /* PEM: leaf first, then intermediates */
	int64_t retry_after_s; /* -1: none */
	int64_t skew_s;        /* our clock minus the server's, where known */
};
/* For enrol_*(); those of subaccounts.h take a zeroed one too. */
#define ENROL_RESULT                                                                               \
	((struct enrol_result){.anchors = BUF(ENROL_PEM_MAX),                                      \
			       .issuing = BUF(ENROL_PEM_MAX),                                      \
			       .chain = BUF(ENROL_PEM_MAX),                                        \
			       .retry_after_s = -1})
void enrol_result_fini(struct enrol_result *r);
/* Now, in Unix seconds, by the clock of the server that answered: ours may be wrong, and the
 * certificate's end is by that one. */
int64_t enrol_time(const struct enrol_result *r);

/* Only cacerts: fills `anchors` and `issuing`. The first step of everything else. */
enum enrol_outcome enrol_cacerts(const struct enrol_peer *peer, struct enrol_result *out,
				 struct err *err);

struct enrol_proof {
	const char *user, *password; /* an owner; or */
	const char *token;           /* of authentication data; or */
	struct str chain_pem;        /* the current certificate, with */
	struct key *key;
};
/*
 * simpleenroll, or simplereenroll when `proof` has a certificate. `csr_key` signs the CSR. The
 * certificate that comes back must have its public key and chain to `out->anchors` through
 * `out->issuing`, which are of enrol_cacerts().
 */
enum enrol_outcome enrol_certificate(const struct enrol_peer *peer, const struct enrol_proof *proof,
				     struct key *csr_key, struct enrol_result *out,
				     struct err *err);
