#include "connector/key_source.h"

static bool generate(void *user, struct buf *sealed, struct buf *spki, struct err *err)
{
	return keys_generate(user, KEYS_CLASS_CONNECTOR, KEY_KIND_P256, sealed, spki, err);
}

static bool open_key(void *user, struct str sealed, struct str spki, enum keys_purpose purpose,
		     struct key **out, struct err *err)
{
	return keys_open(user, sealed, spki, purpose, out, err);
}

static bool seal_text(void *user, const char *label, struct str plain, struct buf *sealed,
		      struct err *err)
{
	return keys_seal(user, label, plain, sealed, err);
}

static bool unseal_text(void *user, const char *label, struct str sealed, struct buf *plain,
			struct err *err)
{
	return keys_unseal(user, label, sealed, plain, err);
}

struct key_source key_source_of(struct keys_client *client)
{
	return (struct key_source){.user = client,
				   .generate = generate,
				   .open = open_key,
				   .seal = seal_text,
				   .unseal = unseal_text};
}
