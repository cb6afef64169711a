#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct sockaddr_storage) <= sizeof(((struct address *)0)->bytes),
	       "an address holds any socket address");

enum {
	LABEL_MAX_BYTES = 63, /* RFC 1035, 2.3.4 */
	NAME_MAX_BYTES = 253, /* as text, without the dot of the root */
	DECIMAL_NUMBERS = 4,  /* of an IPv4 address */
};

static bool split_bracketed(struct str s, struct str *host, struct str *rest)
{
	size_t end = str_find(s, ']');

	if (end == s.len) {
		return false;
	}
	*host = str_make(s.at + 1, end - 1);
	*rest = str_skip(s, end + 1);
	return true;
}

bool address_split(struct str s, uint16_t default_port, struct str *host, uint16_t *port)
{
	struct str name, rest;
	uint16_t number = default_port;

	if (s.len > 0 && s.at[0] == '[') {
		if (!split_bracketed(s, &name, &rest)) {
			return false;
		}
	} else {
		size_t colon = str_find(s, ':');
		name = str_first(s, colon);
		rest = str_skip(s, colon);
		if (str_find(str_skip(rest, 1), ':') != str_skip(rest, 1).len) {
			return false; /* an IPv6 address needs its brackets */
		}
	}
	if (name.len == 0 || (rest.len > 0 && rest.at[0] != ':')) {
		return false;
	}
	if (rest.len > 0 && !str_to_port(str_skip(rest, 1), &number)) {
		return false;
	}
	if (rest.len == 0 && default_port == 0) {
		return false;
	}
	*host = name;
	*port = number;
	return true;
}

bool address_parse(struct str literal, uint16_t port, struct address *out)
{
	char text[INET6_ADDRSTRLEN];
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (!str_copy(literal, text, sizeof(text))) {
		return false;
	}
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		*out = (struct address){.len = sizeof(v4)};
		memcpy(out->bytes, &v4, sizeof(v4));
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
		*out = (struct address){.len = sizeof(v6)};
		memcpy(out->bytes, &v6, sizeof(v6));
		return true;
	}
	return false;
}

static bool is_label(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
			return false;
		}
	}
	return s.len > 0 && s.len <= LABEL_MAX_BYTES && s.at[0] != '-' && s.at[s.len - 1] != '-';
}

static bool is_number(struct str s)
{
	uint64_t number;

	return str_to_u64(s, &number);
}

static bool is_name(struct str s)
{
	struct str rest = str_ends(s, STR(".")) ? str_first(s, s.len - 1) : s, label;
	size_t n = 0, n_numbers = 0;

	if (rest.len == 0 || rest.len > NAME_MAX_BYTES) {
		return false;
	}
	while (str_next(&rest, '.', &label)) {
		if (!is_label(label)) {
			return false;
		}
		n++;
		n_numbers += is_number(label);
	}
	/* "#.#.#.#" can never be a name (RFC 1123, 2.1) */
	return n != DECIMAL_NUMBERS || n_numbers != DECIMAL_NUMBERS;
}

bool address_is_host(struct str s)
{
	struct address literal;

	return is_name(s) || (str_find(s, '\0') == s.len && address_parse(s, 0, &literal));
}

static int family(const struct address *a)
{
	return a->len >= sizeof(sa_family_t)
		       ? ((const struct sockaddr *)(const void *)a->bytes)->sa_family
		       : AF_UNSPEC;
}

void address_format(const struct address *a, char *into, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";
	int kind = family(a);

	if (kind == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)a->bytes;
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(into, size, "%s:%u", host, address_port(a));
	} else if (kind == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)a->bytes;
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(into, size, "[%s]:%u", host, address_port(a));
	} else {
		snprintf(into, size, "%s", kind == AF_UNIX ? "local" : "unknown");
	}
}

uint16_t address_port(const struct address *a)
{
	switch (family(a)) {
	case AF_INET:
		return ntohs(((const struct sockaddr_in *)(const void *)a->bytes)->sin_port);
	case AF_INET6:
		return ntohs(((const struct sockaddr_in6 *)(const void *)a->bytes)->sin6_port);
	default:
		return 0;
	}
}

bool address_resolve(const char *host, uint16_t port, struct address *out, size_t *n,
		     struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	int bad = getaddrinfo(host, service, &hints, &found);
	if (bad != 0) {
		return err_set(err, ERR_NETWORK, "cannot resolve %s: %s", host, gai_strerror(bad));
	}
	*n = 0;
	for (const struct addrinfo *a = found; a != NULL && *n < ADDRESSES_MAX; a = a->ai_next) {
		if (a->ai_addrlen <= sizeof(out->bytes)) {
			struct address *to = &out[(*n)++];
			*to = (struct address){.len = (unsigned)a->ai_addrlen};
			memcpy(to->bytes, a->ai_addr, a->ai_addrlen);
		}
	}
	freeaddrinfo(found);
	return *n > 0 || err_set(err, ERR_NETWORK, "%s has no address", host);
}
