#pragma once
/*
 * Subaccount certificates by serial, and who is let in.
 *
 * States: unconfirmed → active (it opened a tunnel) → superseded → retired; revoked cuts at once.
 * When a certificate is confirmed, every other one of the same subaccount and instance that was
 * issued before it gets supersede_at = now + grace: until then it still opens tunnels.
 */
#include "cloud/directory/actor.h"
#include "crypto/cert.h"
#include "crypto/tls.h"

enum directory_cert_state {
	DIRECTORY_CERT_UNCONFIRMED,
	DIRECTORY_CERT_ACTIVE,
	DIRECTORY_CERT_SUPERSEDED,
	DIRECTORY_CERT_RETIRED, /* superseded, and its validity is over */
	DIRECTORY_CERT_REVOKED,
};
const char *directory_cert_state_name(enum directory_cert_state state); /* "active" … */

enum {
	DIRECTORY_UNCONFIRMED_MAX =
		3, /* of a subaccount and instance; a further one replaces the oldest */
	/* Of one installation: each costs rows, a signature and a new snapshot everywhere, and
	 * whoever has a certificate could ask in a loop. */
	DIRECTORY_RENEWALS_PER_HOUR_MAX = 1000,
	DIRECTORY_SUPERSEDE_GRACE_S = 600, /* default of certificate.grace */
	DIRECTORY_RENEW_EXPIRED_DAYS = 30, /* default of certificate.renew.expired */
};

#define DIRECTORY_ISSUED_RENEWAL "renewal" /* issued_to of what simplereenroll gave */

struct directory_certificate {
	char serial[CERT_SERIAL_MAX * 3 + 1]; /* form of cert_facts */
	char subaccount[DIRECTORY_UUID];
	char instance[DIRECTORY_UUID];
	uint8_t spki_sha256[32];
	int64_t not_before, not_after;
	int64_t issued;
	int64_t confirmed;    /* 0: not yet */
	int64_t supersede_at; /* 0: not; else it opens no tunnel from then on */
	char superseded_by[CERT_SERIAL_MAX * 3 + 1];
	int64_t revoked;                    /* 0: not */
	char issued_to[DIRECTORY_NAME_MAX]; /* "user:alice", "authdata:user:alice", "renewal" */
};

enum directory_cert_state directory_certificate_state(const struct directory_certificate *c,
						      int64_t now);

/* "spiffe://{region host}/subaccount/{id}/connector/{instance}" */
void directory_spiffe_write(struct buf *out, struct str region_host, struct str subaccount,
			    struct str instance);
/* False when `uri` is not exactly of that form; the parts are lent by `uri`. */
NODISCARD bool directory_spiffe_read(struct str uri, struct str *region_host,
				     struct str *subaccount, struct str *instance);

/*
 * Records what was issued, as unconfirmed, before the answer leaves. Creates the connector's row
 * when there is none. serial, subaccount, instance, spki, validity, issued and issued_to of `c` are
 * stored. ERR_MISSING: the subaccount is gone.
 */
NODISCARD bool directory_certificate_record(struct store *s, const struct directory_actor *actor,
					    const struct directory_certificate *c, struct err *err);
/* The same for a renewal, proven by the certificate with the serial `proof`: ERR_DENIED when that
 * one was revoked since it was judged. */
NODISCARD bool directory_certificate_renew(struct store *s, const struct directory_actor *actor,
					   const struct directory_certificate *c, struct str proof,
					   struct err *err);
/* A tunnel opened with it; older ones of its connector open none from `grace_s` seconds later on.
 * Costs one read when it was confirmed before. */
NODISCARD bool directory_certificate_confirm(struct store *s, struct str serial, int64_t now,
					     int64_t grace_s, struct err *err);
/* And with it what it renewed itself to and what opened no tunnel yet. Idempotent. ERR_MISSING.
 * `subaccount` must be its own. */
NODISCARD bool directory_certificate_revoke(struct store *s, const struct directory_actor *actor,
					    struct str subaccount, struct str serial, int64_t now,
					    struct err *err);
NODISCARD bool directory_certificate_find(struct store *s, struct str serial,
					  struct directory_certificate *out, struct err *err);
/* Newest first. `instance` "" for all; `after` is the last serial of the page before, or "". */
NODISCARD bool directory_certificate_list(struct store *s, struct str subaccount,
					  struct str instance, struct str after, size_t limit,
					  struct directory_certificate **rows, size_t *n,
					  struct err *err);

/* The one certificate of each connector that is in use: confirmed before unconfirmed, then the
 * newest; neither revoked nor superseded. In order of `n`; `after` is the last row's, or 0. */
struct directory_certificate_used {
	int64_t n;
	struct directory_certificate certificate;
	char display_name[DIRECTORY_NAME_MAX]; /* of the subaccount */
	char location[DIRECTORY_LOCATION_MAX];
	bool renewal_allowed;
};
NODISCARD bool directory_certificate_used(struct store *s, int64_t after, size_t limit,
					  struct directory_certificate_used **rows, size_t *n,
					  struct err *err);

/* ---- who is let in (DESIGN 5 and 6) ---- */

enum directory_judgement {
	DIRECTORY_ADMITTED,
	DIRECTORY_NO_CERTIFICATE,    /* 401: none, or none that our CA signed */
	DIRECTORY_NOT_YET_VALID,     /* 401 */
	DIRECTORY_EXPIRED,           /* 401: may still simplereenroll, see there */
	DIRECTORY_FOREIGN,           /* 403: another subaccount's, instance's or region's */
	DIRECTORY_UNKNOWN_SERIAL,    /* 403: signed by our CA, not in the directory */
	DIRECTORY_SUPERSEDED,        /* 403: "superseded on D by serial S: …" */
	DIRECTORY_REVOKED,           /* 403 */
	DIRECTORY_LOCKED,            /* 403: the subaccount */
	DIRECTORY_NO_SUBACCOUNT,     /* 403: deleted */
	DIRECTORY_DISCONNECTED,      /* 403: forced by an administrator */
	DIRECTORY_RENEWAL_FORBIDDEN, /* 403: simplereenroll only */
	DIRECTORY_RENEWAL_TOO_OFTEN, /* 429: simplereenroll only; before anything is signed */
	DIRECTORY_JUDGE_FAILED,      /* 503, see err */
};
unsigned directory_judgement_status(enum directory_judgement j);  /* ADMITTED is 200 */
const char *directory_judgement_name(enum directory_judgement j); /* for counters and logs */

/* What a client presented. Lent. */
struct directory_presented {
	enum tls_peer_state state;
	const struct cert_facts *facts; /* looked at when state is TRUSTED */
	struct str region_host;         /* ours */
	struct str subaccount;          /* what the path names */
	struct str instance;            /* what the request names; "" to take the certificate's */
};

/*
 * May it open tunnels for this subaccount now? Reads the store: a serial issued a moment ago is
 * known. Anything but ADMITTED fills err's text for the problem's detail.
 */
enum directory_judgement directory_judge_tunnel(struct store *s,
						const struct directory_presented *p, int64_t now,
						struct err *err);
/*
 * May it simplereenroll? As above, but an expired certificate may, up to `expired_s` seconds after
 * its end (0: never), a superseded one may not, and a forced disconnect does not matter.
 */
enum directory_judgement directory_judge_renewal(struct store *s,
						 const struct directory_presented *p, int64_t now,
						 int64_t expired_s, struct err *err);
