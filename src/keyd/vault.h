#pragma once
/*
 * The master key, and what is sealed under it: private keys with their class, secrets with their
 * label, both as associated data.
 *
 * A sealed key is: u8 form (1), u8 class, then crypto/seal.h over the PKCS#8 form. A sealed secret
 * is crypto/seal.h alone. The two can never be taken for each other: their associated data differ
 * in the first byte.
 *
 * Threads: any; immutable after vault_open().
 */
#include "crypto/key.h"
#include "keys/protocol.h"

struct vault;

/*
 * `hex`: 64 hex digits, white space around them allowed; the caller wipes them. `classes`: set of
 * 1 << enum keys_class that may be opened or made here.
 */
NODISCARD bool vault_open(struct str hex, unsigned classes, struct vault **out, struct err *err);
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
/*
 * Compares the master key with the one that `dir` (descriptor of keyd's folder) was made with, by
 * a sealed mark in the file "check", which it writes at the first start. ERR_CONFIG when it is
 * another one.
 */
NODISCARD bool vault_check(const struct vault *v, int dir, struct err *err);
bool vault_has_class(const struct vault *v, enum keys_class class_);
