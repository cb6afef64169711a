#pragma once
/*
 * System mappings, resources and cookie domains as JSON, with the fields of the original (spec
 * 3.5): what the REST API and an imported file may say is judged here, once.
 *
 * Failures are ERR_CONFIG and name the field. Texts of results are lent by the JSON tree or lie in
 * the arena. Members that are not known are passed over; who minds asks rules_are_known().
 */
#include "base/arena.h"
#include "base/json.h"
#include "connector/mappings_store.h"

/* A member as text, numbers too ("port": 900); at == NULL: absent or null. */
struct str rules_text(struct arena *arena, const struct json *object, const char *name);
/*
 * `names`: members, with commas between, that are texts or numbers without control characters where
 * they are there: what else they are is no absence, but an error.
 */
NODISCARD bool rules_are_texts(const struct json *object, const char *names, struct err *err);
/* That there are no members but these. */
NODISCARD bool rules_are_known(const struct json *object, const char *names, struct err *err);

/* Clients have three characters; users are blocked as {client,user} (spec 3.5). */
NODISCARD bool rules_are_clients(const struct json *list, struct err *err);
NODISCARD bool rules_are_users(const struct json *list, struct err *err);

#define RULES_TARGET_FIELDS                                                                        \
	"localHost,localPort,protocol,backendType,authenticationMode,hostInHeader,sid,"            \
	"description,sncPartnerName,sapRouter"
#define RULES_MAPPING_FIELDS  "virtualHost,virtualPort," RULES_TARGET_FIELDS
#define RULES_RESOURCE_FIELDS "id,description"
#define RULES_DOMAIN_FIELDS   "internalDomain,virtualDomain"

/* Everything but virtual host and port; lists that are not there leave those of `row`. */
NODISCARD bool rules_read_target(struct arena *arena, const struct json *j, struct mapping_row *row,
				 struct err *err);
/* All of it. */
NODISCARD bool rules_read_mapping(struct arena *arena, const struct json *j,
				  struct mapping_row *row, struct err *err);
/* Flags and description. */
NODISCARD bool rules_read_flags(struct arena *arena, const struct json *j, struct resource_row *row,
				struct err *err);
/* All of it; `protocol` is the mapping's: what could never match is refused, with the reason. */
NODISCARD bool rules_read_resource(struct arena *arena, const struct json *j, struct str protocol,
				   struct resource_row *row, struct err *err);
NODISCARD bool rules_read_domain(struct arena *arena, const struct json *j, struct domain_row *row,
				 struct err *err);

/* The members, without braces and links, in the order recorded from the original. */
void rules_write_mapping(struct jsonw *w, const struct mapping_row *row, bool counts);
void rules_write_resource(struct jsonw *w, const struct resource_row *row);
void rules_write_domain(struct jsonw *w, const struct domain_row *row);
