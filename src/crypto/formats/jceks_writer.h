#pragma once
/*
 * A JCEKS keystore of certificates only, for the download of a keystore's public content
 * (spec/keystore.md 1.7): no private key can get in here. Its trailer is a digest, not a
 * protection; it is made with the empty password.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	JCEKS_MAX = 32 * 1048576, /* bytes of a file; the store's own limit is 6 MB of entries */
	JCEKS_ALIAS_MAX = 260,    /* bytes: 250, and what makes it unique */
};

/* One entry of the keystore: a certificate, or the chain of a key pair, leaf first. */
struct jceks_entry {
	struct str alias;       /* UTF-8 */
	const struct str *ders; /* lent */
	size_t n;
	int64_t created_ms; /* Unix milliseconds */
};

/*
 * Appends the file. A chain becomes "alias", "alias_1" (who issued it) and so on up to the root;
 * where such a name is taken, another underscore goes before the number until it is not. Aliases
 * are folded to lower case (ASCII), because Java looks only for such. ERR_LIMIT when `out` is full.
 */
NODISCARD bool jceks_write(const struct jceks_entry *entries, size_t n, struct buf *out,
			   struct err *err);
