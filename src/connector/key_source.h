#pragma once
/*
 * Where the connector's private keys are made and used, and its passwords sealed: the key process.
 * Behind function pointers, so that tests can use local keys. Every call blocks: only in jobs.
 */
#include "keys/client.h"

struct key_source {
	void *user;
	/* A P-256 key of class CONNECTOR. `sealed` must be on disk before `spki` is used. */
	bool (*generate)(void *user, struct buf *sealed, struct buf *spki, struct err *err);
	bool (*open)(void *user, struct str sealed, struct str spki, enum keys_purpose purpose,
		     struct key **out, struct err *err);
	bool (*seal)(void *user, const char *label, struct str plain, struct buf *sealed,
		     struct err *err);
	bool (*unseal)(void *user, const char *label, struct str sealed, struct buf *plain,
		       struct err *err);
};

/* `client` is lent and must outlive the source and every key that it opened. */
struct key_source key_source_of(struct keys_client *client);
