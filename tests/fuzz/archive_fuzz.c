/* The ZIP reader. What it took keeps its bounds and can be written and read again the same. */
#include <assert.h>

#include "base/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void write_and_read_back(const struct archive *a)
{
	struct archive_entry entries[ARCHIVE_ENTRIES_MAX];
	AUTO_BUF struct buf zip = BUF(ARCHIVE_MAX + KIB(64));
	AUTO(archive_free) struct archive *back = NULL;
	size_t total = 0;
	struct err err;

	for (size_t i = 0; i < archive_count(a); i++) {
		entries[i] = (struct archive_entry){archive_name(a, i).at, archive_content(a, i)};
		total += entries[i].content.len;
		assert(archive_name(a, i).len <= ARCHIVE_NAME_MAX);
	}
	assert(total <= ARCHIVE_TOTAL_MAX);
	bool good = archive_write(entries, archive_count(a), 0, &zip, &err) &&
		    archive_open(buf_str(&zip), &back, &err);
	assert(good && archive_count(back) == archive_count(a));
	for (size_t i = 0; i < archive_count(a); i++) {
		assert(str_eq(archive_content(back, i), entries[i].content));
	}
	(void)good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(archive_free) struct archive *a = NULL;
	struct err err = {0};

	if (archive_open(str_make(bytes, len), &a, &err)) {
		write_and_read_back(a);
	} else {
		assert(err.kind == ERR_CONFIG || err.kind == ERR_LIMIT);
	}
	return 0;
}
