#pragma once
/* How the monitor starts its two children. For keys/monitor.c only. */
#include <sys/types.h>

#include "keys/monitor.h"

/*
 * Starts keyd with the descriptor of the master key's source, KEYS_SOCKETS socket pairs between it
 * and whoever gets `ours`.
 */
NODISCARD bool spawn_keyd(const struct monitor_settings *s, int master,
			  int ours[static KEYS_SOCKETS], pid_t *pid, struct err *err);
/* Starts the server with its end of the control socket; *control is ours. */
NODISCARD bool spawn_server(const struct monitor_settings *s, int *control, pid_t *pid,
			    struct err *err);
void spawn_close(int sockets[static KEYS_SOCKETS]);
