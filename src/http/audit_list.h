#pragma once
/*
 * Handlers' bodies for the audit, the same in both programs: pages of changes, and of denied
 * attempts and exports in one order, newest first. Query: `limit` (1 to AUDIT_PAGE_MAX) and
 * `after`, which is `next` of the page before. Answers {"items":[…],"next":"…"|null}, or
 * problem+json.
 */
#include "http/server.h"
#include "store/store.h"

enum {
	AUDIT_PAGE_MAX = 1000,
	AUDIT_PAGE_USUAL = 100,
};

void http_audit_list(struct http_call *call, struct store *s);
void http_denied_list(struct http_call *call, struct store *s);
