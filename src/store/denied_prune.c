#include "store/denied_prune.h"

#include "base/crash.h"
#include "store/query.h"
#include "store/verify_priv.h"

static void read_tip(struct stmt *st, int col, struct store_tip *tip)
{
	struct str hash = stmt_col_text(st, col + 1);

	if (hash.len == sizeof(tip->hash)) {
		tip->n = stmt_col_int(st, col);
		memcpy(tip->hash, hash.at, sizeof(tip->hash));
	}
}

static void read_chain(struct stmt *st, void *row)
{
	struct denied_chain *c = row;

	query_copy(st, 0, c->node, sizeof(c->node));
	read_tip(st, 1, &c->head);
	read_tip(st, 3, &c->pruned);
	c->oldest_ms = stmt_col_is_null(st, 5) ? INT64_MAX : stmt_col_int(st, 5);
}

struct listing {
	struct denied_chain *rows;
	size_t n;
};

static bool list_chains(struct db *db, void *user, struct err *err)
{
	struct listing *l = user;
	struct query q = {.params = {QUERY_INT(DENIED_NODES_MAX)},
			  .n_params = 1,
			  .read = read_chain,
			  .row_bytes = sizeof(struct denied_chain)};
	bool pruning;

	free(TAKE(l->rows)); /* of a try before */
	if (!walk_knows_pruning(db, &pruning, err)) {
		return false;
	}
	q.sql = pruning ? "SELECT node, n, hash, pruned_n, pruned_hash, (SELECT at_ms FROM denied"
			  " WHERE denied.node = denied_head.node"
			  " AND denied.n = denied_head.pruned_n + 1)"
			  " FROM denied_head ORDER BY node LIMIT $1"
			: "SELECT node, n, hash, 0, NULL, (SELECT at_ms FROM denied"
			  " WHERE denied.node = denied_head.node AND denied.n = 1)"
			  " FROM denied_head ORDER BY node LIMIT $1";
	return query_rows(db, &q, &l->rows, &l->n, err);
}

bool store_denied_chains(struct store *s, struct denied_chain **out, size_t *n, struct err *err)
{
	struct listing l = {.rows = NULL};

	if (!store_read(s, list_chains, &l, err)) {
		free(l.rows);
		return false;
	}
	*out = l.rows;
	*n = l.n;
	return true;
}

/* ---- which rows may go ---- */

struct judging {
	const struct denied_chain *chain;
	const struct denied_known *known;
	const struct denied_rule *rule;
	struct store_tip to;
	bool stays; /* a row that stays was seen */
};

/* A row that the anchor knows must be the one that it knows. */
static bool agrees(const struct store_tip *known, const struct walk *w, struct err *err)
{
	return w->n != known->n || memcmp(w->hash, known->hash, sizeof(w->hash)) == 0 ||
	       err_set(err, ERR_CONFLICT, "%s: row %lld is not the one that was anchored", w->chain,
		       (long long)w->n);
}

static bool judge_row(void *user, const struct walk *w, int64_t at_ms, struct err *err)
{
	struct judging *j = user;

	if (!agrees(&j->known->head, w, err) || !agrees(&j->known->pruned, w, err)) {
		return false;
	}
	bool old = at_ms < j->rule->before_ms || w->n <= j->known->head.n - j->rule->rows_max;
	bool begun = w->n <= j->known->pruned.n; /* the last time, and not ended */
	j->stays = j->stays || !(begun || old) || w->n > j->known->head.n;
	if (!j->stays) {
		j->to.n = w->n;
		memcpy(j->to.hash, w->hash, sizeof(w->hash));
	}
	return true;
}

static bool begins_where_anchored(const struct judging *j, struct err *err)
{
	const struct store_tip *here = &j->chain->pruned, *known = &j->known->pruned;

	if (here->n > known->n) {
		return err_set(err, ERR_CONFLICT,
			       "denied on %s: the rows up to %lld are gone, and only those up to "
			       "%lld were pruned: somebody cut them off",
			       j->chain->node, (long long)here->n, (long long)known->n);
	}
	return here->n != known->n || memcmp(here->hash, known->hash, sizeof(here->hash)) == 0 ||
	       err_set(err, ERR_CONFLICT, "denied on %s: its beginning is not the anchored one",
		       j->chain->node);
}

