#include "cloud/relay/counters.h"

void relay_counters_add(struct relay_counters *sum, const struct relay_counters *part)
{
#define ADD(name, type, help) sum->name += part->name;
	RELAY_COUNTERS(ADD)
#undef ADD
}

void relay_counters_write(const struct relay_counters *c, struct buf *out)
{
#define WRITE(name, type, help)                                                                    \
	buf_addf(out,                                                                              \
		 "# HELP drawbridge_relay_%s %s\n# TYPE drawbridge_relay_%s %s\n"                  \
		 "drawbridge_relay_%s %llu\n",                                                     \
		 #name, help, #name, #type, #name, (unsigned long long)c->name);
	RELAY_COUNTERS(WRITE)
#undef WRITE
}
