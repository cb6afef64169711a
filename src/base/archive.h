#pragma once
/*
 * ZIP archives in memory, through libzip: what is exported and imported as one file.
 *
 * Written: deflated entries in the order in which they were added. Read: whole and at once, every
 * bound and every checksum looked at before the caller sees a byte. What is not plainly a list of
 * files (links that climb, two entries of one name, encryption, other methods than store and
 * deflate) is refused with ERR_CONFIG, what is too large with ERR_LIMIT; texts name the entry.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	ARCHIVE_MAX = 16 * 1024 * 1024,       /* bytes of the ZIP: what a request may carry */
	ARCHIVE_ENTRIES_MAX = 64,             /* a directory of many thousand empty ones */
	ARCHIVE_NAME_MAX = 128,               /* bytes */
	ARCHIVE_ENTRY_MAX = 32 * 1024 * 1024, /* bytes of one, inflated */
	ARCHIVE_TOTAL_MAX = 48 * 1024 * 1024, /* of all: entries that overlap in the file (bombs) */
	ARCHIVE_RATIO_MAX = 800,     /* inflated : stored, of more than ARCHIVE_SMALL. Lists of
				       thousands of like     rows reach 300, a bomb 1,000 */
	ARCHIVE_SMALL = 1024 * 1024, /* bytes; below, the ratio is not looked at */
};

/* ---- reading ---- */

struct archive;

/* `bytes` is lent for the call only. There is one entry at least. */
NODISCARD bool archive_open(struct str bytes, struct archive **out, struct err *err);
void archive_free(struct archive *a); /* takes NULL */
DEFINE_AUTO(archive_free, struct archive *)
size_t archive_count(const struct archive *a);
/* Names have '/' between segments, none of which is empty, "." or "..". Lent by the archive. */
struct str archive_name(const struct archive *a, size_t i);
struct str archive_content(const struct archive *a, size_t i);
/* The content of that name, exactly; false: there is none. */
bool archive_find(const struct archive *a, const char *name, struct str *content);

/* ---- writing ---- */

struct archive_entry {
	const char *name;
	struct str content; /* lent */
};
/* Appends the ZIP to `out`. The same bounds as for reading, so that what was written can be read;
 * `unix_time` is the time of every entry. */
NODISCARD bool archive_write(const struct archive_entry *entries, size_t n, int64_t unix_time,
			     struct buf *out, struct err *err);
