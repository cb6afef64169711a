#pragma once
/*
 * Addresses as places in the network: what is special about one, and lists of ranges (CIDR).
 *
 * IPv4 inside IPv6 (::ffff:a.b.c.d, and 64:ff9b::/96 of RFC 6052) is judged as the IPv4 it is.
 */
#include "net/address.h"

enum address_kind {
	ADDRESS_ORDINARY,    /* private networks (RFC 1918, RFC 4193) too */
	ADDRESS_LOOPBACK,    /* 127.0.0.0/8, ::1 */
	ADDRESS_LINK_LOCAL,  /* 169.254.0.0/16, where clouds have their metadata; fe80::/10 */
	ADDRESS_UNSPECIFIED, /* 0.0.0.0/8, ::, which mean this machine */
	ADDRESS_MULTICAST,   /* 224.0.0.0/4, ff00::/8, and everybody: 255.255.255.255 */
	ADDRESS_NO_IP,
};
enum address_kind address_kind(const struct address *a);
const char *address_kind_name(enum address_kind kind); /* "a loopback address" */

/* Whether `list`, "10.0.0.0/8, ::1, 192.168.1.5", covers it. A part without "/" is one address. */
bool address_in_list(const struct address *a, struct str list);
/* ERR_CONFIG names the part that is no range. Empty is good. */
NODISCARD bool address_list_check(struct str list, struct err *err);
/* Whether it is one of this machine: what can be bound. */
bool address_is_own(const struct address *a);
