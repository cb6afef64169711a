#include "programs/daemon_prune.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "store/denied_prune.h"

enum {
	FIRST_MS = 1000,
};

static bool ask(struct keys_client *keys, const char *kind, const char *node, struct store_tip *out,
		struct err *err)
{
	char chain[ANCHOR_CHAIN_MAX + 1];
	struct anchor_last last;

	anchor_chain_of(kind, node, chain);
	if (!keys_anchor_last(keys, str_of(chain), &last, err)) {
		return false;
	}
	out->n = last.n;
	memcpy(out->hash, last.hash, sizeof(out->hash));
	return true;
}

/* A step ahead of the rows: what is anchored as pruned may still be there, never the other way. */
static bool prune(const struct daemon_prune *d, const struct denied_chain *chain,
		  const struct store_tip *to, struct err *err)
{
	char name[ANCHOR_CHAIN_MAX + 1];
	int64_t rows;

	anchor_chain_of(ANCHOR_PRUNED, chain->node, name);
	if (!keys_anchor(d->keys, str_of(name), to->n, to->hash, err)) {
		return false;
	}
	CRASH_POINT("prune.anchored"); /* and all rows are there */
	if (!store_denied_prune(d->store, chain, to->n, &rows, err)) {
		return false;
	}
	CRASH_POINT("prune.gone"); /* and nobody knows */
	log_info("old rows about denied attempts were pruned", LOG_TEXT("node", chain->node),
		 LOG_INT("rows", rows), LOG_INT("up_to", to->n));
	return true;
}

static bool is_due(const struct denied_options *o, const struct denied_chain *chain, int64_t before)
{
	int64_t rows = chain->head.n - chain->pruned.n;

	return rows > (int64_t)o->rows + o->rows / DAEMON_PRUNE_SLACK ||
	       chain->oldest_ms < before - o->age / DAEMON_PRUNE_SLACK;
}

static bool look_at(const struct daemon_prune *d, const struct denied_chain *chain, struct err *err)
{
	const struct denied_rule rule = {.before_ms = clock_unix_ms() - d->now.age,
					 .rows_max = d->now.rows};
	struct denied_known known;
	struct store_tip to;

	if (!ask(d->keys, ANCHOR_DENIED, chain->node, &known.head, err) ||
	    !ask(d->keys, ANCHOR_PRUNED, chain->node, &known.pruned, err)) {
		return false;
	}
	bool differs = known.pruned.n != chain->pruned.n; /* begun and not ended, or cut off */
	if (known.head.n == 0 || !(differs || is_due(&d->now, chain, rule.before_ms))) {
		return true; /* another node's, or not anchored yet; or there is nothing to do */
	}
	return store_denied_judge(d->store, chain, &known, &rule, &to, err) &&
	       (to.n == chain->pruned.n || prune(d, chain, &to, err));
}

static bool prepare(void *user)
{
	struct daemon_prune *d = user;

	d->now = *d->options;
	return true;
}

static bool run(void *user, struct err *err)
{
	const struct daemon_prune *d = user;
	AUTO_FREE struct denied_chain *chains = NULL;
	struct err one;
	size_t n = 0;
	bool ok = store_denied_chains(d->store, &chains, &n, err);

	for (size_t i = 0; i < n; i++) { /* one that was cut keeps none of the others */
		if (!look_at(d, &chains[i], &one)) {
			ok = false;
			*err = one;
		}
	}
	return ok;
}

void daemon_prune_start(struct daemon_prune *d, struct store *store, struct keys_client *keys,
			struct loop *loop, struct jobs *jobs, const struct denied_options *options)
{
	const struct rounds_settings rounds = {.loop = loop,
					       .jobs = jobs,
					       .first = FIRST_MS,
					       .pause = DAEMON_PRUNE_MS,
					       .prepare = prepare,
					       .run = run,
					       .failed = "old rows about denied attempts stay",
					       .user = d};

	*d = (struct daemon_prune){.store = store, .keys = keys, .options = options};
	rounds_start(&d->rounds, &rounds);
}
