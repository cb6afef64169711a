#pragma once
/*
 * The room of the tenants' keystores: what the program opens, and what the room's own REST handlers
 * call. Entries under aliases, in generations that are never changed; backup, restore, undo.
 *
 * A *generation* is an immutable numbered state of one keystore. Every change makes the next one,
 * in one transaction with its audit row. A *pin* keeps a generation: `backup` (what Back Up made;
 * the newest is *the* backup that API and Backup tab show), `safety` (made by every restore). Undo
 * is the restore to the newest safety pin, offered while the restore is the current generation.
 *
 * An entry's content is one *version*: alias, owner, kind, flags, facts, chain and sealed key. Its
 * id is its ETag; rename, replace, a signing response and a changed flag make a new version, a
 * restore makes none. Aliases keep the case in which they were typed and are compared folded (ASCII
 * only).
 *
 * Owner of an entry: provider when the folded alias is reserved (keystore_alias_is_reserved()),
 * else tenant. Tenants change tenant-owned entries only; the provider (an administrator of the
 * cloud side) only its own, by functions with `provider` set. Neither backup nor restore touches
 * provider-owned ones.
 *
 * Every function blocks (SQL, the key process): only in jobs. Times are Unix milliseconds.
 */
#include "cloud/directory/actor.h"
#include "cloud/keystore/keys.h"
#include "crypto/cert.h"
#include "http/server.h"
#include "keys/reseal.h"

struct keystore; /* the room: one for all tenants */

#define KEYSTORE_SYSTEM  "system"              /* the one that the runtime uses */
#define KEYSTORE_BACKUP  "backup_admin_system" /* the API's name of the newest backup pin */
#define KEYSTORE_RENEWAL "KeyRenewal"          /* provider's renewals: always empty so far */
#define KEYSTORE_HISTORY "KeyHistory"          /* always empty so far */

enum {
	KEYSTORE_ALIAS_CHARS = 250, /* characters of an alias */
	KEYSTORE_ALIAS_MAX = KEYS_ALIAS_MAX + 1,
	KEYSTORE_DN_MAX = 5000,
	KEYSTORE_NOTE_MAX = 512,
	KEYSTORE_PAGE_MAX = 1000, /* entries of one page */
};

/* Limits of one tenant; configurable, these are the defaults. Over one: ERR_LIMIT with its name. */
struct keystore_limits {
	uint32_t store_bytes;       /* keystore.bytes.max: 6 MiB of chains and sealed keys */
	uint32_t entries;           /* keystore.entries.max: 10,000 */
	uint32_t certificate_bytes; /* keystore.certificate.max: 10,240 */
	uint32_t key_pair_bytes;    /* keystore.keypair.max: 30,720 */
	uint32_t reply_bytes;       /* keystore.reply.max: 30,720 */
	uint32_t file_bytes;        /* keystore.file.max: 2 MiB */
	uint32_t pins;              /* keystore.backups.max: 50 kept in the history, oldest go */
	msec_t pins_age;            /* keystore.backups.age: older ones go; 0: none for its age */
};
extern const struct keystore_limits keystore_default_limits;

struct keystore_settings {
	struct store *store;       /* migrated; lent */
	struct keystore_keys keys; /* keystore_keys_of(); what is behind it is lent */
	struct keystore_limits limits;
	const char *
		reserved; /* comma list: "sap_*,hcicertificate,hcicertificate1,hcimsgcertificate" */
	/* After a commit: makes it live on this node before the caller answers. `head` is the
	 * change's number. May be NULL. */
	void (*changed)(void *user, int64_t head);
	void *user;
};

extern const struct migration keystore_migrations[]; /* module "keystore" */
NODISCARD bool keystore_open(const struct keystore_settings *settings, struct keystore **out,
			     struct err *err);
void keystore_close(struct keystore *k);                                            /* takes NULL */
void keystore_set_limits(struct keystore *k, const struct keystore_limits *limits); /* live */

/* ---- aliases (pure; aliases.c) ---- */
/* ERR_CONFIG names the rule: empty, over 250 characters, control characters, not UTF-8. */
NODISCARD bool keystore_alias_check(struct str alias, struct err *err);
void keystore_alias_fold(struct str alias, struct buf *out); /* ASCII only */
bool keystore_alias_is_reserved(const struct keystore *k, struct str alias);

/* ---- reading ---- */

/* SHA-1, SHA-256 and SHA-512 of the leaf, one behind the other. */
enum keystore_print {
	KEYSTORE_SHA1 = 20, /* their bytes */
	KEYSTORE_SHA256 = 32,
	KEYSTORE_SHA512 = 64,
	KEYSTORE_PRINTS = KEYSTORE_SHA1 + KEYSTORE_SHA256 + KEYSTORE_SHA512,
	KEYSTORE_PRINT_TEXT = 3 * KEYSTORE_SHA512, /* of the longest: "AB:CD:…" with its NUL */
};

