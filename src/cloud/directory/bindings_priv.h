#pragma once
/* Between bindings.c (secrets) and bindings_store.c (its SQL). */
#include "cloud/directory/bindings.h"
#include "store/query.h"

struct binding_secret {
	struct directory_binding binding;
	uint8_t hash[32];
	bool locked; /* the subaccount */
};

NODISCARD bool directory_binding_insert(struct store *s, const struct directory_actor *actor,
					const struct directory_binding *made,
					const uint8_t hash[static 32], struct err *err);
NODISCARD bool directory_binding_secret(struct store *s, struct str client_id,
					struct binding_secret *out, struct err *err);
