#include "keyd/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/seal.h"

enum {
	FORM = 1,
	PAGE = 4096,
	PKCS8_MAX = KEYS_SEALED_MAX - SEAL_OVERHEAD - 2,
	CHECK_MAX = 128,
};
_Static_assert(VAULT_KEYS_MAX *(int)SEAL_KEY_BYTES <= (int)PAGE, "the keys lie in one page");

struct vault {
	unsigned classes;
	size_t n;
	uint8_t *masters; /* a page of its own: locked, not dumped, not inherited */
};

static const uint8_t *master_of(const struct vault *v, size_t i)
{
	return v->masters + i * SEAL_KEY_BYTES;
}

static struct str without_space(struct str s)
{
	while (s.len > 0 && (unsigned char)s.at[s.len - 1] <= ' ') {
		s.len--;
	}
	while (s.len > 0 && (unsigned char)s.at[0] <= ' ') {
		s = str_skip(s, 1);
	}
	return s;
}

static bool read_masters(struct vault *v, struct str text, struct err *err)
{
	struct str line;

	while (str_next(&text, '\n', &line)) {
		line = without_space(line);
		if (line.len == 0 || line.at[0] == '#') {
			continue;
		}
		if (v->n == VAULT_KEYS_MAX) {
			return err_set(err, ERR_CONFIG, "more than %d master keys",
				       (int)VAULT_KEYS_MAX);
		}
		if (!str_to_hex_bytes(line, v->masters + v->n * SEAL_KEY_BYTES, SEAL_KEY_BYTES)) {
			return err_set(
				err, ERR_CONFIG,
				"the master key must be %d hex digits, in each of its lines: put "
				"a copy of its file back",
				2 * SEAL_KEY_BYTES);
		}
		v->n++;
	}
	return v->n > 0 || err_set(err, ERR_CONFIG,
				   "the master key must be %d hex digits: the "
				   "source of it is empty, put a copy of it back",
				   2 * SEAL_KEY_BYTES);
}

bool vault_open(struct str text, unsigned classes, struct vault **out, struct err *err)
{
	AUTO(vault_free) struct vault *v = NULL;
	uint8_t *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		return err_errno(err, ERR_SYSTEM, "no memory for the master key");
	}
	(void)mlock(page, PAGE); /* harden_memory() warns when locking is not allowed */
	(void)madvise(page, PAGE, MADV_DONTDUMP);
	(void)madvise(page, PAGE, MADV_WIPEONFORK);
	v = NEW(struct vault);
	v->masters = page;
	v->classes = classes;
	if (!read_masters(v, text, err)) {
		return false;
	}
	*out = TAKE(v);
	return true;
}

void vault_free(struct vault *v)
{
	if (!v) {
		return;
	}
	seal_wipe(v->masters, PAGE);
	munmap(v->masters, PAGE);
	free(v);
}

bool vault_seal_bound(const struct vault *v, struct str bound, struct str plain, struct buf *sealed,
		      struct err *err)
{
	return seal(master_of(v, 0), plain, bound, sealed, err);
}

bool vault_unseal_bound(const struct vault *v, struct str bound, struct str sealed,
			struct buf *plain, bool *again, struct err *err)
{
	for (size_t i = 0; i < v->n; i++) {
		if (unseal(master_of(v, i), sealed, bound, plain, err)) {
			*again = i > 0;
			return true;
		}
	}
	return false;
}

bool vault_has_class(const struct vault *v, enum keys_class class_)
{
	return (unsigned)class_ > 0 && (unsigned)class_ < KEYS_CLASSES &&
	       (v->classes & (1U << class_)) != 0;
}

bool vault_seal_key(const struct vault *v, enum keys_class class_, const struct local_key *k,
		    struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(PKCS8_MAX);
	const char bound[] = {VAULT_KEY, FORM, (char)class_};

	if (!local_key_write(k, &plain, err)) {
		return false;
	}
	wr_u8(sealed, FORM);
	wr_u8(sealed, (uint8_t)class_);
	return vault_seal_bound(v, str_make(bound, sizeof(bound)), buf_str(&plain), sealed, err);
}

/* The PKCS#8 form that was sealed. */
static bool open_plain(const struct vault *v, struct str sealed, struct buf *plain,
		       enum keys_class *class_, bool *again, struct err *err)
{
	struct rd in = rd_over(sealed);
	uint8_t form = rd_u8(&in);
	uint8_t number = rd_u8(&in);
	const char bound[] = {VAULT_KEY, FORM, (char)number};

