#pragma once
/*
 * What a connection test takes of a tenant's keystore: every key pair that may be shown, and where
 * to find an anchor by its name. Certificates are read again, and their seals checked, when one is
 * needed; a private key never comes here.
 */
#include "cloud/keystore/connection_test.h"
#include "cloud/keystore/keystore.h"

struct connection_entries;

enum {
	CONNECTION_ENTRIES_BYTES_MAX = MIB(64), /* of chains of key pairs; more: ERR_LIMIT */
};

/* The current state of "system". `k` and `tenant` are lent for its life. Blocks, as all here. */
NODISCARD bool connection_entries_load(struct keystore *k, struct str tenant,
				       struct connection_entries **out, struct err *err);
void connection_entries_free(struct connection_entries *e); /* takes NULL */
DEFINE_AUTO(connection_entries_free, struct connection_entries *)
/* Sets pairs, find, open and user of a test; lent by `e`. */
void connection_entries_lend(struct connection_entries *e, struct connection_test *t);
