#pragma once
/*
 * Tokens of applications: verified once against the keys of the token server, then known by their
 * SHA-256 until they expire or the directory changes. One thread.
 */
#include "cloud/directory/snapshot.h"

enum {
	TOKENS_MAX = 4096,   /* known ones; the oldest in a slot makes room: an attacker with many
				good tokens costs verifications, not memory */
	TOKENS_RECENT = 256, /* of these the bytes are kept (wiped after), to save the hashing */
	TOKENS_WAYS = 4,     /* slots that a hash may use */
};

struct tokens;

struct token_facts {
	char subaccount[DIRECTORY_UUID]; /* claim zid: the tenant */
	char client_id[128];
	int64_t expires; /* Unix seconds */
	bool locked;     /* the subaccount is: 403 and not 407 */
};

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);
/*
 * `number` is the snapshot's publication. *out is lent until the next call. ERR_DENIED with a text
 * for the application otherwise ("the token expired 20 s ago: get a new one from …").
 */
NODISCARD bool tokens_check(struct tokens *t, struct str token,
			    const struct directory_snapshot *snap, unsigned long long number,
			    int64_t now, const struct token_facts **out, struct err *err);
size_t tokens_known(const struct tokens *t);
uint64_t tokens_verified(const struct tokens *t);
/*
 * The token in a Proxy-Authorization value: "Bearer T", or "Basic base64(T:)". A decoded one goes
 * to `room`. False: neither.
 */
NODISCARD bool tokens_from_field(struct str value, struct buf *room, struct str *token);
