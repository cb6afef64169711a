#include "keys/master.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "unit/unit.h"

static struct err err;
static char folder[64], path[96];

static int make_folder(void **state UNUSED)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/master-test-XXXXXX");
	log_setup(LOG_ERROR, false, "test");
	unsetenv("CREDENTIALS_DIRECTORY");
	unsetenv(MASTER_VARIABLE);
	if (!mkdtemp(folder)) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", folder, MASTER_CREDENTIAL);
	return 0;
}

static int remove_folder(void **state UNUSED)
{
	unlink(path);
	return rmdir(folder);
}

static size_t read_all(int fd, char *into, size_t size)
{
	ssize_t n = pread(fd, into, size, 0);
	return n > 0 ? (size_t)n : 0;
}

static void write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close_fd(fd);
}

TEST(the_first_start_makes_a_file_that_nobody_else_reads)
{
	char hex[MASTER_TEXT_MAX], again[MASTER_TEXT_MAX];
	uint8_t bytes[32];
	struct stat st;
	int fd;

	assert_ok(master_open(path, true, &fd, &err), &err);
	assert_int_equal(read_all(fd, hex, sizeof(hex)), 65);
	assert_true(str_to_hex_bytes(str_make(hex, 64), bytes, sizeof(bytes)));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	close_fd(fd);
	assert_ok(master_open(path, false, &fd, &err), &err);
	assert_int_equal(read_all(fd, again, sizeof(again)), 65);
	assert_memory_equal(hex, again, 65);
	close_fd(fd);
}

TEST(the_folder_of_the_file_is_made_for_the_owner_alone)
{
	char nest[sizeof(path) + 2], key[sizeof(path) + 8];
	struct stat st;
	int fd;

	(void)snprintf(nest, sizeof(nest), "%s.d", path);
	(void)snprintf(key, sizeof(key), "%s/key", nest);
	assert_ok(master_open(key, true, &fd, &err), &err);
	close_fd(fd);
	assert_int_equal(stat(nest, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(rmdir(nest), 0);
}

/* In place of the C library's: what was there when it was called. */
static struct {
	bool file_first; /* bytes were synced before the name was there */
	bool folder;     /* a folder was synced, with the name in it */
	struct stat named;
} synced;

int fsync(int fd)
{
	struct stat st, named = {0};
	bool is_named = stat(path, &named) == 0;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode)) {
		synced.folder = is_named;
		synced.named = named;
	} else {
		synced.file_first = !is_named || named.st_ino != st.st_ino;
	}
	return (int)syscall(SYS_fsync, fd);
}

/*
 * A kill between open() and write() left an empty file, which no later start took or replaced; and
 * after a power cut the folder could be without the key that things were sealed under already.
 */
TEST(the_file_has_its_name_when_it_is_whole_and_the_folder_is_synced)
{
	struct stat st;
	int fd;

	memset(&synced, 0, sizeof(synced));
	assert_ok(master_open(path, true, &fd, &err), &err);
	close_fd(fd);
	assert_true(synced.file_first && synced.folder);
	memset(&synced, 0, sizeof(synced));
	assert_ok(master_prepend(path, &err), &err);
	assert_true(synced.file_first && synced.folder);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_ino == synced.named.st_ino);
}

TEST(a_lost_key_is_not_replaced_in_silence)
{
	int fd;

	assert_err(master_open(path, false, &fd, &err), &err, ERR_CONFIG, "is missing");
	assert_int_not_equal(access(path, F_OK), 0);
}

TEST(a_file_that_others_may_read_is_refused)
{
	int fd;

	write_file("00", 0440);
	assert_err(master_open(path, false, &fd, &err), &err, ERR_CONFIG, "chmod 0400");
}

TEST(the_environment_is_wiped_and_wins_over_the_file)
{
	static char variable[] = MASTER_VARIABLE "=abcdef";
	char text[MASTER_TEXT_MAX];
	int fd;

	write_file("00", 0400);
	assert_int_equal(putenv(variable), 0);
	assert_ok(master_open(path, false, &fd, &err), &err);
	assert_int_equal(read_all(fd, text, sizeof(text)), 6);
	assert_memory_equal(text, "abcdef", 6);
	assert_null(getenv(MASTER_VARIABLE));
	assert_null(memmem(variable, sizeof(variable), "abc", 3));
	close_fd(fd);
}

TEST(a_credential_wins_over_all)
{
	char text[MASTER_TEXT_MAX];
	int fd;

	write_file("123", 0440); /* systemd guards its folder */
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	assert_ok(master_open("/nowhere", false, &fd, &err), &err);
	assert_int_equal(read_all(fd, text, sizeof(text)), 3);
	unsetenv("CREDENTIALS_DIRECTORY");
	close_fd(fd);
}

TEST(a_new_key_stands_before_the_old_ones_until_they_are_dropped)
{
	char one[MASTER_TEXT_MAX], two[MASTER_TEXT_MAX];
	struct stat st;
	int fd, other;

	assert_ok(master_open(path, true, &fd, &err), &err);
	assert_int_equal(read_all(fd, one, sizeof(one)), 65);
	assert_ok(master_prepend(path, &err), &err);
	assert_ok(master_reopen(path, fd, &other, &err), &err);
	assert_true(other >= 0);
	assert_int_equal(read_all(other, two, sizeof(two)), 130);
	assert_memory_equal(two + 65, one, 65);
	assert_memory_not_equal(two, one, 65);
	assert_int_equal(fstat(other, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	close_fd(fd);
	assert_ok(master_reopen(path, other, &fd, &err), &err);
	assert_int_equal(fd, -1);
	close_fd(other);
	assert_ok(master_keep_first(path, &err), &err);
	assert_ok(master_open(path, false, &fd, &err), &err);
	assert_int_equal(read_all(fd, one, sizeof(one)), 65);
	assert_memory_equal(one, two, 65);
	close_fd(fd);
}

TEST(a_file_of_something_else_gets_no_key)
{
	char text[MASTER_TEXT_MAX];
	int fd;

	write_file("listen.admin = localhost\n", 0400);
	assert_err(master_prepend(path, &err), &err, ERR_CONFIG, "is no key");
	assert_err(master_keep_first(path, &err), &err, ERR_CONFIG, "is no key");
	fd = open(path, O_RDONLY);
	assert_int_equal(read_all(fd, text, sizeof(text)), 25);
	close_fd(fd);
}

#define MASTER_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
static const struct CMUnitTest tests[] = {
	MASTER_TEST(the_first_start_makes_a_file_that_nobody_else_reads),
	MASTER_TEST(the_folder_of_the_file_is_made_for_the_owner_alone),
	MASTER_TEST(the_file_has_its_name_when_it_is_whole_and_the_folder_is_synced),
	MASTER_TEST(a_lost_key_is_not_replaced_in_silence),
	MASTER_TEST(a_file_that_others_may_read_is_refused),
	MASTER_TEST(a_new_key_stands_before_the_old_ones_until_they_are_dropped),
	MASTER_TEST(a_file_of_something_else_gets_no_key),
	MASTER_TEST(the_environment_is_wiped_and_wins_over_the_file),
	MASTER_TEST(a_credential_wins_over_all),
};
UNIT_MAIN(tests)