	if (in.failed || form != FORM) {
		return err_set(err, ERR_DENIED, "these bytes are no sealed key of a known form");
	}
	if (!vault_has_class(v, (enum keys_class)number)) {
		return err_set(err, ERR_DENIED, "keys of class %s are not opened here",
			       keys_class_name((enum keys_class)number));
	}
	*class_ = (enum keys_class)number;
	return vault_unseal_bound(v, str_make(bound, sizeof(bound)), in.rest, plain, again, err);
}

bool vault_open_key(const struct vault *v, struct str sealed, struct local_key **out,
		    enum keys_class *class_, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(PKCS8_MAX);
	bool again;

	return open_plain(v, sealed, &plain, class_, &again, err) &&
	       local_key_read(buf_str(&plain), out, err);
}

bool vault_reseal_key(const struct vault *v, struct str sealed, struct buf *out, bool *again,
		      struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(PKCS8_MAX);
	enum keys_class class_;

	if (!open_plain(v, sealed, &plain, &class_, again, err)) {
		return false;
	}
	if (!*again) {
		return true;
	}
	const char bound[] = {VAULT_KEY, FORM, (char)class_};
	wr_u8(out, FORM);
	wr_u8(out, (uint8_t)class_);
	return vault_seal_bound(v, str_make(bound, sizeof(bound)), buf_str(&plain), out, err);
}

static void write_label(struct buf *bound, struct str label)
{
	buf_add_c(bound, VAULT_SECRET);
	buf_add_str(bound, label);
}

bool vault_seal(const struct vault *v, struct str label, struct str plain, struct buf *sealed,
		struct err *err)
{
	AUTO_BUF struct buf bound = BUF(KEYS_LABEL_MAX + 1);

	write_label(&bound, label);
	return vault_seal_bound(v, buf_str(&bound), plain, sealed, err);
}

static bool unseal_label(const struct vault *v, struct str label, struct str sealed,
			 struct buf *plain, bool *again, struct err *err)
{
	AUTO_BUF struct buf bound = BUF(KEYS_LABEL_MAX + 1);

	write_label(&bound, label);
	return vault_unseal_bound(v, buf_str(&bound), sealed, plain, again, err);
}

bool vault_unseal(const struct vault *v, struct str label, struct str sealed, struct buf *plain,
		  struct err *err)
{
	bool again;

	return unseal_label(v, label, sealed, plain, &again, err);
}

bool vault_reseal(const struct vault *v, struct str label, struct str sealed, struct buf *out,
		  bool *again, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(KEYS_PLAIN_MAX);

	if (!unseal_label(v, label, sealed, &plain, again, err)) {
		return false;
	}
	return !*again || vault_seal(v, label, buf_str(&plain), out, err);
}

static bool write_check(const struct vault *v, int dir, struct err *err)
{
	AUTO_BUF struct buf mark = BUF(CHECK_MAX);

	if (!vault_seal(v, STR("check"), STR("drawbridge"), &mark, err)) {
		return false;
	}
	/* Written beside and renamed, so that kill -9 leaves no half file. */
	AUTO_FD int fd = openat(dir, "check.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, mark.at, mark.len) != (ssize_t)mark.len || fsync(fd) != 0 ||
	    renameat(dir, "check.new", dir, "check") != 0 || fsync(dir) != 0) {
		return err_errno(err, ERR_SYSTEM,
				 "cannot write \"check\" in the key process's folder (is the disk "
				 "full, or the folder read-only?)");
	}
	return true;
}

bool vault_check(const struct vault *v, int dir, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(CHECK_MAX);
	AUTO_FD int fd = openat(dir, "check", O_RDONLY | O_CLOEXEC);
	char mark[CHECK_MAX];
	struct err why;

	if (fd < 0 && errno == ENOENT) {
		return write_check(v, dir, err);
	}
	ssize_t n = fd < 0 ? -1 : read(fd, mark, sizeof(mark));
	if (n < 0) {
		return err_errno(err, ERR_SYSTEM, "cannot read \"check\" in keyd's folder");
	}
	bool again;
	if (!unseal_label(v, STR("check"), str_make(mark, (size_t)n), &plain, &again, &why)) {
		return err_set(err, ERR_CONFIG,
			       "the master key is not the one that this state folder was made "
			       "with: give the right one, or start with an empty state folder");
	}
	return !again || write_check(v, dir, err);
}
