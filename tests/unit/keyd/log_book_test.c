/* The anchor as keyd writes it, read by keys/anchor. */
#include "keyd/log_book.h"

#include <stdio.h>
#include <sys/stat.h>

#include "keyd/log_tail.h"
#include "unit/keyd/place.h"
#include "unit/unit.h"

static struct place place;
static struct err err;
static char path[128];

static int open_place(void **state UNUSED)
{
	place = (struct place){0};
	place_open(&place);
	(void)snprintf(path, sizeof(path), "%s/anchor", place.folder);
	return 0;
}

static int close_place(void **state UNUSED)
{
	place_close(&place);
	return 0;
}

static bool add(const char *chain, int64_t n, uint8_t first)
{
	const uint8_t hash[ANCHOR_HASH] = {first};

	return log_book_add(place.book, PLACE_NOW, str_of(chain), n, hash, &err);
}

static void reopen(void)
{
	log_book_close(place.book);
	place.book = NULL;
	assert_ok(log_book_open(place.vault, place.dir, &place.book, &err), &err);
}

static void write_at(off_t at, int whence, const char *bytes, size_t len)
{
	int fd = openat(place.dir, "anchor", O_WRONLY | O_CLOEXEC);
	assert_true(lseek(fd, at, whence) >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close_fd(fd);
}

struct wanted {
	struct str chain;
	struct anchor_last last;
};

static bool keep_last(void *user, const struct anchor_line *line, struct err *e UNUSED)
{
	struct wanted *w = user;

	if (str_eq(line->chain, w->chain)) {
		w->last.n = line->n;
		memcpy(w->last.hash, line->hash, ANCHOR_HASH);
	}
	return true;
}

/* The last line of a chain; n 0: there is none. */
static struct anchor_last last_of(const char *chain)
{
	struct wanted w = {.chain = str_of(chain)};
	struct anchor_summary sum;

	assert_ok(anchor_read(path, keep_last, &w, &sum, &err), &err);
	return w.last;
}

TEST(what_was_noted_is_read_and_verified)
{
	struct anchor_summary sum;

	assert_ok(add("head", 1, 1), &err);
	assert_ok(add("node:a", 7, 9), &err);
	assert_ok(add("head", 4711, 2), &err);
	reopen();
	assert_ok(add("head", 4712, 3), &err);
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
	assert_int_equal(sum.lines, 4);
	assert_false(sum.is_torn);
	assert_int_equal(last_of("head").n, 4712);
	assert_int_equal(last_of("head").hash[0], 3);
	assert_int_equal(last_of("node:a").n, 7);
	assert_int_equal(last_of("node:b").n, 0);
}

TEST(a_lower_number_or_another_hash_is_a_conflict)
{
	struct anchor_summary sum;

	assert_ok(add("head", 10, 1), &err);
	assert_ok(add("head", 10, 1), &err);
	assert_err(add("head", 9, 1), &err, ERR_CONFLICT, "rolled back");
	assert_err(add("head", 10, 2), &err, ERR_CONFLICT, "another hash");
	reopen();
	assert_err(add("head", 9, 1), &err, ERR_CONFLICT, "was 10 and is now 9");
	assert_err(add("he ad", 11, 1), &err, ERR_DENIED, "no chain");
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
	assert_int_equal(sum.lines, 1);
}

TEST(half_a_last_line_is_cut_off)
{
	struct anchor_summary sum;

	assert_ok(add("head", 1, 1), &err);
	write_at(0, SEEK_END, "2026-11-22T03:10", 16);
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
	assert_true(sum.is_torn);
	reopen();
	assert_ok(add("head", 2, 1), &err);
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
	assert_false(sum.is_torn);
	assert_int_equal(sum.lines, 2);
}

/* Every byte behind the head line, one after the other. */
TEST(a_changed_byte_is_found)
{
	struct anchor_summary sum;
	struct stat st;
	char head[ANCHOR_LINE_MAX], byte;

	assert_ok(add("head", 1, 1), &err);
	assert_ok(add("head", 2, 1), &err);
	FILE *f = fopen(path, "r");
	assert_non_null(fgets(head, sizeof(head), f));
	fclose(f);
	assert_int_equal(fstatat(place.dir, "anchor", &st, 0), 0);
	int fd = openat(place.dir, "anchor", O_RDONLY | O_CLOEXEC);
	/* Not the last newline: without it the line is torn. */
	for (off_t at = (off_t)strlen(head); at < st.st_size - 1; at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		char other = byte == 'A' ? 'B' : 'A';
		write_at(at, SEEK_SET, &other, 1);
		if (anchor_read(path, NULL, NULL, &sum, &err)) {
			fail_msg("a change at byte %ld was not found", (long)at);
		}
		write_at(at, SEEK_SET, &byte, 1);
	}
	close_fd(fd);
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
}

TEST(a_line_taken_out_is_found)
{
	struct anchor_summary sum;
	char lines[4][ANCHOR_LINE_MAX];

	for (int64_t n = 1; n <= 3; n++) {
		assert_ok(add("head", n, 1), &err);
	}
	FILE *f = fopen(path, "r");
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_non_null(fgets(lines[i], sizeof(lines[i]), f));
	}
	fclose(f);
	f = fopen(path, "w");
	(void)fputs(lines[0], f);
	(void)fputs(lines[1], f);
	(void)fputs(lines[3], f);
	fclose(f);
	assert_err(anchor_read(path, NULL, NULL, &sum, &err), &err, ERR_DENIED, "line 3");
}

