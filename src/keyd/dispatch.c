#include "keyd/dispatch.h"

#include <unistd.h>

#include "crypto/seal.h"
#include "keyd/dispatch_parts.h"
#include "keyd/worker.h"

enum keys_status dispatch_refuse(struct err *err, const char *why)
{
	(void)err_set(err, ERR_DENIED, "%s", why);
	return KEYS_REFUSED;
}

enum keys_status dispatch_malformed(struct err *err)
{
	(void)err_set(err, ERR_PROTOCOL, "malformed request");
	return KEYS_REFUSED;
}

bool dispatch_read_id(struct rd *in, uint8_t id[static KEYS_ID])
{
	struct str bytes = rd_bytes(in, KEYS_ID);

	if (in->failed) {
		return false;
	}
	memcpy(id, bytes.at, KEYS_ID);
	return true;
}

bool dispatch_makes_class(const struct dispatch *d, enum keys_class class_, struct err *err)
{
	/* A tenant's key is sealed with a data key of the tenant, never under the master key. */
	return (vault_has_class(d->vault, class_) && class_ != KEYS_CLASS_TENANT) ||
	       err_set(err, ERR_DENIED, "keys of this class are not made here");
}

static enum keys_status ping(const struct dispatch *d, struct rd *in, struct buf *out,
			     struct err *err)
{
	if (!rd_done(in)) {
		return dispatch_malformed(err);
	}
	wr_u32(out, (uint32_t)getpid());
	wr_u64(out, keyring_count(d->keys));
	return KEYS_OK;
}

enum {
	TENANT_LEAST = 4 + 1,
	TENANT_MOST = 4 + KEYS_TENANT_MAX,
	WRAPPED_LEAST = 4 + SEAL_OVERHEAD,
	WRAPPED_MOST = 4 + KEYS_WRAPPED_MAX,
	SEALED_LEAST = 4 + 2 + SEAL_OVERHEAD,
	SEALED_MOST = 4 + KEYS_SEALED_MAX,
	LABEL_LEAST = 4 + 1,
	LABEL_MOST = 4 + KEYS_LABEL_MAX,
	ENTRY_LEAST = WRAPPED_LEAST + KEYS_BINDING_MIN + SEALED_LEAST,
	ALL = KEYS_MESSAGE_MAX - 1,
};

