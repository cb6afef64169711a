#include "connector/links_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/random.h"

/* ---- names and snapshots ---- */

const char *link_status_name(enum link_status_state state)
{
	switch (state) {
	case LINK_STATUS_CONNECTED:
		return "Connected";
	case LINK_STATUS_FAILURE:
		return "ConnectFailure";
	case LINK_STATUS_CONNECTING:
	case LINK_STATUS_DISCONNECTED:
		return "Disconnected";
	}
	return "Disconnected";
}

const char *link_status_own_name(enum link_status_state state)
{
	return state == LINK_STATUS_CONNECTING ? "Connecting" : link_status_name(state);
}

static void free_status(struct snapshot *snapshot)
{
	struct link_status_set *set = CONTAINER_OF(snapshot, struct link_status_set, snapshot);

	free(set->rows);
	free(set);
}

void link_status_set_unref(struct link_status_set *set)
{
	if (set != NULL) {
		snapshot_unref(&set->snapshot);
	}
}

struct link_status_set *links_status(struct links *l)
{
	return CONTAINER_OF(snapshot_ref(&l->status), struct link_status_set, snapshot);
}

const struct link_status *link_status_find(const struct link_status_set *set, const char *key)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->rows[i].key, key) == 0) {
			return &set->rows[i];
		}
	}
	return NULL;
}

/* ---- what is reported, added up ---- */

static bool is_wanted(const struct subaccount *sa)
{
	return sa->state.connected && sa->tls != NULL;
}

/* One line's part in the sum; the trouble of any line is shown. */
static void add_line(struct link_status *st, const struct line_report *r)
{
	st->tunnels += r->tunnels;
	if (r->up_since_ms > 0 &&
	    (st->connected_since_ms == 0 || r->up_since_ms < st->connected_since_ms)) {
		st->connected_since_ms = r->up_since_ms;
	}
	if (r->reason[0] != '\0' && st->reason[0] == '\0') {
		memcpy(st->reason, r->reason, sizeof(st->reason));
		memcpy(st->refusal, r->refusal, sizeof(st->refusal));
		st->refused = r->refused;
	}
	if (r->owners[0] != '\0') {
		memcpy(st->owners, r->owners, sizeof(st->owners));
	}
	if (r->skew_s != 0) {
		st->skew_s = r->skew_s;
	}
}

static struct link_status sum_of(const struct link_row *row, const struct subaccount *sa)
{
	struct link_status st = {.wanted = row != NULL ? row->wanted : 1};

	memcpy(st.key, sa->key, sizeof(st.key));
	if (!sa->state.connected) {
		return st;
	}
	if (sa->tls == NULL) {
		st.state = LINK_STATUS_FAILURE;
		memcpy(st.reason, sa->defect, sizeof(st.reason));
		return st;
	}
	for (size_t i = 0; row != NULL && i < row->wanted; i++) {
		if (row->lines[i] != NULL) {
			add_line(&st, row->lines[i]);
		}
	}
	if (st.connected_since_ms > 0) {
		st.state = LINK_STATUS_CONNECTED;
	} else {
		st.state = st.reason[0] != '\0' ? LINK_STATUS_FAILURE : LINK_STATUS_CONNECTING;
	}
	return st;
}

struct link_row *links_find_row(const struct links *l, const char *key)
{
	for (struct link_row *row = l->rows; row != NULL; row = row->next) {
		if (strcmp(row->key, key) == 0) {
			return row;
		}
	}
	return NULL;
}

static void publish(struct links *l)
{
	struct link_status_set *set = NEW(struct link_status_set);

	snapshot_init(&set->snapshot, free_status);
	set->n = l->set != NULL ? l->set->n : 0;
	set->rows = NEW_ARRAY(struct link_status, set->n > 0 ? set->n : 1);
	for (size_t i = 0; i < set->n; i++) {
		set->rows[i] = sum_of(links_find_row(l, l->set->rows[i].key), &l->set->rows[i]);
	}
	snapshot_publish(&l->status, &set->snapshot);
	if (l->settings.on_status != NULL) {
		l->settings.on_status(l->settings.user);
	}
}

