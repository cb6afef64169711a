#pragma once
/*
 * What the handlers of /api/v1 share: the JSON forms of OData version 2 as spec/keystore.md section
 * 3 has them. Texts that are returned live in the call's arena.
 */
#include "base/json.h"
#include "cloud/directory/caller.h"
#include "cloud/keystore/keystore.h"

enum {
	ODATA_BODY_MAX = 4 * 1024 * 1024, /* a keystore of 2 MiB in base64, and its frame */
	ODATA_HEX_MAX = 2 * KEYSTORE_ALIAS_MAX,
	ODATA_URL_MAX = 4096,
	ODATA_PASSWORD_MAX = 4096, /* bytes; what the key process takes is less */
};

struct keystore *odata_keystore(const struct http_call *call);
/* What a change of this call is: by whom, on which tenant. */
struct keystore_change odata_change(const struct http_call *call);

/* ---- what is asked ---- */

/* Whether the answer may be JSON; answers 406 itself. */
NODISCARD bool odata_accepts_json(struct http_call *call);
/* System query options that are not served would give wrong answers: 501 names them. */
NODISCARD bool odata_check_options(struct http_call *call);
/* The alias of {alias}, from hex in either case; answers 500 as the original does, or 404. */
NODISCARD bool odata_alias(struct http_call *call, struct str *alias);
/* ?name=true|false; answers 400 itself. *value is the default. */
NODISCARD bool odata_flag(struct http_call *call, const char *name, bool *value);
/* ?keystoreName=, one of the four; 400 otherwise. */
NODISCARD bool odata_place(struct http_call *call, struct keystore_place *place);
/* The constant of keystore.h that is this name; NULL for none of the four. */
const char *odata_store_name(struct str name);
/* "/Date(1492098664000)/" or with "+0000" behind the number; Unix milliseconds. */
NODISCARD bool odata_read_date(struct str text, int64_t *unix_ms);
/* A body's text: absent and null are "". 400 for what is no text. */
NODISCARD bool odata_text(struct http_call *call, const struct json *body, const char *name,
			  struct str *out);
/* A body's base64, decoded; 400. `out` should wipe. */
NODISCARD bool odata_bytes(struct http_call *call, const struct json *body, const char *name,
			   struct buf *out);

/* ---- what is answered ---- */

/* The service root as the caller sees it: "https://host/api/v1". */
void odata_root(const struct http_call *call, struct buf *out);
void odata_error(struct http_call *call, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* By the outcome of a change. */
void odata_refuse(struct http_call *call, enum keystore_outcome outcome, const struct err *err);
/* A read that failed: 404 for ERR_MISSING, else by its kind. */
void odata_fail(struct http_call *call, const struct err *err);
void odata_hex(struct str alias, struct buf *out); /* upper case */
void odata_empty(struct http_call *call);          /* 204 */
void odata_end(struct http_call *call);            /* 200 with the JSON in call->out */
/* A file for download: `suffix` behind the alias, which is made safe for a file system. */
void odata_file(struct http_call *call, const char *type, struct str alias, const char *suffix);
/*
 * Into the chain of exports, before public content goes out. False: more than the subaccount may
 * make (store/export_pace.h), answered with 429.
 */
NODISCARD bool odata_note_export(struct http_call *call, struct str object, const char *what);
/* Its key signed a request. */
NODISCARD bool odata_note_csr(struct http_call *call, struct str alias);
/* Into the chain of denied attempts: a refusal that the route's roles could not see, of what
 * belongs to somebody else. */
void odata_note_denied(const struct http_call *call, enum keystore_outcome outcome,
		       const char *reason);

/* ---- entities (odata_set.c has the table, odata_entity.c writes) ---- */

enum odata_set {
	ODATA_ENTRIES,
	ODATA_CHAIN,
	ODATA_HISTORY,
	ODATA_KEYSTORES,
	ODATA_SETS, /* how many; the last one */
};

struct odata_row {
	const struct keystore_entry *entry; /* of ODATA_KEYSTORES: NULL */
	const char *status;                 /* NULL: "unchanged" */
	const char *validity;               /* NULL: null */
	int64_t index;                      /* of ODATA_CHAIN */
	/* Of ODATA_KEYSTORES. */
	const char *name;
	const struct keystore_head *head;
	const struct keystore_list *expanded; /* NULL: deferred */
};

struct odata_property {
	const char *name;
	const char *type; /* of EDM */
	int max;          /* MaxLength; 0: none */
	void (*write)(struct jsonw *w, const struct odata_row *row);
};
struct odata_set_row {
	const char *type, *name;
	const struct odata_property *properties; /* the last has no name */
	const char *const *links;                /* navigation properties; NULL ends them */
	const char *keys[3];
};
extern const struct odata_set_row odata_sets[]; /* by enum odata_set */

struct odata_writer {
	struct jsonw w;
	enum odata_set set;
	uint64_t selected; /* bits of the set's properties */
	const char *store; /* not KEYSTORE_SYSTEM: uris name it */
	struct buf root;   /* of the service, escaped for JSON */
	struct buf uri;    /* of the entity at hand */
	bool is_bare;      /* without metadata and navigation: the 409's body */
};
/* Reads $select; 400 when it names what is not there. */
NODISCARD bool odata_writer_start(struct http_call *call, enum odata_set set,
				  struct odata_writer *out);
void odata_writer_fini(struct odata_writer *o);
static inline void auto_odata_writer(struct odata_writer *o)
{
	odata_writer_fini(o);
}
#define AUTO_ODATA __attribute__((cleanup(auto_odata_writer)))
void odata_write(struct odata_writer *o, const struct odata_row *row);
/* The report of a change as a list of entries with their Status. */
void odata_write_report(struct odata_writer *o, const struct keystore_report *report);
void odata_add_metadata(struct buf *xml); /* the whole EDMX document */
/* "SAP" for provider-owned entries; the user's name without "user:". */
struct str odata_user(const struct keystore_entry *e, const char *who);

/* All public content as a JCEKS file, appended. */
NODISCARD bool keystore_public_file(struct keystore *k, const struct keystore_place *place,
				    struct buf *out, struct err *err);

/* ---- handlers ---- */
http_handler odata_get_root, odata_get_metadata;
http_handler odata_get_entries, odata_get_entry, odata_put_entry, odata_delete_entry;
http_handler odata_get_certificate, odata_get_chain_file, odata_get_chain, odata_get_request,
	odata_get_ssh_key, odata_get_keystore_file;
http_handler odata_get_store, odata_get_size, odata_get_entries_of_store;
http_handler odata_get_history, odata_get_history_entry, odata_put_history_entry;
http_handler odata_put_certificate, odata_put_chain, odata_get_chain_resource;
http_handler odata_post_key_pair, odata_post_generation, odata_post_rsa_key, odata_post_ssh_key;
http_handler odata_post_resource, odata_put_resource;
