/* `drawbridge audit verify`: works on the database itself, also on a copy, without the program. */
#include <limits.h>
#include <unistd.h>

#include "keys/anchor.h"
#include "programs/cli.h"
#include "store/audit.h"
#include "store/migrate.h"

enum {
	CONNECTIONS = 2,
};

static bool open_database(const char *named, struct store **out, struct err *err)
{
	char url[PATH_MAX + 16];
	struct str name = str_of(named);

	if (str_starts(name, STR("postgresql://")) || str_starts(name, STR("postgres://"))) {
		return store_open(named, CONNECTIONS, out, err);
	}
	if (str_starts(name, STR("sqlite:"))) {
		named += strlen("sqlite:");
	}
	if (access(named, R_OK) != 0) { /* SQLite would make an empty one */
		return err_errno(err, ERR_CONFIG, "%s", named);
	}
	(void)snprintf(url, sizeof(url), "sqlite:%s", named);
	return store_open(url, CONNECTIONS, out, err);
}

struct comparison {
	struct store *s;
	int64_t last; /* number of the last line of the chain of changes */
};

/* Each anchored number must be there with its hash: else the end was cut off, or the whole database
 * was put back and went on from there. */
static bool compare_line(void *user, const struct anchor_line *line, struct err *err)
{
	struct comparison *c = user;
	struct str denied = STR("denied:");
	uint8_t hash[ANCHOR_HASH];
	struct str node = STR_NONE;
	bool found = false;

	if (str_starts(line->chain, denied)) {
		node = str_skip(line->chain, denied.len);
	} else if (!str_eq(line->chain, STR("audit"))) {
		return true; /* of a newer program */
	}
	if (!store_audit_hash(c->s, node, line->n, hash, &found, err)) {
		return false;
	}
	if (!found) {
		return err_set(err, ERR_STORE,
			       "%.*s: row %lld is missing, which the anchor saw on %.*s: the end "
			       "of the log was cut off, or an older database was put in its place",
			       STR_ARGS(line->chain), (long long)line->n, STR_ARGS(line->time));
	}
	if (memcmp(hash, line->hash, sizeof(hash)) != 0) {
		return err_set(err, ERR_STORE,
			       "%.*s: row %lld is not the one that the anchor saw on %.*s: the log "
			       "was written anew from an earlier row on",
			       STR_ARGS(line->chain), (long long)line->n, STR_ARGS(line->time));
	}
	c->last = node.at == NULL ? line->n : c->last;
	return true;
}

static void write_json(struct buf *out, int64_t rows, int64_t head, const struct comparison *c,
		       const struct anchor_summary *summary, struct str key)
{
	struct jsonw w = jsonw_to(out);

	jsonw_object(&w);
	jsonw_key_int(&w, "rows", rows);
	jsonw_key_int(&w, "lastChange", head);
	if (summary != NULL) {
		jsonw_key(&w, "anchor");
		jsonw_object(&w);
		jsonw_key_int(&w, "lines", (int64_t)summary->lines);
		jsonw_key_int(&w, "lastChange", c->last);
		jsonw_key_str(&w, "keySha256", key);
		jsonw_object_end(&w);
	}
	jsonw_object_end(&w);
	buf_add_c(out, '\n');
}

static bool compare_anchor(struct cli_run *run, struct store *s, int64_t rows, int64_t head,
			   struct err *err)
{
	const char *path = cli_value(run, "anchor");
	bool as_json = cli_wants_json(&run->parsed->settings);
	struct comparison c = {.s = s};
	struct anchor_summary summary;
	AUTO_BUF struct buf hex = BUF(128);

	if (!path && as_json) {
		write_json(&run->out, rows, head, NULL, NULL, STR_NONE);
		return true;
	}
	if (!path) {
		buf_add_str(&run->out, STR("without --anchor a log whose end was cut off is not "
					   "told from a shorter one\n"));
		return true;
	}
	if (!anchor_read(path, compare_line, &c, &summary, err)) {
		return false;
	}
	if (c.last == 0) {
		return err_set(err, ERR_MISSING, "%s has no line about this log", path);
	}
	buf_add_hex(&hex, summary.key_sha256, sizeof(summary.key_sha256));
	if (as_json) {
		write_json(&run->out, rows, head, &c, &summary, buf_str(&hex));
		return true;
	}
	buf_addf(&run->out,
		 "the anchor's %llu lines are signed and agree, the last one with number %lld; "
		 "%lld newer changes are not anchored yet\nSHA-256 of the anchor's key: %.*s\n",
		 (unsigned long long)summary.lines, (long long)c.last, (long long)(head - c.last),
		 STR_ARGS(buf_str(&hex)));
	return true;
}

bool cli_audit_verify(struct cli_run *run, struct err *err)
{
	AUTO(store_close) struct store *s = NULL;
	int64_t rows = 0, head = 0;

	if (!open_database(cli_value(run, "DATABASE"), &s, err) ||
	    !store_verify_audit(s, &rows, err) || !store_head(s, &head, err)) {
		return false;
	}
	if (!cli_wants_json(&run->parsed->settings)) {
		buf_addf(&run->out,
			 "%lld rows, the last change is number %lld: nothing is changed, missing "
			 "or out of order\n",
			 (long long)rows, (long long)head);
	}
	return compare_anchor(run, s, rows, head, err);
}
