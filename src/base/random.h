#pragma once
/*
 * Random bytes from the kernel for secrets, and a seeded generator for jitter that tests can fix.
 * Never the same source for both.
 */
#include "base/str.h"

void random_bytes(void *into,
		  size_t len);          /* getrandom(2); cannot fail silently: ends the process */
void random_uuid(char into[static 37]); /* version 4, lower case (RFC 9562, 5.4) */
/* splitmix64 over *seed. */
uint64_t random_jitter(uint64_t *seed);
