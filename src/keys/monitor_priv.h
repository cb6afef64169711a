#pragma once
/* For the files of keys/monitor only. */
#include "keys/monitor.h"

/*
 * Before anything is started: the programs and folders are there, the master key lies apart from
 * them and is open. *master is owned by the caller.
 */
NODISCARD bool monitor_prepare(const struct monitor_settings *s, int *master, struct err *err);
