#pragma once
/* Inside of the keystore: what its files share. */
#include <pthread.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/rd.h"
#include "cloud/keystore/keystore.h"
#include "store/query.h"

enum {
	KEYSTORE_CHAIN_MAX = 20,             /* certificates of one entry */
	KEYSTORE_CHAIN_BYTES_MAX = MIB(1),   /* of one entry's chain */
	KEYSTORE_HISTORY_KEPT = 100,         /* newest generations whose entries are kept anyway */
	KEYSTORE_DATA_KEY_ID = 16,           /* bytes that name a data key */
	KEYSTORE_AUDIT_LISTED = 100,         /* entries that an import's audit row names */
	KEYSTORE_TRIES = 3,                  /* of what was sealed for a state that moved on */
	KEYSTORE_ORPHAN_MS = 60 * 60 * 1000, /* content without its entry is garbage after that */
};

/* "alive now" in SQL: a literal, since it is what the partial index says. */
#define KEYSTORE_NOW "9223372036854775807"

struct keystore {
	struct store *store;
	struct keystore_keys keys;
	pthread_mutex_t lock; /* of limits */
	struct keystore_limits limits;
	char *reserved;
	void (*changed)(void *user, int64_t head);
	void *user;
};

struct keystore_limits keystore_limits_of(struct keystore *k);
/* `bytes` against a limit: false with ERR_LIMIT, its name and both figures. */
NODISCARD bool keystore_within(const char *limit, uint64_t wanted, uint64_t max, struct err *err);
int64_t keystore_new_id(void); /* random, positive, not 0 */

/* ---- rows (entries_store.c) ---- */

struct keystore_list {
	struct keystore_entry *entries;
	size_t n, room;
	struct arena *texts;
};

#define KEYSTORE_COLUMNS                                                                           \
	"v.id, v.alias, v.owner, v.kind, v.flags, v.created_by, v.modified_by, v.created,"         \
	" v.modified, v.key_type, v.curve, v.signature, v.serial, v.key_size, v.x509_version,"     \
	" v.not_before, v.not_after, v.subject, v.issuer, v.prints, v.chain_length, v.bytes"
enum {
	KEYSTORE_N_COLUMNS = 22,
};
struct keystore_list *keystore_list_new(void);
/* Appends one from the columns above. */
NODISCARD bool keystore_list_add(struct keystore_list *l, struct stmt *st, struct err *err);
/* One entry by its version, whatever its life. */
NODISCARD bool keystore_read_version(struct db *db, int64_t version, struct keystore_list *l,
				     struct err *err);

/* A keystore's row. */
struct keystore_row {
	int64_t id, generation;
	int64_t settings; /* KEYSTORE_REQUIRES_… */
};
enum {
	KEYSTORE_REQUIRES_CERTIFICATE = 1,
};
NODISCARD bool keystore_read_row(struct db *db, struct str tenant, struct keystore_row *row,
				 bool *found, struct err *err);
/* The tenant's newest wrapped data key. */
NODISCARD bool keystore_read_data_key(struct db *db, struct str tenant, struct buf *wrapped,
				      bool *found, struct err *err);
NODISCARD bool keystore_data_key_by_id(struct db *db, struct str tenant, struct str id,
				       struct buf *wrapped, bool *found, struct err *err);

/* An entry with its content: what a rebind, a check or a signature needs. */
struct keystore_content {
	struct keystore_list *list; /* of one */
	struct buf chain, sealed, spki, wrapped;
	uint8_t chain_sha256[32];
};
void keystore_content_fini(struct keystore_content *c);
static inline void auto_keystore_content(struct keystore_content *c)
{
	keystore_content_fini(c);
}
#define AUTO_CONTENT __attribute__((cleanup(auto_keystore_content)))
NODISCARD bool keystore_read_content(struct keystore *k, struct str tenant, struct str alias,
				     struct keystore_content *out, bool *found, struct err *err);
/* Of any version, alive or not. */
NODISCARD bool keystore_read_content_of(struct keystore *k, int64_t version,
					struct keystore_content *out, bool *found, struct err *err);
/* Each entry of the current state with its content, by alias. */
typedef bool keystore_content_fn(struct keystore_content *c, void *user, struct err *err);
NODISCARD bool keystore_walk_contents(struct db *db, int64_t keystore, int64_t only_flags,
				      keystore_content_fn *fn, void *user, struct err *err);
/* Its certificates of that subject; whether they are what they were is the caller's to check. */
NODISCARD bool keystore_walk_named(struct db *db, struct str tenant, struct str subject,
				   keystore_content_fn *fn, void *user, struct err *err);
