#pragma once
/*
 * The public facts of a stage, as bytes: what a worker writes and the server reads. keyd only hands
 * them on.
 *
 *   u32 n, n × blob DER        every certificate once
 *   u32 n, n × item            u8 taken, u8 kind, blob alias, blob SPKI,
 *                              u8 n, n × u32 number of a certificate (leaf first),
 *                              blob problem, blob warning
 */
#include "keys/entries.h"

enum {
	FACTS_MAX = MIB(12), /* bytes */
	FACTS_CERTIFICATES_MAX = 65536,
	FACTS_ITEMS_MAX = 4096,
	FACTS_CHAIN_MAX = 64,
	FACTS_TEXT_MAX = KIB(1),
};

struct facts;

void facts_write_certificates(struct buf *out, const struct str *ders, size_t n);
void facts_write_count(struct buf *out, size_t items);
/* `chain` are numbers of certificates; of `item` the texts and `kind`, `is_taken` are used. */
void facts_write_item(struct buf *out, const struct keys_staged *item, const uint32_t *chain,
		      size_t n_chain);

/* `take`: moved in, and left empty. ERR_SYSTEM when malformed. */
NODISCARD bool facts_read(struct buf *take, struct facts **out, struct err *err);
void facts_free(struct facts *f); /* takes NULL */
DEFINE_AUTO(facts_free, struct facts *)
size_t facts_count(const struct facts *f);
const struct keys_staged *facts_item(const struct facts *f, size_t i);
