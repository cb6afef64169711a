#include "keys/master.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"

static bool open_credential(int *fd, struct err *err)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	AUTO_BUF struct buf path = BUF(PATH_MAX);

	*fd = -1;
	if (!folder) {
		return true;
	}
	buf_addf(&path, "%s/%s", folder, MASTER_CREDENTIAL);
	*fd = buf_failed(&path) ? -1 : open(path.at, O_RDONLY | O_CLOEXEC);
	if (*fd < 0 && errno != ENOENT) {
		return err_errno(err, ERR_CONFIG, "cannot open the credential %s", path.at);
	}
	return true;
}

/* The value moves into a memfd, and is overwritten where /proc/PID/environ shows it. */
static bool open_variable(int *fd, struct err *err)
{
	char *value = getenv(MASTER_VARIABLE);

	*fd = -1;
	if (!value) {
		return true;
	}
	size_t len = strlen(value);
	AUTO_FD int memory = memfd_create("master", MFD_CLOEXEC);
	bool ok = memory >= 0 && write(memory, value, len) == (ssize_t)len;
	explicit_bzero(value, len);
	unsetenv(MASTER_VARIABLE);
	if (!ok) {
		return err_errno(err, ERR_SYSTEM, "cannot keep the master key of the environment");
	}
	log_warning("the master key comes from the environment: a file or a systemd credential is "
		    "safer");
	*fd = TAKE_FD(memory);
	return true;
}

/* One level, for the usual place; what is wrong with it the opening of the file tells. */
static void make_folder_of(const char *path)
{
	struct str whole = str_of(path);
	size_t slash = str_find_last(whole, '/');
	AUTO_FREE char *folder = str_dup(str_first(whole, slash));

	if (slash > 0 && slash < whole.len) {
		(void)mkdir(folder, 0700);
	}
}

/* The name of a file is on disk when its folder is. */
static bool sync_folder_of(const char *path)
{
	struct str whole = str_of(path);
	size_t slash = str_find_last(whole, '/');
	AUTO_FREE char *folder =
		slash == whole.len ? str_dup(STR(".")) : str_dup(str_first(whole, slash + 1));
	AUTO_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* some file systems cannot */
}

/*
 * Text for `path`, whole and on disk, under a name beside it: a program that is killed leaves no
 * half of a key. `like` NULL: of the user who runs.
 */
