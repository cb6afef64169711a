#pragma once
/* Between snapshot.c (look-ups) and snapshot_store.c (its SQL). */
#include "cloud/directory/snapshot.h"

struct snapshot_connector {
	char key[2 * DIRECTORY_UUID]; /* "{subaccount}/{instance}" */
};

struct snapshot_binding {
	char client_id[128];
	char subaccount[DIRECTORY_UUID];
};

/* What is read from the store in one transaction; the arrays are malloc()ed. */
struct snapshot_rows {
	int64_t head;
	struct directory_subaccount *subaccounts;
	size_t n_subaccounts;
	struct directory_certificate *certificates;
	size_t n_certificates;
	struct snapshot_connector *disconnected;
	size_t n_disconnected;
	struct snapshot_binding *bindings;
	size_t n_bindings;
	struct buf jwks;
};

void directory_snapshot_rows_fini(struct snapshot_rows *rows);
/* Certificates that ended before `since` are left out. */
NODISCARD bool directory_snapshot_read(struct store *s, int64_t since, struct snapshot_rows *rows,
				       struct err *err);
