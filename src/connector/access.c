#include "connector/access.h"

#include "base/err.h"
#include "connector/access_priv.h"
#include "net/address.h"

enum {
	SHOWN_MAX = 64, /* bytes of a peer's text in a refusal */
};

struct str access_name(struct str host, uint16_t port, char *into)
{
	char digits[5];
	size_t n_digits = 0, n = 0;

	if (host.len + sizeof digits + 1 > ACCESS_NAME_MAX) {
		return STR_NONE;
	}
	for (; n < host.len; n++) {
		char c = host.at[n];
		into[n] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	into[n++] = ':';
	do {
		digits[n_digits++] = (char)('0' + port % 10);
		port /= 10;
	} while (port != 0);
	while (n_digits > 0) {
		into[n++] = digits[--n_digits];
	}
	return str_make(into, n);
}

const struct access *access_of(const struct snapshot *s)
{
	return (const struct access *)(const void *)s; /* its first member */
}

size_t access_count(const struct access *a)
{
	return a->n_slots;
}

const struct access_mapping *access_at(const struct access *a, size_t slot)
{
	return &a->slots[slot]->mapping;
}

struct tls_config *access_tls(const struct access *a)
{
	return a->tls;
}

static struct str shown(struct str s)
{
	return str_first(s, SHOWN_MAX);
}

/* "in subaccount X (location default)" */
#define WHERE       "in subaccount %.*s (location %.*s)"
#define WHERE_OF(s) STR_ARGS(shown((s)->name)), STR_ARGS(shown((s)->location_id))
#define SYSTEM      "Access denied to system %.*s:%u: "

static enum access_outcome refuse_unmapped(const struct access_subaccount *s, struct str host,
					   unsigned port, struct err *err)
{
	err_set(err, ERR_DENIED,
		SYSTEM "no mapping for %.*s:%u " WHERE ": add it under Cloud To On-Premises",
		STR_ARGS(shown(host)), port, STR_ARGS(shown(host)), port, WHERE_OF(s));
	return ACCESS_REFUSED;
}

static enum access_outcome refuse_path(const struct access_mapping *m, struct str path,
				       const struct access_resource *found, struct err *err)
{
	const struct access_subaccount *s = m->subaccount;

	if (found == NULL) {
		err_set(err, ERR_DENIED,
			SYSTEM "path %.*s is not exposed " WHERE
			       ": add it to the mapping's resources under Cloud To On-Premises",
			STR_ARGS(m->virtual_host), m->virtual_port, STR_ARGS(shown(path)),
			WHERE_OF(s));
	} else if (!found->enabled) {
		err_set(err, ERR_DENIED,
			SYSTEM "resource %.*s, which exposes path %.*s, is suspended " WHERE
			       ": activate it under Cloud To On-Premises",
			STR_ARGS(m->virtual_host), m->virtual_port, STR_ARGS(shown(found->path)),
			STR_ARGS(shown(path)), WHERE_OF(s));
	} else {
		err_set(err, ERR_DENIED,
			SYSTEM "resource %.*s does not allow an upgrade for path %.*s " WHERE
			       ": allow it under Cloud To On-Premises",
			STR_ARGS(m->virtual_host), m->virtual_port, STR_ARGS(shown(found->path)),
			STR_ARGS(shown(path)), WHERE_OF(s));
	}
	return ACCESS_REFUSED;
}

static int path_cmp(struct str a, struct str b)
{
	int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The last resource that sorts at or before `path`; -1 when none does. */
static int last_at_or_before(const struct access_mapping *m, struct str path)
{
	size_t low = 0, high = m->n_resources;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (path_cmp(m->resources[middle].path, path) <= 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return (int)low - 1;
}

static bool admits(const struct access_mapping *m, const struct access_resource *r, struct str path)
{
	if (!str_starts(path, r->path)) {
		return false;
	}
	if (path.len == r->path.len) {
		return true;
	}
	return !r->exact && (m->plain_prefix || r->path.at[r->path.len - 1] == '/' ||
			     path.at[r->path.len] == '/');
}

/*
 * Every resource that is a string prefix of `path` is also a prefix of the last one that sorts at
 * or before it: so one search and a walk along the parents meets them all, longest first.
 */
static const struct access_resource *find_resource(const struct access_mapping *m, struct str path,
						   bool upgrade,
						   const struct access_resource **near)
{
	for (int i = last_at_or_before(m, path); i >= 0; i = m->resources[i].parent) {
		const struct access_resource *r = &m->resources[i];
		if (!admits(m, r, path)) {
			continue;
		}
		if (r->enabled && (r->upgrade || !upgrade)) {
			return r;
		}
		if (*near == NULL || (r->enabled && !(*near)->enabled)) {
			*near = r;
		}
	}
	return NULL;
}

static enum access_outcome check_path(const struct access_mapping *m,
				      const struct access_request *r, struct access_verdict *out,
				      struct err *err)
{
	NO_INIT char into[ACCESS_PATH_MAX];
	struct str path;
	const struct access_resource *near = NULL;

	if (m->protocol == ACCESS_OTHER) {
		err_set(err, ERR_DENIED,
			SYSTEM "its mapping " WHERE
			       " is not for HTTP: add one with protocol HTTP or "
			       "HTTPS under Cloud To On-Premises",
			STR_ARGS(m->virtual_host), m->virtual_port, WHERE_OF(m->subaccount));
		return ACCESS_REFUSED;
	}
	if (!access_path_read(r->path, into, &path, err)) {
		return ACCESS_BAD_REQUEST;
	}
	const struct access_resource *found = find_resource(m, path, r->upgrade, &near);
	if (found == NULL) {
		return refuse_path(m, path, near, err);
	}
	*out = (struct access_verdict){m, found};
	return ACCESS_ALLOWED;
}

enum access_outcome access_check(const struct access *a, const struct access_request *r,
				 struct access_verdict *out, struct err *err)
{
	char text[ACCESS_NAME_MAX];
	struct str host;
	uint16_t port;

	if (!address_split(r->authority, ACCESS_DEFAULT_PORT, &host, &port) || host.len == 0) {
		err_set(err, ERR_PROTOCOL, "\"%.*s\" is no host name with an optional port",
			STR_ARGS(shown(r->authority)));
		return ACCESS_BAD_REQUEST;
	}
	const struct access_subaccount *s = a ? map_get(a->subaccounts, r->subaccount) : NULL;
	if (s == NULL) {
		err_set(err, ERR_DENIED,
			SYSTEM "subaccount %.*s is not configured in this connector: add it there",
			STR_ARGS(shown(host)), port, STR_ARGS(shown(r->subaccount)));
		return ACCESS_REFUSED;
	}
	struct str name = access_name(host, port, text);
	const struct access_mapping *m = name.len > 0 ? map_get(s->by_virtual, name) : NULL;
	return m == NULL ? refuse_unmapped(s, host, port, err) : check_path(m, r, out, err);
}

const struct access_mapping *access_reverse(const struct access_mapping *prefer, struct str host,
					    uint16_t port)
{
	char text[ACCESS_NAME_MAX];

	if (str_eq_nocase(prefer->internal_host, host) &&
	    (port == 0 || port == prefer->internal_port)) {
		return prefer;
	}
	struct str name = access_name(host, port, text);
	return name.len > 0 ? map_get(prefer->subaccount->by_internal, name) : NULL;
}

struct str access_cookie_domain(const struct access_mapping *m, struct str internal)
{
	char text[ACCESS_NAME_MAX];
	struct str name = access_name(internal, 0, text);

	if (name.len == 0) {
		return STR_NONE;
	}
	const struct access_domain *d = map_get(m->subaccount->domains, name);
	return d ? d->virtual_domain : STR_NONE;
}
