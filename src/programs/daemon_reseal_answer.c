/* What GET and POST of the master key answer. */
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "programs/daemon_reseal_priv.h"

#define PATH "/api/drawbridge/v1/master-key"

static void add_text(struct jsonw *w, const char *key, struct str text)
{
	jsonw_key(w, key);
	if (text.len > 0) {
		jsonw_raw(w, text);
	} else {
		jsonw_null(w);
	}
}

/* `count`: NULL while one runs. */
static void answer(struct http_call *call, const struct reseal_count *count, struct str progress,
		   struct str last)
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
	add_text(&w, "progress", progress);
	add_text(&w, "last", last);
	jsonw_object_end(&w);
}

/* Of this process's run, which knows more than the row; false when none runs. */
static bool own_progress(struct daemon_reseal *r, struct buf *text)
{
	pthread_mutex_lock(&r->lock);
	bool running = r->running;
	struct daemon_reseal_run now = r->now;
	pthread_mutex_unlock(&r->lock);
	if (running) {
		now.ended = 0; /* until its row is written */
		daemon_reseal_text(r, &now, text);
	}
	return running;
}

static bool look(struct daemon_reseal *r, struct http_call *call, struct reseal_state *state,
		 struct err *err)
{
	struct reseal_count count = {0};
	AUTO_BUF struct buf mine = BUF(RESEAL_TEXT_MAX);
	bool own = own_progress(r, &mine);

	if (!(own || daemon_reseal_settle(r, err)) ||
	    !reseal_lease_read(r->store, clock_unix_ms(), state, err)) {
		return false;
	}
	bool running = own || state->runs;
	if (!running && !daemon_reseal_go_through(r, false, &count, err)) {
		return false;
	}
	struct str progress = own ? buf_str(&mine) : buf_str(&state->progress);
	answer(call, running ? NULL : &count, running ? progress : STR_NONE, buf_str(&state->last));
	return true;
}

static void show(struct daemon_reseal *r, struct http_call *call)
{
	struct reseal_state state;
	struct err err;

	reseal_state_init(&state);
	if (look(r, call, &state, &err)) {
		http_answer_json(call, 200);
	} else {
		http_problem_err(call, &err);
	}
	reseal_state_fini(&state);
}

static void name_lease(struct daemon_reseal_run *run)
{
	uint8_t id[RESEAL_ID_MAX / 2];

	random_bytes(id, sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++) {
		(void)snprintf(run->lease + 2 * i, 3, "%02x", id[i]);
	}
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
	} else if (!daemon_reseal_start(r, run, &err)) {
		http_problem_err(call, &err);
	} else {
		struct jsonw w = jsonw_to(&call->out);

		jsonw_object(&w);
		jsonw_key_bool(&w, "running", true);
		jsonw_key(&w, "progress");
		daemon_reseal_write_run(&w, store_node(r->store), run);
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
	name_lease(&run);
	if (!str_copy(who, run.who, sizeof(run.who)) ||
	    !str_copy(from, run.from, sizeof(run.from))) {
		http_problem(call, 400, "the name of the caller is too long");
		return;
	}
	post(r, call, &run);
}