static const struct dispatch_row table[KEYS_OPERATIONS] = {
	[KEYS_PING] = {0, 0, ping},
	[KEYS_GENERATE] = {2, 2, dispatch_generate},
	[KEYS_LOAD] = {SEALED_LEAST, SEALED_MOST, dispatch_load},
	[KEYS_SIGN] = {KEYS_ID + 1 + 2 + 4, KEYS_ID + 1 + 2 + 4 + KEY_TBS_MAX, dispatch_sign},
	[KEYS_ISSUE] = {KEYS_ID + 4 + 4 + 1 + 4 + 4 + 1 + 16 + 16, ALL, dispatch_issue},
	[KEYS_SEAL] = {LABEL_LEAST + 4, LABEL_MOST + 4 + KEYS_PLAIN_MAX, dispatch_seal},
	[KEYS_UNSEAL] = {LABEL_LEAST + 4 + SEAL_OVERHEAD,
			 LABEL_MOST + 4 + KEYS_PLAIN_MAX + SEAL_OVERHEAD, dispatch_unseal},
	[KEYS_WIPE] = {KEYS_ID, KEYS_ID, dispatch_wipe},
	[KEYS_DATA_KEY_NEW] = {TENANT_LEAST, TENANT_MOST, dispatch_data_key_new},
	[KEYS_DATA_KEY_REWRAP] = {TENANT_LEAST + WRAPPED_LEAST, TENANT_MOST + WRAPPED_MOST,
				  dispatch_data_key_rewrap},
	[KEYS_RESEAL_KEY] = {SEALED_LEAST, SEALED_MOST, dispatch_reseal_key},
	[KEYS_RESEAL_SECRET] = {LABEL_LEAST + 4 + SEAL_OVERHEAD,
				LABEL_MOST + 4 + KEYS_PLAIN_MAX + SEAL_OVERHEAD,
				dispatch_reseal_secret},
	[KEYS_ENTRY_LOAD] = {ENTRY_LEAST, KEYS_ENTRY_MAX, dispatch_entry_load},
	[KEYS_ENTRY_TAG] = {WRAPPED_LEAST + KEYS_BINDING_MIN, WRAPPED_MOST + KEYS_BINDING_MAX,
			    dispatch_entry_tag},
	[KEYS_ENTRY_REBIND] = {ENTRY_LEAST + WRAPPED_LEAST + KEYS_BINDING_MIN,
			       KEYS_ENTRY_MAX + WRAPPED_MOST + KEYS_BINDING_MAX,
			       dispatch_entry_rebind},
	[KEYS_ENTRIES_CHECK] = {2 + ENTRY_LEAST + 4, ALL, dispatch_entries_check},
	[KEYS_MAC_MAKE] = {TENANT_LEAST + WRAPPED_LEAST + LABEL_LEAST + 4, ALL, dispatch_mac},
	[KEYS_STAGE_BEGIN] = {4 + 1 + 4, 4 + 1 + 4 + KEYS_STAGE_PASSWORD_MAX, dispatch_stage_begin},
	[KEYS_STAGE_DATA] = {4 + 1, 4 + KEYS_STAGE_PART_MAX, dispatch_stage_data},
	[KEYS_STAGE_OPEN] = {0, 0, dispatch_stage_open},
	[KEYS_STAGE_GENERATE] = {4 + 1 + 4 + 4, 4 + WORKER_TYPE_MAX + 4 + 4 + WORKER_CURVE_MAX,
				 dispatch_stage_generate},
	[KEYS_STAGE_FACTS] = {4, 4, dispatch_stage_facts},
	[KEYS_STAGE_SELF_SIGN] = {4 + KEYS_NAME_PARTS * 4 + 4 + 8 + 8 + 16,
				  4 + KEYS_NAME_PARTS * (4 + ISSUE_NAME_PART_MAX) + 4 +
					  KEYS_DIGEST_MAX + 8 + 8 + 16,
				  dispatch_stage_self_sign},
	[KEYS_STAGE_SEAL] = {4 + WRAPPED_LEAST + KEYS_BINDING_MIN,
			     4 + WRAPPED_MOST + KEYS_BINDING_MAX, dispatch_stage_seal},
	[KEYS_STAGE_SEAL_CLASS] = {4 + 1, 4 + 1, dispatch_stage_seal_class},
	[KEYS_STAGE_END] = {0, 0, dispatch_stage_end},
	[KEYS_ANCHOR] = {4 + 1 + 8 + ANCHOR_HASH, 4 + ANCHOR_CHAIN_MAX + 8 + ANCHOR_HASH,
			 dispatch_anchor},
	[KEYS_ANCHOR_LAST] = {4 + 1, 4 + ANCHOR_CHAIN_MAX, dispatch_anchor_last},
};

/* What the server does about it; a malformed message is not answered with more. */
enum keys_reaction dispatch_reaction(const struct err *err)
{
	switch (err->kind) {
	case ERR_CONFIG:
	case ERR_MISSING:
		return KEYS_REACT_CONFIG;
	case ERR_LIMIT:
		return KEYS_REACT_LIMIT;
	case ERR_CONFLICT:
		return KEYS_REACT_CONFLICT;
	case ERR_SYSTEM:
	case ERR_STORE:
	case ERR_NETWORK:
		return KEYS_REACT_SYSTEM;
	case ERR_NONE:
	case ERR_DENIED:
	case ERR_PROTOCOL:
		break;
	}
	return KEYS_REACT_DENIED;
}

bool dispatch(const struct dispatch *d, struct str request, struct buf *answer)
{
	struct rd in = rd_over(request);
	uint8_t operation = rd_u8(&in);
	struct err err = {.kind = ERR_NONE};
	enum keys_status status = KEYS_REFUSED;
	size_t start = answer->len;

	wr_u8(answer, KEYS_OK);
	if (in.failed || operation >= COUNT(table) || !table[operation].fn) {
		(void)err_set(&err, ERR_PROTOCOL, "unknown operation");
	} else if (in.rest.len < table[operation].least || in.rest.len > table[operation].most) {
		(void)err_set(&err, ERR_PROTOCOL, "a %s of %zu bytes",
			      keys_operation_name((enum keys_operation)operation), in.rest.len);
	} else {
		status = table[operation].fn(d, &in, answer, &err);
	}
	if (buf_failed(answer)) {
		(void)err_set(&err, ERR_LIMIT, "the answer is too long");
		status = KEYS_REFUSED;
	}
	if (status != KEYS_OK) {
		answer->failed = false;
		answer->len = start; /* nothing half-done leaves */
		wr_u8(answer, (uint8_t)status);
	}
	if (status == KEYS_REFUSED) {
		wr_blob(answer, str_first(str_of(err.text), KEYS_REASON_MAX));
		if (operation >= KEYS_DATA_KEY_NEW && operation < KEYS_OPERATIONS) {
			wr_u8(answer, (uint8_t)dispatch_reaction(&err));
		}
	}
	return err.kind != ERR_PROTOCOL;
}