void keystore_print_text(const uint8_t *bytes, size_t n, char *into); /* "AB:CD:…" */
/* Copies texts and prints of `e` into the list's memory. ERR_LIMIT. */
NODISCARD bool keystore_list_keep(struct keystore_list *l, struct keystore_entry *e,
				  struct err *err);
/* What keyd judges, over the chain as it is stored and not as its row says. Lends from `c`. */
struct keys_entry keystore_sealed_entry(struct str tenant, const struct keystore_content *c);
/* False; names the entry whose key or tag keyd did not open. Damage is no denial: ERR_SYSTEM. */
bool keystore_not_opened(const char *alias, struct err *err);
struct keys_binding keystore_binding(struct str tenant, const struct keystore_entry *e,
				     const uint8_t chain_sha256[static 32]);

/* ---- drafts: a version that is to be (draft.c) ---- */

struct keystore_draft {
	struct keystore_entry entry; /* its texts are here: a draft does not move */
	char alias[KEYSTORE_ALIAS_MAX], created_by[DIRECTORY_NAME_MAX];
	char modified_by[DIRECTORY_NAME_MAX];
	char key_type[16], curve[64], signature[64], serial[272];
	struct buf fold;
	struct buf chain; /* each DER with its length before it */
	struct buf sealed, spki;
	uint8_t chain_sha256[32];
	uint8_t prints[KEYSTORE_PRINTS];
	uint8_t data_key[16];
	char *subject, *issuer;
	bool is_used; /* it became a version: its content stays */
};
/* Alias, kind and owner, and the facts of the chain (leaf first). Draws the version. */
NODISCARD bool keystore_draft_make(struct keystore_draft *d, struct str alias,
				   enum keys_entry_kind kind, enum keys_owner owner,
				   const struct str *chain, size_t n, struct err *err);
/* Seals what is staged, or tags a certificate (stage NULL); then it has its size. */
NODISCARD bool keystore_draft_seal(struct keystore *k, struct str tenant, struct str wrapped,
				   struct keystore_draft *d, struct keys_stage *stage, size_t item,
				   struct err *err);
/* After d->sealed was filled otherwise, with that data key. */
NODISCARD bool keystore_draft_sealed(struct keystore_draft *d, struct str wrapped, struct err *err);
/* The facts of one certificate, in the API's forms (facts.c). */
NODISCARD bool keystore_facts(struct str der, struct keystore_draft *d, struct err *err);
/* Whether fingerprints, serial number and validity in its row are those of its certificate. */
bool keystore_facts_fit(const struct keystore_content *c);
/* A lent piece of a chain in the stored form: calls back as keystore_chain_each(). */
size_t keystore_chain_split(struct str chain, struct str *ders, size_t max);

/* Drafts of one change. They grow by whole pieces: pointers stay good. */
struct keystore_drafts {
	struct keystore_draft **all;
	size_t n;
};
struct keystore_draft *keystore_drafts_add(struct keystore_drafts *ds);
void keystore_drafts_drop_last(struct keystore_drafts *ds);
void keystore_drafts_fini(struct keystore_drafts *ds);
/* After the change: what was marked as used stays only when it was committed. */
void keystore_drafts_settle(struct keystore_drafts *ds, bool committed);
static inline void auto_keystore_drafts(struct keystore_drafts *ds)
{
	keystore_drafts_fini(ds);
}
#define AUTO_DRAFTS __attribute__((cleanup(auto_keystore_drafts)))

/* The tenant's newest data key, made when there is none; and a new one in any case. */
NODISCARD bool keystore_data_key(struct keystore *k, struct str tenant, int64_t now,
				 struct buf *wrapped, struct err *err);
NODISCARD bool keystore_add_data_key(struct keystore *k, struct str tenant, int64_t now,
				     struct buf *wrapped, struct err *err);
/* Writes the contents of all drafts, in one transaction, before the change itself. */
NODISCARD bool keystore_store_contents(struct keystore *k, struct keystore_drafts *ds, int64_t now,
				       struct err *err);
/* Forgets the contents of drafts that did not become versions. Failing is no harm: prune does it
 * later. */
void keystore_drop_contents(struct keystore *k, struct keystore_drafts *ds);

/* ---- one change (edit.c) ---- */

/*
 * Whether the entry that was found under that folded alias is called so: the seal covers its own
 * alias and not the one that the life row is found by. ERR_STORE otherwise.
 */
NODISCARD bool keystore_alias_fits(const char *alias, struct str fold, struct err *err);

/* The entry that lives under an alias now. */
struct keystore_current {
	int64_t version;
	enum keys_owner owner;
	enum keys_entry_kind kind;
	uint8_t flags;
	char alias[KEYSTORE_ALIAS_MAX];
	char created_by[DIRECTORY_NAME_MAX];
	int64_t created;
	uint8_t chain_sha256[32];
	char subject[512], issuer[512], serial[272], sha256[96];
};

