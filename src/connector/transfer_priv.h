#pragma once
/* Inside of transfer: the file as it was read. */
#include "base/json.h"
#include "connector/transfer.h"

#define TRANSFER_FORMAT   "drawbridge-subaccount"
#define TRANSFER_MANIFEST "drawbridge.json"
#define TRANSFER_MAPPINGS "systemMappings.json"
#define TRANSFER_DOMAINS  "domainMappings.json"
#define TRANSFER_SETTINGS "settings.json"

struct transfer_mapping {
	struct mapping_row row;
	struct str name; /* "host:port", lower case */
	struct resource_row *resources;
	size_t n;
};

struct transfer_file {
	struct json *trees[4]; /* lend the texts of what follows */
	size_t n_trees;
	struct transfer_mapping *mappings;
	size_t n_mappings;
	struct domain_row *domains;
	size_t n_domains;
	struct str description, location_id; /* at == NULL: not in the file */
	bool has_renewal, auto_renewal;
};
