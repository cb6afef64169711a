#pragma once
/* What the key process does to itself before it reads the master key. */
#include "base/err.h"

/* Locks all memory, now and later, as far as the system allows; says so where it does not. */
void harden_memory(void);
/* Ignores what ends the server: keyd lives until its sockets are closed. */
void harden_signals(void);
/*
 * Becomes `user` when started as root, after giving the folder `dir` and its files to it. An empty
 * (NULL) or unknown user: stays, with a line in the log.
 */
NODISCARD bool harden_user(const char *user, int dir, struct err *err);
