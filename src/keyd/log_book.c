#include "keyd/log_book.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/log.h"
#include "keyd/log_tail.h"

enum {
	KEY_FILE_MAX = KIB(4),
	HEAD_MAX = KIB(1),
	PIECE = KIB(64),
};

#define KEY_LABEL STR("anchor")

struct log_book {
	pthread_mutex_t lock;
	int fd, dir; /* dir: lent */
	struct local_key *key;
	struct buf spki;      /* of the key */
	struct log_tail tail; /* what was read */
	bool verifies;        /* lines that are read must be signed: those behind an index */
};

/* ---- the key ---- */

static bool write_key(const struct vault *v, int dir, const struct local_key *key, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(KEY_FILE_MAX), sealed = BUF(KEY_FILE_MAX);

	if (!local_key_write(key, &plain, err) ||
	    !vault_seal(v, KEY_LABEL, buf_str(&plain), &sealed, err)) {
		return false;
	}
	AUTO_FD int fd =
		openat(dir, "anchor.key.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, sealed.at, sealed.len) != (ssize_t)sealed.len || fsync(fd) != 0 ||
	    renameat(dir, "anchor.key.new", dir, "anchor.key") != 0 || fsync(dir) != 0) {
		return err_errno(err, ERR_SYSTEM,
				 "cannot write \"anchor.key\" in the key process's folder (is the "
				 "disk full, or the folder read-only?)");
	}
	return true;
}

static bool make_key(const struct vault *v, int dir, struct local_key **out, struct err *err)
{
	AUTO(local_key_free) struct local_key *key = NULL;

	if (!local_key_generate(KEY_KIND_P256, &key, err) || !write_key(v, dir, key, err)) {
		return false;
	}
	*out = TAKE(key);
	return true;
}

/* Written again when it was sealed under an older master key. */
static bool read_key(const struct vault *v, int dir, int fd, struct local_key **out,
		     struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(KEY_FILE_MAX), bound = BUF(64);
	AUTO(local_key_free) struct local_key *key = NULL;
	char sealed[KEY_FILE_MAX];
	bool again;

	ssize_t n = read(fd, sealed, sizeof(sealed));
	if (n < 0) {
		return err_errno(err, ERR_SYSTEM, "cannot read \"anchor.key\"");
	}
	wr_u8(&bound, VAULT_SECRET);
	buf_add_str(&bound, KEY_LABEL);
	if (!vault_unseal_bound(v, buf_str(&bound), str_make(sealed, (size_t)n), &plain, &again,
				err) ||
	    !local_key_read(buf_str(&plain), &key, err)) {
		return err_set(err, ERR_CONFIG,
			       "the key of the anchor does not open: put \"anchor.key\" of the key "
			       "process's folder back from a copy");
	}
	if (again && !write_key(v, dir, key, err)) {
		return false;
	}
	*out = TAKE(key);
	return true;
}

