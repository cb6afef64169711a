#pragma once
/*
 * The operations, by subject, that dispatch.c has a table of. Included by the files dispatch*.c
 * only.
 */
#include "keyd/dispatch.h"
#include "keys/binding.h"

/* Reads its fields to the end, appends the fields of the answer. KEYS_REFUSED: see err. */
typedef enum keys_status dispatch_fn(const struct dispatch *d, struct rd *in, struct buf *out,
				     struct err *err);

/* Lengths are those of the fields, without the operation. */
struct dispatch_row {
	size_t least, most;
	dispatch_fn *fn;
};

/* Both always KEYS_REFUSED. */
enum keys_status dispatch_refuse(struct err *err, const char *why);
enum keys_status dispatch_malformed(struct err *err);
bool dispatch_read_id(struct rd *in, uint8_t id[static KEYS_ID]);
/* Whether keys of that class may be made and sealed under the master key here. */
NODISCARD bool dispatch_makes_class(const struct dispatch *d, enum keys_class class_,
				    struct err *err);

NODISCARD bool dispatch_serves_tenants(const struct dispatch *d, struct err *err);
enum keys_reaction dispatch_reaction(const struct err *err);

/* dispatch_own.c: the keys and secrets of our own classes. */
dispatch_fn dispatch_generate, dispatch_load, dispatch_sign, dispatch_issue, dispatch_seal,
	dispatch_unseal, dispatch_wipe;
/* dispatch_entries.c: data keys and entries of tenants; what is sealed again. */
dispatch_fn dispatch_data_key_new, dispatch_data_key_rewrap, dispatch_reseal_key,
	dispatch_reseal_secret, dispatch_entry_load, dispatch_entry_tag, dispatch_entry_rebind,
	dispatch_entries_check, dispatch_mac, dispatch_anchor, dispatch_anchor_last;
/* dispatch_stage.c: uploads and fresh keys, before they are sealed. */
dispatch_fn dispatch_stage_begin, dispatch_stage_data, dispatch_stage_open, dispatch_stage_generate,
	dispatch_stage_facts, dispatch_stage_self_sign, dispatch_stage_seal,
	dispatch_stage_seal_class, dispatch_stage_end;