/* Lists have thousands: texts and prints lie where the entry came from, a list or a draft. */
struct keystore_entry {
	int64_t version; /* ETag */
	const char *alias;
	enum keys_owner owner;
	enum keys_entry_kind kind;
	uint8_t flags; /* KEYS_FLAG_… */
	const char *created_by, *modified_by;
	int64_t created, modified;
	/* Facts of the leaf, in the API's forms (spec 3.4). */
	const char *key_type, *curve, *signature, *serial;
	uint32_t key_size, x509_version;
	int64_t not_before, not_after; /* Unix milliseconds */
	struct str subject, issuer;    /* RFC 4514 */
	const uint8_t *prints;         /* KEYSTORE_PRINTS bytes; NULL: not known */
	uint32_t chain_length;
	uint32_t bytes; /* of chain and sealed key: counts against store_bytes */
};

/* "AB:CD:…", or "" when it is not known; returns `into`. */
const char *keystore_print(const struct keystore_entry *e, enum keystore_print which,
			   char into[static KEYSTORE_PRINT_TEXT]);

/* The texts of a certificate's facts back to bytes. */
struct cert_details;
NODISCARD bool keystore_read_prints(const struct cert_details *c,
				    uint8_t into[static KEYSTORE_PRINTS]);

struct keystore_list; /* entries of one moment, in order of the folded alias */
void keystore_list_free(struct keystore_list *l); /* takes NULL */
DEFINE_AUTO(keystore_list_free, struct keystore_list *)
size_t keystore_list_count(const struct keystore_list *l);
const struct keystore_entry *keystore_list_at(const struct keystore_list *l, size_t i);

/* Which state of which keystore. */
struct keystore_place {
	struct str tenant;  /* subaccount id */
	const char *name;   /* KEYSTORE_SYSTEM, _BACKUP, _RENEWAL, _HISTORY */
	int64_t generation; /* 0: the current one of "system"; the newest pin's for the backup */
};
struct keystore_filter {
	struct str after;       /* alias of the last entry of the page before, or "" */
	size_t limit;           /* 0: all */
	struct str text;        /* part of alias or DN, case does not matter; or "" */
	int64_t expires_before; /* Unix ms; 0: any */
};
/*
 * ERR_MISSING: no such keystore (a bad name), or no such generation; the backup before the first
 * Back Up is an empty list with *head.exists false.
 */
struct keystore_head {
	bool exists;
	int64_t generation;
	int64_t entries, bytes; /* of this state, all owners */
	int64_t tenant_entries;
	int64_t modified; /* time of its generation; of the backup: of the pin */
	char modified_by[DIRECTORY_NAME_MAX];
	int64_t expired, critical, warning, notice; /* counts: past, <= 14, 30, 60 days */
	int64_t restored_from; /* safety pin to undo to, while it is offered; else 0 */
	bool requires_certificate;
};
NODISCARD bool keystore_head(struct keystore *k, const struct keystore_place *place, int64_t now,
			     struct keystore_head *out, struct err *err);
NODISCARD bool keystore_list(struct keystore *k, const struct keystore_place *place,
			     const struct keystore_filter *filter, struct keystore_list **out,
			     struct err *err);
/* One entry, alias in any case; list of one. ERR_MISSING names alias and keystore. */
NODISCARD bool keystore_find(struct keystore *k, const struct keystore_place *place,
			     struct str alias, struct keystore_list **out, struct err *err);
/* The DERs of its chain, leaf first, each with its length (u32 big endian) before it. */
NODISCARD bool keystore_chain(struct keystore *k, const struct keystore_place *place,
			      struct str alias, struct buf *chain, struct err *err);
/* Calls back each certificate of a chain in that form; false on malformed. */
NODISCARD bool keystore_chain_each(struct str chain, cert_each_fn *fn, void *user, struct err *err);

/* ---- changing ---- */

/* Who, on which tenant's "system". */
struct keystore_change {
	struct directory_actor actor;
	struct str tenant;
	bool provider;    /* the caller acts as the provider: reserved aliases only */
	int64_t if_match; /* generation or (single entries) version; DIRECTORY_ANY_VERSION */
	bool confirmed;   /* fingerprintVerified: an untrusted top certificate is accepted */
	int64_t now;      /* Unix ms */
};

