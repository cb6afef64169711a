#include "programs/daemon_reseal.h"

#include <inttypes.h>

#include "base/log.h"
#include "store/change.h"

static bool run(struct daemon_reseal *r, bool change, bool new_data_keys,
		struct reseal_count *count, struct err *err)
{
	if (new_data_keys && !r->new_data_keys(r->user, change, count, err)) {
		return false;
	}
	for (size_t i = 0; i < COUNT(r->lists) && r->lists[i]; i++) {
		if (!reseal_run(r->keys, r->store, r->lists[i], change, count, err)) {
			return false;
		}
	}
	return r->more == NULL || r->more(r->user, change, count, err);
}

struct record {
	struct str who, from;
	const struct reseal_count *count;
	bool new_data_keys;
};

static bool record(struct db *db UNUSED, struct change *c, void *user, struct err *err UNUSED)
{
	const struct record *r = user;
	char after[128];

	(void)snprintf(after, sizeof(after),
		       "{\"resealed\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"newDataKeys\":%s}",
		       r->count->resealed, r->count->failed, r->new_data_keys ? "true" : "false");
	const struct change_audit audit = {.who = r->who,
					   .from = r->from,
					   .what = STR("master-key.reseal"),
					   .object = STR("master key"),
					   .after = str_of(after)};
	change_record(c, &audit);
	return true;
}

static void answer(struct http_call *call, const struct reseal_count *n)
{
	buf_addf(&call->out,
		 "{\"items\":%" PRIu64 ",\"underOldKey\":%" PRIu64 ",\"resealed\":%" PRIu64
		 ",\"failed\":%" PRIu64 ",\"done\":%s}",
		 n->items, n->under_old, n->resealed, n->failed,
		 n->under_old == 0 && n->failed == 0 ? "true" : "false");
	http_answer_json(call, 200);
}

void daemon_reseal_answer(struct daemon_reseal *r, struct http_call *call, bool change,
			  struct str who, struct str from)
{
	struct reseal_count count = {0};
	struct str keys = http_query(call, "dataKeys");
	struct record rec = {who, from, &count, change && str_eq(keys, STR("new"))};
	struct err err;

	if (keys.len > 0 && (!rec.new_data_keys || r->new_data_keys == NULL)) {
		http_problem(call, 400,
			     "dataKeys may be \"new\", with POST, where tenants have keys");
		return;
	}
	if (pthread_mutex_trylock(&r->lock) != 0) {
		http_problem(call, 503, "the master key is being looked at already: try again");
		return;
	}
	bool ok = run(r, change, rec.new_data_keys, &count, &err) &&
		  (!change || store_change(r->store, record, &rec, NULL, &err));
	pthread_mutex_unlock(&r->lock);
	if (!ok) {
		http_problem_err(call, &err);
		return;
	}
	if (change) {
		log_info("what is sealed was sealed again", LOG_INT("items", count.items),
			 LOG_INT("resealed", count.resealed), LOG_INT("failed", count.failed));
	}
	answer(call, &count);
}
