#pragma once
/*
 * From a request's path to a row of the route tables. Pure: no connection, no job.
 */
#include "http/server.h"

enum {
	HTTP_SEGMENTS_MAX = 32, /* of a path; more match no route and are refused with 400 */
};

struct http_path {
	struct str path;  /* decoded, segments joined by '/' */
	struct str query; /* raw, behind '?' */
	struct str segments[HTTP_SEGMENTS_MAX];
	size_t n;
};

/*
 * `raw` is the request's path with its query. ERR_PROTOCOL (400) for what http/server.h names; a
 * trailing slash gives an empty last segment, which no pattern matches.
 */
NODISCARD bool http_path_read(struct str raw, struct arena *arena, struct http_path *out,
			      struct err *err);

enum route_outcome {
	ROUTE_FOUND,
	ROUTE_NONE,   /* 404 */
	ROUTE_METHOD, /* 405: `allow` lists what the path serves */
};

/* `params` has room for HTTP_PARAMS_MAX. */
enum route_outcome route_find(const struct http_route *const *tables, const struct http_path *path,
			      struct str method, const struct http_route **out, struct str *params,
			      struct buf *allow);
/* The position of {name} in a pattern, or -1. */
int route_param_index(const char *pattern, const char *name);
/* The name of the next parameter; *pattern starts as the whole pattern. False at its end. */
bool route_next_param(struct str *pattern, struct str *name);
/* That a pattern is well-formed: for an assert when a server is made. */
bool route_is_valid(const struct http_route *route);

/* Percent-decodes into the arena; `plus` turns '+' into a space (forms). at == NULL: malformed, or
 * it holds a NUL. */
struct str http_decode(struct str s, bool plus, struct arena *arena);
