/* From what a look found and what is remembered: which rows and messages there are from now on. */
#include "alert/alerts_priv.h"
#include "base/map.h"

struct decision {
	const struct alerts_set_up *set_up;
	struct alert_found *found;
	const struct alert_source *sources;
	size_t n_sources;
	int64_t now_ms;
};

void alert_keep_text(const char *text, char *into, size_t size)
{
	struct str rest = str_of(text);
	size_t used = 0;

	while (rest.len > 0) {
		size_t n = str_utf8_length(rest);
		bool good = n > 0 && rest.at[0] != '\0';
		n = n > 0 ? n : 1;
		if (used + n >= size) {
			break;
		}
		memcpy(into + used, good ? rest.at : "?", good ? n : 1);
		used += good ? n : 1;
		rest = str_skip(rest, n);
	}
	into[used] = '\0';
}

static void keep_facts(struct alert_row *row, const struct alert_certificate *c)
{
	alert_keep_text(c->source, row->source, sizeof(row->source));
	alert_keep_text(c->name, row->name, sizeof(row->name));
	alert_keep_text(c->label, row->label, sizeof(row->label));
	alert_keep_text(c->subaccount, row->subaccount, sizeof(row->subaccount));
	alert_keep_text(c->subject, row->subject, sizeof(row->subject));
	alert_keep_text(c->serial, row->serial, sizeof(row->serial));
	alert_keep_text(c->next_step, row->next_step, sizeof(row->next_step));
	alert_keep_text(c->renewal_error ? c->renewal_error : "", row->renewal_error,
			sizeof(row->renewal_error));
	row->not_after = c->not_after;
}

void alert_key(const struct alert_certificate *c, char *into, size_t size)
{
	char whole[400];

	snprintf(whole, sizeof(whole), "%s/%s", c->source, c->name);
	alert_keep_text(whole, into, size);
}

bool alerts_uses(const struct alerts_set_up *s, enum alert_channel channel)
{
	return channel == ALERT_MAIL ? s->config.mail_url != NULL : s->config.webhook_url != NULL;
}

static bool settle(struct db *db, const struct decision *d, struct alert_row *row,
		   struct alert_verdict verdict, const struct alert_memory *before, struct err *err)
{
	int64_t now = d->now_ms / 1000;
	enum alert_act act = alert_step(&row->memory, verdict, &d->set_up->config.policy, now);

	if (act == ALERT_DO_NOTHING && memcmp(before, &row->memory, sizeof(*before)) == 0) {
		return true;
	}
	row->changed_ms = d->now_ms;
	if (!alert_store_put(db, row, err)) {
		return false;
	}
	for (int i = 0; act != ALERT_DO_NOTHING && i < ALERT_CHANNELS; i++) {
		if (alerts_uses(d->set_up, (enum alert_channel)i) &&
		    !alert_store_queue(db, row->key, (enum alert_channel)i, act, d->now_ms, err)) {
			return false;
		}
	}
	return true;
}

/* Another node that began later has decided. A row from farther ahead is of a clock that was set
 * back since: it would stay as it is until then. */
static bool is_newer(const struct alert_row *row, int64_t now_ms)
{
	return row->changed_ms > now_ms && row->changed_ms - now_ms <= ALERT_AHEAD_MAX_MS;
}

/* ---- rows, and the share that each subaccount has of them ---- */

/* A row of the store, or one that is made now. */
struct known {
	struct alert_row row;
	bool seen;
	struct known *next_solved; /* of the same share */
};

/* What one subaccount has of one source. */
struct share {
	char key[ALERT_KEY_MAX];
	size_t n;
	struct known *solved; /* of the store: they make room for news */
};

struct rows {
	struct map *by_key; /* struct known, owned */
	struct map *shares; /* struct share, owned */
};

static struct share *share_of(struct rows *r, const struct alert_row *row)
{
	char key[ALERT_KEY_MAX];

	snprintf(key, sizeof(key), "%s/%s", row->source, row->subaccount);
	struct share *s = map_get(r->shares, str_of(key));
	if (s == NULL) {
		s = NEW(struct share);
		memcpy(s->key, key, sizeof(s->key));
		map_put(r->shares, str_of(s->key), s);
	}
	return s;
}

static struct known *know(struct rows *r, const struct alert_row *row)
{
	struct known *k = NEW(struct known);
	struct share *s = share_of(r, row);

	k->row = *row;
	map_put(r->by_key, str_of(k->row.key), k);
	s->n++;
	if (row->memory.state == ALERT_FINE) {
		k->next_solved = s->solved;
		s->solved = k;
	}
	return k;
}

static void free_all(struct map *values)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (map_next(values, &at, &key, &value)) {
		free(value);
	}
	map_free(values);
}

static void rows_fini(struct rows *r)
{
	free_all(r->by_key);
	free_all(r->shares);
}

