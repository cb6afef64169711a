#pragma once
/*
 * The anchor of the audit: keyd's append-only file, read and verified by anyone who has a copy.
 *
 *     drawbridge anchor 1 {SPKI, base64}
 *     2026-11-22T03:10:00Z {chain} {number} {hash, 64 hex digits} {signature, base64}
 *
 * A line says that the chain's head had that number and hash. Within a chain the numbers grow. Each
 * signature (ECDSA P-256, SHA-256) is over the whole line before it, a newline, and its own line up
 * to the space before the signature: so no line can be taken out, changed or moved. A last line
 * without its newline was torn by a crash and counts for nothing.
 *
 * Who compares: each line's hash must be the one of the row with that number, and no row that is
 * anchored may be missing at the end. What is newer than the last line is not anchored yet.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	ANCHOR_CHAIN_MAX = 64, /* bytes of a chain's name: letters, digits, "-", "." and ":" */
	ANCHOR_LINE_MAX = 512, /* bytes of a line */
	ANCHOR_HASH = 32,
};

struct anchor_line {
	struct str time, chain; /* lent */
	int64_t n;
	uint8_t hash[ANCHOR_HASH];
	struct str signed_;   /* the line up to its signature */
	struct str signature; /* base64 */
};

/* Called for each line that verified, in order; false ends the reading with its err. */
typedef bool anchor_fn(void *user, const struct anchor_line *line, struct err *err);

struct anchor_summary {
	uint64_t lines;
	bool is_torn;           /* the file ends with half a line */
	uint8_t key_sha256[32]; /* of the SPKI: to be compared with a note of it */
};

/*
 * Reads the file. ERR_CONFIG: it cannot be read or is no anchor; ERR_DENIED: a line does not
 * verify, or lowers a number: the text names it.
 */
NODISCARD bool anchor_read(const char *path, anchor_fn *fn, void *user, struct anchor_summary *out,
			   struct err *err);

/* What the last line of one chain says. */
struct anchor_last {
	int64_t n;
	uint8_t hash[ANCHOR_HASH];
};

/* ---- for the key process, which writes it ---- */

bool anchor_chain_is_fair(struct str chain);
/* The chain of `kind` on a node: its name with "-" for each byte that is not fair, cut if too long.
 */
#define ANCHOR_DENIED  "denied:"  /* the head of its denied attempts */
#define ANCHOR_EXPORTS "exports:" /* the head of its exports */
#define ANCHOR_PRUNED  "pruned:"  /* the last of those that went by the retention's rule */
void anchor_chain_of(const char *kind, const char *node, char out[static ANCHOR_CHAIN_MAX + 1]);
/* False when it is none. `line` is without its newline. */
NODISCARD bool anchor_parse(struct str line, struct anchor_line *out);
/* The head line's SPKI; ERR_CONFIG when it is none. */
NODISCARD bool anchor_parse_head(struct str line, struct buf *spki, struct err *err);
void anchor_write_head(struct buf *out, struct str spki); /* with its newline */
/* Without signature, newline and the space before them. */
void anchor_write_line(struct buf *out, int64_t now, struct str chain, int64_t n,
		       const uint8_t hash[static ANCHOR_HASH]);
