/* Whose a location is: claimed in the store, taken over from a holder that does not answer. */
#include "base/clock.h"
#include "base/log.h"
#include "cloud/directory/claims.h"
#include "cloud/relay/accept_priv.h"

enum {
	HEARD_LOOK_MS = 20,
};

/* ---- does the holder live? ---- */

/* Shared by the job that asks and the workers that look; the last one frees. */
struct question {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned left, refs;
	bool answered;
};

struct look {
	struct loop_message message;
	struct loop_timer timer;
	struct worker *worker;
	struct question *q;
	char key[REGISTRY_KEY_MAX], instance[DIRECTORY_UUID];
	msec_t asked;
};

static void drop_question(struct question *q) /* with the lock held */
{
	bool last = --q->refs == 0;

	pthread_mutex_unlock(&q->lock);
	if (last) {
		pthread_cond_destroy(&q->changed);
		pthread_mutex_destroy(&q->lock);
		free(q);
	}
}

static void end_look(struct look *k, bool answered)
{
	pthread_mutex_lock(&k->q->lock);
	k->q->answered = k->q->answered || answered;
	k->q->left--;
	pthread_cond_signal(&k->q->changed);
	drop_question(k->q);
	free(k);
}

static void on_look(struct loop_timer *t)
{
	struct look *k = CONTAINER_OF(t, struct look, timer);
	msec_t now = loop_now(k->worker->loop);

	if (worker_heard_since(k->worker, str_of(k->key), str_of(k->instance), k->asked)) {
		end_look(k, true);
	} else if (now - k->asked >= RELAY_HOLDER_ANSWER_MS) {
		end_look(k, false);
	} else {
		loop_timer_set(k->worker->loop, t, now + HEARD_LOOK_MS, on_look);
	}
}

static void start_look(struct loop_message *m)
{
	struct look *k = CONTAINER_OF(m, struct look, message);

	k->asked = loop_now(k->worker->loop);
	if (!worker_probe(k->worker, str_of(k->key), str_of(k->instance))) {
		end_look(k, false);
		return;
	}
	loop_timer_set(k->worker->loop, &k->timer, k->asked + HEARD_LOOK_MS, on_look);
}

/* Asks its tunnels for a sign of life; blocks up to RELAY_HOLDER_ANSWER_MS. In a job. */
static bool holder_answers(struct relay *r, struct str key, struct str instance)
{
	struct question *q = NEW(struct question);

	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	q->left = r->n;
	q->refs = r->n + 1;
	for (unsigned i = 0; i < r->n; i++) {
		struct look *k = NEW(struct look);
		k->worker = r->threads[i].worker;
		k->q = q;
		snprintf(k->key, sizeof(k->key), "%.*s", STR_ARGS(key));
		snprintf(k->instance, sizeof(k->instance), "%.*s", STR_ARGS(instance));
		k->message.fn = start_look;
		loop_post(r->threads[i].loop, &k->message);
	}
	pthread_mutex_lock(&q->lock);
	while (q->left > 0 && !q->answered) {
		pthread_cond_wait(&q->changed, &q->lock);
	}
	bool answered = q->answered;
	drop_question(q);
	return answered;
}

/* ---- the claim ---- */

static void refuse_taken(struct http_call *call, const struct directory_claim *holder, bool fight)
{
	const char *location = holder->location[0] ? holder->location : "(default)";

	if (fight) {
		http_problem(
			call, 409,
			"location ID %s was taken over %d times within a minute: two "
			"installations fight for it, the holder %s stays. Is this machine a copy "
			"of another one?",
			location, (int)HOLDS_TAKEOVERS_MAX, holder->instance);
	} else {
		http_problem(
			call, 409,
			"location ID %s of this subaccount is held by installation %s, which is "
			"connected. Give this connector another location ID, or disconnect the "
			"other one.",
			location, holder->instance);
	}
}

enum holder_state {
	HOLDER_LIVES,
	HOLDER_SILENT,
	HOLDER_NOT_ASKED, /* too many others are being asked */
};

static enum holder_state ask_holder(struct relay *r, struct str key,
				    const struct directory_claim *holder)
{
	if (!str_eq(str_of(holder->node), str_of(r->settings.node))) {
		return HOLDER_LIVES; /* of another node: its lease says so */
	}
	if (atomic_fetch_add(&r->probes, 1) >= RELAY_PROBES_MAX) {
		atomic_fetch_sub(&r->probes, 1);
		return HOLDER_NOT_ASKED;
	}
	bool answers = holder_answers(r, key, str_of(holder->instance));
	atomic_fetch_sub(&r->probes, 1);
	return answers ? HOLDER_LIVES : HOLDER_SILENT;
}

