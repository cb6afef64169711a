#pragma once
/* What systemd is told (sd_notify(3)): one datagram to $NOTIFY_SOCKET, nothing without it. */
#include "base/defs.h"

/* "READY=1", "STOPPING=1", "RELOADING=1" … A failure is ignored: nobody could do better. */
void notify_send(const char *state);
