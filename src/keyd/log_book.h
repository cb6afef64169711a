#pragma once
/*
 * The writer of the anchor (keys/anchor.h): the files "anchor", "anchor.key" and "anchor.index"
 * (keyd/log_tail.h) in keyd's folder.
 *
 * The key is made at the first start and sealed there under the master key, for no other use. A
 * line is on disk before its caller hears of it. While the master key is rotated two keyds have the
 * file open: each append locks it and first reads what the other one added. What is read behind an
 * index is verified line by line.
 *
 * Threads: any.
 */
#include "keyd/vault.h"
#include "keys/anchor.h"

struct log_book;

/*
 * `dir`: keyd's folder, lent and kept in use. Half a last line is cut off. ERR_CONFIG when the file
 * is there and its key is not, or another one.
 */
NODISCARD bool log_book_open(const struct vault *v, int dir, struct log_book **out,
			     struct err *err);
void log_book_close(struct log_book *b); /* takes NULL */
DEFINE_AUTO(log_book_close, struct log_book *)
/*
 * ERR_CONFLICT when `n` is lower than the chain's last one, or the same with another hash: the
 * database was rolled back. The same again is true and adds nothing.
 */
NODISCARD bool log_book_add(struct log_book *b, int64_t now, struct str chain, int64_t n,
			    const uint8_t hash[static ANCHOR_HASH], struct err *err);
/* The chain's last line; n 0 when there is none. */
NODISCARD bool log_book_last(struct log_book *b, struct str chain, struct anchor_last *out,
			     struct err *err);
