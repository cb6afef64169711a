/*
 * The keystore against a naive model: arrays of entries, copied whole. Random operations must end
 * alike and leave the same state, on both databases; then two writers at once, whose committed
 * operations, played on the model in the order of the audit's head, must give the state that is
 * there. MODEL_SEED, MODEL_OPERATIONS and MODEL_AT_ONCE choose other sequences (the suite "system"
 * runs 10,000 operations); a failure names its own.
 */
#include <pthread.h>

#include "unit/cloud/keystore/fixture.h"

enum {
	OPERATIONS = 400, /* of one database, alone */
	AT_ONCE = 100,    /* of each of two writers */
	CONTENTS = 12,
	NAMES = 9,
	MODEL_MAX = 64,
};

/* ---- the model ---- */

struct entry {
	char alias[12];
	int content, id; /* id: of the version */
	uint8_t flags;
	bool provider;
};

struct state {
	struct entry e[MODEL_MAX];
	int n;
};

struct model {
	struct state now, backup, safety;
	bool has_backup, can_undo;
	int next_id;
};

enum kind {
	PUT,
	UPDATE,
	DELETE,
	DELETE_MANY,
	RENAME,
	FLAGS,
	BACK_UP,
	RESTORE,
	OVERWRITE,
	UNDO,
	KINDS,
};

struct op {
	enum kind kind;
	char alias[3][12];
	int content;
	bool provider;
	enum keystore_outcome outcome;
	int64_t head;
};

static struct entry *find(struct state *s, const char *alias)
{
	for (int i = 0; i < s->n; i++) {
		if (strcasecmp(s->e[i].alias, alias) == 0) {
			return &s->e[i];
		}
	}
	return NULL;
}

static bool has_version(struct state *s, const struct entry *e)
{
	struct entry *found = find(s, e->alias);

	return found != NULL && found->id == e->id;
}

static void drop(struct state *s, struct entry *e)
{
	*e = s->e[--s->n];
}

static enum keystore_outcome changed(struct model *m)
{
	m->can_undo = false;
	return KEYSTORE_DONE;
}

/* What the provider owns stays; of the rest only what was then, or that and newer aliases. */
static bool go_back(struct model *m, struct state *then, bool keep_newer)
{
	struct state made = {.n = 0};
	bool differs = false;

	for (int i = 0; i < m->now.n; i++) {
		struct entry *e = &m->now.e[i];
		if (e->provider || (keep_newer && find(then, e->alias) == NULL)) {
			made.e[made.n++] = *e;
		} else {
			differs = differs || !has_version(then, e);
		}
	}
	for (int i = 0; i < then->n; i++) {
		if (!then->e[i].provider) {
			made.e[made.n++] = then->e[i];
			differs = differs || !has_version(&m->now, &then->e[i]);
		}
	}
	if (differs) {
		m->now = made;
	}
	return differs;
}

static enum keystore_outcome model_put(struct model *m, const struct op *op)
{
	struct entry *e = find(&m->now, op->alias[0]);

	if (op->kind == PUT && e != NULL) {
		return KEYSTORE_TAKEN;
	}
	if (op->kind == UPDATE && e == NULL) {
		return KEYSTORE_BAD;
	}
	if (e != NULL && e->content == op->content) {
		return KEYSTORE_SAME;
	}
	if (e == NULL) {
		e = &m->now.e[m->now.n++];
		memcpy(e->alias, op->alias[0], sizeof(e->alias));
	}
	e->content = op->content;
	e->id = m->next_id++;
	e->flags = 0;
	e->provider = op->provider;
	return changed(m);
}

static enum keystore_outcome model_rename(struct model *m, const struct op *op)
{
	struct entry *e = find(&m->now, op->alias[0]), *other = find(&m->now, op->alias[1]);

	if (e == NULL) {
		return KEYSTORE_MISSING;
	}
	if (strcmp(e->alias, op->alias[1]) == 0) {
		return KEYSTORE_SAME;
	}
	if (other != NULL && other != e) {
		return KEYSTORE_TAKEN;
	}
	memcpy(e->alias, op->alias[1], sizeof(e->alias));
	e->id = m->next_id++;
	return changed(m);
}

static enum keystore_outcome model_delete(struct model *m, const struct op *op)
{
	int n = op->kind == DELETE ? 1 : 3, deleted = 0;

	for (int i = 0; i < n; i++) {
		struct entry *e = find(&m->now, op->alias[i]);
		if (e != NULL) {
			drop(&m->now, e);
			deleted++;
		}
	}
	if (deleted == 0) {
		return n == 1 ? KEYSTORE_MISSING : KEYSTORE_SAME;
	}
	return changed(m);
}

static enum keystore_outcome model_flags(struct model *m, const struct op *op)
{
	struct entry *e = find(&m->now, op->alias[0]);

