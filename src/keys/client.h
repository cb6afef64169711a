#pragma once
/*
 * The server's side of the key process.
 *
 * Sockets come from the monitor (at start by inheritance, later over the control socket by
 * SCM_RIGHTS, a fresh set each time keyd was started again). A call takes a free socket, blocks for
 * the answer, gives it back. A call whose socket broke waits for a fresh set and is repeated, up to
 * KEYS_REPEATS times and KEYS_FRESH_MS after it began: every operation is idempotent, or harmless
 * when done again. The bound is for a call that makes keyd die each time.
 *
 * Threads: any; a call blocks, so not on a loop. Several calls run at once, one per socket.
 */
#include "crypto/issue.h"
#include "crypto/key.h"
#include "keys/protocol.h"

struct keys_client;

enum {
	KEYS_FRESH_MS = 10000,  /* how long a call waits for sockets, free or fresh, in all */
	KEYS_REPEATS = 4,       /* of a call whose keyd died, each on a fresh set */
	KEYS_ANSWER_MS = 60000, /* how long keyd may take for one answer (RSA 4096: 2 s) */
};

/* `control_fd`: the socket to the monitor (taken). Blocks until the first set of sockets is there.
 */
NODISCARD bool keys_client_new(int control_fd, struct keys_client **out, struct err *err);
void keys_client_free(struct keys_client *c); /* takes NULL; no call may be running */

/* A new key: `sealed` is to be stored before its public part is used for anything. */
NODISCARD bool keys_generate(struct keys_client *c, enum keys_class class_, enum key_kind kind,
			     struct buf *sealed, struct buf *spki, struct err *err);
/*
 * A struct key whose signatures come from keyd, for one purpose. Copies `sealed` into the key,
 * which must not be used when the client is gone.
 */
NODISCARD bool keys_open(struct keys_client *c, struct str sealed, struct str spki,
			 enum keys_purpose purpose, struct key **out, struct err *err);
/*
 * Appends DER. For ISSUE_ROOT, and for a listener that signs itself, `issuer_sealed` is the
 * subject's own key (keyd compares it with `subject_spki`) and `issuer_der` empty.
 */
NODISCARD bool keys_issue(struct keys_client *c, const struct issue_facts *facts,
			  struct str subject_spki, struct str issuer_sealed, struct str issuer_der,
			  struct buf *der, struct err *err);
NODISCARD bool keys_seal(struct keys_client *c, const char *label, struct str plain,
			 struct buf *sealed, struct err *err);
NODISCARD bool keys_unseal(struct keys_client *c, const char *label, struct str sealed,
			   struct buf *plain, struct err *err);
/* The process id of keyd, for /metrics and tests. */
NODISCARD bool keys_ping(struct keys_client *c, uint32_t *keyd_pid, struct err *err);
/* Calls repeated and sockets replaced, for /metrics. */
struct keys_counters {
	uint64_t calls, repeated, refused, replaced;
};
struct keys_counters keys_count(struct keys_client *c);
