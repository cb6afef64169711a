#pragma once
/* The tables of cloud/ca: authorities and listeners, each a sealed key with its certificate. */
#include "keys/reseal.h"
#include "store/migrate.h"

struct ca_row {
	struct buf sealed, spki, der;
};
void ca_row_init(struct ca_row *row);
void ca_row_fini(struct ca_row *row);

/* *found false: there is none. Both authorities are made in one transaction, or none. */
NODISCARD bool ca_store_authority(struct store *s, const char *name, struct ca_row *row,
				  bool *found, struct err *err);
/* Keeps what is there already: the first of several nodes wins; load again afterwards. */
NODISCARD bool ca_store_add_authorities(struct store *s, const struct ca_row *root,
					const struct ca_row *issuing, int64_t now, struct err *err);

/* `hosts`: the names in the certificate, joined by commas. */
NODISCARD bool ca_store_listener(struct store *s, const char *name, struct str hosts,
				 struct ca_row *row, int64_t *issued, bool *found, struct err *err);
/* Name and certificate (DER) of each, for free(). */
struct ca_listener_row {
	char name[64];
	char der[8192]; /* ISSUE_SANS_MAX names of 255 bytes, and 4 KiB for the rest */
	size_t len;
};
NODISCARD bool ca_store_listeners(struct store *s, struct ca_listener_row **rows, size_t *n,
				  struct err *err);
NODISCARD bool ca_store_put_listener(struct store *s, const char *name, struct str hosts,
				     const struct ca_row *row, int64_t issued, struct err *err);
/* Keys of authorities and listeners, to be sealed again (keys/reseal.h). */
extern const struct reseal_table ca_reseal[];
