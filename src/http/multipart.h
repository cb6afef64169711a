#pragma once
/*
 * Bodies of type multipart/form-data (RFC 7578; RFC 2046, 5.1): how browsers and scripts upload
 * files. Pure, over a body that was read whole; parts are lent by it.
 */
#include "base/err.h"
#include "base/str.h"

enum {
	MULTIPART_PARTS_MAX = 64,    /* a body of nothing but boundaries */
	MULTIPART_HEAD_MAX = 8192,   /* bytes of a part's head */
	MULTIPART_BOUNDARY_MAX = 70, /* RFC 2046, 5.1.1 */
};

struct multipart {
	struct str rest;
	size_t n;
	char between[MULTIPART_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
};

struct multipart_part {
	struct str name, filename, content_type; /* at == NULL: not said; escapes are left in */
	struct str content;
};

enum multipart_outcome {
	MULTIPART_PART,
	MULTIPART_END,
	MULTIPART_BROKEN, /* see err: ERR_CONFIG, ERR_LIMIT */
};

bool multipart_is(struct str content_type);
/* ERR_CONFIG: another type, or no boundary in it or in the body. */
NODISCARD bool multipart_open(struct multipart *m, struct str content_type, struct str body,
			      struct err *err);
enum multipart_outcome multipart_next(struct multipart *m, struct multipart_part *out,
				      struct err *err);
/*
 * The content of the first part of that name. *found false, and true returned, when there is none;
 * a body that is broken anywhere is an error even so.
 */
NODISCARD bool multipart_find(struct str content_type, struct str body, const char *name,
			      struct str *content, bool *found, struct err *err);
