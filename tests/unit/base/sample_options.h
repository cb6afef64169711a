#pragma once
/* A table of options that the tests of option, option_text and option_load share. */
#include "base/option.h"

struct sample {
	bool verbose;
	char *host;
	uint16_t port;
	uint32_t workers;
	size_t body_max;
	msec_t idle;
};

static const struct option sample_options[] = {
	{"log.verbose", OPTION_FIELD(struct sample, verbose), "off", 0, 0, "Say more", "live"},
	{"relay.host", OPTION_FIELD(struct sample, host), NULL, 0, 0, "Name of the relay", "live"},
	{"relay.port", OPTION_FIELD(struct sample, port), "9444", 1, 0, "Port of the relay",
	 "restart"},
	{"relay.workers", OPTION_FIELD(struct sample, workers), "2", 1, 64, "Threads", "restart"},
	{"http.body_max", OPTION_FIELD(struct sample, body_max), "1MiB", 1024, 0, "Longest body",
	 "live"},
	{"http.idle", OPTION_FIELD(struct sample, idle), "30s", 1000, 3600000, "Pause allowed",
	 "live"},
	{NULL},
};
