#pragma once
/*
 * The threads of the key process: one per socket, each reads a request, has it dispatched and sends
 * the answer, until the other end is gone. A message that is too long closes its socket.
 */
#include "keyd/dispatch.h"

/* `fds` are taken. Returns when every socket is closed. */
NODISCARD bool serve(const struct dispatch *d, const int *fds, size_t n, struct err *err);
