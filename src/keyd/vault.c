#include "keyd/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/seal.h"

enum {
	FORM = 1,
	PAGE = 4096,
	PKCS8_MAX = KIB(8),
	CHECK_MAX = 128,
	AAD_KEY = 'k',
	AAD_SECRET = 's',
};

struct vault {
	unsigned classes;
	uint8_t *master; /* a page of its own: locked, not dumped, not inherited */
};

bool vault_open(struct str hex, unsigned classes, struct vault **out, struct err *err)
{
	uint8_t *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		return err_errno(err, ERR_SYSTEM, "no memory for the master key");
	}
	(void)mlock(page, PAGE); /* harden_memory() warns when locking is not allowed */
	(void)madvise(page, PAGE, MADV_DONTDUMP);
	(void)madvise(page, PAGE, MADV_WIPEONFORK);
	while (hex.len > 0 && (unsigned char)hex.at[hex.len - 1] <= ' ') {
		hex.len--;
	}
	if (!str_to_hex_bytes(hex, page, SEAL_KEY_BYTES)) {
		munmap(page, PAGE);
		return err_set(err, ERR_CONFIG, "the master key must be %d hex digits",
			       2 * SEAL_KEY_BYTES);
	}
	struct vault *v = NEW(struct vault);
	v->master = page;
	v->classes = classes;
	*out = v;
	return true;
}

void vault_free(struct vault *v)
{
	if (!v) {
		return;
	}
	seal_wipe(v->master, PAGE);
	munmap(v->master, PAGE);
	free(v);
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
	const char aad[] = {AAD_KEY, FORM, (char)class_};

	if (!local_key_write(k, &plain, err)) {
		return false;
	}
	wr_u8(sealed, FORM);
	wr_u8(sealed, (uint8_t)class_);
	return seal(v->master, buf_str(&plain), str_make(aad, sizeof(aad)), sealed, err);
}

bool vault_open_key(const struct vault *v, struct str sealed, struct local_key **out,
		    enum keys_class *class_, struct err *err)
{
	AUTO_BUF struct buf plain = BUF_SECRET(PKCS8_MAX);
	struct rd in = rd_over(sealed);
	uint8_t form = rd_u8(&in);
	uint8_t number = rd_u8(&in);
	const char aad[] = {AAD_KEY, FORM, (char)number};

	if (in.failed || form != FORM) {
		return err_set(err, ERR_DENIED, "these bytes are no sealed key of a known form");
	}
	if (!vault_has_class(v, (enum keys_class)number)) {
		return err_set(err, ERR_DENIED, "keys of class %s are not opened here",
			       keys_class_name((enum keys_class)number));
	}
	if (!unseal(v->master, in.rest, str_make(aad, sizeof(aad)), &plain, err) ||
	    !local_key_read(buf_str(&plain), out, err)) {
		return false;
	}
	*class_ = (enum keys_class)number;
	return true;
}

static void write_label(struct buf *aad, struct str label)
{
	buf_add_c(aad, AAD_SECRET);
	buf_add_str(aad, label);
}

bool vault_seal(const struct vault *v, struct str label, struct str plain, struct buf *sealed,
		struct err *err)
{
	AUTO_BUF struct buf aad = BUF(KEYS_LABEL_MAX + 1);

	write_label(&aad, label);
	return seal(v->master, plain, buf_str(&aad), sealed, err);
}

bool vault_unseal(const struct vault *v, struct str label, struct str sealed, struct buf *plain,
		  struct err *err)
{
	AUTO_BUF struct buf aad = BUF(KEYS_LABEL_MAX + 1);

	write_label(&aad, label);
	return unseal(v->master, sealed, buf_str(&aad), plain, err);
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
	if (!vault_unseal(v, STR("check"), str_make(mark, (size_t)n), &plain, &why)) {
		return err_set(err, ERR_CONFIG,
			       "the master key is not the one that this state folder was made "
			       "with: give the right one, or start with an empty state folder");
	}
	return true;
}