/* ---- orders to the workers ---- */

static void order(struct links *l, size_t worker, struct order *take)
{
	take->message.fn = links_worker_obey;
	take->worker = &l->workers[worker];
	(void)links_ref(l);
	loop_post(l->workers[worker].loop, &take->message);
}

/* Which lines this worker shall have: line k of a subaccount is at worker (start + k) mod n. */
static struct order *make_order(const struct links *l, size_t worker)
{
	struct order *o = NEW(struct order);
	size_t most = 0;

	for (const struct link_row *row = l->rows; row != NULL; row = row->next) {
		most += row->wanted;
	}
	o->what = ORDER_APPLY;
	o->set = subaccount_set_ref(l->set);
	o->lines = NEW_ARRAY(struct line_order, most > 0 ? most : 1);
	for (size_t i = 0; i < l->set->n; i++) {
		const struct link_row *row = links_find_row(l, l->set->rows[i].key);
		for (unsigned k = 0; row != NULL && k < row->wanted; k++) {
			if ((row->start + k) % l->settings.n_workers == worker) {
				o->lines[o->n++] = (struct line_order){.subaccount = i, .index = k};
			}
		}
	}
	return o;
}

static void order_all(struct links *l)
{
	for (size_t i = 0; i < l->settings.n_workers; i++) {
		order(l, i, make_order(l, i));
	}
}

static void order_plain(struct links *l, enum order_what what)
{
	for (size_t i = 0; i < l->settings.n_workers; i++) {
		struct order *o = NEW(struct order);
		o->what = what;
		order(l, i, o);
	}
}

/* ---- the table ---- */

static void free_row(struct link_row *row)
{
	for (size_t i = 0; i < PTTH_TUNNELS_MAX; i++) {
		free(row->lines[i]);
	}
	free(row);
}

static void want(struct links *l, const struct subaccount *sa)
{
	struct link_row *row = links_find_row(l, sa->key);

	if (row == NULL) {
		row = NEW(struct link_row);
		memcpy(row->key, sa->key, sizeof(row->key));
		row->wanted = 1;
		row->start = (size_t)(map_hash(str_of(sa->key)) % l->settings.n_workers);
		row->next = l->rows;
		l->rows = row;
	}
	row->seen = true;
}

static void drop_unseen(struct links *l)
{
	struct link_row **at = &l->rows;

	while (*at != NULL) {
		struct link_row *row = *at;
		if (row->seen) {
			at = &row->next;
		} else {
			*at = row->next;
			free_row(row);
		}
	}
}

void links_apply_now(struct links *l)
{
	subaccount_set_unref(l->set);
	l->set = subaccounts_ref(l->settings.subaccounts);
	for (struct link_row *row = l->rows; row != NULL; row = row->next) {
		row->seen = false;
	}
	for (size_t i = 0; i < l->set->n; i++) {
		if (is_wanted(&l->set->rows[i])) {
			want(l, &l->set->rows[i]);
		}
	}
	drop_unseen(l);
	order_all(l);
	publish(l);
}

/* ---- reports of the workers ---- */

struct report {
	struct loop_message message;
	struct links *links;
	struct line_report line;
};

static void take_report(struct links *l, const struct line_report *r)
{
	struct link_row *row = links_find_row(l, r->key);

	if (row == NULL || r->index >= row->wanted) {
		return; /* of a line that was given up meanwhile */
	}
	if (row->lines[r->index] == NULL) {
		row->lines[r->index] = NEW(struct line_report);
	}
	*row->lines[r->index] = *r;
	if (r->certificate_id != 0 && r->wanted != row->wanted) {
		row->wanted = r->wanted;
		order_all(l);
	}
	links_learn(l, row, r);
	publish(l);
}

