#pragma once
/* What must be true of whatever strangers upload, for the fuzzers of the formats. */
#include "crypto/cert.h"
#include "crypto/formats/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static inline void check_item(const struct container_item *item, bool public_only)
{
	bool skipped = item->kind == CONTAINER_SKIPPED;

	if (skipped != (item->reason != CONTAINER_TAKEN) || skipped != (item->why[0] != '\0') ||
	    skipped != (item->n_chain == 0) || !str_is_utf8(str_of(item->alias)) ||
	    !str_is_utf8(str_of(item->why)) || item->n_chain > CONTAINER_CHAIN_MAX) {
		__builtin_trap();
	}
	bool pair = item->kind == CONTAINER_KEY_PAIR;
	if (pair != (item->key.len > 0) || (pair && (public_only || !item->key.wipes))) {
		__builtin_trap();
	}
	for (size_t i = 0; i < item->n_chain; i++) {
		struct cert_facts facts;
		struct err err;
		(void)!cert_read_der(item->chain[i], &facts, &err);
	}
}

static inline void check_container(const struct container *c, bool public_only)
{
	for (size_t i = 0; i < c->n; i++) {
		check_item(&c->items[i], public_only);
		for (size_t k = 0; k < i && c->n < 50; k++) {
			bool both = c->items[i].kind != CONTAINER_SKIPPED &&
				    c->items[k].kind != CONTAINER_SKIPPED &&
				    c->items[i].alias[0] != '\0';
			if (both && strcmp(c->items[i].alias, c->items[k].alias) == 0) {
				__builtin_trap();
			}
		}
	}
}

/* Only what is of `format`, so that each fuzzer stays with its own. CONTAINER_UNKNOWN: all. */
static inline int fuzz_format(enum container_format format, const uint8_t *bytes, size_t len)
{
	static const struct container_limits limits = {.iterations = 7000};
	const struct str password = STR("changeit");
	struct str input = str_make(bytes, len);
	AUTO(container_free) struct container *all = NULL, *public = NULL;
	struct err err = {0};

	if (format != CONTAINER_UNKNOWN && container_detect(input) != format) {
		return 0;
	}
	if (container_open(input, &password, &limits, &all, &err) == CONTAINER_OPENED) {
		check_container(all, false);
	} else if (err.kind == ERR_NONE || all != NULL) {
		__builtin_trap();
	}
	err = (struct err){0};
	if (container_read_certificates(input, &limits, &public, &err) == CONTAINER_OPENED) {
		check_container(public, true);
	} else if (err.kind == ERR_NONE || public != NULL) {
		__builtin_trap();
	}
	return 0;
}
