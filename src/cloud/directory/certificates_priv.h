#pragma once
/* Between certificates.c (states and judgement) and certificates_store.c (its SQL). */
#include "cloud/directory/certificates.h"
#include "cloud/directory/subaccounts.h"
#include "store/query.h"

#define CERTIFICATE_COLUMNS                                                                        \
	"c.serial, c.subaccount, c.instance, c.spki, c.not_before, c.not_after, c.issued,"         \
	" c.confirmed, c.supersede_at, c.superseded_by, c.revoked, c.issued_to"
void directory_read_certificate(struct stmt *st, void *row);

/* What one judgement looks at, of one moment. */
struct judged {
	bool has_subaccount, has_certificate, disconnected;
	struct directory_subaccount subaccount;
	struct directory_certificate certificate;
};

NODISCARD bool directory_judge_read(struct store *s, struct str subaccount, struct str serial,
				    struct judged *out, struct err *err);

/* Whether this installation renewed DIRECTORY_RENEWALS_PER_HOUR_MAX times within the hour. */
NODISCARD bool directory_renewals_too_many(struct store *s, struct str subaccount,
					   struct str instance, int64_t now, bool *too_many,
					   struct err *err);
