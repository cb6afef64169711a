#pragma once
/*
 * What relay workers look at per stream and request, without SQL: an immutable picture of the
 * directory at one head number (base/snapshot.h).
 *
 * A watcher thread reads the head every 250 ms and publishes a new picture when it moved. A head
 * lower than the one known is never accepted: the old picture stays and an error is logged.
 */
#include "base/snapshot.h"
#include "cloud/directory/certificates.h"
#include "cloud/directory/subaccounts.h"
#include "crypto/jose.h"

struct directory_snapshot; /* starts with a struct snapshot: cast what the view gives */

NODISCARD bool directory_snapshot_load(struct store *s, struct directory_snapshot **out,
				       struct err *err);
int64_t directory_snapshot_head(const struct directory_snapshot *snap);
/* Lent by the snapshot; NULL when there is none. */
const struct directory_subaccount *
directory_snapshot_subaccount(const struct directory_snapshot *snap, struct str id);
const struct directory_subaccount *directory_snapshot_resolve(const struct directory_snapshot *snap,
							      struct str subdomain_or_id);
const struct directory_certificate *
directory_snapshot_certificate(const struct directory_snapshot *snap, struct str serial);
bool directory_snapshot_is_disconnected(const struct directory_snapshot *snap,
					struct str subaccount, struct str instance);
/* The subaccount's id of a client id; NULL when the binding is gone. */
const char *directory_snapshot_binding(const struct directory_snapshot *snap, struct str client_id);
/* Keys of the token server; NULL before the first is published. */
const struct jose_keys *directory_snapshot_keys(const struct directory_snapshot *snap);
/*
 * May a tunnel that opened with this serial go on, or carry a stream? Superseded and expired are no
 * reason to cut a running tunnel (streams end by themselves): REVOKED, LOCKED, NO_SUBACCOUNT,
 * DISCONNECTED and UNKNOWN_SERIAL are. UNKNOWN_SERIAL only when the snapshot's head is at least
 * `since`, the head read when the tunnel was admitted.
 */
enum directory_judgement directory_snapshot_judge(const struct directory_snapshot *snap,
						  struct str serial, struct str subaccount,
						  struct str instance, int64_t since);

struct directory_watch;

/* Loads and publishes the first picture, then starts the thread. `cell` is lent. */
NODISCARD bool directory_watch_start(struct store *s, struct snapshot_cell *cell,
				     struct directory_watch **out, struct err *err);
void directory_watch_stop(struct directory_watch *w); /* joins the thread and frees; takes NULL */
/* Look now, not at the next turn: after a change of our own. */
void directory_watch_poke(struct directory_watch *w);
/* Blocks until head `n` is published, or `timeout`; false then. */
NODISCARD bool directory_watch_wait(struct directory_watch *w, int64_t n, msec_t timeout);
