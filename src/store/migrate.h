#pragma once
/*
 * Numbered migrations. Each module that keeps state has a table of them in its x_store.c; the
 * program hands all tables over in a fixed order. A step is applied once, in one transaction, and
 * recorded in migration(module, number, at). In the text: {int} {text} {blob} are the column types
 * of the dialect, {strict} the end of a table, {serial} an identity primary key. Statements are
 * separated by ";\n".
 */
#include "store/store.h"

struct migration {
	int number; /* from 1, no gaps; the table ends with number 0 */
	const char *sql;
};

struct migration_set {
	const char *module;
	const struct migration *steps;
};

/* Ends with ERR_STORE when the schema is newer than this program by more than one version. */
NODISCARD bool store_migrate(struct store *s, const struct migration_set *sets, size_t n,
			     struct err *err);
extern const struct migration store_migrations[]; /* head, audit, denied: module "store" */
