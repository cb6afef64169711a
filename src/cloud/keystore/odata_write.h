#pragma once
/* What the handlers that change something share. */
#include "cloud/keystore/odata.h"

/* The flags of a write (spec/keystore.md 3.1). */
struct odata_wish {
	bool entries; /* returnKeystoreEntries */
	bool hex;     /* returnHexAlias */
	bool confirmed;
	bool update;
};
NODISCARD bool odata_read_wish(struct http_call *call, bool list_by_default,
			       struct odata_wish *wish);
/* A JSON object with a property at least; answers 400 or 415 itself. */
NODISCARD bool odata_body(struct http_call *call, const struct json **body);
/* Answers a change: 204, the list, the hex alias, 409 with the entry, or the error. */
void odata_finish(struct http_call *call, enum keystore_outcome outcome,
		  const struct odata_wish *wish, const struct keystore_report *report,
		  struct str alias, const struct err *err);

static inline void auto_keystore_report(struct keystore_report *r)
{
	keystore_report_fini(r);
}
#define AUTO_REPORT __attribute__((cleanup(auto_keystore_report)))

/*
 * "a;Company A\\; B": aliases with ; between, empty ones left out. False: more than `max`, or an
 * escape that is none. The texts live in the arena.
 */
NODISCARD bool odata_split_aliases(struct str list, struct arena *arena, struct str *out,
				   size_t max, size_t *n);
