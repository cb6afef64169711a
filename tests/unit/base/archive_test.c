#include "base/archive.h"

#include "unit/unit.h"

static void write_zip(struct buf *out, const struct archive_entry *entries, size_t n)
{
	struct err err;

	*out = BUF(ARCHIVE_MAX + KIB(64));
	assert_ok(archive_write(entries, n, 1767225600, out, &err), &err);
}

/* Every place where `from` stands: the name in front of the content, and the one in the directory.
 */
static size_t patch(struct buf *zip, struct str from, struct str to)
{
	size_t n = 0;

	for (size_t i = 0; i + from.len <= zip->len; i++) {
		if (str_eq(str_make(zip->at + i, from.len), from)) {
			memcpy(zip->at + i, to.at, to.len);
			n++;
		}
	}
	return n;
}

static void assert_refused(const struct buf *zip, enum err_kind kind, const char *text)
{
	AUTO(archive_free) struct archive *a = NULL;
	struct err err;

	assert_err(archive_open(buf_str(zip), &a, &err), &err, kind, text);
	assert_null(a);
}

static const struct archive_entry two[] = {
	{"first.json", STR("{\"a\":1}")},
	{"deep/er/second.json", STR("[]")},
};

TEST(what_was_written_is_read_again)
{
	AUTO_BUF struct buf zip;
	AUTO(archive_free) struct archive *a = NULL;
	struct str content;
	struct err err;

	write_zip(&zip, two, COUNT(two));
	assert_ok(archive_open(buf_str(&zip), &a, &err), &err);
	assert_int_equal(archive_count(a), 2);
	assert_str(archive_name(a, 0), "first.json");
	assert_str(archive_content(a, 1), "[]");
	assert_true(archive_find(a, "first.json", &content));
	assert_str(content, "{\"a\":1}");
	assert_false(archive_find(a, "FIRST.json", &content));
}

