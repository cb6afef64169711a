#pragma once
/*
 * What changes in a message on its way through the connector (spec 1.8). Pure functions: a head in,
 * a head out; strings of the result point into the input, the snapshot or the arena.
 */
#include "connector/access.h"
#include "http/message.h"

enum {
	REWRITE_OWN_FIELDS = 4, /* fields that rewriting adds to those of the input */
};

/*
 * The request for the back end of `m`. The authority, which the writer makes Host of, is the one
 * that the application named or, if the mapping says so, the internal system, with the former in
 * X-Forwarded-Host. Removed: hop-by-hop fields, Content-Length (the writer frames),
 * SAP-Connectivity-*, SAP-CP-Connectivity-*, Drawbridge-* and Proxy-*. A request without a body
 * that usually has one gets length 0. ERR_LIMIT when the arena is full.
 */
NODISCARD bool rewrite_request(const struct http_head *in, bool has_body,
			       const struct access_mapping *m, struct arena *arena,
			       struct http_head *out, struct err *err);

/*
 * The answer for the application. Location of a 3xx and the Domain of Set-Cookie are mapped from
 * internal to virtual; what no rule fits stays as it is. Removed: hop-by-hop fields, Drawbridge-*
 * and Content-Length (head->body and head->declared say it).
 */
NODISCARD bool rewrite_response(const struct http_head *in, const struct access_mapping *m,
				struct arena *arena, struct http_head *out, struct err *err);
/* Either direction's: without the platform's and the framing fields. */
NODISCARD bool rewrite_trailers(const struct http_head *in, struct arena *arena,
				struct http_head *out, struct err *err);

/* The parts, for their tests. at == NULL: leave the value as it is. */
struct str rewrite_location(struct str value, const struct access_mapping *m, struct arena *arena);
struct str rewrite_cookie(struct str value, const struct access_mapping *m, struct arena *arena);