enum keystore_outcome {
	KEYSTORE_DONE,
	KEYSTORE_SAME,       /* nothing to change: no new generation */
	KEYSTORE_MISSING,    /* 404: alias, keystore, backup */
	KEYSTORE_TAKEN,      /* 400: the alias exists */
	KEYSTORE_RESERVED,   /* 403: provider's, or a reserved alias */
	KEYSTORE_BAD,        /* 400: alias, body, password, key does not fit … */
	KEYSTORE_UNREADABLE, /* 415: recognised and not read, or unknown; names PKCS#12 */
	KEYSTORE_UNTRUSTED,  /* 409: confirm the fingerprint; *report has the entry */
	KEYSTORE_LIMIT,      /* 413: err names the limit */
	KEYSTORE_STALE,      /* 412: err shows both */
	KEYSTORE_BUSY,       /* 503: the lock timed out */
	KEYSTORE_FAILED,     /* by err's kind */
};
/* HTTP status of the original's API. */
unsigned keystore_status(enum keystore_outcome outcome, const struct err *err);

enum keystore_did {
	KEYSTORE_UNCHANGED,
	KEYSTORE_CHANGED,
	KEYSTORE_NEW,
	KEYSTORE_REMOVED,
	KEYSTORE_NOT_IMPORTED, /* with the reason */
};
struct keystore_report_row {
	enum keystore_did did;
	const char *reason; /* of KEYSTORE_NOT_IMPORTED; lent by the report, as the alias is */
	const char *alias;
	enum keys_owner owner;
	enum keys_entry_kind kind;
	const struct keystore_entry *entry; /* as it is now (was, when removed); NULL: not imported
					       and unreadable. Lent by the report */
};
/* What a change did, entry by entry; zero-initialise; keystore_report_fini() frees. */
struct keystore_report {
	size_t n;
	struct keystore_report_row *rows;
	struct keystore_list *entries;
	int64_t generation; /* after the change */
	int64_t head;       /* of the audit */
};
void keystore_report_fini(struct keystore_report *r);

/* A certificate in DER, PEM or base64 (the leaf of what is given); `update` replaces, else TAKEN.
 */
enum keystore_outcome keystore_put_certificate(struct keystore *k, const struct keystore_change *c,
					       struct str alias, struct str bytes, bool update,
					       struct keystore_report *report, struct err *err);
/* A key pair out of a container (the only one, or the first; several: the report says so). */
enum keystore_outcome keystore_put_key_pair(struct keystore *k, const struct keystore_change *c,
					    struct str alias, struct str bytes, struct str password,
					    bool update, struct keystore_report *report,
					    struct err *err);
/* A private key without a certificate (PEM PKCS#1, PKCS#8, SEC1): wrapped in a self-signed one. */
struct keystore_request {
	struct str alias;
	struct str key_type;  /* "RSA", "EC" */
	uint32_t key_size;    /* 0: from the curve, or 4096 */
	struct str curve;     /* spec 1.2's names; or "" */
	struct str signature; /* any spelling of spec 1.2; "" the default */
	struct str common_name, unit, organization, locality, state, country, email;
	int64_t not_before, not_after; /* Unix ms; 0: now, now + 3 years */
};
enum keystore_outcome keystore_create(struct keystore *k, const struct keystore_change *c,
				      const struct keystore_request *request,
				      struct keystore_report *report, struct err *err);
enum keystore_outcome keystore_put_key(struct keystore *k, const struct keystore_change *c,
				       const struct keystore_request *request, struct str bytes,
				       struct str password, bool update,
				       struct keystore_report *report, struct err *err);

enum keystore_import_mode {
	KEYSTORE_OVERWRITE,
	KEYSTORE_MERGE,
	KEYSTORE_REPLACE,
};
/*
 * A whole container (spec 1.4). `partial`: entries that cannot be taken are reported, the rest is
 * imported; else one such entry makes the whole call KEYSTORE_BAD and nothing is changed. A file
 * that has an alias twice is KEYSTORE_BAD in any case.
 */
enum keystore_outcome keystore_import(struct keystore *k, const struct keystore_change *c,
				      struct str bytes, struct str password,
				      enum keystore_import_mode mode, bool partial,
				      struct keystore_report *report, struct err *err);
enum keystore_outcome keystore_rename(struct keystore *k, const struct keystore_change *c,
				      struct str alias, struct str to,
				      struct keystore_report *report, struct err *err);
/* Unknown aliases are ignored when there are several; one alone is KEYSTORE_MISSING. */
enum keystore_outcome keystore_delete(struct keystore *k, const struct keystore_change *c,
				      const struct str *aliases, size_t n,
				      struct keystore_report *report, struct err *err);
enum keystore_outcome keystore_set_flags(struct keystore *k, const struct keystore_change *c,
					 struct str alias, uint8_t flags,
					 struct keystore_report *report, struct err *err);
/* Whether applications of the tenant must show a client certificate on the TLS listener. */
enum keystore_outcome keystore_require_certificate(struct keystore *k,
						   const struct keystore_change *c, bool required,
						   struct err *err);
