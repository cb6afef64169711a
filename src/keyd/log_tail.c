#include "keyd/log_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "drawbridge anchor index 1"

enum {
	LINE_MAX_BYTES = KIB(1),
	INDEX_MAX = KIB(256), /* LOG_TAIL_CHAINS_MAX lines of a chain, and the rest */
};

void log_tail_init(struct log_tail *t)
{
	*t = (struct log_tail){.line = BUF(LINE_MAX_BYTES), .last = map_new()};
}

void log_tail_fini(struct log_tail *t)
{
	size_t at = 0;
	struct str key;
	void *value;

	while (t->last != NULL && map_next(t->last, &at, &key, &value)) {
		free(value);
	}
	map_free(t->last);
	buf_fini(&t->line);
	*t = (struct log_tail){0};
}

const struct log_tail_last *log_tail_find(const struct log_tail *t, struct str chain)
{
	return map_get(t->last, chain);
}

static bool verifies(const struct log_tail *t, const struct anchor_line *line, struct str spki)
{
	AUTO_BUF struct buf message = BUF(KIB(2)), signature = BUF(KIB(1));

	buf_add_str(&message, buf_str(&t->line));
	buf_add_c(&message, '\n');
	buf_add_str(&message, line->signed_);
	return buf_add_decoded_base64(&signature, line->signature) && !buf_failed(&message) &&
	       key_verify(spki, KEY_ECDSA_SHA256, buf_str(&message), buf_str(&signature));
}

static void put(struct log_tail *t, struct str chain, int64_t n, const uint8_t *hash)
{
	struct log_tail_last *last = map_get(t->last, chain);

	if (last == NULL) {
		last = NEW(struct log_tail_last);
		(void)!str_copy(chain, last->chain, sizeof(last->chain));
		map_put(t->last, str_of(last->chain), last);
	}
	last->n = n;
	memcpy(last->hash, hash, ANCHOR_HASH);
}

bool log_tail_take(struct log_tail *t, struct str text, struct str spki, struct err *err)
{
	struct anchor_line line;

	if (t->end > 0) {
		bool parsed = anchor_parse(text, &line);
		if (!parsed || (spki.len > 0 && !verifies(t, &line, spki))) {
			return err_set(err, ERR_CONFIG,
				       "the anchor has a line that %s, at byte %lld: move "
				       "\"anchor\" of the key process's folder away to start a new "
				       "one, and keep it for an inquiry",
				       parsed ? "does not verify" : "is none", (long long)t->end);
		}
		put(t, line.chain, line.n, line.hash);
	}
	buf_reset(&t->line);
	buf_add_str(&t->line, text);
	t->end += (off_t)text.len + 1;
	return true;
}

/* ---- the index ---- */

bool log_tail_is_due(const struct log_tail *t)
{
	return t->end - t->indexed >= LOG_TAIL_EVERY;
}

static bool write_text(const struct log_tail *t, const struct local_key *key, struct buf *out,
		       struct err *err)
{
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
	size_t at = 0;
	struct str chain;
	void *value;

	buf_addf(out, HEAD "\n%lld\n%.*s\n", (long long)t->end, STR_ARGS(buf_str(&t->line)));
	while (map_next(t->last, &at, &chain, &value)) {
		const struct log_tail_last *last = value;
		buf_addf(out, "%.*s %" PRId64 " ", STR_ARGS(chain), last->n);
		buf_add_hex(out, last->hash, ANCHOR_HASH);
		buf_add_c(out, '\n');
	}
	if (!local_key_sign(key, KEY_ECDSA_SHA256, buf_str(out), &signature, err)) {
		return false;
	}
	buf_add_base64(out, signature.at, signature.len);
	buf_add_c(out, '\n');
	return !buf_failed(out) || err_set(err, ERR_LIMIT, "the anchor's index is too large");
}

bool log_tail_save(struct log_tail *t, int dir, const struct local_key *key, struct err *err)
{
	AUTO_BUF struct buf text = BUF(INDEX_MAX);

	if (!write_text(t, key, &text, err)) {
		return false;
	}
	AUTO_FD int fd =
		openat(dir, "anchor.index.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text.at, text.len) != (ssize_t)text.len || fsync(fd) != 0 ||
	    renameat(dir, "anchor.index.new", dir, "anchor.index") != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot write \"anchor.index\"");
	}
	t->indexed = t->end;
	return true;
}

static bool read_text(int dir, struct buf *text)
{
	AUTO_FD int fd = openat(dir, "anchor.index", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > INDEX_MAX) {
		return false;
	}
	char *room = buf_reserve(text, (size_t)st.st_size);
	ssize_t n = room != NULL ? read(fd, room, (size_t)st.st_size) : -1;
	buf_commit(text, n > 0 ? (size_t)n : 0);
	return n == st.st_size && room[n - 1] == '\n';
}

/* The text before the signature, when that is one of the key. */
static bool is_signed(struct str text, struct str spki, struct str *signed_)
{
	AUTO_BUF struct buf signature = BUF(KIB(1));
	struct str whole = str_first(text, text.len - 1);
	size_t end = str_find_last(whole, '\n');

	if (end == whole.len) {
		return false;
	}
	*signed_ = str_first(text, end + 1);
	return buf_add_decoded_base64(&signature, str_skip(whole, end + 1)) &&
	       key_verify(spki, KEY_ECDSA_SHA256, *signed_, buf_str(&signature));
}

static bool take_chain(struct log_tail *t, struct str row)
{
	uint8_t hash[ANCHOR_HASH];
	struct str rest = row, chain, number;
	uint64_t n;

	if (!str_next(&rest, ' ', &chain) || !str_next(&rest, ' ', &number) ||
	    !anchor_chain_is_fair(chain) || !str_to_u64(number, &n) || n > INT64_MAX ||
	    !str_to_hex_bytes(rest, hash, ANCHOR_HASH)) {
		return false;
	}
	put(t, chain, (int64_t)n, hash);
	return true;
}

static bool take_text(struct log_tail *t, struct str text)
{
	struct str rest = text, head, end, line, row;
	uint64_t n;

	if (!str_next(&rest, '\n', &head) || !str_eq(head, STR(HEAD)) ||
	    !str_next(&rest, '\n', &end) || !str_to_u64(end, &n) || n > INT64_MAX ||
	    !str_next(&rest, '\n', &line) || n <= line.len) {
		return false;
	}
	buf_add_str(&t->line, line);
	t->end = t->indexed = (off_t)n;
	while (rest.len > 0) {
		if (!str_next(&rest, '\n', &row) || !take_chain(t, row)) {
			return false;
		}
	}
	return !buf_failed(&t->line);
}

/* Whether the anchor has the index's last line there, where it says. */
static bool fits(const struct log_tail *t, int fd)
{
	char found[LINE_MAX_BYTES + 1];
	size_t len = t->line.len + 1;
	ssize_t n = pread(fd, found, len, t->end - (off_t)len);

	return n == (ssize_t)len && found[len - 1] == '\n' &&
	       memcmp(found, t->line.at, len - 1) == 0;
}

bool log_tail_load(struct log_tail *t, int dir, int fd, struct str spki)
{
	AUTO_BUF struct buf text = BUF(INDEX_MAX);
	struct str signed_;

	if (!read_text(dir, &text) || !is_signed(buf_str(&text), spki, &signed_)) {
		return false;
	}
	if (take_text(t, signed_) && fits(t, fd)) {
		return true;
	}
	log_tail_fini(t);
	log_tail_init(t);
	return false;
}
