#include "programs/daemon_reseal.h"

#include <errno.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "store/change.h"

#define PATH "/api/drawbridge/v1/master-key"

/* ---- what is sealed ---- */

static bool go_through(struct daemon_reseal *r, bool change, struct reseal_count *count,
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

static bool record(struct db *db UNUSED, struct change *c, void *user, struct err *err UNUSED)
{
	const struct daemon_reseal_run *run = user;
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
	return true;
}

/* ---- the run ---- */

static bool on_step(const struct reseal_count *count, void *user)
{
	struct daemon_reseal *r = user;

	pthread_mutex_lock(&r->lock);
	r->now.done = count->items;
	r->now.resealed = count->resealed;
	r->now.failed = count->failed;
	bool goes_on = !r->ending;
	pthread_mutex_unlock(&r->lock);
	return goes_on;
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
	if (!store_change(r->store, record, &run, NULL, &err)) {
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
	r->last = run;
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
	ok = ok && go_through(r, true, &count, &err) &&
	     (!new_data_keys || r->new_data_keys(r->user, true, &count, &err));
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

void daemon_reseal_open(struct daemon_reseal *r)
{
	pthread_mutex_init(&r->lock, NULL);
	r->opened = true;
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

/* ---- the answers ---- */

static void add_run(struct jsonw *w, const char *key, const struct daemon_reseal_run *run)
{
	jsonw_key(w, key);
	if (run->started == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	jsonw_key_time_ms(w, "started", run->started);
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

/* `count`: NULL while it runs. */
static void answer(struct http_call *call, const struct reseal_count *count,
		   const struct daemon_reseal_run *now, const struct daemon_reseal_run *last)
{
	struct jsonw w = jsonw_to(&call->out);

	jsonw_object(&w);
	jsonw_key_bool(&w, "running", count == NULL);
	if (count != NULL) {
		jsonw_key_int(&w, "items", (int64_t)count->items);
		jsonw_key_int(&w, "underOldKey", (int64_t)count->under_old);
		jsonw_key_int(&w, "failed", (int64_t)count->failed);
	}
	jsonw_key_bool(&w, "done", count != NULL && count->under_old + count->failed == 0);
	add_run(&w, "progress", now);
	add_run(&w, "last", last);
	jsonw_object_end(&w);
}

static void show(struct daemon_reseal *r, struct http_call *call)
{
	struct daemon_reseal_run now = {0};
	struct reseal_count count = {0};
	struct err err;

	pthread_mutex_lock(&r->lock);
	bool running = r->running;
	struct daemon_reseal_run last = r->last;
	if (running) {
		now = r->now;
		now.ended = 0; /* until its row is written */
	}
	pthread_mutex_unlock(&r->lock);
	if (!running && !go_through(r, false, &count, &err)) {
		http_problem_err(call, &err);
		return;
	}
	answer(call, running ? NULL : &count, &now, &last);
	http_answer_json(call, 200);
}

/* By the one who set `running`: nobody else comes here before it is taken back. */
static bool start(struct daemon_reseal *r, const struct daemon_reseal_run *run, struct err *err)
{
	const struct reseal_count nothing = {.items = 0};
	struct daemon_reseal_run first = *run;

	if (!store_change(r->store, record, &first, NULL, err)) {
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

static void post(struct daemon_reseal *r, struct http_call *call,
		 const struct daemon_reseal_run *run)
{
	struct err err;

	pthread_mutex_lock(&r->lock);
	bool busy = r->running, ending = r->ending;
	if (!busy && !ending) {
		r->running = true;
		r->now = *run;
	}
	pthread_mutex_unlock(&r->lock);
	if (ending) {
		http_problem(call, 503, "the program ends");
	} else if (busy) {
		http_problem(call, 409,
			     "it is being sealed again already: GET shows how far it is");
	} else if (!start(r, run, &err)) {
		http_problem_err(call, &err);
	} else {
		struct jsonw w = jsonw_to(&call->out);

		jsonw_object(&w);
		jsonw_key_bool(&w, "running", true);
		add_run(&w, "progress", run);
		jsonw_object_end(&w);
		http_answer_field(call, "location", STR(PATH));
		http_answer_json(call, 202);
	}
}

void daemon_reseal_answer(struct daemon_reseal *r, struct http_call *call, bool change,
			  struct str who, struct str from)
{
	struct str keys = http_query(call, "dataKeys");
	bool anew = change && str_eq(keys, STR("new"));

	if (keys.len > 0 && (!anew || r->new_data_keys == NULL)) {
		http_problem(call, 400,
			     "dataKeys may be \"new\", with POST, where tenants have keys");
		return;
	}
	if (!change) {
		show(r, call);
		return;
	}
	struct daemon_reseal_run run = {.started = clock_unix_ms(), .new_data_keys = anew};
	if (!str_copy(who, run.who, sizeof(run.who)) ||
	    !str_copy(from, run.from, sizeof(run.from))) {
		http_problem(call, 400, "the name of the caller is too long");
		return;
	}
	post(r, call, &run);
}
