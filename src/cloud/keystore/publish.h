#pragma once
/*
 * What the data path needs of all keystores (cloud/directory/runtime.h), kept fresh: a thread looks
 * at the audit's head, and publishes a new snapshot when a keystore has another generation.
 *
 * Only what is authentic gets in. An entry whose tag is wrong is left out and named in the log. A
 * keystore whose state does not match its MAC stays as it was before; one that was never seen good
 * has no anchors, and requires a certificate unless its generation's row is good and says
 * otherwise. While the database or the key process is away, everything stays as it is.
 */
#include "base/snapshot.h"
#include "cloud/keystore/keystore.h"

struct keystore_publisher;

/* Publishes the first snapshot before it returns. All are lent. */
NODISCARD bool keystore_publish_start(struct keystore *k, struct snapshot_cell *cell,
				      struct keystore_publisher **out, struct err *err);
void keystore_publish_stop(struct keystore_publisher *p); /* takes NULL */
/* Looks at once. Any thread. */
void keystore_publish_poke(struct keystore_publisher *p);
/* Until change number `n` is published on this node; false when that takes longer. Any thread, not
 * a loop. */
bool keystore_publish_wait(struct keystore_publisher *p, int64_t n, msec_t timeout);
