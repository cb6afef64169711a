#pragma once
/* The inside of the relay: relay.c (threads, claims, drain), accept*.c (who is let in). */
#include <pthread.h>
#include <stdatomic.h>

#include "cloud/relay/front.h"
#include "cloud/relay/holds.h"
#include "cloud/relay/relay.h"

struct relay_thread {
	struct relay *relay;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct worker *worker;
};

struct relay {
	struct relay_settings settings; /* its texts are the next ones */
	char *node, *region_host, *token_url, *relay_host;
	struct relay_thread threads[RELAY_WORKERS_MAX];
	unsigned n;
	struct holds *holds;
	_Atomic uint64_t next_id;
	_Atomic unsigned jobs_out; /* jobs that know the relay */
	_Atomic bool draining, ending;
	_Atomic bool drain_expired; /* workers look at it */
	_Atomic int64_t grace_s;
	_Atomic unsigned probes; /* of RELAY_PROBES_MAX */
	struct loop_timer renew, drain_check;
	msec_t drain_until;
	void (*drained)(void *user);
	void *drained_user;
};

/* A message to one worker: `fn` runs there and frees it. */
struct relay_note {
	struct loop_message message;
	struct worker *worker;
	char key[REGISTRY_KEY_MAX];
	char instance[DIRECTORY_UUID];
	msec_t limit;
};
void relay_post(struct relay *r, unsigned worker, struct relay_note *take,
		void (*fn)(struct loop_message *));
/* Brings the claim of a place up to date, in a job: taken, renewed or given back. Any thread. */
void relay_sync_claim(struct relay *r, struct str key, struct str gone_instance);
/* Closes the tunnels of an installation at a place, on all workers. Any thread. */
void relay_evict(struct relay *r, struct str key, struct str instance);
/* Puts an admitted tunnel on a worker; takes the parts. Any thread. */
void relay_place_tunnel(struct relay *r, const struct worker_tunnel_facts *facts, unsigned worker,
			struct stream_parts *take);
