#include "programs/daemon_reseal_priv.h"

#include <errno.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "store/change.h"

/* ---- what is sealed ---- */

bool daemon_reseal_go_through(struct daemon_reseal *r, bool change, struct reseal_count *count,
			      struct err *err)
{
	for (size_t i = 0; i < COUNT(r->lists) && r->lists[i]; i++) {
		if (!reseal_run(r->keys, r->store, r->lists[i], change, count, err)) {
			return false;
		}
	}
	return r->more == NULL || r->more(r->user, change, count, err);
}

static bool count_all(struct daemon_reseal *r, bool new_data_keys, uint64_t *all, struct err *err)
{
	struct reseal_count count = {.items = r->more != NULL};

	for (size_t i = 0; i < COUNT(r->lists) && r->lists[i]; i++) {
		if (!reseal_items(r->store, r->lists[i], &count.items, err)) {
			return false;
		}
	}
	bool ok = !new_data_keys || r->new_data_keys(r->user, false, &count, err);
	*all = count.items;
	return ok;
}

/* ---- the audit ---- */

static void record(struct change *c, const struct daemon_reseal_run *run)
{
	AUTO_BUF struct buf after = BUF(KIB(4));
	struct jsonw w = jsonw_to(&after);

	jsonw_object(&w);
	jsonw_key_bool(&w, "newDataKeys", run->new_data_keys);
	if (run->ended > 0) {
		jsonw_key_int(&w, "resealed", (int64_t)run->resealed);
		jsonw_key_int(&w, "failed", (int64_t)run->failed);
		jsonw_key_text(&w, "error", run->error);
	}
	jsonw_object_end(&w);
	const struct change_audit audit = {.who = str_of(run->who),
					   .from = str_of(run->from),
					   .what = run->ended > 0 ? STR("master-key.reseal.end")
								  : STR("master-key.reseal"),
					   .object = STR("master key"),
					   .after = buf_str(&after)};
	change_record(c, &audit);
}

void daemon_reseal_write_run(struct jsonw *w, const char *node, const struct daemon_reseal_run *run)
{
	jsonw_object(w);
	jsonw_key_time_ms(w, "started", run->started);
	jsonw_key_text(w, "node", node);
	jsonw_key_bool(w, "newDataKeys", run->new_data_keys);
	jsonw_key_int(w, "itemsDone", (int64_t)run->done);
	jsonw_key_int(w, "itemsAll", (int64_t)run->all);
	jsonw_key_int(w, "resealed", (int64_t)run->resealed);
	jsonw_key_int(w, "failed", (int64_t)run->failed);
	if (run->ended > 0) {
		jsonw_key_time_ms(w, "ended", run->ended);
		jsonw_key_text(w, "error", run->error);
		jsonw_key(w, "failures");
		jsonw_array(w);
		for (size_t i = 0; i < run->n_failures; i++) {
			jsonw_str(w, str_of(run->failures[i]));
		}
		jsonw_array_end(w);
	}
	jsonw_object_end(w);
}

void daemon_reseal_text(const struct daemon_reseal *r, const struct daemon_reseal_run *run,
			struct buf *out)
{
	struct jsonw w = jsonw_to(out);

	buf_reset(out);
	daemon_reseal_write_run(&w, store_node(r->store), run);
}

struct recording {
	const struct daemon_reseal *r;
	const struct daemon_reseal_run *run;
	struct str text;
};

/* The lease and the row of the audit are one change. */
static bool record_start(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct recording *rec = user;

	record(c, rec->run);
	return reseal_lease_take(db, rec->run->lease, store_node(rec->r->store), rec->run->started,
				 rec->text, err);
}

static bool record_end(struct db *db, struct change *c, void *user, struct err *err)
{
	const struct recording *rec = user;

	record(c, rec->run);
	return reseal_lease_end(db, rec->run->lease, rec->text, err);
}

static bool store_run(struct daemon_reseal *r, const struct daemon_reseal_run *run, change_fn *fn,
		      struct err *err)
{
	AUTO_BUF struct buf text = BUF(RESEAL_TEXT_MAX);
	struct recording rec = {r, run, STR_NONE};

