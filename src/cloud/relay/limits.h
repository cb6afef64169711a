#pragma once
/* What an application may take of the relay. A zero stands for the default in brackets. */
#include "base/defs.h"

struct relay_limits {
	msec_t head; /* for a whole head, from its first byte: slow headers; 408 [FRONT_HEAD_MS] */
	msec_t idle; /* of a kept-alive connection without a request; closed [FRONT_IDLE_MS] */
	msec_t answer;    /* without a byte from the tunnel; 504 [FRONT_ANSWER_MS] */
	size_t queue_max; /* requests that wait for one place; more: 503 [WORKER_QUEUE_MAX] */
};
