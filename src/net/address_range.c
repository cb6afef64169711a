#include "net/address_range.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	V4_BITS = 32,
	V6_BITS = 128,
	V4_IN_V6 = 12, /* bytes before an embedded IPv4 address */
};

/* The address as 16 bytes; IPv4 as ::ffff:a.b.c.d, so that one comparison serves both. */
struct place {
	uint8_t bytes[16];
	bool is_v4;
};

static const uint8_t mapped[V4_IN_V6] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t nat64[V4_IN_V6] = {0, 0x64, 0xff, 0x9b};

static bool place_of(const struct address *a, struct place *out)
{
	const struct sockaddr *any = (const void *)a->bytes;

	if (a->len < sizeof(sa_family_t)) {
		return false;
	}
	if (any->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)a->bytes;
		memcpy(out->bytes, mapped, V4_IN_V6);
		memcpy(out->bytes + V4_IN_V6, &v4->sin_addr, 4);
	} else if (any->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)a->bytes;
		memcpy(out->bytes, &v6->sin6_addr, 16);
	} else {
		return false;
	}
	if (memcmp(out->bytes, nat64, V4_IN_V6) == 0) {
		memcpy(out->bytes, mapped, V4_IN_V6);
	}
	out->is_v4 = memcmp(out->bytes, mapped, V4_IN_V6) == 0;
	return true;
}

static enum address_kind kind_of_v4(const uint8_t *b)
{
	if (b[0] == 127) {
		return ADDRESS_LOOPBACK;
	}
	if (b[0] == 169 && b[1] == 254) {
		return ADDRESS_LINK_LOCAL;
	}
	if (b[0] == 0) {
		return ADDRESS_UNSPECIFIED;
	}
	bool everybody = b[0] == 255 && b[1] == 255 && b[2] == 255 && b[3] == 255;
	return (b[0] >= 224 && b[0] < 240) || everybody ? ADDRESS_MULTICAST : ADDRESS_ORDINARY;
}

static enum address_kind kind_of_v6(const uint8_t *b)
{
	static const uint8_t none[15] = {0};

	if (memcmp(b, none, 15) == 0 && b[15] <= 1) {
		return b[15] == 1 ? ADDRESS_LOOPBACK : ADDRESS_UNSPECIFIED;
	}
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) {
		return ADDRESS_LINK_LOCAL;
	}
	return b[0] == 0xff ? ADDRESS_MULTICAST : ADDRESS_ORDINARY;
}

enum address_kind address_kind(const struct address *a)
{
	struct place p;

	if (!place_of(a, &p)) {
		return ADDRESS_NO_IP;
	}
	return p.is_v4 ? kind_of_v4(p.bytes + V4_IN_V6) : kind_of_v6(p.bytes);
}

const char *address_kind_name(enum address_kind kind)
{
	switch (kind) {
	case ADDRESS_LOOPBACK:
		return "a loopback address";
	case ADDRESS_LINK_LOCAL:
		return "a link-local address";
	case ADDRESS_UNSPECIFIED:
		return "an unspecified address";
	case ADDRESS_MULTICAST:
		return "a multicast address";
	case ADDRESS_NO_IP:
		return "no IP address";
	case ADDRESS_ORDINARY:
		break;
	}
	return "an ordinary address";
}

/* ---- ranges ---- */

struct range {
	struct place from;
	unsigned bits; /* of the 128 */
};

static bool read_range(struct str text, struct range *out)
{
	size_t slash = str_find(text, '/');
	struct address a;
	uint64_t bits = 0;

	if (!address_parse(str_first(text, slash), 1, &a) || !place_of(&a, &out->from)) {
		return false;
	}
	bool is_v4 = str_find(text, ':') == text.len;
	unsigned most = is_v4 ? V4_BITS : V6_BITS;
	if (slash == text.len) {
		bits = most;
	} else if (!str_to_u64(str_skip(text, slash + 1), &bits) || bits > most) {
		return false;
	}
	out->bits = (unsigned)bits + (is_v4 ? V6_BITS - V4_BITS : 0);
	return true;
}

static bool covers(const struct range *r, const struct place *p)
{
	size_t whole = r->bits / 8;
	unsigned rest = r->bits % 8;

	if (memcmp(r->from.bytes, p->bytes, whole) != 0) {
		return false;
	}
	return rest == 0 || (r->from.bytes[whole] ^ p->bytes[whole]) >> (8 - rest) == 0;
}

bool address_in_list(const struct address *a, struct str list)
{
	struct place p;
	struct range r;
	struct str part;

	if (!place_of(a, &p)) {
		return false;
	}
	while (str_next_listed(&list, &part)) {
		if (read_range(part, &r) && covers(&r, &p)) {
			return true;
		}
	}
	return false;
}

bool address_list_check(struct str list, struct err *err)
{
	struct range r;
	struct str part;

	if (str_trim(list).len == 0) {
		return true;
	}
	while (str_next_listed(&list, &part)) {
		if (!read_range(part, &r)) {
			return err_set(err, ERR_CONFIG,
				       "\"%.*s\" is no address and no range like 10.0.0.0/8",
				       STR_ARGS(str_first(part, 60)));
		}
	}
	return true;
}

bool address_is_own(const struct address *a)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = {.any.sa_family = AF_UNSPEC};

	if (a->len < sizeof(sa_family_t) || a->len > sizeof name) {
		return false;
	}
	memcpy(&name, a->bytes, a->len);
	if (name.any.sa_family == AF_INET) {
		name.v4.sin_port = 0;
	} else if (name.any.sa_family == AF_INET6) {
		name.v6.sin6_port = 0;
	}
	AUTO_FD int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && bind(fd, &name.any, a->len) == 0;
}
