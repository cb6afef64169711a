#pragma once
/*
 * What an HTTP message is, for both versions: a head of lent strings, a kind of body.
 *
 * All strings point into the input or into an arena; see who filled it for how long they are good.
 * Field names keep their spelling from HTTP/1; compare with str_eq_nocase. RFC 9110.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
	HTTP_FIELDS_MAX = 100,   /* fields in a head; the 101st is refused with 431 */
	HTTP_LINE_MAX = 8192,    /* request line, or one field line (spec 4.4) */
	HTTP_HEAD_MAX = KIB(64), /* whole head */
};

struct http_field {
	struct str name, value;
	bool sensitive; /* never indexed by HPACK: token headers and cookies */
};

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,   /* content_length bytes */
	HTTP_BODY_CHUNKED,  /* HTTP/1.1; in HTTP/2: until END_STREAM with unknown length */
	HTTP_BODY_TO_CLOSE, /* HTTP/1 response without a length */
};

struct http_head {
	struct str method;    /* request; case-sensitive */
	struct str target;    /* as on the wire: origin, absolute, authority or asterisk form */
	struct str scheme;    /* HTTP/2 and absolute form; else empty */
	struct str authority; /* Host or :authority */
	struct str path;      /* path with query; "*" for OPTIONS * */
	struct str protocol;  /* extended CONNECT's :protocol (RFC 8441) */
	unsigned status;      /* response; 0 in a request */
	struct str reason;
	uint8_t minor; /* HTTP/1.minor */
	struct http_field *fields;
	size_t n_fields;
	enum http_body body;
	/*
	 * An answer without a body (to HEAD, or 304): what its framing fields said, so that the
	 * other side of a proxy can say the same. LENGTH: content_length is to be written.
	 * TO_CLOSE: say nothing. NONE, the start: an ordinary answer whose body is empty
	 * ("Content-Length: 0").
	 */
	enum http_body declared;
	uint64_t content_length;
	bool keep_alive;      /* the connection may carry another message after this */
	bool expect_continue; /* Expect: 100-continue */
	bool upgrade;         /* Connection lists "upgrade" and there is an Upgrade field */
};

/* Whether it carries NTLM or Negotiate credentials, in any of its Authorization fields: they
 * authenticate the connection that they come on, and not the request (RFC 4559, 6). */
bool http_authenticates_connection(const struct http_head *head);
/* The first field of that name, or NULL; `at` continues a search (start with 0). */
const struct http_field *http_find(const struct http_head *head, struct str name, size_t *at);
struct str http_value(const struct http_head *head, struct str name); /* at == NULL when absent */
/* Appends to head->fields, which must have room for HTTP_FIELDS_MAX; false when full. */
NODISCARD bool http_add(struct http_head *head, struct str name, struct str value);
/* RFC 9110, 7.6.1: connection, keep-alive, proxy-connection, transfer-encoding, upgrade, te … and
 * what the Connection field itself lists. */
bool http_is_hop_by_hop(const struct http_head *head, struct str name);
/* The connection-specific fields that HTTP/2 forbids or that our own framing replaces, whatever
 * Connection says: connection, keep-alive, proxy-connection, transfer-encoding, upgrade,
 * content-length. */
bool http_is_framing(struct str name);
/* Fields between application, cloud side and connector (SAP-Connectivity-*, SAP-CP-Connectivity-*,
 * Drawbridge-*, Proxy-*): the relay takes those of applications off, or they could speak for it;
 * the connector takes all off, no back end ever sees one. */
bool http_is_platform(struct str name);
/* Both are not empty, `lower` is lower case. Most names of a length differ in the first letter
 * already: one comparison, no call. */
static inline bool http_is_named(struct str name, struct str lower)
{
	return (name.at[0] | 0x20) == lower.at[0] && str_eq_nocase(name, lower);
}
/* Credentials: authorization, proxy-authorization, cookie, set-cookie, token headers. */
bool http_is_sensitive(struct str name);
const char *http_reason(unsigned status);          /* "Not Found"; "" when unknown */
size_t http_token_length(struct str s);            /* of the token that s begins with */
bool http_is_token(struct str s);                  /* RFC 9110, 5.6.2 */
bool http_is_field_value(struct str s);            /* visible, SP, HTAB, obs-text; no CR LF NUL */
bool http_method_is_idempotent(struct str method); /* RFC 9110, 9.2.2 */
