#pragma once
/*
 * The master keys, and what is sealed under them: private keys with their class, secrets with their
 * label, tenants' data keys with their tenant, all as associated data.
 *
 * A sealed key is: u8 form (1), u8 class, then crypto/seal.h over the PKCS#8 form. A sealed secret
 * is crypto/seal.h alone. The kinds can never be taken for each other: their associated data differ
 * in the first byte.
 *
 * The source of the master key may hold several, a line each: the first one seals, all of them
 * open. "Again" below means: opened by another one than the first, so to be sealed again before
 * that line is taken out.
 *
 * Threads: any; immutable after vault_open().
 */
#include "crypto/key.h"
#include "keys/protocol.h"

struct vault;

enum {
	VAULT_KEYS_MAX = 8, /* master keys, i.e. lines of the source: more is refused */
};

/* The first byte of the associated data of what is sealed under the master key. */
enum vault_kind {
	VAULT_KEY = 'k',
	VAULT_SECRET = 's',
	VAULT_DATA_KEY = 'd',
};

/*
 * `text`: lines of 64 hex digits, white space around them allowed, empty lines and those that begin
 * with # skipped; the caller wipes it. `classes`: set of 1 << enum keys_class that may be opened or
 * made here.
 */
NODISCARD bool vault_open(struct str text, unsigned classes, struct vault **out, struct err *err);
void vault_free(struct vault *v); /* wipes; takes NULL */
DEFINE_AUTO(vault_free, struct vault *)

NODISCARD bool vault_seal_key(const struct vault *v, enum keys_class class_,
			      const struct local_key *k, struct buf *sealed, struct err *err);
NODISCARD bool vault_open_key(const struct vault *v, struct str sealed, struct local_key **out,
			      enum keys_class *class_, struct err *err);
NODISCARD bool vault_seal(const struct vault *v, struct str label, struct str plain,
			  struct buf *sealed, struct err *err);
NODISCARD bool vault_unseal(const struct vault *v, struct str label, struct str sealed,
			    struct buf *plain, struct err *err);
/* Appended to `out` only when *again. */
NODISCARD bool vault_reseal_key(const struct vault *v, struct str sealed, struct buf *out,
				bool *again, struct err *err);
NODISCARD bool vault_reseal(const struct vault *v, struct str label, struct str sealed,
			    struct buf *out, bool *again, struct err *err);
/* The bare forms, for modules that bind by more than a label. `bound` begins with a vault_kind. */
NODISCARD bool vault_seal_bound(const struct vault *v, struct str bound, struct str plain,
				struct buf *sealed, struct err *err);
NODISCARD bool vault_unseal_bound(const struct vault *v, struct str bound, struct str sealed,
				  struct buf *plain, bool *again, struct err *err);
/*
 * Compares the master keys with the one that `dir` (descriptor of keyd's folder) was made with, by
 * a sealed mark in the file "check", which it writes at the first start, and again under the first
 * key when another one opened it. ERR_CONFIG when none does.
 */
NODISCARD bool vault_check(const struct vault *v, int dir, struct err *err);
bool vault_has_class(const struct vault *v, enum keys_class class_);
