#pragma once
/*
 * Where uploads are opened and keys are generated: a process of its own, which makes a worker for
 * each job (keyd/worker.h).
 *
 * keyd forks the nursery before it reads the master key and before its first thread, so no worker
 * ever had the key, a socket to the server or keyd's folder in its memory or its table of
 * descriptors. It keeps one socket, to keyd: on a "w" it makes a socket pair, forks a worker with
 * one end and sends keyd the other. When a worker ends, the nursery sends its status after the
 * worker's last packet; when keyd closes its end, the worker is killed. The nursery may open no
 * file and connect nothing (seccomp, landlock); a worker may not even fork.
 *
 *   worker → keyd   'D' and a piece of the result, any number
 *   nursery → keyd  'S' and u32 wait status, the last packet
 *
 * Threads: any, of keyd.
 */
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct nursery;

enum {
	NURSERY_WORKERS_MAX = 8, /* at once: one per socket of the server */
	NURSERY_WALL_MS = 50000, /* for one job, waiting included; its CPU is limited too */
	NURSERY_PACKET_MAX = KIB(64),
	NURSERY_RESULT_MAX = MIB(16), /* bytes that a worker may send: more and it is killed */
};

/* `closes`: descriptors that the nursery must not inherit. Before the first thread only. */
NODISCARD bool nursery_start(const int *closes, size_t n, struct nursery **out, struct err *err);
void nursery_free(struct nursery *n); /* takes NULL; ends the process and its workers */
DEFINE_AUTO(nursery_free, struct nursery *)

pid_t nursery_pid(const struct nursery *n);

/* A fresh worker: a socket that takes its job. Ends keyd when the nursery has died: only a new one
 * has another, and the monitor starts it at once. */
NODISCARD bool nursery_hire(struct nursery *n, int *worker, struct err *err);
/*
 * Waits for the result, and for the end of the worker. `server`: the socket of the one who asked,
 * or -1: when it is closed meanwhile, ERR_SYSTEM. ERR_LIMIT when the worker was killed by a limit.
 */
NODISCARD bool nursery_collect(int worker, int server, struct buf *result, struct err *err);
