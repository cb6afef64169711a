#pragma once
/* Inside of the directory: checks of input, and what several stores share. */
#include "base/json.h"
#include "cloud/directory/actor.h"
#include "store/query.h"

size_t directory_limit(size_t asked); /* 1 to DIRECTORY_PAGE_MAX; 0 is the most */
/* UTF-8 without control characters, from `least` bytes to what fits in `size` with a NUL. */
NODISCARD bool directory_check_text(const char *what, struct str value, size_t least, size_t size,
				    struct err *err);
/* Can be one segment of a URL's path, so that what has this name can be named: no slash, no dots
 * only, no blank at either end. */
bool directory_is_segment(struct str s);
/* Lower-case letters, digits and inner hyphens, 1 to 63 (RFC 1035, 2.3.1, digits may lead). */
bool directory_is_label(struct str s);
bool directory_is_host(struct str s); /* labels and dots, lower case, or an IPv4 address */

struct directory_record {
	const struct directory_actor *actor;
	struct str tenant, object;
	const char *what;
	struct buf *before, *after; /* JSON; may be NULL */
};
/* change_record() in the directory's words. */
void directory_record(struct change *c, const struct directory_record *r);

/* Takes the rows' locks of the owners of one subaccount, until the transaction ends. */
NODISCARD bool directory_lock_subaccount(struct db *db, struct str subaccount, bool *found,
					 struct err *err);
