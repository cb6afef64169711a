#pragma once
/*
 * Where the master key comes from. The monitor opens the source and never reads a file of it; keyd
 * reads it from the inherited descriptor, at offset 0, each time that it is started.
 *
 * In this order: the systemd credential $CREDENTIALS_DIRECTORY/drawbridge-master-key; the
 * environment DRAWBRIDGE_MASTER_KEY, wiped there and kept in a memfd; the file, made at the first
 * start from 32 random bytes in hex with mode 0400. It may hold several keys, a line each: the
 * first one seals, all of them open (keyd/vault.h).
 */
#include "base/err.h"

#define MASTER_CREDENTIAL "drawbridge-master-key"
#define MASTER_VARIABLE   "DRAWBRIDGE_MASTER_KEY"

enum {
	MASTER_TEXT_MAX = 2048, /* bytes that keyd reads of the source; as many are too many */
};

/*
 * `first_start`: the file may be made. Otherwise a missing one is ERR_CONFIG: a new key would not
 * open what was sealed with the lost one. A file that others may read is refused.
 */
NODISCARD bool master_open(const char *path, bool first_start, int *fd, struct err *err);

/* Whether master_open() would take the environment: it cannot be read again. Before it only. */
bool master_is_fixed(void);
/*
 * The source once more: *fd is -1 when it is still the file behind `now`. Never makes a file.
 */
NODISCARD bool master_reopen(const char *path, int now, int *fd, struct err *err);
/*
 * For the operator: puts a new key before the ones in the file, or takes all but the first one out.
 * The file is replaced at once, with mode 0400 and the old one's owner. ERR_CONFIG when it cannot
 * be read or written, or holds something else.
 */
NODISCARD bool master_prepend(const char *path, struct err *err);
NODISCARD bool master_keep_first(const char *path, struct err *err);