static bool write_beside(const char *path, const struct stat *like, struct str text,
			 struct buf *beside, struct err *err)
{
	buf_addf(beside, "%s.new", path);
	if (buf_failed(beside)) {
		return err_set(err, ERR_CONFIG, "the name of the master key file is too long");
	}
	(void)unlink(beside->at); /* of a step that was killed */
	AUTO_FD int fd = open(beside->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (fd < 0) {
		return err_errno(err, ERR_CONFIG,
				 "cannot make the master key file %s (give another place with "
				 "master.key.file)",
				 beside->at);
	}
	if ((like != NULL && fchown(fd, like->st_uid, like->st_gid) != 0) ||
	    write(fd, text.at, text.len) != (ssize_t)text.len || fsync(fd) != 0) {
		(void)err_errno(err, ERR_SYSTEM, "cannot write the master key file %s", beside->at);
		(void)unlink(beside->at);
		return false;
	}
	return true;
}

static bool make_file(const char *path, struct err *err)
{
	AUTO_BUF struct buf hex = BUF_SECRET(128), beside = BUF(PATH_MAX);
	uint8_t bytes[32];

	random_bytes(bytes, sizeof(bytes));
	buf_add_hex(&hex, bytes, sizeof(bytes));
	buf_add_c(&hex, '\n');
	explicit_bzero(bytes, sizeof(bytes));
	make_folder_of(path);
	if (!write_beside(path, NULL, buf_str(&hex), &beside, err)) {
		return false;
	}
	/* Not rename(): one that somebody made meanwhile stays. */
	bool made = link(beside.at, path) == 0 ||
		    err_errno(err, ERR_SYSTEM, "cannot make the master key file %s", path);
	(void)unlink(beside.at);
	if (!made) {
		return false;
	}
	if (!sync_folder_of(path)) {
		(void)err_errno(err, ERR_SYSTEM, "cannot sync the folder of %s", path);
		(void)unlink(path);
		return false;
	}
	log_info("made a new master key: keep a copy of this file in a safe place, without it "
		 "nothing that is sealed can be opened",
		 LOG_TEXT("file", path));
	return true;
}

static bool open_file(const char *path, bool first_start, int *fd, struct err *err)
{
	struct stat st;

	if (access(path, F_OK) != 0 && errno == ENOENT) {
		if (!first_start) {
			return err_set(err, ERR_CONFIG,
				       "the master key file %s is missing, and this state folder "
				       "was made with it: put its copy there",
				       path);
		}
		if (!make_file(path, err)) {
			return false;
		}
	}
	AUTO_FD int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (opened < 0 || fstat(opened, &st) != 0) {
		return err_errno(err, ERR_CONFIG, "cannot open the master key file %s", path);
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
		return err_set(err, ERR_CONFIG,
			       "the master key file %s may be read by others: chmod 0400 it", path);
	}
	*fd = TAKE_FD(opened);
	return true;
}

bool master_open(const char *path, bool first_start, int *fd, struct err *err)
{
	if (!open_credential(fd, err) || (*fd < 0 && !open_variable(fd, err))) {
		return false;
	}
	return *fd >= 0 || open_file(path, first_start, fd, err);
}

bool master_is_fixed(void)
{
	return getenv(MASTER_VARIABLE) != NULL && getenv("CREDENTIALS_DIRECTORY") == NULL;
}

static bool is_same(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino && one.st_size == other.st_size &&
	       one.st_mtim.tv_sec == other.st_mtim.tv_sec &&
	       one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

bool master_reopen(const char *path, int now, int *fd, struct err *err)
{
	AUTO_FD int opened = -1;

	if (!master_open(path, false, &opened, err)) {
		return false;
	}
	*fd = is_same(opened, now) ? -1 : TAKE_FD(opened);
	return true;
}

/* ---- the operator's steps ---- */

/* The lines of the file, which must be keys or remarks, into a wiping buffer. */
static bool read_lines(int fd, struct buf *text, struct err *err)
{
	uint8_t key[32];
	struct str rest, line;

	char *room = buf_reserve(text, MASTER_TEXT_MAX);
	ssize_t n = pread(fd, room, MASTER_TEXT_MAX, 0);
	if (n < 0 || n == MASTER_TEXT_MAX) {
		return err_set(err, ERR_CONFIG, "the master key file cannot be read whole");
	}
	buf_commit(text, (size_t)n);
	if (text->len > 0 && text->at[text->len - 1] != '\n') {
		buf_add_c(text, '\n');
	}
	rest = buf_str(text);
	while (str_next(&rest, '\n', &line)) {
		line = str_trim(line);
		bool fair = line.len == 0 || line.at[0] == '#' ||
			    str_to_hex_bytes(line, key, sizeof(key));
		explicit_bzero(key, sizeof(key));
		if (!fair) {
			return err_set(err, ERR_CONFIG,
				       "the master key file has a line that is no key");
		}
	}
	return true;
}

static void write_first(struct str text, struct buf *out)
{
	struct str line;

	while (str_next(&text, '\n', &line)) {
		line = str_trim(line);
		if (line.len > 0 && line.at[0] != '#') {
			buf_add_str(out, line);
			buf_add_c(out, '\n');
			return;
		}
	}
}

static bool replace_file(const char *path, int old, const struct buf *text, struct err *err)
{
	AUTO_BUF struct buf beside = BUF(PATH_MAX);
	struct stat st;

	if (text->len >= MASTER_TEXT_MAX) {
		return err_set(err, ERR_CONFIG, "the master key file would be too long");
	}
	if (fstat(old, &st) != 0) {
		return err_errno(err, ERR_SYSTEM, "%s", path);
	}
	if (!write_beside(path, &st, buf_str(text), &beside, err)) {
		return false;
	}
	if (rename(beside.at, path) != 0) {
		(void)err_errno(err, ERR_CONFIG, "cannot write %s", path);
		(void)unlink(beside.at);
		return false;
	}
	return sync_folder_of(path) ||
	       err_errno(err, ERR_SYSTEM, "cannot sync the folder of %s", path);
}

static bool rewrite(const char *path, bool prepend, struct err *err)
{
	AUTO_BUF struct buf old = BUF_SECRET(2 * MASTER_TEXT_MAX);
	AUTO_BUF struct buf text = BUF_SECRET(2 * MASTER_TEXT_MAX);
	AUTO_FD int fd = -1;
	uint8_t bytes[32];

	if (!open_file(path, false, &fd, err) || !read_lines(fd, &old, err)) {
		return false;
	}
	if (prepend) {
		random_bytes(bytes, sizeof(bytes));
		buf_add_hex(&text, bytes, sizeof(bytes));
		buf_add_c(&text, '\n');
		explicit_bzero(bytes, sizeof(bytes));
		buf_add_str(&text, buf_str(&old));
	} else {
		write_first(buf_str(&old), &text);
	}
	return text.len > 0 ? replace_file(path, fd, &text, err)
			    : err_set(err, ERR_CONFIG, "the master key file has no key");
}

bool master_prepend(const char *path, struct err *err)
{
	return rewrite(path, true, err);
}

bool master_keep_first(const char *path, struct err *err)
{
	return rewrite(path, false, err);
}
