#pragma once
/* Writes the denied attempts of a daemon into its audit, once a second, in a job. */
#include "net/rounds.h"
#include "store/denials.h"

struct daemon_denials {
	struct denials *denials; /* lent to the rooms; NULL before the start */
	struct rounds rounds;
};

/* As soon as the store is open; the rooms may note from then on. */
void daemon_denials_open(struct daemon_denials *d, struct store *store);
void daemon_denials_start(struct daemon_denials *d, struct loop *loop, struct jobs *jobs);
/* After the jobs and the rooms ended: writes what is left. Takes one that was never opened. */
void daemon_denials_close(struct daemon_denials *d);
