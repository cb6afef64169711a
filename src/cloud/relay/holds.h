#pragma once
/*
 * Which worker has tunnels of which place, over all workers of a relay.
 *
 * The one table that workers share, behind a lock: it is touched when a tunnel comes or goes, when
 * one is let in, and when a request finds no tunnel on its worker; never on the path of a request
 * that finds one. Any thread.
 */
#include "cloud/directory/claims.h"
#include "cloud/relay/registry.h"

enum {
	HOLDS_WORKERS_MAX = 64,
	HOLDS_TAKEOVERS_MAX = 3, /* of one place within HOLDS_TAKEOVERS_MS; then the holder
				    stays: two clones fight (peers.md c15) */
	HOLDS_TAKEOVERS_MS = 60000,
	HOLDS_TUNNELS_MAX = 20000,     /* of one relay, on their way included */
	HOLDS_PLACE_TUNNELS_MAX = 256, /* of one place */
	/* Of one subaccount: it names as many location IDs as it likes, and must not fill the relay
	 * for the others. */
	HOLDS_TENANT_TUNNELS_MAX = 2000,
};

struct holds;

struct holds *holds_new(unsigned workers, struct str node);
void holds_free(struct holds *h);

/*
 * A tunnel of `key` was let in: which worker takes it. The one with the fewest of this place, then
 * with the fewest at all. *replace: the installation has its full number already (those that drain
 * do not count), so the oldest on that worker is to be drained. ERR_LIMIT names the limit.
 */
NODISCARD bool holds_begin(struct holds *h, struct str subaccount, struct str location,
			   struct str instance, unsigned *worker, bool *replace, struct err *err);
void holds_up(struct holds *h, struct str key, unsigned worker);
/* It takes no more requests: it drains, or is over. Once for each holds_begin(), before … */
void holds_leaving(struct holds *h, struct str key, unsigned worker, bool was_up);
/* … it has ended. True: it was the place's last. */
bool holds_end(struct holds *h, struct str key, unsigned worker);
/* A worker other than `but` with a tunnel that is up, or -1. */
int holds_find(struct holds *h, struct str key, unsigned but);
size_t holds_total(struct holds *h);
/* False: too many take-overs of this place lately. Counts this one if it is allowed. */
bool holds_takeover(struct holds *h, struct str key, msec_t now);
/*
 * May this run of the place's installation open tunnels beside those that are there? A copy of a
 * machine has its installation and certificate, and takes its tunnels; each would take them back
 * for ever. So after HOLDS_TAKEOVERS_MAX changes within a minute the run that holds them stays,
 * until the other one was silent for a minute, or comes with a newer certificate.
 */
bool holds_admits_run(struct holds *h, struct str key, struct str run, int64_t not_before,
		      msec_t now);
void holds_note_run(struct holds *h, struct str key, struct str run, int64_t not_before);
size_t holds_places(struct holds *h); /* that are remembered */
/* The claim of one place as it is now; false when it has no tunnel. */
NODISCARD bool holds_claim(struct holds *h, struct str key, struct directory_claim *out);
/* All of them, malloc()ed. */
size_t holds_claims(struct holds *h, struct directory_claim **out);
