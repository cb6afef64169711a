#pragma once
/*
 * What one socket of the server has staged: keys from a container or fresh ones, before they are
 * sealed. Kept in wiping buffers, gone with the socket, with stage_clear() and after
 * KEYS_STAGE_IDLE_MS without a request (keyd/serve.h).
 *
 * begin, any number of add, open: the bytes go straight on to a worker (keyd/nursery.h); or
 * generate. A failure clears the stage.
 *
 * Threads: one, its socket's.
 */
#include "crypto/key.h"
#include "keyd/nursery.h"
#include "keys/entries.h"

struct stage;

/* Both lent; `server`: the socket that it belongs to, or -1. nursery NULL: nothing is staged. */
struct stage *stage_new(struct nursery *nursery, int server);
void stage_free(struct stage *s); /* wipes; takes NULL */
DEFINE_AUTO(stage_free, struct stage *)
void stage_clear(struct stage *s);
bool stage_is_used(const struct stage *s); /* begun, or with something in it */

NODISCARD bool stage_begin(struct stage *s, uint32_t total, bool lone_keys, struct str password,
			   struct err *err);
NODISCARD bool stage_add(struct stage *s, struct str bytes, struct err *err);
/* What became of it. When it is false the container could not be read, for the reason in err. */
struct stage_result {
	bool good;
	unsigned format; /* enum container_format */
};
NODISCARD bool stage_open(struct stage *s, struct stage_result *out, struct err *err);
/* As stage_open(), with what a worker would have sent (keyd/worker.h). For unit tests and the
 * fuzzer, since a worker that a hostile container took over may send anything. */
NODISCARD bool stage_take(struct stage *s, struct str result, struct stage_result *out,
			  struct err *err);
NODISCARD bool stage_generate(struct stage *s, struct str type, uint32_t bits, struct str curve,
			      struct stage_result *out, struct err *err);

size_t stage_count(const struct stage *s);
struct str stage_facts(const struct stage *s); /* keys/facts.h; lent */
/*
 * The PKCS#8 form of item `i`, empty for a certificate; lent. ERR_DENIED when there is no such item
 * or it cannot be taken, ERR_SYSTEM when the stage is gone.
 */
NODISCARD bool stage_item(const struct stage *s, uint32_t i, enum keys_entry_kind *kind,
			  struct str *pkcs8, struct err *err);