/* One page; a read that starts again begins with the same state. */
struct paging {
	const struct walk *from;
	const struct judging *judged;
	struct walk w;
	struct judging j;
	int64_t n;
};

static bool read_page(struct db *db, void *user, struct err *err)
{
	struct paging *p = user;

	p->w = *p->from;
	p->j = *p->judged;
	p->w.user = &p->j;
	return walk_page(db, &p->w, &p->n, err);
}

/* All rows, *w and *j with them. */
static bool read_all(struct store *s, struct walk *w, struct judging *j, struct err *err)
{
	struct paging p = {.from = w, .judged = j, .n = WALK_PAGE};

	while (p.n == WALK_PAGE) {
		if (!store_read(s, read_page, &p, err)) {
			return false;
		}
		*w = p.w;
		*j = p.j;
	}
	return true;
}

bool store_denied_judge(struct store *s, const struct denied_chain *chain,
			const struct denied_known *known, const struct denied_rule *rule,
			struct store_tip *to, struct err *err)
{
	char name[300];
	struct str bare;
	struct judging j = {.chain = chain, .known = known, .rule = rule, .to = chain->pruned};
	struct walk w = {.chain = name,
			 .node = str_of(chain->node),
			 .n = chain->pruned.n,
			 .hash_len = chain->pruned.n > 0 ? sizeof(w.hash) : 0,
			 .seen = judge_row};

	*to = chain->pruned;
	if (store_is_exports(w.node, &bare)) {
		return true;
	}
	walk_name(w.node, name, sizeof(name));
	memcpy(w.hash, chain->pruned.hash, sizeof(w.hash));
	if (!begins_where_anchored(&j, err) || !read_all(s, &w, &j, err)) {
		return false;
	}
	if (w.n < known->head.n) {
		return err_set(err, ERR_CONFLICT, "%s: ends at row %lld, and row %lld was anchored",
			       name, (long long)w.n, (long long)known->head.n);
	}
	*to = j.to;
	return true;
}

/* ---- pruning ---- */

struct batch {
	const char *node;
	int64_t from, to; /* rows behind `from`, up to `to` */
	int64_t rows;
};

/* Number and hash of the last row that goes stand where the chain begins, before it is gone. */
static bool prune_batch(struct db *db, void *user, struct err *err)
{
	struct batch *b = user;
	struct query move = {
		.sql = "UPDATE denied_head SET pruned_n = $1, pruned_hash = (SELECT hash FROM"
		       " denied WHERE node = $2 AND n = $1) WHERE node = $2 AND pruned_n = $3"
		       " AND EXISTS (SELECT 1 FROM denied WHERE node = $2 AND n = $1)",
		.params = {QUERY_INT(b->to), QUERY_CHARS(b->node), QUERY_INT(b->from)},
		.n_params = 3};
	struct query go = {.sql = "DELETE FROM denied WHERE node = $1 AND n <= $2",
			   .params = {QUERY_CHARS(b->node), QUERY_INT(b->to)},
			   .n_params = 2};
	int64_t moved;

	if (!query_run(db, &move, &moved, err)) {
		return false;
	}
	if (moved != 1) {
		return err_set(err, ERR_CONFLICT, "denied on %s: somebody else prunes it", b->node);
	}
	CRASH_POINT("prune.moved"); /* the beginning, and no row is gone */
	return query_run(db, &go, &b->rows, err);
}

bool store_denied_prune(struct store *s, const struct denied_chain *chain, int64_t n, int64_t *rows,
			struct err *err)
{
	struct batch b = {.node = chain->node, .from = chain->pruned.n};

	*rows = 0;
	while (b.from < n) {
		b.to = n - b.from > DENIED_PRUNE_BATCH ? b.from + DENIED_PRUNE_BATCH : n;
		if (!store_tx(s, prune_batch, &b, err)) {
			return false;
		}
		*rows += b.rows;
		b.from = b.to;
	}
	return true;
}