TEST(another_key_than_the_anchors_is_refused)
{
	struct log_book *b;

	assert_ok(add("head", 1, 1), &err);
	assert_int_equal(unlinkat(place.dir, "anchor.key", 0), 0);
	assert_err(log_book_open(place.vault, place.dir, &b, &err), &err, ERR_CONFIG, "has no key");
}

/* As while the master key is rotated. */
TEST(two_writers_go_on_where_the_other_one_ended)
{
	AUTO(log_book_close) struct log_book *other = NULL;
	struct anchor_summary sum;
	const uint8_t hash[ANCHOR_HASH] = {1};

	assert_ok(log_book_open(place.vault, place.dir, &other, &err), &err);
	for (int64_t n = 1; n <= 10; n++) {
		assert_ok(log_book_add(n % 2 ? place.book : other, PLACE_NOW, STR("head"), n, hash,
				       &err),
			  &err);
	}
	assert_false(log_book_add(place.book, PLACE_NOW, STR("head"), 9, hash, &err));
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
	assert_int_equal(sum.lines, 10);
}

TEST(the_key_moves_to_the_new_master_key)
{
	AUTO(vault_free) struct vault *both = NULL, *fresh = NULL;
	AUTO_BUF struct buf lines = BUF(KIB(1));
	struct str new_key =
		STR("ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\n");
	struct anchor_summary sum;

	assert_ok(add("head", 1, 1), &err);
	buf_add_str(&lines, new_key);
	buf_add_str(&lines, place_master());
	assert_ok(vault_open(buf_str(&lines), ~0U, &both, &err), &err);
	assert_ok(vault_open(new_key, ~0U, &fresh, &err), &err);
	log_book_close(place.book);
	place.book = NULL;
	assert_false(log_book_open(fresh, place.dir, &place.book, &err));
	assert_ok(log_book_open(both, place.dir, &place.book, &err), &err);
	log_book_close(place.book);
	assert_ok(log_book_open(fresh, place.dir, &place.book, &err), &err);
	assert_ok(add("head", 2, 1), &err);
	assert_ok(anchor_read(path, NULL, NULL, &sum, &err), &err);
}

/* ---- the index (keyd/log_tail.h) ---- */

/* As many lines as it takes for an index, and three behind it. */
static int64_t write_indexed(void)
{
	int64_t n = 0;

	assert_ok(add("old", 7, 7), &err);
	while (faccessat(place.dir, "anchor.index", F_OK, 0) != 0) {
		assert_true(n < LOG_TAIL_EVERY / 100);
		assert_ok(add("head", ++n, 1), &err);
	}
	for (int i = 0; i < 3; i++) {
		assert_ok(add("head", ++n, 1), &err);
	}
	return n;
}

