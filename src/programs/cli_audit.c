/* `drawbridge audit verify`: works on the database itself, also on a copy, without the program. */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/anchor.h"
#include "programs/cli.h"
#include "store/audit.h"
#include "store/denied_prune.h"
#include "store/migrate.h"

enum {
	CONNECTIONS = 2,
};

static bool open_database(const char *named, struct store **out, struct err *err)
{
	char url[PATH_MAX + 16];
	struct str name = str_of(named);
	struct stat seen;

	if (str_starts(name, STR("postgresql://")) || str_starts(name, STR("postgres://"))) {
		return store_open_to_read(named, CONNECTIONS, out, err);
	}
	if (str_starts(name, STR("sqlite:"))) {
		named += strlen("sqlite:");
	}
	if (access(named, R_OK) != 0) { /* SQLite would make an empty one */
		return err_errno(err, ERR_CONFIG, "%s", named);
	}
	if (stat(named, &seen) == 0 && S_ISDIR(seen.st_mode)) {
		return err_set(err, ERR_CONFIG,
			       "%s is a folder: name the database in it, cloud.db or connector.db",
			       named);
	}
	(void)snprintf(url, sizeof(url), "sqlite:%s", named);
	return store_open_to_read(url, CONNECTIONS, out, err);
}

/* One node's chain of denied attempts or of exports, and what the anchor says of it. */
struct node {
	struct denied_chain chain;
	char head[ANCHOR_CHAIN_MAX + 1];   /* its name there */
	char pruned[ANCHOR_CHAIN_MAX + 1]; /* the same of what is gone; exports: "" */
	bool seen;                         /* it has a line */
	int64_t pruned_n;                  /* of the last one */
};

struct comparison {
	struct store *s;
	int64_t last; /* number of the last line of the chain of changes */
	struct node *nodes;
	size_t n_nodes;
	int64_t pruned; /* rows that went, of all nodes */
};

static void name_node(struct node *node)
{
	struct str name;

	if (store_is_exports(str_of(node->chain.node), &name)) {
		anchor_chain_of(ANCHOR_EXPORTS, name.at, node->head);
	} else {
		anchor_chain_of(ANCHOR_DENIED, node->chain.node, node->head);
		anchor_chain_of(ANCHOR_PRUNED, node->chain.node, node->pruned);
	}
}

static bool read_nodes(struct comparison *c, struct err *err)
{
	AUTO_FREE struct denied_chain *chains = NULL;

	if (!store_denied_chains(c->s, &chains, &c->n_nodes, err)) {
		return false;
	}
	c->nodes = NEW_ARRAY(struct node, c->n_nodes + 1);
	for (size_t i = 0; i < c->n_nodes; i++) {
		struct node *node = &c->nodes[i];
		node->chain = chains[i];
		name_node(node);
		c->pruned += chains[i].pruned.n;
	}
	return true;
}

static struct node *find_node(const struct comparison *c, struct str chain)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		if (str_eq(chain, str_of(c->nodes[i].head)) ||
		    str_eq(chain, str_of(c->nodes[i].pruned))) {
			return &c->nodes[i];
		}
	}
	return NULL;
}

/* The hash of a line's row; of the last row that was pruned it stands in the head. */
static bool find_hash(const struct comparison *c, const struct node *node,
		      const struct anchor_line *line, uint8_t hash[static ANCHOR_HASH], bool *found,
		      struct err *err)
{
	struct str name = node != NULL ? str_of(node->chain.node) : STR_NONE;

	if (node != NULL && line->n == node->chain.pruned.n) {
		memcpy(hash, node->chain.pruned.hash, ANCHOR_HASH);
		*found = true;
		return true;
	}
	return store_audit_hash(c->s, name, line->n, hash, found, err);
}

/* Whether the row was pruned since its chain was read: the program may be running. */
static bool went_meanwhile(const struct comparison *c, struct node *node, int64_t n,
			   struct err *err)
{
	AUTO_FREE struct denied_chain *chains = NULL;
	size_t count = 0;

	if (node == NULL || !store_denied_chains(c->s, &chains, &count, err)) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(chains[i].node, node->chain.node) == 0) {
			node->chain = chains[i];
		}
	}
	return node->chain.pruned.n >= n;
}

static bool compare_row(const struct comparison *c, struct node *node,
			const struct anchor_line *line, struct err *err)
{
	uint8_t hash[ANCHOR_HASH];
	bool found = false;

	if (!find_hash(c, node, line, hash, &found, err)) {
		return false;
	}
	if (!found && went_meanwhile(c, node, line->n, err)) {
		return true;
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
			       "was written anew from an earlier row on, or this is another "
			       "database's anchor",
			       STR_ARGS(line->chain), (long long)line->n, STR_ARGS(line->time));
	}
	return true;
}

/* Each anchored number must be there with its hash: else the end was cut off, or the whole database
 * was put back and went on from there. Rows that were pruned are judged at the end. */
