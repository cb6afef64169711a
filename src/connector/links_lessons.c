/* What the cloud side told, into the database. */
#include "connector/links_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct lesson {
	struct job job;
	struct links *links;
	int64_t certificate_id; /* to be confirmed; 0: none */
	char key[STATE_HOST + STATE_UUID];
	char owners[400];
	struct err err;
	bool ok;
};

static void run_lesson(struct job *job)
{
	struct lesson *lesson = CONTAINER_OF(job, struct lesson, job);
	struct subaccounts *subaccounts = lesson->links->settings.subaccounts;

	lesson->ok =
		lesson->certificate_id != 0
			? subaccounts_confirm(subaccounts, lesson->certificate_id, &lesson->err)
			: subaccounts_learn_owners(subaccounts, lesson->key, lesson->owners,
						   &lesson->err);
}

static void learn_again(struct loop_timer *timer);

/* A tunnel that stays up reports nothing more, so nobody else would ask again. */
static void forget_lesson(struct links *l, const struct lesson *lesson)
{
	struct link_row *row = links_find_row(l, lesson->key);

	if (row == NULL) {
		return;
	}
	if (lesson->certificate_id != 0) {
		row->confirming = 0;
	} else {
		row->owners_told[0] = '\0';
	}
	loop_timer_set(l->settings.control, &l->lesson_timer,
		       loop_now(l->settings.control) + LINKS_LESSON_AGAIN_MS, learn_again);
}

static void end_lesson(struct job *job)
{
	struct lesson *lesson = CONTAINER_OF(job, struct lesson, job);
	struct links *l = lesson->links;
	bool dead = atomic_load(&l->dead);

	if (!lesson->ok) {
		log_warning("what the relay told could not be stored, it is tried again",
			    LOG_TEXT("subaccount", lesson->key), LOG_ERR(&lesson->err));
	}
	if (!dead && lesson->ok) {
		links_apply_now(l);
	} else if (!dead) {
		forget_lesson(l, lesson);
	}
	free(lesson);
	links_unref(l);
}

static void teach(struct links *l, const char *key, int64_t certificate_id, const char *owners)
{
	struct lesson *lesson = NEW(struct lesson);
	struct err err = {0};

	lesson->job = (struct job){.run = run_lesson, .done = end_lesson};
	lesson->links = links_ref(l);
	lesson->certificate_id = certificate_id;
	snprintf(lesson->key, sizeof(lesson->key), "%s", key);
	snprintf(lesson->owners, sizeof(lesson->owners), "%s", owners);
	if (!jobs_submit(l->settings.jobs, l->settings.control, &lesson->job, &err)) {
		forget_lesson(l, lesson);
		free(lesson);
		links_unref(l);
	}
}

void links_learn(struct links *l, struct link_row *row, const struct line_report *r)
{
	const struct subaccount *sa = NULL;

	for (size_t i = 0; i < l->set->n && sa == NULL; i++) {
		sa = strcmp(l->set->rows[i].key, row->key) == 0 ? &l->set->rows[i] : NULL;
	}
	if (sa == NULL) {
		return;
	}
	if (r->certificate_id == sa->certificate_id && !sa->certificate_confirmed &&
	    row->confirming != r->certificate_id) {
		row->confirming = r->certificate_id;
		teach(l, row->key, r->certificate_id, "");
	}
	if (r->owners[0] != '\0' && strcmp(r->owners, sa->state.owners) != 0 &&
	    strcmp(r->owners, row->owners_told) != 0) {
		memcpy(row->owners_told, r->owners, sizeof(row->owners_told));
		teach(l, row->key, 0, r->owners);
	}
}

static void learn_again(struct loop_timer *timer)
{
	struct links *l = CONTAINER_OF(timer, struct links, lesson_timer);

	for (struct link_row *row = l->rows; row != NULL; row = row->next) {
		for (size_t i = 0; i < row->wanted; i++) {
			if (row->lines[i] != NULL) {
				links_learn(l, row, row->lines[i]);
			}
		}
	}
}