	if (e == NULL) {
		return KEYSTORE_MISSING;
	}
	if (e->flags == (op->content & 1)) {
		return KEYSTORE_SAME;
	}
	e->flags = op->content & 1;
	e->id = m->next_id++;
	return changed(m);
}

static enum keystore_outcome model_restore(struct model *m, bool keep_newer)
{
	struct state before = m->now;

	if (!m->has_backup) {
		return KEYSTORE_MISSING;
	}
	if (!go_back(m, &m->backup, keep_newer)) {
		return KEYSTORE_SAME;
	}
	m->safety = before;
	m->can_undo = true;
	return KEYSTORE_DONE;
}

static enum keystore_outcome model_undo(struct model *m)
{
	if (!m->can_undo) {
		return KEYSTORE_MISSING;
	}
	(void)go_back(m, &m->safety, false);
	return changed(m);
}

static enum keystore_outcome on_model(struct model *m, const struct op *op)
{
	switch (op->kind) {
	case PUT:
	case UPDATE:
		return model_put(m, op);
	case DELETE:
	case DELETE_MANY:
		return model_delete(m, op);
	case RENAME:
		return model_rename(m, op);
	case FLAGS:
		return model_flags(m, op);
	case BACK_UP:
		m->backup = m->now;
		m->has_backup = true;
		return KEYSTORE_DONE;
	case RESTORE:
		return model_restore(m, false);
	case OVERWRITE:
		return model_restore(m, true);
	case UNDO:
		return model_undo(m);
	case KINDS:
		break;
	}
	return KEYSTORE_FAILED;
}

/* ---- the real one ---- */

static struct buf contents[CONTENTS];

static enum keystore_outcome run(struct keystore *k, const struct op *op, struct keystore_report *r,
				 struct err *err)
{
	struct str alias[] = {str_of(op->alias[0]), str_of(op->alias[1]), str_of(op->alias[2])};
	struct keystore_change c = alice();

	c.provider = op->provider;
	switch (op->kind) {
	case PUT:
	case UPDATE:
		return keystore_put_certificate(k, &c, alias[0], buf_str(&contents[op->content]),
						op->kind == UPDATE, r, err);
	case DELETE:
	case DELETE_MANY:
		return keystore_delete(k, &c, alias, op->kind == DELETE ? 1 : 3, r, err);
	case RENAME:
		return keystore_rename(k, &c, alias[0], alias[1], r, err);
	case FLAGS:
		return keystore_set_flags(k, &c, alias[0], op->content & 1, r, err);
	case BACK_UP:
		return keystore_back_up(k, &c, STR(""), NULL, r, err);
	case RESTORE:
		return keystore_restore(k, &c, 0, KEYSTORE_RESTORE_REPLACE, r, err);
	case OVERWRITE:
		return keystore_restore(k, &c, 0, KEYSTORE_RESTORE_OVERWRITE, r, err);
	case UNDO:
		return keystore_undo(k, &c, r, err);
	case KINDS:
		break;
	}
	return KEYSTORE_FAILED;
}

static void on_keystore(struct keystore *k, struct op *op, struct err *err)
{
	struct keystore_report report = {0};

	op->outcome = run(k, op, &report, err);
	op->head = report.head;
	keystore_report_fini(&report);
}

static void draw_alias(uint64_t *seed, bool provider, char into[static 12])
{
	uint64_t r = random_jitter(seed);

	(void)snprintf(into, 12, "%s%c", provider ? "sap_" : "",
		       (int)((r & 0x100 ? 'A' : 'a') + r % NAMES));
}

static struct op draw(uint64_t *seed)
{
	static const uint8_t weights[KINDS] = {24, 16, 10, 4, 10, 8, 6, 6, 6, 6};
	struct op op = {.provider = random_jitter(seed) % 6 == 0};
	uint64_t r = random_jitter(seed) % 96;

	while (r >= weights[op.kind]) {
		r -= weights[op.kind];
		op.kind++;
	}
	op.provider = op.provider && op.kind < BACK_UP;
	op.content = (int)(random_jitter(seed) % CONTENTS);
	for (int i = 0; i < 3; i++) {
		draw_alias(seed, op.provider, op.alias[i]);
	}
	return op;
}

