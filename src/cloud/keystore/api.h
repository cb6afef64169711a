#pragma once
/*
 * The keystore under /api/drawbridge/v1/subaccounts/{sa}/keystore: what the original's API lacks.
 * JSON; errors are application/problem+json; lists take ?limit= and ?after= and answer
 * {"items":[…],"next":"…"|null}. {alias} is hex of its UTF-8, since aliases may hold slashes. Times
 * are RFC 3339 in UTC. The generation is the ETag of the keystore, an entry's version its own; a
 * stale If-Match is 412 and shows both.
 *
 *   GET    ""                    {generation, entries, tenantEntries, bytes, modified, modifiedBy,
 *                                 expiry:{expired,critical,warning,notice}, backup:{…}|null,
 *                                 undo:{pin}|null}
 *   GET    /entries              ?filter= part of alias or DN, ?expiringWithin=30d, ?generation=,
 *                                 ?backup=true
 *   GET    /entries/{alias}      PUT {trustedForInbound} (If-Match: version)
 *   GET    /preview              ?backup=PIN&mode=replace|overwrite: what a restore would do
 *   POST   /restore              {backup?, mode?}: replace unless said (If-Match: generation)
 *   POST   /undo                 back to before the last restore, while it is the last change
 *   GET    /backups              newest first       POST {note}: backs up → 201
 *   GET    /generations          newest first; ?limit=, ?after= number of the last one
 *   GET    /verify               {checked, damage:[{alias, what}]}
 *   GET    /export               ?backup=true: PublicContentKeystore.jks
 *   POST   /provider/entries     {resource: base64, password, alias?, update?}: the provider's own
 *   DELETE /provider/entries/{alias}
 *   GET    /settings             PUT {clientCertificateRequired}: of clients of 20443
 */
#include "base/json.h"
#include "cloud/directory/caller.h"
#include "cloud/keystore/odata_write.h"

/* Like console's: 400 answered when false. */
struct api_page {
	size_t limit;
	struct str after;
};
NODISCARD bool api_read_page(struct http_call *call, struct api_page *page);
/* If-Match: an ETag of ours, or "*", or none: DIRECTORY_ANY_VERSION. */
NODISCARD bool api_read_match(struct http_call *call, int64_t *version);
void api_answer_version(struct http_call *call, int64_t version); /* the ETag */
/* {alias}, from hex; answers 404 itself. */
NODISCARD bool api_alias(struct http_call *call, struct str *alias);
struct keystore_place api_place(const struct http_call *call);
void api_refuse(struct http_call *call, enum keystore_outcome outcome, const struct err *err);
/* The report as JSON with the generation as ETag, or what went wrong. */
void api_finish(struct http_call *call, enum keystore_outcome outcome,
		const struct keystore_report *report, const struct err *err);
void api_write_entry(struct jsonw *w, const struct keystore_entry *e);

http_handler api_head, api_entries, api_entry, api_put_entry;
http_handler api_preview, api_restore, api_undo, api_backups, api_back_up, api_generations;
http_handler api_verify, api_export, api_provider_import, api_provider_delete;
http_handler api_settings, api_put_settings;
