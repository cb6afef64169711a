/* Certificates in any order, put into one chain. */
#include "crypto/formats/chain.h"

#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(container_free) struct container *c = NULL;
	struct str ders[CHAIN_INPUT_MAX];
	struct chain chain = {0};
	struct err err = {0};
	size_t n = 0;

	if (container_read_certificates(str_make(bytes, len), NULL, &c, &err) != CONTAINER_OPENED) {
		return 0;
	}
	for (size_t i = 0; i < c->n && n < CHAIN_INPUT_MAX; i++) {
		if (c->items[i].n_chain > 0) {
			ders[n++] = c->items[i].chain[0];
		}
	}
	enum chain_outcome outcome = chain_arrange(STR_NONE, ders, n, &chain, &err);
	bool good = outcome == CHAIN_COMPLETE || outcome == CHAIN_OPEN;
	if (good != (chain.n > 0) || good == (err.kind != ERR_NONE)) {
		__builtin_trap();
	}
	for (size_t i = 0; i < chain.n; i++) {
		for (size_t k = 0; k < i; k++) {
			if (chain.index[i] == chain.index[k] || chain.index[i] >= n) {
				__builtin_trap();
			}
		}
	}
	return 0;
}
