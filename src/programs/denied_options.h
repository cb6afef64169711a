#pragma once
/* How long denied attempts are kept, the same in both daemons: fields, and rows for their tables.
 */
#include "base/option.h"

struct denied_options {
	msec_t age;
	uint32_t rows;
};

/* `FIELD` is the table's own macro; the member of its object is called `denied`. */
/* clang-format off */
#define DENIED_OPTION_ROWS \
	{"audit.denied.age", FIELD(denied.age), "90d", SEC(3600), SEC(86400 * 3650LL), \
	 "how long rows about denied attempts are kept", "live"}, \
	{"audit.denied.rows.max", FIELD(denied.rows), "100000", 10, 100000000, \
	 "rows about denied attempts that are kept of one node; the oldest go", "live"}
/* clang-format on */