static bool open_key(const struct vault *v, int dir, struct local_key **out, struct err *err)
{
	AUTO_FD int fd = openat(dir, "anchor.key", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0) {
		return read_key(v, dir, fd, out, err);
	}
	if (errno != ENOENT) {
		return err_errno(err, ERR_SYSTEM, "cannot open \"anchor.key\"");
	}
	if (fstatat(dir, "anchor", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		return err_set(err, ERR_CONFIG,
			       "the anchor has no key: put \"anchor.key\" of the key process's "
			       "folder back, or move \"anchor\" away to start a new one");
	}
	return make_key(v, dir, out, err);
}

/* ---- the file ---- */

/* Over the whole file, waiting; OFD locks also work between threads and go with the descriptor. */
static bool lock_file(int fd, short kind)
{
	struct flock lock = {.l_type = kind, .l_whence = SEEK_SET};
	int rc;

	do {
		rc = fcntl(fd, F_OFD_SETLKW, &lock);
	} while (rc != 0 && errno == EINTR);
	return rc == 0;
}

/* Whole lines of `bytes`; what is left over is half a line, or none. */
static bool keep_lines(struct log_book *b, struct buf *bytes, struct err *err)
{
	struct str rest = buf_str(bytes);

	for (;;) {
		size_t end = str_find(rest, '\n');
		if (end == rest.len) {
			break;
		}
		struct str spki = b->verifies ? buf_str(&b->spki) : STR_NONE;
		if (!log_tail_take(&b->tail, str_first(rest, end), spki, err)) {
			return false;
		}
		rest = str_skip(rest, end + 1);
	}
	buf_drop_front(bytes, bytes->len - rest.len);
	return true;
}

/* From what was read on; cuts half a last line off. The file is locked. */
static bool read_on(struct log_book *b, struct err *err)
{
	AUTO_BUF struct buf bytes = BUF(PIECE + HEAD_MAX);
	off_t at = b->tail.end;
	struct stat st;

	if (fstat(b->fd, &st) != 0 || st.st_size < b->tail.end) {
		return err_set(err, ERR_SYSTEM,
			       "the anchor became shorter: put it back from a copy and start "
			       "again");
	}
	for (;;) {
		char *room = buf_reserve(&bytes, PIECE);
		if (room == NULL) {
			return err_set(err, ERR_CONFIG, "the anchor has a line that is too long");
		}
		ssize_t n = pread(b->fd, room, PIECE, at);
		if (n < 0) {
			return err_errno(err, ERR_SYSTEM, "cannot read the anchor");
		}
		if (n == 0) {
			break;
		}
		at += n;
		buf_commit(&bytes, (size_t)n);
		if (!keep_lines(b, &bytes, err)) {
			return false;
		}
	}
	if (bytes.len > 0 && ftruncate(b->fd, b->tail.end) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot cut half a line off the anchor");
	}
	return true;
}

/* An index that cannot be written makes the next start slower, and no more. The file is locked. */
static void write_index(struct log_book *b)
{
	struct err err;

	if (log_tail_is_due(&b->tail) && !log_tail_save(&b->tail, b->dir, b->key, &err)) {
		log_debug("the anchor's index stays as it was", LOG_ERR(&err));
	}
}

/* One line, whole and on disk, or nothing of it. */
static bool append(struct log_book *b, struct str line, struct err *err)
{
	CRASH_POINT("keyd.anchor.signed");
	ssize_t n = pwrite(b->fd, line.at, line.len, b->tail.end);
	CRASH_POINT("keyd.anchor.written"); /* and not synced */

	if (n == (ssize_t)line.len && fsync(b->fd) == 0) {
		return log_tail_take(&b->tail, str_first(line, line.len - 1), STR_NONE, err);
	}
	if (n >= 0 && n != (ssize_t)line.len) {
		errno = ENOSPC;
	}
	(void)err_errno(err, ERR_SYSTEM, "cannot append to the anchor");
	if (n > 0 && ftruncate(b->fd, b->tail.end) != 0) {
		(void)err_wrap(err, "and half a line stayed");
	}
	return false;
}

static bool check_head(struct log_book *b, struct err *err)
{
	AUTO_BUF struct buf head = BUF(HEAD_MAX), first = BUF(HEAD_MAX);

	anchor_write_head(&head, buf_str(&b->spki));
	if (b->tail.end == 0) {
		return append(b, buf_str(&head), err);
	}
	char *room = buf_reserve(&first, head.len);
	ssize_t n = pread(b->fd, room, head.len, 0);
	buf_commit(&first, n > 0 ? (size_t)n : 0);
	return str_eq(buf_str(&first), buf_str(&head)) ||
	       err_set(err, ERR_CONFIG,
		       "the anchor was made with another key: put \"anchor\" and \"anchor.key\" of "
		       "the key process's folder back, both from the same copy");
}

static bool open_file(struct log_book *b, struct err *err)
{
	if (!lock_file(b->fd, F_WRLCK)) {
		return err_errno(err, ERR_SYSTEM, "cannot lock the anchor");
	}
	b->verifies = log_tail_load(&b->tail, b->dir, b->fd, buf_str(&b->spki));
	bool ok = read_on(b, err) && check_head(b, err);
	if (ok) {
		b->verifies = true;
		write_index(b);
	}
	(void)lock_file(b->fd, F_UNLCK);
	return ok;
}

bool log_book_open(const struct vault *v, int dir, struct log_book **out, struct err *err)
{
	AUTO(log_book_close) struct log_book *b = NEW(struct log_book);

	pthread_mutex_init(&b->lock, NULL);
	b->spki = BUF(HEAD_MAX);
	log_tail_init(&b->tail);
	b->fd = -1;
	b->dir = dir;
	if (!open_key(v, dir, &b->key, err) || !local_key_spki(b->key, &b->spki, err)) {
		return false;
	}
	b->fd = openat(dir, "anchor", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (b->fd < 0) {
		return err_errno(err, ERR_SYSTEM,
				 "cannot open \"anchor\" in the key process's folder (is the disk "
				 "full, or the folder read-only?)");
	}
	if (!open_file(b, err) || (fsync(dir) != 0 && errno != EINVAL)) {
		return false;
	}
	*out = TAKE(b);
	return true;
}

void log_book_close(struct log_book *b)
{
	if (!b) {
		return;
	}
	log_tail_fini(&b->tail);
	local_key_free(b->key);
	buf_fini(&b->spki);
	close_fd(b->fd);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* ---- appending ---- */

enum judgement {
	NEWER,
	KNOWN,
	OLDER, /* see err */
};

static enum judgement judge(const struct log_book *b, struct str chain, int64_t n,
			    const uint8_t *hash, struct err *err)
{
	const struct log_tail_last *last = log_tail_find(&b->tail, chain);

	if (last == NULL || n > last->n) {
		return NEWER;
	}
	if (n == last->n && memcmp(hash, last->hash, ANCHOR_HASH) == 0) {
		return KNOWN;
	}
	(void)err_set(err, ERR_CONFLICT,
		      "the audit's head was %" PRId64 " and is now %" PRId64
		      "%s: the database was rolled back or changed",
		      last->n, n, n == last->n ? " with another hash" : "");
	return OLDER;
}

static bool add_signed(struct log_book *b, int64_t now, struct str chain, int64_t n,
		       const uint8_t *hash, struct err *err)
{
	AUTO_BUF struct buf line = BUF(ANCHOR_LINE_MAX + 1), message = BUF(KIB(2));
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);

	anchor_write_line(&line, now, chain, n, hash);
	buf_add_str(&message, buf_str(&b->tail.line));
	buf_add_c(&message, '\n');
	buf_add_str(&message, buf_str(&line));
	if (!local_key_sign(b->key, KEY_ECDSA_SHA256, buf_str(&message), &signature, err)) {
		return false;
	}
	buf_add_c(&line, ' ');
	buf_add_base64(&line, signature.at, signature.len);
	buf_add_c(&line, '\n');
	if (!append(b, buf_str(&line), err)) {
		return false;
	}
	write_index(b);
	return true;
}

static bool add_locked(struct log_book *b, int64_t now, struct str chain, int64_t n,
		       const uint8_t *hash, struct err *err)
{
	if (!read_on(b, err)) {
		return false;
	}
	if (log_tail_find(&b->tail, chain) == NULL &&
	    map_count(b->tail.last) >= LOG_TAIL_CHAINS_MAX) {
		return err_set(err, ERR_LIMIT, "more than %d chains in one anchor",
			       LOG_TAIL_CHAINS_MAX);
	}
	switch (judge(b, chain, n, hash, err)) {
	case NEWER:
		return add_signed(b, now, chain, n, hash, err);
	case KNOWN:
		return true;
	case OLDER:
	default:
		return false;
	}
}

bool log_book_last(struct log_book *b, struct str chain, struct anchor_last *out, struct err *err)
{
	pthread_mutex_lock(&b->lock);
	bool ok = lock_file(b->fd, F_WRLCK) ? read_on(b, err)
					    : err_errno(err, ERR_SYSTEM, "cannot lock the anchor");
	const struct log_tail_last *last = ok ? log_tail_find(&b->tail, chain) : NULL;
	*out = (struct anchor_last){0};
	if (last != NULL) {
		out->n = last->n;
		memcpy(out->hash, last->hash, ANCHOR_HASH);
	}
	(void)lock_file(b->fd, F_UNLCK);
	pthread_mutex_unlock(&b->lock);
	return ok;
}

bool log_book_add(struct log_book *b, int64_t now, struct str chain, int64_t n,
		  const uint8_t hash[static ANCHOR_HASH], struct err *err)
{
	if (!anchor_chain_is_fair(chain) || n < 0) {
		return err_set(err, ERR_DENIED, "this is no chain's name or number");
	}
	pthread_mutex_lock(&b->lock);
	bool ok = lock_file(b->fd, F_WRLCK) ? add_locked(b, now, chain, n, hash, err)
					    : err_errno(err, ERR_SYSTEM, "cannot lock the anchor");
	(void)lock_file(b->fd, F_UNLCK);
	pthread_mutex_unlock(&b->lock);
	return ok;
}
