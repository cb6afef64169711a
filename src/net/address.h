#pragma once
/* Names and addresses: "host:port", "[::1]:443", and what the kernel makes of them. */
#include "base/err.h"
#include "base/str.h"

struct address {
	_Alignas(8) unsigned char bytes[128]; /* a sockaddr_storage, so that sys/socket.h stays in
						 net */
	unsigned len;                         /* 0: none */
};

/* Splits "host:port" and "[v6]:port"; host is lent from `s`. default_port 0: the port is required.
 */
NODISCARD bool address_split(struct str s, uint16_t default_port, struct str *host, uint16_t *port);
/* A literal IPv4 or IPv6 address; false when it is a name. */
NODISCARD bool address_parse(struct str literal, uint16_t port, struct address *out);
/*
 * Whether a text can name a host: labels of at most 63 letters, digits, '-' and '_' with dots
 * between, without '-' at either end (RFC 952; RFC 1123, 2.1; '_' because systems have it), 253
 * bytes, a dot behind or not; or a literal address without brackets. Four numbers that are no
 * address are none.
 */
bool address_is_host(struct str s);
void address_format(const struct address *a, char *into, size_t size); /* "127.0.0.1:8443" */
uint16_t address_port(const struct address *a);

enum {
	ADDRESSES_MAX = 16 /* of one name; more are ignored */
};
/* getaddrinfo: blocks, so only in jobs. */
NODISCARD bool address_resolve(const char *host, uint16_t port, struct address *out, size_t *n,
			       struct err *err);