	daemon_reseal_text(r, run, &text);
	rec.text = buf_str(&text);
	return store_change(r->store, fn, &rec, NULL, err);
}

bool daemon_reseal_settle(struct daemon_reseal *r, struct err *err)
{
	pthread_mutex_lock(&r->lock);
	struct daemon_reseal_run run = r->ended;
	r->ended.started = 0;
	pthread_mutex_unlock(&r->lock);
	if (run.started == 0 || store_run(r, &run, record_end, err)) {
		return true;
	}
	pthread_mutex_lock(&r->lock);
	r->ended = run;
	pthread_mutex_unlock(&r->lock);
	return false;
}

/* ---- the run ---- */

/* A lease that cannot be prolonged now is no reason to stop: the items show what the database
 * does. */
static bool keep_lease(struct daemon_reseal *r, const struct daemon_reseal_run *run)
{
	AUTO_BUF struct buf text = BUF(RESEAL_TEXT_MAX);
	bool held = true;
	struct err err;

	r->renewed = clock_now();
	daemon_reseal_text(r, run, &text);
	if (!reseal_lease_renew(r->store, run->lease, clock_unix_ms(), buf_str(&text), &held,
				&err)) {
		log_warning("the lease of sealing again could not be prolonged", LOG_ERR(&err));
	}
	r->lost = !held;
	return held;
}

static bool on_step(const struct reseal_count *count, void *user)
{
	struct daemon_reseal *r = user;
	struct daemon_reseal_run run = {0};
	bool due = clock_now() - r->renewed >= RESEAL_RENEW_MS;

	pthread_mutex_lock(&r->lock);
	r->now.done = count->items;
	r->now.resealed = count->resealed;
	r->now.failed = count->failed;
	if (due) {
		run = r->now;
	}
	bool goes_on = !r->ending;
	pthread_mutex_unlock(&r->lock);
	return goes_on && (!due || keep_lease(r, &run));
}

static void on_failure(const char *what, void *user)
{
	struct daemon_reseal *r = user;

	pthread_mutex_lock(&r->lock);
	if (r->now.n_failures < RESEAL_FAILURES_MAX) {
		char *to = r->now.failures[r->now.n_failures++];
		(void)snprintf(to, sizeof(r->now.failures[0]), "%s", what);
	}
	pthread_mutex_unlock(&r->lock);
}

/* The row first: who sees that it ended finds it. */
static void end(struct daemon_reseal *r, const struct reseal_count *count, const struct err *why)
{
	struct err err;

	pthread_mutex_lock(&r->lock);
	r->now.ended = clock_unix_ms();
	r->now.done = count->items;
	r->now.resealed = count->resealed;
	r->now.failed = count->failed;
	(void)snprintf(r->now.error, sizeof(r->now.error), "%s", why != NULL ? why->text : "");
	struct daemon_reseal_run run = r->now;
	pthread_mutex_unlock(&r->lock);
	bool stored = store_run(r, &run, record_end, &err);
	if (!stored) {
		log_error("the end of sealing again could not be recorded", LOG_ERR(&err));
		if (why == NULL) {
			(void)snprintf(run.error, sizeof(run.error), "%s", err.text);
		}
	}
	log_info(run.error[0] == '\0' ? "what is sealed was sealed again"
				      : "sealing again stopped half way",
		 LOG_INT("items", run.done), LOG_INT("resealed", run.resealed),
		 LOG_INT("failed", run.failed), LOG_TEXT("err", run.error));
	pthread_mutex_lock(&r->lock);
	if (!stored) {
		r->ended = run;
	}
	r->running = false;
	pthread_mutex_unlock(&r->lock);
}