/* The first byte of the line's text that follows `text`. */
static off_t place_of(const char *text, bool last)
{
	AUTO_BUF struct buf all = BUF(MIB(1));
	off_t found = -1;
	int fd = openat(place.dir, "anchor", O_RDONLY | O_CLOEXEC);
	char *room = buf_reserve(&all, KIB(512));

	buf_commit(&all, (size_t)read(fd, room, KIB(512)));
	close_fd(fd);
	for (char *p = all.at; (p = strstr(p, text)) != NULL; p++) {
		found = found < 0 || last ? p - all.at + (off_t)strlen(text) : found;
	}
	assert_true(found > 0);
	return found;
}

TEST(a_start_reads_what_is_behind_the_index)
{
	struct anchor_last last;
	struct log_book *b;

	int64_t n = write_indexed();
	write_at(place_of(" head 1", false), SEEK_SET, "/", 1); /* is no line any more */
	reopen();
	assert_ok(log_book_last(place.book, STR("head"), &last, &err), &err);
	assert_int_equal(last.n, n);
	assert_ok(log_book_last(place.book, STR("old"), &last, &err), &err);
	assert_int_equal(last.n, 7);
	assert_int_equal(last.hash[0], 7);
	assert_ok(log_book_last(place.book, STR("other"), &last, &err), &err);
	assert_int_equal(last.n, 0);
	assert_err(add("old", 6, 7), &err, ERR_CONFLICT, "rolled back");
	assert_ok(add("head", n + 1, 1), &err);
	/* Without the index, and with one that was changed, all of it is read. */
	int fd = openat(place.dir, "anchor.index", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "D", 1, 0), 1);
	close_fd(fd);
	assert_err(log_book_open(place.vault, place.dir, &b, &err), &err, ERR_CONFIG, "is none");
	assert_int_equal(unlinkat(place.dir, "anchor.index", 0), 0);
	assert_err(log_book_open(place.vault, place.dir, &b, &err), &err, ERR_CONFIG, "is none");
}

TEST(a_changed_line_behind_the_index_is_refused)
{
	char number[32];
	struct log_book *b;

	int64_t n = write_indexed();
	(void)snprintf(number, sizeof(number), " head %lld", (long long)n);
	write_at(place_of(number, true) + 1, SEEK_SET, "a", 1); /* of the hash */
	assert_err(log_book_open(place.vault, place.dir, &b, &err), &err, ERR_CONFIG,
		   "does not verify");
}

TEST(an_index_of_another_anchor_is_passed_over)
{
	struct anchor_last last;

	(void)write_indexed();
	assert_int_equal(unlinkat(place.dir, "anchor", 0), 0);
	reopen();
	assert_ok(log_book_last(place.book, STR("head"), &last, &err), &err);
	assert_int_equal(last.n, 0);
	assert_ok(add("head", 1, 1), &err);
}

#define BOOK_TEST(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)
static const struct CMUnitTest tests[] = {
	BOOK_TEST(what_was_noted_is_read_and_verified),
	BOOK_TEST(a_lower_number_or_another_hash_is_a_conflict),
	BOOK_TEST(half_a_last_line_is_cut_off),
	BOOK_TEST(a_changed_byte_is_found),
	BOOK_TEST(a_line_taken_out_is_found),
	BOOK_TEST(another_key_than_the_anchors_is_refused),
	BOOK_TEST(two_writers_go_on_where_the_other_one_ended),
	BOOK_TEST(the_key_moves_to_the_new_master_key),
	BOOK_TEST(a_start_reads_what_is_behind_the_index),
	BOOK_TEST(a_changed_line_behind_the_index_is_refused),
	BOOK_TEST(an_index_of_another_anchor_is_passed_over),
};
UNIT_MAIN(tests)
