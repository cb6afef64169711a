#pragma once
/*
 * The directory: where the rooms of the cloud side meet, instead of reading each other's tables.
 *
 * All functions of the directory block (SQL, some Argon2): call them in jobs. They return bool with
 * an err whose kind is the reaction (ERR_CONFIG 400, ERR_MISSING 404, ERR_CONFLICT 409, ERR_STORE
 * 503) and whose text may be shown, or, where callers react differently, an enum; outcomes of such
 * an enum beside success fill err's text as well. Lists are malloc()ed arrays of plain structs,
 * freed with free(). Times are Unix seconds unless `_ms`; `now` is a parameter for the tests' sake.
 *
 * Every change is one store_change(): state, audit row, head. What is a lease or a sighting
 * (claims, last seen, failed logins) does not pass through the head.
 */
#include "store/change.h"
#include "store/migrate.h"

enum {
	DIRECTORY_UUID = 37,          /* text with its NUL */
	DIRECTORY_HOST_MAX = 254,     /* a DNS name (RFC 1035, 3.1) with its NUL */
	DIRECTORY_NAME_MAX = 256,     /* display names, with the NUL; longer ones are ERR_CONFIG */
	DIRECTORY_LABEL_MAX = 64,     /* a DNS label with its NUL */
	DIRECTORY_LOCATION_MAX = 129, /* location ID with its NUL; see PTTH_LOCATION_MAX */
	DIRECTORY_PAGE_MAX = 1000,    /* rows of one list call; more asked for gives this many */
};

/* Who causes a change, for the audit row. Lent. */
struct directory_actor {
	struct str who;  /* "user:alice", "connector:{instance}", "system" */
	struct str from; /* address of the caller, or "" */
};

/* How an edit that names the version it saw can end. */
enum directory_edit {
	DIRECTORY_EDITED,
	DIRECTORY_STALE, /* changed meanwhile: 412, err tells both versions */
	DIRECTORY_EDIT_FAILED,
};

enum {
	DIRECTORY_ANY_VERSION = -1, /* for edits without If-Match */
};

/* The module's tables; goes into store_migrate() after store_migrations, as "directory". */
extern const struct migration directory_migrations[];