static void same_state(struct keystore *k, struct model *m, uint64_t seed, int at)
{
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct err err;

	assert_ok(keystore_list(k, &here, NULL, &l, &err), &err);
	bool same = keystore_list_count(l) == (size_t)m->now.n;
	for (size_t i = 0; same && i < keystore_list_count(l); i++) {
		const struct keystore_entry *e = keystore_list_at(l, i);
		struct entry *expected = find(&m->now, e->alias);
		char subject[16];
		same = expected != NULL && strcmp(expected->alias, e->alias) == 0 &&
		       expected->flags == e->flags &&
		       expected->provider == (e->owner == KEYS_OWNER_PROVIDER);
		(void)snprintf(subject, sizeof(subject), "CN=S%d", same ? expected->content : 0);
		same = same && str_eq(e->subject, str_of(subject));
	}
	if (!same) {
		fail_msg("seed %llu, operation %d: the state differs", (unsigned long long)seed,
			 at);
	}
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void no_damage(struct str alias, const char *what, void *user UNUSED)
{
	fail_msg("%.*s: %s", STR_ARGS(alias), what);
}

static void prepare(void)
{
	char subject[16];

	for (int i = 0; contents[i % CONTENTS].len == 0 && i < CONTENTS; i++) {
		(void)snprintf(subject, sizeof(subject), "CN=S%d", i);
		(void)certificate(subject, &contents[i]);
	}
}

static void it_does_what_the_model_does(void **state)
{
	uint64_t first = number_of("MODEL_SEED", 1), seed = first;
	int n = (int)number_of("MODEL_OPERATIONS", OPERATIONS);
	struct keystore *k = ready(state);
	struct model m = {.next_id = 1};
	struct err err = {0};
	int64_t checked;

	print_message("MODEL_SEED=%llu MODEL_OPERATIONS=%d\n", (unsigned long long)first, n);
	prepare();
	for (int i = 0; i < n; i++) {
		struct op op = draw(&seed);
		on_keystore(k, &op, &err);
		enum keystore_outcome expected = on_model(&m, &op);
		if (op.outcome != expected) {
			fail_msg("seed %llu, operation %d (kind %d, %s): %d and not %d: %s",
				 (unsigned long long)first, i, op.kind, op.alias[0], op.outcome,
				 expected, err.text);
		}
		if (i % 8 == 0) {
			same_state(k, &m, first, i);
		}
		if (i % 1000 == 999) {
			assert_ok(keystore_prune(k, NOW, &err), &err);
		}
	}
	same_state(k, &m, first, n);
	assert_ok(keystore_verify(k, STR(TENANT), no_damage, NULL, &checked, &err), &err);
	assert_int_equal(checked, m.now.n);
	keystore_close(k);
}

struct writer {
	struct keystore *k;
	uint64_t seed;
	int n;
	struct op *ops;
	int room;
	pthread_t thread;
};

static void *write_at_once(void *user)
{
	struct writer *w = user;
	struct err err;

	for (w->n = 0; w->n < w->room; w->n++) {
		w->ops[w->n] = draw(&w->seed);
		on_keystore(w->k, &w->ops[w->n], &err);
		if (w->ops[w->n].outcome == KEYSTORE_FAILED) {
			print_error("operation %d: %s\n", w->n, err.text);
		}
	}
	return NULL;
}

static int by_head(const void *a, const void *b)
{
	const struct op *x = a, *y = b;

	return (x->head > y->head) - (x->head < y->head);
}

static void two_writers_at_once_lose_no_change(void **state)
{
	uint64_t first = number_of("MODEL_SEED", 1);
	struct keystore *k = ready(state);
	struct writer *w = NEW_ARRAY(struct writer, 2);
	int each = (int)number_of("MODEL_AT_ONCE", AT_ONCE);
	struct op *done = NEW_ARRAY(struct op, 2 * (size_t)each);
	struct model m = {.next_id = 1};
	int n = 0;

	print_message("MODEL_SEED=%llu MODEL_AT_ONCE=%d\n", (unsigned long long)first, each);
	prepare();
	for (int i = 0; i < 2; i++) {
		w[i].k = k;
		w[i].room = each;
		w[i].ops = NEW_ARRAY(struct op, (size_t)each);
		w[i].seed = first + 1000 + (uint64_t)i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_at_once, &w[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		for (int j = 0; j < w[i].n; j++) {
			assert_int_not_equal(w[i].ops[j].outcome, KEYSTORE_FAILED);
			if (w[i].ops[j].outcome == KEYSTORE_DONE) {
				done[n++] = w[i].ops[j];
			}
		}
	}
	qsort(done, (size_t)n, sizeof(*done), by_head);
	for (int i = 0; i < n; i++) {
		assert_true(i == 0 || done[i].head > done[i - 1].head);
		enum keystore_outcome expected = on_model(&m, &done[i]);
		if (expected != KEYSTORE_DONE) {
			fail_msg("seed %llu, change %lld (kind %d, %s): done and not %d",
				 (unsigned long long)first, (long long)done[i].head, done[i].kind,
				 done[i].alias[0], expected);
		}
	}
	same_state(k, &m, first, n);
	free(w[0].ops);
	free(w[1].ops);
	free(done);
	free(w);
	keystore_close(k);
}

static const struct CMUnitTest tests[] = {
	ON_BOTH(it_does_what_the_model_does),
	ON_BOTH(two_writers_at_once_lose_no_change),
};

int main(void)
{
	int failed = cmocka_run_group_tests(tests, databases_start, databases_stop);

	for (int i = 0; i < CONTENTS; i++) {
		buf_fini(&contents[i]);
	}
	return failed;
}
