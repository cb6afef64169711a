#pragma once
/*
 * The list of certificates that this keyd issued: one line each, only ever appended, on disk before
 * the certificate leaves. It is compared with the directory's table: a certificate that stands here
 * and not there was made behind the directory's back.
 *
 *     2026-11-22T03:10:00Z connector 3f9a… 2027-11-22T03:10:00Z CN=…
 *
 * Threads: any.
 */
#include "crypto/issue.h"

struct serials;

/* Opens "serials" in the folder `dir` (a descriptor, lent for the call). */
NODISCARD bool serials_open(int dir, struct serials **out, struct err *err);
void serials_close(struct serials *s); /* takes NULL */
DEFINE_AUTO(serials_close, struct serials *)
NODISCARD bool serials_add(struct serials *s, int64_t now, const struct issue_facts *facts,
			   struct err *err);
