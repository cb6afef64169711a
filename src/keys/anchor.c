#include "keys/anchor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "crypto/key.h"
#include "crypto/seal.h"

#define HEAD "drawbridge anchor 1 "

enum {
	SPKI_MAX = KIB(1),
	CHAINS_MAX = 1024, /* chains of one file: nodes come and go */
};

/* ---- the forms ---- */

bool anchor_chain_is_fair(struct str chain)
{
	if (chain.len == 0 || chain.len > ANCHOR_CHAIN_MAX) {
		return false;
	}
	for (size_t i = 0; i < chain.len; i++) {
		char c = chain.at[i];
		bool fair = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':';
		if (!fair) {
			return false;
		}
	}
	return true;
}

void anchor_chain_of(const char *kind, const char *node, char out[static ANCHOR_CHAIN_MAX + 1])
{
	(void)snprintf(out, ANCHOR_CHAIN_MAX + 1, "%s%s", kind, node);
	for (char *p = out; *p != '\0'; p++) {
		if (!anchor_chain_is_fair(str_make(p, 1))) {
			*p = '-'; /* the host's name chose it */
		}
	}
}

bool anchor_parse(struct str line, struct anchor_line *out)
{
	struct str rest = line, part[5];
	uint64_t n;

	for (size_t i = 0; i < COUNT(part); i++) {
		if (!str_next(&rest, ' ', &part[i]) || part[i].len == 0) {
			return false;
		}
	}
	if (rest.at != NULL || line.len > ANCHOR_LINE_MAX || !anchor_chain_is_fair(part[1]) ||
	    !str_to_u64(part[2], &n) || n > INT64_MAX ||
	    !str_to_hex_bytes(part[3], out->hash, ANCHOR_HASH)) {
		return false;
	}
	out->time = part[0];
	out->chain = part[1];
	out->n = (int64_t)n;
	out->signature = part[4];
	out->signed_ = str_first(line, line.len - part[4].len - 1);
	return true;
}

bool anchor_parse_head(struct str line, struct buf *spki, struct err *err)
{
	return (str_starts(line, STR(HEAD)) &&
		buf_add_decoded_base64(spki, str_skip(line, strlen(HEAD))) && spki->len > 0) ||
	       err_set(err, ERR_CONFIG, "the file is no anchor of this form");
}

void anchor_write_head(struct buf *out, struct str spki)
{
	buf_add_str(out, STR(HEAD));
	buf_add_base64(out, spki.at, spki.len);
	buf_add_c(out, '\n');
}

void anchor_write_line(struct buf *out, int64_t now, struct str chain, int64_t n,
		       const uint8_t hash[static ANCHOR_HASH])
{
	clock_add_rfc3339(out, now);
	buf_addf(out, " %.*s %" PRId64 " ", STR_ARGS(chain), n);
	buf_add_hex(out, hash, ANCHOR_HASH);
}

/* ---- reading ---- */

struct reader {
	anchor_fn *fn;
	void *user;
	struct anchor_summary sum;
	struct buf spki;
	struct buf before; /* the line before this one */
	struct map *last;  /* chain → struct seen, owned */
};

struct seen {
	int64_t n; /* the last number */
	char chain[ANCHOR_CHAIN_MAX + 1];
};

static bool verifies(struct reader *r, const struct anchor_line *line)
{
	AUTO_BUF struct buf message = BUF(KIB(2)), signature = BUF(KIB(1));

	buf_add_str(&message, buf_str(&r->before));
	buf_add_c(&message, '\n');
	buf_add_str(&message, line->signed_);
	return buf_add_decoded_base64(&signature, line->signature) && !buf_failed(&message) &&
	       key_verify(buf_str(&r->spki), KEY_ECDSA_SHA256, buf_str(&message),
			  buf_str(&signature));
}

static bool grows(struct reader *r, const struct anchor_line *line)
{
	struct seen *last = map_get(r->last, line->chain);

	if (last == NULL) {
		if (map_count(r->last) >= CHAINS_MAX) {
			return false;
		}
		last = NEW(struct seen);
		last->n = -1;
		(void)!str_copy(line->chain, last->chain, sizeof(last->chain));
		map_put(r->last, str_of(last->chain), last);
	}
	bool ok = line->n > last->n;
	last->n = line->n;
	return ok;
}

static bool take_line(struct reader *r, struct str text, struct err *err)
{
	struct anchor_line line;

	r->sum.lines++;
	if (!anchor_parse(text, &line)) {
		return err_set(err, ERR_DENIED, "line %" PRIu64 " of the anchor is none",
			       r->sum.lines + 1);
	}
	if (!verifies(r, &line)) {
		return err_set(err, ERR_DENIED,
			       "line %" PRIu64 " of the anchor (number %" PRId64
			       ") does not verify: it or the line before it was changed, or one "
			       "is missing",
			       r->sum.lines + 1, line.n);
	}
	if (!grows(r, &line)) {
		return err_set(err, ERR_DENIED,
			       "line %" PRIu64 " of the anchor lowers the number to %" PRId64,
			       r->sum.lines + 1, line.n);
	}
	buf_reset(&r->before);
	buf_add_str(&r->before, text);
	return r->fn == NULL || r->fn(r->user, &line, err);
}

static bool take_head(struct reader *r, struct str text, struct err *err)
{
	if (!anchor_parse_head(text, &r->spki, err)) {
		return false;
	}
	digest_sha256(buf_str(&r->spki), r->sum.key_sha256);
	buf_add_str(&r->before, text);
	return true;
}

static bool read_file(struct reader *r, FILE *file, struct err *err)
{
	char line[ANCHOR_LINE_MAX + 2];
	bool head = true;

	while (fgets(line, sizeof(line), file) != NULL) {
		size_t len = strlen(line);
		if (len == 0 || line[len - 1] != '\n') {
			r->sum.is_torn = feof(file) != 0;
			return (r->sum.is_torn && !head) ||
			       err_set(err, ERR_DENIED, "line %" PRIu64 " of the anchor is none",
				       r->sum.lines + 2);
		}
		struct str text = str_make(line, len - 1);
		if (!(head ? take_head(r, text, err) : take_line(r, text, err))) {
			return false;
		}
		head = false;
	}
	if (ferror(file)) {
		return err_errno(err, ERR_CONFIG, "cannot read the anchor");
	}
	return !head || err_set(err, ERR_CONFIG, "the anchor is empty");
}

static void free_last(struct map *last)
{
	size_t at = 0;
	struct str key;
	void *value;

	while (map_next(last, &at, &key, &value)) {
		free(value);
	}
	map_free(last);
}

bool anchor_read(const char *path, anchor_fn *fn, void *user, struct anchor_summary *out,
		 struct err *err)
{
	struct reader r = {.fn = fn,
			   .user = user,
			   .spki = BUF(SPKI_MAX),
			   .before = BUF(SPKI_MAX + ANCHOR_LINE_MAX)};
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		return err_errno(err, ERR_CONFIG, "cannot open the anchor %s", path);
	}
	r.last = map_new();
	bool ok = read_file(&r, file, err);
	(void)fclose(file);
	free_last(r.last);
	buf_fini(&r.spki);
	buf_fini(&r.before);
	if (ok) {
		*out = r.sum;
	}
	return ok;
}
