#include "connector/ui_container.h"

#include "crypto/cert.h"
#include "keys/entries.h"

/* The one item that is a key pair with a certificate; `*at` is its index. */
static bool find_pair(const struct keys_stage *stage, size_t *at, struct err *err)
{
	size_t found = 0;
	const char *problem = NULL;

	for (size_t i = 0; i < keys_stage_count(stage); i++) {
		const struct keys_staged *item = keys_stage_item(stage, i);
		if (item->kind != KEYS_ENTRY_KEY_PAIR) {
			continue;
		}
		if (item->is_taken && item->n_chain > 0) {
			*at = i;
			found++;
		} else if (item->problem != NULL) {
			problem = item->problem;
		}
	}
	if (found > 1) {
		return err_set(err, ERR_CONFIG, "the file has %zu keys: send one with the one key",
			       found);
	}
	return found == 1 ||
	       err_set(err, ERR_CONFIG, "the file has no private key with its certificate%s%s",
		       problem ? ": " : "", problem ? problem : "");
}

bool ui_container_open(struct keys_client *client, struct str bytes, struct str password,
		       struct ui_row *out, struct err *err)
{
	AUTO(keys_stage_end) struct keys_stage *stage = NULL;
	unsigned format;
	size_t at = 0;

	if (!keys_stage_open(client, bytes, password, &format, &stage, err)) {
		if (err->kind == ERR_DENIED) { /* nobody is forbidden anything */
			err->kind = ERR_CONFIG;
		}
		return false;
	}
	if (!find_pair(stage, &at, err) ||
	    !keys_stage_seal_class(stage, at, KEYS_CLASS_LISTENER, &out->sealed, err)) {
		return false;
	}
	const struct keys_staged *item = keys_stage_item(stage, at);
	buf_add_str(&out->spki, item->spki);
	for (size_t i = 0; i < item->n_chain; i++) {
		cert_add_pem(&out->chain_pem, item->chain[i]);
	}
	return (!buf_failed(&out->spki) && !buf_failed(&out->chain_pem)) ||
	       err_set(err, ERR_CONFIG, "the key or the chain is too long");
}