/* True: it is silent, the location may be taken. Answers otherwise. */
static bool holder_is_silent(struct http_call *call, struct relay *r, struct str key,
			     const struct directory_claim *holder)
{
	struct err err = {.kind = ERR_NONE};

	switch (ask_holder(r, key, holder)) {
	case HOLDER_SILENT:
		return true;
	case HOLDER_LIVES:
		refuse_taken(call, holder, false);
		return false;
	case HOLDER_NOT_ASKED:
		break;
	}
	(void)err_set(&err, ERR_LIMIT, "other locations are being taken over: dial again");
	accept_refuse_later(call, "2", &err);
	return false;
}

/* Another installation has it: it keeps it if it lives. */
static bool take_over(struct http_call *call, struct relay *r, struct directory_claim *want,
		      struct directory_claim *holder)
{
	char key[REGISTRY_KEY_MAX];
	struct err err = {.kind = ERR_NONE};

	if (!registry_key(str_of(want->subaccount), str_of(want->location), key)) {
		http_problem(call, 400, "the location ID is too long");
		return false;
	}
	if (!holder_is_silent(call, r, str_of(key), holder)) {
		return false;
	}
	if (!holds_takeover(r->holds, str_of(key), clock_now())) {
		log_error("two installations fight for a location, the holder stays",
			  LOG_TEXT("subaccount", want->subaccount),
			  LOG_TEXT("location", want->location),
			  LOG_TEXT("holder", holder->instance),
			  LOG_TEXT("refused", want->instance));
		refuse_taken(call, holder, true);
		return false;
	}
	char loser[DIRECTORY_UUID];
	snprintf(loser, sizeof(loser), "%s", holder->instance);
	switch (directory_claim(r->settings.store, want, true, clock_unix_ms(), holder, &err)) {
	case DIRECTORY_CLAIM_HELD:
		log_warning("a location was taken over from an installation that fell silent",
			    LOG_TEXT("subaccount", want->subaccount),
			    LOG_TEXT("location", want->location), LOG_TEXT("loser", loser),
			    LOG_TEXT("winner", want->instance));
		relay_evict(r, str_of(key), str_of(loser));
		return true;
	case DIRECTORY_CLAIM_TAKEN:
		refuse_taken(call, holder, false);
		return false;
	case DIRECTORY_CLAIM_FAILED:
		break;
	}
	accept_refuse_later(call, "2", &err);
	return false;
}

bool accept_claim(struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	struct directory_claim want = {.tunnels = 1}, holder = {.tunnels = 0};
	struct err err = {.kind = ERR_NONE};

	if (!str_copy(req->subaccount, want.subaccount, sizeof(want.subaccount)) ||
	    !str_copy(req->location_id, want.location, sizeof(want.location)) ||
	    !str_copy(req->instance, want.instance, sizeof(want.instance))) {
		http_problem(call, 400, "subaccount, instance or location ID is too long");
		return false;
	}
	snprintf(want.node, sizeof(want.node), "%s", r->settings.node);
	switch (directory_claim(r->settings.store, &want, false, clock_unix_ms(), &holder, &err)) {
	case DIRECTORY_CLAIM_HELD:
		return true;
	case DIRECTORY_CLAIM_TAKEN:
		return take_over(call, r, &want, &holder);
	case DIRECTORY_CLAIM_FAILED:
		break;
	}
	accept_refuse_later(call, "2", &err);
	return false;
}

bool accept_is_no_copy(struct http_call *call, struct relay *r, const struct ptth_request *req)
{
	char key[REGISTRY_KEY_MAX];

	if (!registry_key(req->subaccount, req->location_id, key) ||
	    holds_admits_run(r->holds, str_of(key), req->run, call->peer_cert->not_before,
			     clock_now())) {
		return true;
	}
	log_error("two copies of one installation fight for a location, the holder stays",
		  LOG_STR("subaccount", req->subaccount), LOG_STR("instance", req->instance));
	accept_note_denied(call, r, req, 409, "a copy of an installation that is connected");
	http_answer_field(call, "Drawbridge-Refusal", STR("copy"));
	http_problem(call, 409,
		     "another machine with the same identity (installation %.*s) is connected: "
		     "one is a copy of the other. Stop one of them; if this one is to stay, "
		     "refresh its certificate, which locks the other one out.",
		     STR_ARGS(req->instance));
	return false;
}
