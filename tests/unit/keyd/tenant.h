#pragma once
/* A tenant for tests: its binding, and a key pair sealed for it without a stage. */
#include "keyd/data_key.h"
#include "unit/unit.h"

static inline struct keys_binding tenant_binding(const char *alias, enum keys_entry_kind kind)
{
	return (struct keys_binding){
		.tenant = STR("11111111-2222-3333-4444-555555555555"),
		.keystore = STR("system"),
		.alias = str_of(alias),
		.owner = KEYS_OWNER_TENANT,
		.kind = kind,
		.version = 1,
	};
}

/* A fresh P-256 key sealed under `binding`; its public part. */
static inline void tenant_pair(const struct vault *v, struct str wrapped,
			       const struct keys_binding *binding, struct buf *sealed,
			       struct buf *spki)
{
	AUTO(local_key_free) struct local_key *k = NULL;
	AUTO_BUF struct buf plain = BUF_SECRET(DATA_KEY_PKCS8_MAX);
	AUTO_DATA_KEY struct data_key data = {.tenant = STR_NONE};
	struct err why;

	assert_ok(local_key_generate(KEY_KIND_P256, &k, &why), &why);
	assert_ok(local_key_write(k, &plain, &why), &why);
	assert_ok(local_key_spki(k, spki, &why), &why);
	assert_ok(data_key_open(v, binding->tenant, wrapped, &data, &why), &why);
	assert_ok(data_key_seal(&data, binding, buf_str(&plain), sealed, &why), &why);
}