struct keystore_touch {
	enum keystore_did did;
	char reason[256];
	char alias[KEYSTORE_ALIAS_MAX];
	enum keys_owner owner;
	enum keys_entry_kind kind;
	int64_t version; /* 0: none */
};

struct keystore_edit {
	struct keystore *k;
	const struct keystore_change *c;
	struct db *db;
	int64_t id, generation; /* the generation that is being made */
	int64_t settings, settings_before;
	const char *what;  /* "create": of the generation, "keystore.create": of the audit */
	struct str object; /* of the audit */
	int64_t safety;    /* pin to undo to; of a restore */
	bool repairs;      /* may be made on a damaged state */
	bool is_forced;    /* a generation even when no entry came or went */
	bool makes_no_generation;
	enum keystore_outcome outcome; /* why it was refused; KEYSTORE_DONE: by err's kind */
	struct buf before, after;      /* JSON of the audit */
	struct keystore_touch *touches;
	size_t n_touches;
	struct keystore_report *report; /* may be NULL */
	int64_t opened, closed;         /* after the change */
};

typedef bool keystore_edit_fn(struct keystore_edit *e, void *user, struct err *err);
struct keystore_plan {
	const char *what; /* "create" */
	struct str object;
	keystore_edit_fn *fn;
	void *user;
	bool makes_no_generation, repairs, is_forced;
};
/* One transaction: locks the keystore, runs fn, makes the generation, its MAC and the audit row. */
enum keystore_outcome keystore_edit_run(struct keystore *k, const struct keystore_change *c,
					const struct keystore_plan *plan,
					struct keystore_report *report, struct err *err);
/* Always false. The whole change ends with that outcome. */
bool keystore_refuse(struct keystore_edit *e, enum keystore_outcome outcome, struct err *err,
		     const char *fmt, ...) PRINTF_LIKE(4, 5);
NODISCARD bool keystore_edit_find(struct keystore_edit *e, struct str fold,
				  struct keystore_current *out, bool *found, struct err *err);
/* c->if_match against the generation that the change starts from. */
NODISCARD bool keystore_edit_match_generation(struct keystore_edit *e, struct err *err);
/* May this caller change what is under this alias? Then c->if_match against its version. */
NODISCARD bool keystore_edit_may(struct keystore_edit *e, const struct keystore_current *now,
				 struct err *err);
NODISCARD bool keystore_edit_match(struct keystore_edit *e, const struct keystore_current *now,
				   struct err *err);
NODISCARD bool keystore_edit_close(struct keystore_edit *e, int64_t version, struct err *err);
/* `was`: whose creation the new version keeps; NULL for a new entry. */
NODISCARD bool keystore_edit_open(struct keystore_edit *e, struct keystore_draft *d,
				  const struct keystore_current *was, struct err *err);
struct keystore_touch *keystore_edit_touch(struct keystore_edit *e, enum keystore_did did,
					   struct str alias, enum keys_owner owner,
					   enum keys_entry_kind kind, int64_t version);
/* Facts of an entry into one of the audit's texts. */
void keystore_audit_current(struct buf *out, const struct keystore_current *now);
void keystore_audit_draft(struct buf *out, const struct keystore_draft *d);

/* ---- generations (generations_store.c, generations_make_store.c) ---- */

struct keystore_generation_row {
	int64_t n, at, settings, safety, entries, bytes, tenant_entries;
	char by[DIRECTORY_NAME_MAX], what[32];
	uint8_t changes_sha256[32], state[32], previous[32], mac[32];
	uint8_t data_key[16];
};
NODISCARD bool keystore_read_generation(struct db *db, int64_t keystore, int64_t n,
					struct keystore_generation_row *row, bool *found,
					struct err *err);
/* Whether its MAC is right; *good. */
NODISCARD bool keystore_check_mac(struct keystore *k, struct db *db, struct str tenant,
				  const struct keystore_generation_row *row, bool *good,
				  struct err *err);
/* By that data key of the tenant; *found false when it is not there. */
NODISCARD bool keystore_mac(struct keystore *k, struct db *db, struct str tenant,
			    struct str data_key, const char *label, struct str message,
			    uint8_t mac[static 32], bool *found, struct err *err);
/* The id of the one that authenticates what this change writes. */
NODISCARD bool keystore_edit_data_key(struct keystore_edit *e,
				      uint8_t data_key[static KEYSTORE_DATA_KEY_ID],
				      struct err *err);
/* SHA-256 over the ids of what is alive in `generation`; for the current one pass it too. */
NODISCARD bool keystore_state_hash(struct db *db, int64_t keystore, int64_t generation,
				   uint8_t hash[static 32], struct err *err);
