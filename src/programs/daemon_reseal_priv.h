#pragma once
/* What daemon_reseal.c (the runs) and daemon_reseal_answer.c (the REST API) share. */
#include "base/json.h"
#include "programs/daemon_reseal.h"

/* Counts in *count all that is sealed; with `change` it is sealed again. */
NODISCARD bool daemon_reseal_go_through(struct daemon_reseal *r, bool change,
					struct reseal_count *count, struct err *err);
void daemon_reseal_write_run(struct jsonw *w, const char *node,
			     const struct daemon_reseal_run *run);
/* A run as the lease's row has it. */
void daemon_reseal_text(const struct daemon_reseal *r, const struct daemon_reseal_run *run,
			struct buf *out);
/* Records an end that the database did not take then. */
NODISCARD bool daemon_reseal_settle(struct daemon_reseal *r, struct err *err);
/* By the one who set `running`: nobody else comes here before it is taken back. */
NODISCARD bool daemon_reseal_start(struct daemon_reseal *r, const struct daemon_reseal_run *run,
				   struct err *err);
