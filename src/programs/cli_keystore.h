#pragma once
/* Between cli_keystore.c (entries) and cli_keystore_files.c (what goes in and out as files). */
#include "programs/cli.h"

/* "/t/{SUBACCOUNT}/api/v1/" */
void keystore_service(const struct cli_run *run, struct buf *path);
/* "KeystoreEntries('6D79')" */
void keystore_add_entry(struct buf *path, const char *set, struct str alias);
void keystore_add_query(struct buf *path, const char *name, struct str value);
/* A write, with session and token; *json as cli_call() has it. */
NODISCARD bool keystore_write(struct cli_run *run, const char *method, struct buf *path,
			      struct str body, struct json **json, struct err *err);
/* "/Date(…)/" */
NODISCARD bool keystore_date(struct str text, int64_t *unix_ms);
/* The entry as a JSON object without links, with dates of RFC 3339. */
void keystore_add_clean(struct jsonw *w, const struct json *entry);
/* Members of subject and validity out of the command's rows. */
NODISCARD bool keystore_add_subject(struct jsonw *w, const struct cli_run *run, struct err *err);
void keystore_print_report(struct cli_run *run, const struct json *rows);

typedef void keystore_entry_fn(const struct json *entry, void *user);
/* All pages of a list. */
NODISCARD bool keystore_each(struct cli_run *run, struct buf *path, keystore_entry_fn *fn,
			     void *user, struct err *err);
