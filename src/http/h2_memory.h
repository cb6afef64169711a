#pragma once
/*
 * Memory for one HTTP/2 session: small pieces from free lists by size, so that a request in steady
 * state costs no malloc; pieces of 16 KiB and more (the library's frame buffer) as whole pages of
 * their own, so that an idle session keeps only the pages that it touched.
 *
 * Not for sharing between threads. Memory of fixed sizes: exhaustion ends the process; what a peer
 * can size is bounded by the limits of h2_engine.h.
 */
#include <nghttp2/nghttp2.h>

#include "base/defs.h"

struct h2_memory;

struct h2_memory *h2_memory_new(void);
void h2_memory_free(struct h2_memory *m); /* after everything taken from it was given back */
nghttp2_mem h2_memory_hooks(struct h2_memory *m);
/* How often memory was asked of the system: stands still in steady state. */
uint64_t h2_memory_system_calls(const struct h2_memory *m);