static void *run_thread(void *user)
{
	struct daemon_reseal *r = user;
	struct reseal_count count = {.step = on_step, .failure = on_failure, .user = r};
	uint64_t all = 0;
	struct err err;

	pthread_setname_np(pthread_self(), "reseal");
	pthread_mutex_lock(&r->lock);
	bool new_data_keys = r->now.new_data_keys;
	pthread_mutex_unlock(&r->lock);
	bool ok = count_all(r, new_data_keys, &all, &err);
	pthread_mutex_lock(&r->lock);
	r->now.all = all;
	pthread_mutex_unlock(&r->lock);
	ok = ok && daemon_reseal_go_through(r, true, &count, &err) &&
	     (!new_data_keys || r->new_data_keys(r->user, true, &count, &err));
	if (!ok && r->lost) {
		(void)err_set(&err, ERR_CONFLICT,
			      "stopped half way, because another run began meanwhile");
	}
	end(r, &count, ok ? NULL : &err);
	return NULL;
}

static bool start_thread(struct daemon_reseal *r, struct err *err)
{
	if (r->has_thread) {
		pthread_join(r->thread, NULL); /* it has ended, or is about to return */
		r->has_thread = false;
	}
	int code = pthread_create(&r->thread, NULL, run_thread, r);

	if (code != 0) {
		errno = code;
		return err_errno(err, ERR_SYSTEM, "cannot start the thread that seals again");
	}
	r->has_thread = true;
	return true;
}

bool daemon_reseal_start(struct daemon_reseal *r, const struct daemon_reseal_run *run,
			 struct err *err)
{
	const struct reseal_count nothing = {.items = 0};
	r->lost = false;
	r->renewed = clock_now();
	if (!daemon_reseal_settle(r, err) || !store_run(r, run, record_start, err)) {
		pthread_mutex_lock(&r->lock);
		r->running = false;
		pthread_mutex_unlock(&r->lock);
		return false;
	}
	if (!start_thread(r, err)) {
		end(r, &nothing, err); /* the start is in the audit: its end belongs there too */
		return false;
	}
	return true;
}

/* What a run said last before it was killed, with its end. */
static void add_end(const struct json *progress, struct buf *last)
{
	static const char *const same[] = {"started",  "node",     "newDataKeys", "itemsDone",
					   "itemsAll", "resealed", "failed"};
	struct jsonw w = jsonw_to(last);

	jsonw_object(&w);
	for (size_t i = 0; i < COUNT(same); i++) {
		jsonw_key(&w, same[i]);
		jsonw_tree(&w, json_get(progress, same[i]));
	}
	jsonw_key_time_ms(&w, "ended", clock_unix_ms());
	jsonw_key_text(&w, "error", "stopped half way, because the program was killed");
	jsonw_key(&w, "failures");
	jsonw_array(&w);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}

static bool end_orphan(struct daemon_reseal *r, struct err *err)
{
	AUTO_BUF struct buf progress = BUF(RESEAL_TEXT_MAX), last = BUF(RESEAL_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL;
	bool found;

	if (!reseal_lease_orphan(r->store, store_node(r->store), &progress, &found, err)) {
		return false;
	}
	if (!found || !json_parse(buf_str(&progress), RESEAL_TEXT_MAX, &json, err)) {
		return !found;
	}
	add_end(json, &last);
	return reseal_lease_set_last(r->store, buf_str(&last), err);
}

void daemon_reseal_open(struct daemon_reseal *r)
{
	struct err err;

	pthread_mutex_init(&r->lock, NULL);
	r->opened = true;
	if (!end_orphan(r, &err)) {
		log_error("how sealing again ended is not known", LOG_ERR(&err));
	}
}

void daemon_reseal_stop(struct daemon_reseal *r)
{
	if (!r->opened) {
		return;
	}
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	bool running = r->running;
	pthread_mutex_unlock(&r->lock);
	if (running) {
		log_info("sealing again stops behind its item");
	}
}

void daemon_reseal_close(struct daemon_reseal *r)
{
	if (!r->opened) {
		return;
	}
	daemon_reseal_stop(r);
	if (r->has_thread) {
		pthread_join(r->thread, NULL);
	}
	pthread_mutex_destroy(&r->lock);
	r->opened = false;
}
