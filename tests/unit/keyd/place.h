#pragma once
/* A keyd without its process: vault, ring, list of serials in a folder, and a fixed clock. */
#include <fcntl.h>
#include <unistd.h>

#include "keyd/dispatch.h"
#include "unit/unit.h"

enum {
	PLACE_NOW = 1800000000, /* 2027-01-15 */
};

struct place {
	char folder[64];
	int dir;
	struct vault *vault;
	struct keyring *keys;
	struct serials *serials;
	struct log_book *book;
	struct dispatch dispatch;
};

static inline int64_t place_now(void)
{
	return PLACE_NOW;
}

static inline struct str place_master(void)
{
	return STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
}

static inline void place_open(struct place *p)
{
	struct err err;

	(void)snprintf(p->folder, sizeof(p->folder), "/tmp/keyd-test-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	p->dir = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(vault_open(place_master(), ~0U, &p->vault, &err), &err);
	assert_ok(serials_open(p->dir, &p->serials, &err), &err);
	assert_ok(log_book_open(p->vault, p->dir, &p->book, &err), &err);
	p->keys = keyring_new(8);
	p->dispatch = (struct dispatch){.vault = p->vault,
					.keys = p->keys,
					.serials = p->serials,
					.book = p->book,
					.now = place_now};
}

static inline void place_close(struct place *p)
{
	serials_close(p->serials);
	log_book_close(p->book);
	keyring_free(p->keys);
	vault_free(p->vault);
	(void)unlinkat(p->dir, "serials", 0);
	(void)unlinkat(p->dir, "check", 0);
	(void)unlinkat(p->dir, "anchor", 0);
	(void)unlinkat(p->dir, "anchor.key", 0);
	(void)unlinkat(p->dir, "anchor.index", 0);
	close_fd(p->dir);
	assert_int_equal(rmdir(p->folder), 0);
}

/* The file "serials" as text. */
static inline size_t place_serials(const struct place *p, char *into, size_t size)
{
	int fd = openat(p->dir, "serials", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, into, size - 1);

	close_fd(fd);
	assert_true(n >= 0);
	into[n] = '\0';
	return (size_t)n;
}
