#pragma once
/* Shared by the files of the worker: worker.c has its clients and its life, worker_tunnels.c its
 * tunnels. */
#include "cloud/relay/worker.h"

/* For the registry: takes a request now. */
bool worker_tunnel_is_usable(struct registry_entry *e);
/* Each sweep: cuts those that the directory does not admit any more, drains those whose certificate
 * expired where the settings say so. */
void worker_judge_tunnels(struct worker *w);
void worker_drain_tunnels(struct worker *w, msec_t limit);
void worker_cut_tunnels(struct worker *w); /* at the worker's end */