static bool compare_line(void *user, const struct anchor_line *line, struct err *err)
{
	struct comparison *c = user;
	bool is_pruned = str_starts(line->chain, STR(ANCHOR_PRUNED));
	bool is_noted = str_starts(line->chain, STR(ANCHOR_DENIED)) ||
			str_starts(line->chain, STR(ANCHOR_EXPORTS));
	bool is_change = str_eq(line->chain, STR("audit"));

	if (!is_pruned && !is_noted && !is_change) {
		return true; /* of a newer program */
	}
	struct node *node = is_change ? NULL : find_node(c, line->chain);
	if (node == NULL && !is_change) {
		return err_set(err, ERR_STORE, "%.*s: all rows are missing", STR_ARGS(line->chain));
	}
	if (node != NULL) {
		node->seen = true;
		node->pruned_n = is_pruned ? line->n : node->pruned_n;
		if (line->n < node->chain.pruned.n) {
			return true;
		}
	}
	c->last = is_change ? line->n : c->last;
	return compare_row(c, node, line, err);
}

/* What is gone must have gone by the rule: the program said so to keyd before. */
static bool check_pruned(const struct comparison *c, struct err *err)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		const struct node *node = &c->nodes[i];
		if (node->seen && node->chain.pruned.n > node->pruned_n) {
			return err_set(
				err, ERR_STORE,
				"%s: the rows up to %lld are missing, and the retention's "
				"rule took those up to %lld: the beginning was cut off, or this "
				"anchor is a copy from before",
				node->head, (long long)node->chain.pruned.n,
				(long long)node->pruned_n);
		}
	}
	return true;
}

static void write_json(struct buf *out, int64_t rows, int64_t head, const struct comparison *c,
		       const struct anchor_summary *summary, struct str key)
{
	struct jsonw w = jsonw_to(out);

	jsonw_object(&w);
	jsonw_key_int(&w, "rows", rows);
	jsonw_key_int(&w, "lastChange", head);
	jsonw_key_int(&w, "prunedRows", c->pruned);
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

static void say_pruned(struct cli_run *run, const struct comparison *c, bool anchored)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		const struct node *node = &c->nodes[i];
		const char *who = node->seen ? "by the retention's rule, as the anchor says"
				  : anchored ? "which this anchor, of another node, cannot judge"
					     : "which only the anchor tells from cut off";
		if (node->chain.pruned.n > 0) {
			buf_addf(&run->out,
				 "denied attempts on %s: the first %lld rows are gone, %s\n",
				 node->chain.node, (long long)node->chain.pruned.n, who);
		}
	}
}

static bool compare_anchor(struct cli_run *run, struct comparison *c, int64_t rows, int64_t head,
			   struct err *err)
{
	const char *path = cli_value(run, "anchor");
	bool as_json = cli_wants_json(&run->parsed->settings);
	struct anchor_summary summary;
	AUTO_BUF struct buf hex = BUF(128);

	if (!path && as_json) {
		write_json(&run->out, rows, head, c, NULL, STR_NONE);
		return true;
	}
	if (!path) {
		say_pruned(run, c, false);
		buf_add_str(&run->out, STR("without --anchor a log whose end was cut off is not "
					   "told from a shorter one\n"));
		return true;
	}
	if (!anchor_read(path, compare_line, c, &summary, err) || !check_pruned(c, err)) {
		return false;
	}
	if (c->last == 0) {
		return err_set(err, ERR_MISSING, "%s has no line about this log", path);
	}
	buf_add_hex(&hex, summary.key_sha256, sizeof(summary.key_sha256));
	if (as_json) {
		write_json(&run->out, rows, head, c, &summary, buf_str(&hex));
		return true;
	}
	say_pruned(run, c, true);
	buf_addf(&run->out,
		 "the anchor's %llu lines are signed and agree, the last one with number %lld; "
		 "%lld newer changes are not anchored yet\nSHA-256 of the anchor's key: %.*s\n",
		 (unsigned long long)summary.lines, (long long)c->last, (long long)(head - c->last),
		 STR_ARGS(buf_str(&hex)));
	return true;
}

static bool explain(struct err *err)
{
	struct str text = str_of(err->text);
	bool foreign = str_contains(text, STR("no such table")) ||
		       str_contains(text, STR("does not exist")); /* of PostgreSQL */

	return foreign ? err_wrap(err, "this is no database of Drawbridge") : false;
}

bool cli_audit_verify(struct cli_run *run, struct err *err)
{
	AUTO(store_close) struct store *s = NULL;
	struct comparison c = {.s = NULL};
	int64_t rows = 0, head = 0;

	if (!open_database(cli_value(run, "DATABASE"), &s, err)) {
		return false;
	}
	c.s = s;
	if (!store_verify_audit(s, &rows, err) || !store_head(s, &head, err) ||
	    !read_nodes(&c, err)) {
		free(c.nodes);
		return explain(err);
	}
	if (!cli_wants_json(&run->parsed->settings)) {
		buf_addf(&run->out,
			 "%lld rows, the last change is number %lld: nothing is changed, missing "
			 "or out of order\n",
			 (long long)rows, (long long)head);
	}
	bool ok = compare_anchor(run, &c, rows, head, err);
	free(c.nodes);
	return ok;
}