/* Of a full share one that was solved goes. *has false: there is none. */
static bool make_room(struct db *db, struct rows *r, const struct alert_row *row, bool *has,
		      struct err *err)
{
	struct share *s = share_of(r, row);

	*has = row->subaccount[0] == '\0' || s->n < ALERT_SHARE_MAX;
	while (!*has && s->solved != NULL) {
		struct known *old = s->solved;
		s->solved = old->next_solved;
		if (old->seen || old->row.memory.state != ALERT_FINE) {
			continue; /* it came back meanwhile */
		}
		if (!alert_store_drop(db, old->row.key, err)) {
			return false;
		}
		map_remove(r->by_key, str_of(old->row.key));
		free(old);
		s->n--;
		*has = true;
	}
	*has = *has && map_count(r->by_key) < ALERT_ROWS_MAX;
	return true;
}

/* ---- decisions ---- */

/* One that is not known yet; *out NULL: there is no room for it. */
static bool admit(struct db *db, struct rows *r, const struct alert_certificate *c, const char *key,
		  struct known **out, struct err *err)
{
	struct alert_row fresh = {.memory = {.state = ALERT_FINE}};
	bool has;

	(void)!str_copy(str_of(key), fresh.key, sizeof(fresh.key));
	keep_facts(&fresh, c);
	*out = NULL;
	if (!make_room(db, r, &fresh, &has, err)) {
		return false;
	}
	if (has) {
		*out = know(r, &fresh);
		share_of(r, &fresh)->solved = (*out)->next_solved; /* it is none of the store's */
	}
	return true;
}

static bool decide_one(struct db *db, const struct decision *d, struct rows *r,
		       const struct alert_certificate *c, struct err *err)
{
	struct alert_verdict v = alert_judge(c, &d->set_up->config.policy, d->now_ms / 1000);
	char key[ALERT_KEY_MAX];

	alert_key(c, key, sizeof(key));
	struct known *k = map_get(r->by_key, str_of(key));
	if (k == NULL && v.state != ALERT_FINE && !admit(db, r, c, key, &k, err)) {
		return false;
	}
	/* Of two with one name the one that ends first counts. One that another node looked at
	 * after this look began is left alone. */
	if (k == NULL || k->seen || is_newer(&k->row, d->now_ms)) {
		return true;
	}
	struct alert_memory before = k->row.memory;
	k->seen = true;
	if (before.state != ALERT_FINE || v.state != ALERT_FINE) {
		keep_facts(&k->row, c);
	}
	return settle(db, d, &k->row, v, &before, err);
}

static bool source_is_silent(const struct decision *d, const char *source)
{
	bool known = false;

	for (size_t i = 0; i < d->n_sources; i++) {
		if (strcmp(d->sources[i].name, source) == 0) {
			known = true;
			if (d->found->source_failed[i]) {
				return true;
			}
		}
	}
	/* One that is not registered: another version of this program knows it, perhaps. */
	return !known || d->found->full;
}

static bool decide_gone(struct db *db, const struct decision *d, const struct rows *r,
			struct err *err)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (map_next(r->by_key, &at, &key, &value)) {
		struct known *k = value;
		struct alert_row *row = &k->row;
		struct alert_memory before = row->memory;
		if (k->seen || before.state == ALERT_FINE || is_newer(row, d->now_ms) ||
		    source_is_silent(d, row->source)) {
			continue;
		}
		row->not_after = 0; /* it is not in use any more */
		if (!settle(db, d, row, (struct alert_verdict){.state = ALERT_FINE}, &before,
			    err)) {
			return false;
		}
	}
	return true;
}

static bool decide(struct db *db, void *user, struct err *err)
{
	const struct decision *d = user;
	const bool used[ALERT_CHANNELS] = {alerts_uses(d->set_up, ALERT_MAIL),
					   alerts_uses(d->set_up, ALERT_WEBHOOK)};
	__attribute__((cleanup(rows_fini))) struct rows known = {map_new(), map_new()};
	AUTO_FREE struct alert_row *rows = NULL;
	size_t n = 0;

	if (!alert_store_lock(db, err) || !alert_store_rows(db, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		(void)know(&known, &rows[i]);
	}
	for (size_t i = 0; i < d->found->n; i++) {
		if (!decide_one(db, d, &known, &d->found->rows[i], err)) {
			return false;
		}
	}
	return decide_gone(db, d, &known, err) &&
	       alert_store_prune(db, d->now_ms / 1000, used, err);
}

bool alerts_decide(struct alerts *a, const struct alerts_set_up *s, struct alert_found *found,
		   int64_t now_ms, struct err *err)
{
	struct alert_source sources[ALERT_SOURCES_MAX];
	struct decision d = {.set_up = s, .found = found, .sources = sources, .now_ms = now_ms};

	pthread_mutex_lock(&a->lock);
	memcpy(sources, a->sources, sizeof(sources));
	d.n_sources = a->n_sources;
	pthread_mutex_unlock(&a->lock);
	return store_tx(a->store, decide, &d, err);
}
