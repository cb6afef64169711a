#pragma once
/* Inside of access: shared by access.c (reading) and access_build.c (building). */
#include "base/map.h"
#include "connector/access.h"

enum {
	ACCESS_NAME_MAX = 512, /* bytes of "host:port" in lower case, as a key */
};

struct access_domain {
	struct str internal, virtual_domain;
};

struct access_subaccount {
	struct str key, name, location_id;
	struct map *by_virtual;  /* "host:port" to mapping */
	struct map *by_internal; /* "host:port" and "host:0" to the first mapping added */
	struct map *domains;     /* lower case, no leading dot, to struct access_domain */
};

/* A resource while the snapshot is being built. */
struct access_draft {
	struct access_draft *next;
	struct access_resource resource;
};

struct access_slot {
	struct access_mapping mapping;
	struct access_draft *drafts;
};

struct access {
	struct snapshot snapshot; /* first: see base/snapshot.h */
	struct arena *arena;
	struct map *subaccounts;
	struct access_slot **slots; /* in the arena each; the array is ours */
	size_t n_slots, cap_slots, n_resources;
	struct tls_config *tls;
	struct str trust;
};

/* "host:port" in lower case in `into` (ACCESS_NAME_MAX bytes); empty when it does not fit. */
struct str access_name(struct str host, uint16_t port, char *into);
