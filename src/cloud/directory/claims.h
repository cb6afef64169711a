#pragma once
/*
 * Location claims: which installation holds a location ID of a subaccount, as a leased row.
 *
 * The row is taken or refreshed in one atomic statement, so two relays cannot both win. Beside it
 * each relay keeps how many tunnels it has, under the same lease. Nothing here passes the head.
 */
#include "cloud/directory/actor.h"

enum {
	DIRECTORY_CLAIM_LEASE_MS = 15000, /* renewed every third of it */
};

struct directory_claim {
	char subaccount[DIRECTORY_UUID];
	char location[DIRECTORY_LOCATION_MAX];
	char instance[DIRECTORY_UUID];
	char node[DIRECTORY_NAME_MAX]; /* the relay that asks */
	int64_t tunnels;               /* that this relay has for it now */
};

enum directory_claimed {
	DIRECTORY_CLAIM_HELD,  /* ours: new, refreshed, or taken over because the lease was over */
	DIRECTORY_CLAIM_TAKEN, /* another installation holds it: *holder */
	DIRECTORY_CLAIM_FAILED,
};
/*
 * Takes or renews. `force`: take it from another installation, whose tunnel did not answer a PING.
 * On TAKEN `holder` is filled: ask its node, or after that answer 409.
 */
enum directory_claimed directory_claim(struct store *s, const struct directory_claim *want,
				       bool force, int64_t now_ms, struct directory_claim *holder,
				       struct err *err);
/* Renews all of a relay's claims in one transaction; claims lost meanwhile are marked. */
NODISCARD bool directory_claim_renew(struct store *s, const struct directory_claim *held, size_t n,
				     int64_t now_ms, bool *lost, struct err *err);
/* The last tunnel of that instance on this relay is gone. Other relays' tunnels keep the claim. */
NODISCARD bool directory_claim_release(struct store *s, const struct directory_claim *held,
				       int64_t now_ms, struct err *err);
/* At a relay's start: what an earlier life of this node left behind. */
NODISCARD bool directory_claim_release_node(struct store *s, struct str node, struct err *err);
