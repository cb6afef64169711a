#pragma once
/*
 * Where the keystore has its keys made, sealed and used: the key process (keys/entries.h), behind
 * function pointers, so that tests can seal in their own process. Every call blocks.
 */
#include "keys/entries.h"

struct keystore_keys {
	void *user;
	bool (*data_key_new)(void *user, struct str tenant, struct buf *wrapped, struct err *err);
	bool (*tag)(void *user, struct str wrapped, const struct keys_binding *binding,
		    struct buf *sealed, struct err *err);
	bool (*rebind)(void *user, const struct keys_entry *entry, struct str wrapped,
		       const struct keys_binding *binding, struct buf *sealed, struct err *err);
	bool (*check)(void *user, const struct keys_entry *entries, const struct str *spki,
		      size_t n, bool *good, struct err *err);
	bool (*open)(void *user, const struct keys_entry *entry, struct str spki,
		     enum keys_purpose purpose, struct key **out, struct err *err);
	bool (*stage_open)(void *user, struct str bytes, struct str password, unsigned *format,
			   struct keys_stage **out, struct err *err);
	bool (*stage_open_keys)(void *user, struct str bytes, struct str password, unsigned *format,
				struct keys_stage **out, struct err *err);
	bool (*stage_generate)(void *user, const char *type, unsigned bits, const char *curve,
			       struct keys_stage **out, struct err *err);
	size_t (*stage_count)(const struct keys_stage *stage);
	const struct keys_staged *(*stage_item)(const struct keys_stage *stage, size_t i);
	bool (*stage_self_sign)(struct keys_stage *stage, size_t i, const struct keys_self *facts,
				struct buf *der, struct err *err);
	bool (*stage_seal)(struct keys_stage *stage, size_t i, struct str wrapped,
			   const struct keys_binding *binding, struct buf *sealed, struct err *err);
	void (*stage_end)(struct keys_stage *stage); /* takes NULL */
	bool (*mac)(void *user, struct str tenant, struct str wrapped, const char *label,
		    struct str message, uint8_t mac[static KEYS_MAC], struct err *err);
};

/* `client` is lent and must outlive what is made of it. */
struct keystore_keys keystore_keys_of(struct keys_client *client);
