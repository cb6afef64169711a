#pragma once
/*
 * Access control: which virtual systems and paths a subaccount may reach, and where they are.
 *
 * struct access is an immutable snapshot (base/snapshot.h) of all system mappings, resources and
 * cookie domains of all subaccounts, and of the trust in back ends. It is built by the control
 * thread (access_new, access_add_*, access_seal), published, and read by every worker. Nothing is
 * reachable that is not in it.
 *
 * Paths are judged before they are matched, and what was judged is what is called: the path goes
 * to the back end byte for byte as it came, and everything that two parsers could read differently
 * is refused, never mended (access_path_read).
 *
 * Names: hosts are compared without regard to ASCII case, paths with regard to it.
 */
#include "base/arena.h"
#include "base/snapshot.h"
#include "base/str.h"
#include "crypto/tls.h"

struct access;

enum access_protocol {
	ACCESS_HTTP,
	ACCESS_HTTPS,
	ACCESS_OTHER, /* RFC, LDAP, TCP …: kept, and refused for an HTTP request */
};

enum {
	ACCESS_DEFAULT_PORT = 80,    /* the cloud side's URLs are always http:// (spec 1.6) */
	ACCESS_PATH_MAX = 8192,      /* bytes of a target, as a request line (spec 4.4) */
	ACCESS_MAPPINGS_MAX = 20000, /* of one connector; the snapshot is walked at each change */
	ACCESS_RESOURCES_MAX = 200000,
};

struct access_resource {
	struct str path; /* canonical, see access_path_read() */
	bool enabled, exact, upgrade;
	int parent; /* the longest other resource of the mapping that is a string prefix, or -1 */
};

struct access_subaccount;

struct access_mapping {
	struct str virtual_host; /* lower case */
	uint16_t virtual_port;
	struct str internal_host;
	uint16_t internal_port;
	enum access_protocol protocol;
	bool host_internal; /* Host names the internal system, X-Forwarded-Host the virtual one */
	bool plain_prefix;  /* "with sub-paths" is a plain string prefix, as in the original */
	/*
	 * Names the target for the pool of back-end connections: two mappings, or two states of one
	 * mapping, that differ in anything a connection depends on have different keys.
	 */
	struct str pool_key;
	unsigned slot; /* index among all mappings of the snapshot */
	const struct access_subaccount *subaccount;
	struct access_resource *resources; /* sorted by path */
	size_t n_resources;
};

/* ---- reading: any thread that holds the snapshot ---- */

enum access_outcome {
	ACCESS_ALLOWED,
	ACCESS_REFUSED, /* 403: err->text starts with "Access denied to system <vhost>:<vport>" */
	ACCESS_BAD_REQUEST, /* 400: the path or the authority is not acceptable */
};

struct access_request {
	struct str subaccount; /* the key given to access_add_subaccount() */
	struct str authority;  /* "host" or "host:port" */
	struct str path;       /* with query, as it came */
	bool upgrade;          /* wants the connection for another protocol */
};

struct access_verdict {
	const struct access_mapping *mapping;
	const struct access_resource *resource; /* the longest that admits the request */
};

/*
 * A verdict depends on nothing but the snapshot and the request, so it may be kept as long as the
 * snapshot is. On refusal err->text names the missing rule and the next step.
 */
enum access_outcome access_check(const struct access *a, const struct access_request *r,
				 struct access_verdict *out, struct err *err);

/* By internal address, for Location and Set-Cookie: `prefer` if it fits, else the first added, else
 * NULL. Port 0: any. */
const struct access_mapping *access_reverse(const struct access_mapping *prefer, struct str host,
					    uint16_t port);
/* The virtual cookie domain for an internal one (no leading dot, any case); at == NULL: none. */
struct str access_cookie_domain(const struct access_mapping *m, struct str internal);
size_t access_count(const struct access *a); /* mappings; slots are below it */
const struct access_mapping *access_at(const struct access *a, size_t slot);
struct tls_config *access_tls(const struct access *a); /* lent; NULL: it was not set */

/*
 * Judges the path of `raw` (up to '?') and gives its canonical form, which is what resources are
 * compared with: %XX of unreserved characters decoded, other %XX in upper case (RFC 3986, 6.2.2);
 * so it denotes the same resource as the path that is called. `into` must hold raw.len bytes and
 * is used only if the canonical form differs. False, with the reason, for:
 * no leading '/', more than ACCESS_PATH_MAX bytes, an empty segment ("//"), the segments "." and
 * ".." (also in front of ";", which servlet engines cut off), %2e, %2f, %5c, %00, '\', '#', control
 * characters, spaces, bytes above 0x7e, and a '%' without two hex digits. The query is checked for
 * control characters, spaces and '#' only.
 */
NODISCARD bool access_path_read(struct str raw, char *into, struct str *canonical, struct err *err);
/*
 * The same for a resource that an administrator wrote: no query, and characters that a URL cannot
 * hold are percent-encoded first. Result in the arena.
 */
NODISCARD bool access_path_of_resource(struct str id, struct arena *arena, struct str *canonical,
				       struct err *err);

/* ---- building: one thread, before the snapshot is published ---- */

struct access *access_new(void);
void access_free(struct access *a); /* one that was not published; takes NULL */
DEFINE_AUTO(access_free, struct access *)
/* `key` is what tunnels are known by; `name` and `location_id` ("" is "default") are for texts. */
NODISCARD bool access_add_subaccount(struct access *a, struct str key, struct str name,
				     struct str location_id, struct err *err);
/* Copies; pool_key, slot, subaccount and resources are set here. ERR_CONFLICT when it exists. */
NODISCARD bool access_add_mapping(struct access *a, struct str subaccount,
				  const struct access_mapping *m, unsigned *slot, struct err *err);
/* `r->path` as the administrator wrote it. */
NODISCARD bool access_add_resource(struct access *a, unsigned slot, const struct access_resource *r,
				   struct err *err);
NODISCARD bool access_add_cookie_domain(struct access *a, struct str subaccount,
					struct str internal, struct str virtual_domain,
					struct err *err);
/* The client side towards HTTPS back ends; `trust` names its anchors (any change of it ends the
 * reuse of old connections). */
void access_set_tls(struct access *a, struct tls_config *take, struct str trust);
/* Sorts and indexes; then publish it: snapshot_publish(cell, access_snapshot(a)). */
NODISCARD bool access_seal(struct access *a, struct err *err);
struct snapshot *access_snapshot(struct access *a);
const struct access *access_of(const struct snapshot *s); /* NULL gives NULL */
