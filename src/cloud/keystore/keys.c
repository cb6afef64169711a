/* The key process as a struct keystore_keys: calls handed on to keys/entries.h. */
#include "cloud/keystore/keys.h"

static bool data_key_new(void *user, struct str tenant, struct buf *wrapped, struct err *err)
{
	return keys_data_key_new(user, tenant, wrapped, err);
}

static bool tag(void *user, struct str wrapped, const struct keys_binding *binding,
		struct buf *sealed, struct err *err)
{
	return keys_entry_tag(user, wrapped, binding, sealed, err);
}

static bool rebind(void *user, const struct keys_entry *entry, struct str wrapped,
		   const struct keys_binding *binding, struct buf *sealed, struct err *err)
{
	return keys_entry_rebind(user, entry, wrapped, binding, sealed, err);
}

static bool check(void *user, const struct keys_entry *entries, const struct str *spki, size_t n,
		  bool *good, struct err *err)
{
	return keys_entries_check(user, entries, spki, n, good, err);
}

static bool open_key(void *user, const struct keys_entry *entry, struct str spki,
		     enum keys_purpose purpose, struct key **out, struct err *err)
{
	return keys_entry_open(user, entry, spki, purpose, out, err);
}

static bool stage_open(void *user, struct str bytes, struct str password, unsigned *format,
		       struct keys_stage **out, struct err *err)
{
	return keys_stage_open(user, bytes, password, format, out, err);
}

static bool stage_open_keys(void *user, struct str bytes, struct str password, unsigned *format,
			    struct keys_stage **out, struct err *err)
{
	return keys_stage_open_keys(user, bytes, password, format, out, err);
}

static bool stage_generate(void *user, const char *type, unsigned bits, const char *curve,
			   struct keys_stage **out, struct err *err)
{
	return keys_stage_generate(user, type, bits, curve, out, err);
}

static bool mac(void *user, struct str tenant, struct str wrapped, const char *label,
		struct str message, uint8_t out[static KEYS_MAC], struct err *err)
{
	return keys_mac(user, tenant, wrapped, label, message, out, err);
}

struct keystore_keys keystore_keys_of(struct keys_client *client)
{
	return (struct keystore_keys){
		.user = client,
		.data_key_new = data_key_new,
		.tag = tag,
		.rebind = rebind,
		.check = check,
		.open = open_key,
		.stage_open = stage_open,
		.stage_open_keys = stage_open_keys,
		.stage_generate = stage_generate,
		.stage_count = keys_stage_count,
		.stage_item = keys_stage_item,
		.stage_self_sign = keys_stage_self_sign,
		.stage_seal = keys_stage_seal,
		.stage_end = keys_stage_end,
		.mac = mac,
	};
}