static void on_report(struct loop_message *message)
{
	struct report *report = CONTAINER_OF(message, struct report, message);
	struct links *l = report->links;

	if (!atomic_load(&l->dead)) {
		take_report(l, &report->line);
	}
	free(report);
	links_unref(l);
}

void links_report(struct links *l, const struct line_report *line)
{
	struct report *report = NEW(struct report);

	report->message.fn = on_report;
	report->links = links_ref(l);
	report->line = *line;
	loop_post(l->settings.control, &report->message);
}

/* ---- short messages to the control loop ---- */

struct note {
	struct loop_message message;
	struct links *links;
	void (*fn)(struct links *l);
};

static void on_note(struct loop_message *message)
{
	struct note *note = CONTAINER_OF(message, struct note, message);
	struct links *l = note->links;

	if (!atomic_load(&l->dead)) {
		note->fn(l);
	}
	free(note);
	links_unref(l);
}

static void post(struct links *l, void (*fn)(struct links *l))
{
	struct note *note = NEW(struct note);

	note->message.fn = on_note;
	note->links = links_ref(l);
	note->fn = fn;
	loop_post(l->settings.control, &note->message);
}

static void finish_drain(struct links *l)
{
	void (*done)(void *user) = l->done;

	loop_timer_cancel(l->settings.control, &l->drain_timer);
	l->done = NULL;
	if (done != NULL) {
		done(l->done_user);
	}
}

static void on_worker_drained(struct links *l)
{
	if (--l->undrained == 0) {
		finish_drain(l);
	}
}

void links_drained(struct links *l)
{
	post(l, on_worker_drained);
}

static void on_drain_timer(struct loop_timer *timer)
{
	finish_drain(CONTAINER_OF(timer, struct links, drain_timer));
}

/* ---- the owner's calls ---- */

struct links *links_ref(struct links *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void links_unref(struct links *l)
{
	if (atomic_fetch_sub(&l->refs, 1) == 1) {
		snapshot_cell_fini(&l->status);
		free(l->workers);
		free(l);
	}
}

struct links *links_new(const struct links_settings *settings)
{
	struct links *l = NEW(struct links);

	atomic_init(&l->refs, 1);
	atomic_init(&l->dead, false);
	l->settings = *settings;
	random_uuid(l->run);
	l->workers = NEW_ARRAY(struct links_worker, settings->n_workers);
	for (size_t i = 0; i < settings->n_workers; i++) {
		l->workers[i] = (struct links_worker){
			.links = l,
			.loop = settings->workers[i],
			.user = settings->worker_users != NULL ? settings->worker_users[i] : NULL};
	}
	snapshot_cell_init(&l->status);
	links_apply_now(l);
	return l;
}

void links_apply(struct links *l)
{
	post(l, links_apply_now);
}

static void hurry_all(struct links *l)
{
	order_plain(l, ORDER_HURRY);
}

void links_hurry(struct links *l)
{
	post(l, hurry_all);
}

void links_drain(struct links *l, msec_t limit, void (*done)(void *user), void *user)
{
	l->done = done;
	l->done_user = user;
	l->undrained = l->settings.n_workers;
	loop_timer_set(l->settings.control, &l->drain_timer, loop_now(l->settings.control) + limit,
		       on_drain_timer);
	order_plain(l, ORDER_DRAIN);
}

void links_free(struct links *l)
{
	if (l == NULL) {
		return;
	}
	atomic_store(&l->dead, true);
	loop_timer_cancel(l->settings.control, &l->drain_timer);
	loop_timer_cancel(l->settings.control, &l->lesson_timer);
	for (size_t i = 0; i < l->settings.n_workers; i++) {
		links_worker_free(&l->workers[i]);
	}
	while (l->rows != NULL) {
		struct link_row *row = l->rows;
		l->rows = row->next;
		free_row(row);
	}
	subaccount_set_unref(l->set);
	links_unref(l);
}
