#pragma once
/*
 * What is configured for one subaccount as one file, and back: system mappings with their
 * resources, cookie domains, and the settings that are no identity. A ZIP (base/archive.h) of
 *
 *     drawbridge.json      {"format":"drawbridge-subaccount","version":1,"program","createdAt"}
 *     systemMappings.json  [{…as in the REST API, "matching", "resources":[…]}]
 *     domainMappings.json  [{"internalDomain","virtualDomain"}]
 *     settings.json        {"description","locationID","autoCertRenewal"}
 *
 * No key, certificate, password, subaccount or region host is in it: a file of one subaccount can
 * be taken over by another, which stays who it is. A file is judged whole before anything changes,
 * also what nobody knows is refused; a change is one transaction with one audit row.
 */
#include "base/arena.h"
#include "base/json.h"
#include "connector/mappings_store.h"

enum {
	TRANSFER_VERSION = 1,
	TRANSFER_MEMORY_MAX = 256 * 1024 * 1024, /* of one import: texts and plan */
};

enum transfer_mode {
	TRANSFER_ADD,       /* what is there stays as it is, a mapping with its resources */
	TRANSFER_OVERWRITE, /* what has the same name is replaced, the rest stays */
	TRANSFER_REPLACE,   /* afterwards there is what the file has, and nothing else */
};
bool transfer_mode_of(struct str name, enum transfer_mode *out);
const char *transfer_mode_name(enum transfer_mode mode);

enum transfer_kind {
	TRANSFER_MAPPING,
	TRANSFER_RESOURCE,
	TRANSFER_DOMAIN,
	TRANSFER_SETTING,
	TRANSFER_KINDS
};
enum transfer_action {
	TRANSFER_ADDED,
	TRANSFER_CHANGED,
	TRANSFER_REMOVED,
	TRANSFER_KEPT, /* the file has it otherwise, and the mode leaves it */
	TRANSFER_SAME, /* counted, without a step */
	TRANSFER_ACTIONS
};
const char *transfer_kind_name(enum transfer_kind kind);
const char *transfer_action_name(enum transfer_action action);

/* In the caller's arena. */
struct transfer_step {
	enum transfer_kind kind;
	enum transfer_action action;
	struct str name, within; /* within: a resource's mapping */
};
struct transfer_plan {
	struct transfer_step *steps;
	size_t n;
	unsigned counts[TRANSFER_KINDS][TRANSFER_ACTIONS];
};

/* "systemMapping":{"added":n,…},… as members. */
void transfer_write_counts(struct jsonw *w, const struct transfer_plan *plan);

/* Appends the ZIP. `program`: "drawbridge-connector 0.1.0". ERR_LIMIT: too large to be read. */
NODISCARD bool transfer_write(struct store *s, struct mappings_owner owner, const char *program,
			      int64_t now_ms, struct buf *out, struct err *err);

/* A file that was judged; its texts are in the arena. */
struct transfer_file;
/* ERR_CONFIG: not ours, broken, or something in it is wrong; ERR_LIMIT: too large. */
NODISCARD bool transfer_read(struct str zip, struct arena *arena, struct transfer_file **out,
			     struct err *err);
void transfer_free(struct transfer_file *file); /* takes NULL */
DEFINE_AUTO(transfer_free, struct transfer_file *)

struct transfer_options {
	enum transfer_mode mode;
	bool without_resources, without_settings;
};
/* What transfer_apply() would do now. */
NODISCARD bool transfer_preview(struct store *s, struct mappings_owner owner,
				const struct transfer_file *file,
				const struct transfer_options *options, struct arena *arena,
				struct transfer_plan *out, struct err *err);
/* Does it: all or nothing. To be called in subaccounts_around(), since settings change too. */
NODISCARD bool transfer_apply(struct store *s, const struct state_actor *actor,
			      struct mappings_owner owner, const struct transfer_file *file,
			      const struct transfer_options *options, struct arena *arena,
			      struct transfer_plan *out, struct err *err);