void keystore_hash_ids(int64_t *ids, size_t n, uint8_t hash[static 32]); /* sorts them */
/* Is the state of that generation what was authenticated? Generation 0 is empty. */
NODISCARD bool keystore_state_is_good(struct keystore *k, struct db *db, struct str tenant,
				      int64_t keystore, int64_t generation, bool *good,
				      struct err *err);
/*
 * The beginning of an edit that makes a generation: a life row that begins or ends with the one to
 * be made, or later, would be taken for a part of this change. A repair takes it away.
 */
NODISCARD bool keystore_check_future(struct keystore_edit *e, struct err *err);
/* The end of an edit: totals, limits, MAC, row. Sets e->opened and e->closed. */
NODISCARD bool keystore_make_generation(struct keystore_edit *e, struct err *err);
NODISCARD bool keystore_read_ids(struct db *db, const struct query *q, int64_t **ids, size_t *n,
				 struct err *err);

/* ---- pins (pins_store.c) ---- */

enum keystore_pin_kind {
	KEYSTORE_PIN_BACKUP = 1,
	KEYSTORE_PIN_SAFETY,
};
NODISCARD bool keystore_pin_add(struct keystore_edit *e, enum keystore_pin_kind kind,
				int64_t generation, struct str note, int64_t tenant_entries,
				int64_t *id, struct err *err);
/* All of a tenant, newest first; malloc()ed. */
NODISCARD bool keystore_pins_of(struct db *db, struct str tenant, struct keystore_pin **rows,
				size_t *n, struct err *err);
/* Whether a pin's row is as it was written: it says what a restore brings back. */
enum keystore_pin_row {
	KEYSTORE_PIN_GOOD,
	KEYSTORE_PIN_CHANGED,
	KEYSTORE_PIN_UNSEALED, /* it has no MAC: a version before wrote it, or somebody past us */
};
NODISCARD bool keystore_pin_judge(struct keystore *k, struct db *db, struct str tenant,
				  const struct keystore_pin *pin, enum keystore_pin_row *out,
				  struct err *err);
/* id 0: the newest backup. */
NODISCARD bool keystore_pin_read(struct db *db, int64_t keystore, int64_t id,
				 struct keystore_pin *out, bool *found, struct err *err);

/* ---- single entries (put.c) ---- */

/* Is it an alias, and this caller's to use? */
NODISCARD enum keystore_outcome keystore_check_alias(struct keystore *k,
						     const struct keystore_change *c,
						     struct str alias, struct err *err);
/* An entry that is replaced keeps the case of its alias. */
struct str keystore_alias_as_kept(struct keystore *k, const struct keystore_change *c,
				  struct str alias, char into[static KEYSTORE_ALIAS_MAX]);
/* The entry changed between sealing and the transaction, and nobody named a version: once more? */
bool keystore_moved_on(const struct keystore_change *c, enum keystore_outcome outcome, int *tries);
enum keys_owner keystore_owner_of(const struct keystore_change *c);
/* Of a failed keys_stage_open(). */
enum keystore_outcome keystore_stage_outcome(unsigned format, const struct err *err);
/* Stores the one draft's content and makes it the alias's version. */
NODISCARD enum keystore_outcome keystore_put_draft(struct keystore *k,
						   const struct keystore_change *c,
						   struct keystore_drafts *ds, const char *what,
						   bool update, const char *note,
						   struct keystore_report *report, struct err *err);
/* KEYSTORE_UNTRUSTED with the draft as report, unless it is trusted or confirmed. */
NODISCARD enum keystore_outcome
keystore_judge_trust(struct keystore *k, const struct keystore_change *c, const struct str *chain,
		     size_t n, const struct keystore_draft *d, struct keystore_report *report,
		     struct err *err);
/* The certificates of a file in order, lent by the container; `chain` has CHAIN_MAX places. */
struct container;
NODISCARD enum keystore_outcome keystore_read_chain(struct str spki, struct str bytes,
						    struct container **box, struct str *chain,
						    size_t *n, struct err *err);

/* ---- trust (facts.c) ---- */
/*
 * Whether the chain (leaf first) leads to a certificate of the tenant's keystore or of the system.
 * One whose seal does not open counts for nothing.
 */
NODISCARD bool keystore_is_trusted(struct keystore *k, struct str tenant, const struct str *chain,
				   size_t n, bool *trusted, struct err *err);

/* ---- report (report.c) ---- */
/* Fills the report from the touches, in the transaction that made them. */
NODISCARD bool keystore_report_make(struct keystore_edit *e, struct err *err);
/* An entry that was not taken: the 409's body. */
void keystore_report_draft(struct keystore_report *r, const struct keystore_draft *d,
			   const char *reason);