TEST(an_archive_without_entries_is_refused)
{
	AUTO_BUF struct buf zip;

	zip = BUF(64);
	buf_add_str(&zip, STR("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	assert_refused(&zip, ERR_CONFIG, "nothing in the archive");
}

TEST(what_is_no_archive_or_cut_is_refused)
{
	AUTO_BUF struct buf zip;

	write_zip(&zip, two, COUNT(two));
	size_t whole = zip.len;
	for (size_t len = 0; len < whole; len += 7) {
		zip.len = len;
		assert_refused(&zip, ERR_CONFIG, "no whole ZIP");
	}
}

TEST(a_changed_byte_of_the_content_is_noticed)
{
	const struct archive_entry plain = {"a", STR("0123456789")};
	AUTO_BUF struct buf zip;

	write_zip(&zip, &plain, 1);
	zip.at[30 + 1 + 2]++; /* behind the local header and its name */
	assert_refused(&zip, ERR_CONFIG, "damaged");
}

TEST(names_that_climb_or_are_twice_there_are_refused)
{
	static const struct {
		struct str name;
		const char *why;
	} rows[] = {
		{STR("../er"), "a name that is not accepted"},
		{STR("/a/er"), "a name that is not accepted"},
		{STR("a//er"), "a name that is not accepted"},
		{STR("./aer"), "a name that is not accepted"},
		{STR("a\\..b"), "a name that is not accepted"},
		{STR("c:aer"), "a name that is not accepted"},
		{STR("a\neer"), "a name that is not accepted"},
		{STR("OTHER"), "twice"},
	};
	const struct archive_entry entries[] = {{"other", STR("x")}, {"NAMED", STR("y")}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_BUF struct buf zip;
		write_zip(&zip, entries, COUNT(entries));
		assert_int_equal(patch(&zip, STR("NAMED"), rows[i].name), 2);
		assert_refused(&zip, ERR_CONFIG, rows[i].why);
	}
}

TEST(a_folder_is_passed_over)
{
	const struct archive_entry entries[] = {{"folderX", STR("")}, {"file", STR("y")}};
	AUTO_BUF struct buf zip;
	AUTO(archive_free) struct archive *a = NULL;
	struct err err;

	write_zip(&zip, entries, COUNT(entries));
	assert_int_equal(patch(&zip, STR("folderX"), STR("folder/")), 2);
	assert_ok(archive_open(buf_str(&zip), &a, &err), &err);
	assert_int_equal(archive_count(a), 1);
}

TEST(a_name_that_is_too_long_is_refused)
{
	char name[ARCHIVE_NAME_MAX + 2];
	struct archive_entry entry = {name, STR("x")};
	AUTO_BUF struct buf zip, longer;
	AUTO(archive_free) struct archive *a = NULL;
	struct err err;

	memset(name, 'n', sizeof name);
	name[ARCHIVE_NAME_MAX] = '\0';
	write_zip(&zip, &entry, 1);
	assert_ok(archive_open(buf_str(&zip), &a, &err), &err);
	name[ARCHIVE_NAME_MAX] = 'n';
	name[ARCHIVE_NAME_MAX + 1] = '\0';
	write_zip(&longer, &entry, 1);
	assert_refused(&longer, ERR_CONFIG, "a name that is not accepted");
}

TEST(a_bomb_is_not_inflated)
{
	AUTO_BUF struct buf zeros = BUF(MIB(3)), zip;
	struct archive_entry entry = {"zeros", STR_NONE};

	memset(buf_reserve(&zeros, MIB(2)), 0, MIB(2));
	buf_commit(&zeros, MIB(2));
	entry.content = buf_str(&zeros);
	write_zip(&zip, &entry, 1);
	assert_refused(&zip, ERR_LIMIT, "inflates to more than 800 times");
}

/* The directory says how much; both who says too much and who says too little is caught. */
TEST(sizes_that_lie_are_refused)
{
	const struct archive_entry entry = {"a", STR("0123456789")};
	AUTO_BUF struct buf zip, huge;

	write_zip(&zip, &entry, 1);
	assert_int_equal(patch(&zip, STR("\n\0\0\0\1\0"), STR("\3\0\0\0\1\0")), 2);
	assert_refused(&zip, ERR_CONFIG, "a");
	write_zip(&huge, &entry, 1);
	assert_int_equal(patch(&huge, STR("\n\0\0\0\1\0"), STR("\0\0\0\x40\1\0")), 2);
	assert_refused(&huge, ERR_LIMIT, "too large");
}

TEST(more_entries_than_allowed_are_refused)
{
	struct archive_entry entries[ARCHIVE_ENTRIES_MAX + 1];
	char names[ARCHIVE_ENTRIES_MAX + 1][8];
	AUTO_BUF struct buf zip, none = BUF(KIB(1));
	AUTO(archive_free) struct archive *a = NULL;
	struct err err;

	for (size_t i = 0; i < COUNT(entries); i++) {
		snprintf(names[i], sizeof names[i], "%03zu", i % 1000);
		entries[i] = (struct archive_entry){names[i], STR("")};
	}
	write_zip(&zip, entries, ARCHIVE_ENTRIES_MAX);
	assert_ok(archive_open(buf_str(&zip), &a, &err), &err);
	assert_err(archive_write(entries, COUNT(entries), 0, &none, &err), &err, ERR_LIMIT, "many");
}

TEST(an_archive_that_is_too_long_is_not_looked_at)
{
	AUTO_BUF struct buf zip = BUF(ARCHIVE_MAX + KIB(1));

	memset(buf_reserve(&zip, ARCHIVE_MAX + 1), 'x', ARCHIVE_MAX + 1);
	buf_commit(&zip, ARCHIVE_MAX + 1);
	assert_refused(&zip, ERR_LIMIT, "at most");
}

TEST(encrypted_entries_and_other_methods_are_refused)
{
	const struct archive_entry entry = {"a", STR("0123456789")};
	AUTO_BUF struct buf zip, other;

	write_zip(&zip, &entry, 1);
	zip.at[6] |= 1;
	for (size_t i = 0; i + 9 < zip.len; i++) {
		if (str_eq(str_make(zip.at + i, 4), STR("PK\1\2"))) {
			zip.at[i + 8] |= 1;
		}
	}
	assert_refused(&zip, ERR_CONFIG, "encrypted");
	write_zip(&other, &entry, 1);
	other.at[8] = 12;
	for (size_t i = 0; i + 11 < other.len; i++) {
		if (str_eq(str_make(other.at + i, 4), STR("PK\1\2"))) {
			other.at[i + 10] = 12;
		}
	}
	assert_refused(&other, ERR_CONFIG, "method 12");
}

TEST(what_could_not_be_read_again_is_not_written)
{
	AUTO_BUF struct buf zip = BUF(KIB(64));
	AUTO_FREE char *large = must_alloc(ARCHIVE_ENTRY_MAX + 1);
	const struct archive_entry entry = {"a", {large, ARCHIVE_ENTRY_MAX + 1}};
	struct err err;

	assert_err(archive_write(&entry, 1, 0, &zip, &err), &err, ERR_LIMIT, "too large");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_was_written_is_read_again),
	cmocka_unit_test(an_archive_without_entries_is_refused),
	cmocka_unit_test(what_is_no_archive_or_cut_is_refused),
	cmocka_unit_test(a_changed_byte_of_the_content_is_noticed),
	cmocka_unit_test(names_that_climb_or_are_twice_there_are_refused),
	cmocka_unit_test(a_folder_is_passed_over),
	cmocka_unit_test(a_name_that_is_too_long_is_refused),
	cmocka_unit_test(a_bomb_is_not_inflated),
	cmocka_unit_test(sizes_that_lie_are_refused),
	cmocka_unit_test(more_entries_than_allowed_are_refused),
	cmocka_unit_test(an_archive_that_is_too_long_is_not_looked_at),
	cmocka_unit_test(encrypted_entries_and_other_methods_are_refused),
	cmocka_unit_test(what_could_not_be_read_again_is_not_written),
};

UNIT_MAIN(tests)
