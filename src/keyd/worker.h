#pragma once
/*
 * The process that opens one upload or makes one key, and ends. Forked by the nursery
 * (keyd/nursery.h); shut in by a filter of its own, with limits of memory, processor time and
 * descriptors, before it looks at the first byte.
 *
 * Its job comes over its socket, the result goes back there:
 *
 *   open      u8 1, u32 bytes of the container, u8 1: lone keys too, blob password; then its
 *             bytes, packet by packet
 *   generate  u8 2, blob type, u32 bits, blob curve
 *
 *   result    u8 reaction (0 good, else 1 + enum keys_reaction), u32 enum container_format, then
 *             bad:  blob text
 *             good: u32 n, n × (u8 kind, blob PKCS#8), facts (keys/facts.h)
 *   kind      0 cannot be taken, else enum keys_entry_kind
 */
#include "base/err.h"
#include "base/rd.h"

enum {
	WORKER_CPU_S = 45,       /* RSA of 8192 bits takes 10 s and, rarely, 40 */
	WORKER_MEMORY_MIB = 512, /* of address space */
	WORKER_OPEN = 1,
	WORKER_GENERATE,
	WORKER_TYPE_MAX = 16,  /* bytes of a kind of key */
	WORKER_CURVE_MAX = 64, /* bytes of a curve's name */
};

/* In the nursery, before its sandbox: what OpenSSL would open later. */
NODISCARD bool worker_prepare(struct err *err);
_Noreturn void worker_run(int fd);
/* The job itself, without limits: for the tests and the fuzzer. Appends the result. */
void worker_open(struct str bytes, bool lone_keys, struct str password, struct buf *result);
void worker_generate(struct str type, uint32_t bits, struct str curve, struct buf *result);
