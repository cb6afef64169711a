#pragma once
/* Inside of the console: who calls, and what its handlers share. */
#include <pthread.h>

#include "cloud/console/console.h"
#include "cloud/directory/caller.h"
#include "cloud/directory/owners.h"
#include "http/session.h"

enum {
	CONSOLE_NAMES_MAX = 4096, /* bytes of the list of our own host names */
	CONSOLE_DENIED_PER_S =
		20, /* rows of denied attempts; further ones are counted into the next */
};

struct console {
	struct console_settings settings;
	pthread_mutex_t lock; /* of what follows */
	int64_t denied_s;     /* second of the last denied rows */
	unsigned denied, skipped;
	struct buf names; /* of this server: see console_set_names() */
};

struct console *console_of(const struct http_call *call);
struct store *console_store(const struct http_call *call);
const struct directory_caller *console_caller(const struct http_call *call);
bool console_may(const struct http_call *call, unsigned roles); /* one of these roles */
/* Of which state of a user a session is: another node that changed it cannot end sessions here. */
int64_t console_stamp_of(const struct directory_user *user);
/* Judges a name and a password; answers itself when false. */
NODISCARD bool console_check_password(struct http_call *call, struct str name, struct str password,
				      struct directory_user *out);
/* ---- who may call the keystore's API ---- */
/* Appends our own host names, a comma list. */
void console_add_names(struct console *c, struct buf *out);
/* Fills caller->subaccount; answers itself when false. */
NODISCARD bool console_find_tenant(struct http_call *call, struct directory_caller *c);
bool console_has_bearer(const struct http_call *call);
NODISCARD bool console_from_bearer(struct http_call *call, struct directory_caller *c);
/* Judges a write's token, and gives one where a read fetches it; false: 403 was answered. */
NODISCARD bool console_check_csrf(struct http_call *call, const struct directory_caller *c);
bool console_csrf_required(struct http_call *call); /* answers the 403; false */

/* A change was made: tells the workers. */
void console_changed(const struct http_call *call);
void console_password_changed(const struct http_call *call, struct str name);
/* Into the chain of denied attempts; bounded per second. */
void console_note_denied(struct http_call *call, struct str who, const char *why);

/* ---- bodies and lists ---- */
/*
 * Copies a text member into an array. Absent: leaves the array, or answers 400 when it is required.
 * False when it answered.
 */
NODISCARD bool console_take_text(struct http_call *call, const struct json *body, const char *name,
				 bool required, char *into, size_t size);
NODISCARD bool console_take_bool(struct http_call *call, const struct json *body, const char *name,
				 bool *into);
/* ?limit= and ?after=; 400 answered when false. */
struct console_page {
	size_t limit;
	struct str after;
};
NODISCARD bool console_read_page(struct http_call *call, struct console_page *page);
/* If-Match: an ETag of ours, or "*", or none: DIRECTORY_ANY_VERSION. */
NODISCARD bool console_read_match(struct http_call *call, int64_t *version);
void console_answer_version(struct http_call *call, int64_t version); /* the ETag */

struct jsonw console_begin_list(struct http_call *call);
/* `next`: key of the last row when the page was full, else NULL. */
void console_end_list(struct http_call *call, struct jsonw *w, const char *next);
void console_answer_empty(struct http_call *call); /* 204 */
void console_answer_created(struct http_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* 204 after a change that went well, else the problem. */
void console_finish(struct http_call *call, bool ok, const struct err *err);

/* "roles": names of directory/members.h. Absent: left as it is. */
NODISCARD bool console_take_member_roles(struct http_call *call, const struct json *body,
					 unsigned *roles);
void console_key_member_roles(struct jsonw *w, unsigned roles);

/* ---- handlers, for the table in routes.c ---- */
http_handler console_version, console_ca, console_audit, console_denied;
http_handler console_session_show, console_session_start, console_session_end;
http_handler console_password;
http_handler console_users_list, console_users_create, console_user_show, console_user_edit,
	console_user_delete;
http_handler console_subaccounts_list, console_subaccounts_create, console_subaccount_show,
	console_subaccount_edit, console_subaccount_delete;
http_handler console_owners_list, console_owner_add, console_owner_remove;
http_handler console_connectors_list, console_connector_show, console_connector_delete,
	console_connector_state;
http_handler console_certificates_list, console_certificate_revoke;
http_handler console_authdata_create;
http_handler console_members_list, console_member_show, console_member_set, console_member_remove;
http_handler console_keys_list, console_keys_create, console_key_delete;