/* PKCS#10 in DER, signed by the entry's key. `sans`: comma list of DNS names, or "". */
enum keystore_outcome keystore_csr(struct keystore *k, const struct keystore_change *c,
				   struct str alias, struct str sans, struct buf *der,
				   struct err *err);
/* A CA's reply (spec 1.6): becomes the chain of the key pair. */
enum keystore_outcome keystore_reply(struct keystore *k, const struct keystore_change *c,
				     struct str alias, struct str bytes,
				     struct keystore_report *report, struct err *err);

/* ---- back up and restore ---- */

struct keystore_pin {
	int64_t id, generation, at;
	bool is_backup;  /* else a safety pin */
	bool is_current; /* the backup that API and Backup tab show */
	int64_t entries; /* tenant-owned */
	char by[DIRECTORY_NAME_MAX];
	char note[KEYSTORE_NOTE_MAX];
};
enum keystore_outcome keystore_back_up(struct keystore *k, const struct keystore_change *c,
				       struct str note, struct keystore_pin *out,
				       struct keystore_report *report, struct err *err);
/* Newest first, malloc()ed. */
NODISCARD bool keystore_pins(struct keystore *k, struct str tenant, struct keystore_pin **rows,
			     size_t *n, struct err *err);
enum keystore_restore {
	KEYSTORE_RESTORE_REPLACE,   /* entries made since go */
	KEYSTORE_RESTORE_OVERWRITE, /* they stay */
};
/* `pin` 0: the current backup. Preview changes nothing; its report is what restore would report. */
enum keystore_outcome keystore_preview(struct keystore *k, const struct keystore_change *c,
				       int64_t pin, enum keystore_restore mode,
				       struct keystore_report *report, struct err *err);
enum keystore_outcome keystore_restore(struct keystore *k, const struct keystore_change *c,
				       int64_t pin, enum keystore_restore mode,
				       struct keystore_report *report, struct err *err);
/* KEYSTORE_MISSING when the last change was no restore. */
enum keystore_outcome keystore_undo(struct keystore *k, const struct keystore_change *c,
				    struct keystore_report *report, struct err *err);

/* What happened, newest first: one row per generation. */
struct keystore_generation {
	int64_t n, at;
	char by[DIRECTORY_NAME_MAX];
	char what[32];          /* "import", "restore" … */
	int64_t opened, closed; /* versions that came and went */
};
NODISCARD bool keystore_generations(struct keystore *k, struct str tenant, int64_t before,
				    size_t limit, struct keystore_generation **rows, size_t *n,
				    struct err *err);

/* ---- health ---- */
/*
 * Checks the generations' MACs and every entry of the current state against its seal; calls back
 * what is wrong ("entry edge-1: the sealed key was changed"). ERR_STORE only when it could not
 * look.
 */
typedef void keystore_damage_fn(struct str alias, const char *what, void *user);
NODISCARD bool keystore_verify(struct keystore *k, struct str tenant, keystore_damage_fn *fn,
			       void *user, int64_t *checked, struct err *err);
/*
 * Every tenant gets a new data key, and its entries move to it; adds to *count. Without `change` it
 * counts what it would move. An entry that does not open stays, counted and told, and the others go
 * on; false only when database or key process fail, or the watcher ends it. Each entry is a
 * transaction, so a run that broke off does no harm. A job.
 */
NODISCARD bool keystore_reseal(struct keystore *k, bool change, struct reseal_count *count,
			       struct err *err);

/* What no kept state needs, of all tenants: entries that are alive neither in one of the newest 100
 * generations nor in a pinned one; before that, pins that are too old (limits), but for the newest
 * backup and the newest safety pin of each. In small transactions. A job, hourly. */
NODISCARD bool keystore_prune(struct keystore *k, int64_t now, struct err *err);
/* All that a deleted subaccount had: entries, backups, data keys. Nothing when it had none. */
NODISCARD bool keystore_forget(struct keystore *k, const struct directory_actor *actor,
			       struct str tenant, struct err *err);
/* Those that have a keystore; malloc()ed. */
NODISCARD bool keystore_tenants(struct keystore *k, char (**rows)[DIRECTORY_UUID], size_t *n,
				struct err *err);

/* ---- REST: spec/keystore.md section 3, and our own under /api/drawbridge/v1 ---- */
extern const struct http_route keystore_odata_routes[];
extern const struct http_route keystore_own_routes[];
extern const struct http_route keystore_connection_routes[]; /* api_test.c */
/* Data keys of tenants, to be wrapped again under the current master key (keys/reseal.h). */
extern const struct reseal_table keystore_data_keys[];
/* http_server_settings.render_error: the original's form for paths of /api/v1 and /t/{sa}/api/v1.
 */
bool keystore_render_error(struct http_call *call, unsigned status, const char *detail);
