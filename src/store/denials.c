#include "store/denials.h"

#include <pthread.h>

#include "base/json.h"

enum text {
	WHO,
	FROM,
	TENANT,
	WHAT,
	OBJECT,
	REASON,
	TEXTS,
};

struct entry {
	char texts[TEXTS][DENIALS_TEXT_MAX];
	unsigned status;
};

struct denials {
	struct store *store;
	pthread_mutex_t lock; /* of what follows */
	struct entry *entries;
	size_t n;
	uint64_t left_out;
};

struct denials *denials_new(struct store *s)
{
	struct denials *d = NEW(struct denials);

	d->store = s;
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void denials_free(struct denials *d)
{
	if (d != NULL) {
		pthread_mutex_destroy(&d->lock);
		free(d->entries);
		free(d);
	}
}

/* A text for the database: what strangers sent is cut and made harmless. */
static void copy(struct str from, char into[static DENIALS_TEXT_MAX])
{
	struct str cut = str_first(from, DENIALS_TEXT_MAX - 1);
	bool utf8 = str_is_utf8(cut);

	for (size_t i = 0; i < cut.len; i++) {
		unsigned char c = (unsigned char)cut.at[i];
		bool good = c >= 0x20 && c != 0x7f && (c < 0x80 || utf8);
		into[i] = good ? cut.at[i] : '?';
	}
	into[cut.len] = '\0';
}

static void fill(struct entry *e, const struct denial *denial)
{
	copy(denial->who, e->texts[WHO]);
	copy(denial->from, e->texts[FROM]);
	copy(denial->tenant, e->texts[TENANT]);
	copy(denial->what, e->texts[WHAT]);
	copy(denial->object, e->texts[OBJECT]);
	copy(str_of(denial->reason), e->texts[REASON]);
	e->status = denial->status;
}

/* False when there is no room. */
static bool keep(struct denials *d, const struct denial *denial)
{
	pthread_mutex_lock(&d->lock);
	if (d->entries == NULL) {
		d->entries = NEW_ARRAY(struct entry, DENIALS_MAX);
	}
	bool room = d->n < DENIALS_MAX;
	if (room) {
		fill(&d->entries[d->n++], denial);
	}
	pthread_mutex_unlock(&d->lock);
	return room;
}

static void leave_out(struct denials *d)
{
	pthread_mutex_lock(&d->lock);
	d->left_out++;
	pthread_mutex_unlock(&d->lock);
}

void denials_note(struct denials *d, const struct denial *denial)
{
	if (d != NULL && !keep(d, denial)) {
		leave_out(d);
	}
}

void denials_note_granted(struct denials *d, const struct denial *denial)
{
	struct err err;

	while (d != NULL && !keep(d, denial)) {
		if (!denials_flush(d, &err)) {
			leave_out(d);
			return;
		}
	}
}

bool denials_waiting(struct denials *d)
{
	pthread_mutex_lock(&d->lock);
	bool any = d->n > 0;
	pthread_mutex_unlock(&d->lock);
	return any;
}

static void describe(const struct entry *e, uint64_t left_out, struct buf *json)
{
	struct jsonw w = jsonw_to(json);

	jsonw_object(&w);
	jsonw_key_text(&w, "reason", e->texts[REASON]);
	jsonw_key_int(&w, "status", e->status);
	if (left_out > 0) {
		jsonw_key_int(&w, "left out before", (int64_t)left_out);
	}
	jsonw_object_end(&w);
}

static bool write_all(struct denials *d, const struct entry *entries, size_t n, uint64_t left_out,
		      struct err *err)
{
	AUTO_FREE struct change_audit *rows = NEW_ARRAY(struct change_audit, n);
	AUTO_FREE struct buf *after = NEW_ARRAY(struct buf, n);

	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &entries[i];
		after[i] = BUF(8 * DENIALS_TEXT_MAX); /* a text escaped byte by byte */
		describe(e, i == 0 ? left_out : 0, &after[i]);
		rows[i] = (struct change_audit){.who = str_of(e->texts[WHO]),
						.from = str_of(e->texts[FROM]),
						.tenant = str_of(e->texts[TENANT]),
						.what = str_of(e->texts[WHAT]),
						.object = str_of(e->texts[OBJECT]),
						.after = buf_str(&after[i])};
	}
	bool ok = store_denied_all(d->store, rows, n, err);
	for (size_t i = 0; i < n; i++) {
		buf_fini(&after[i]);
	}
	return ok;
}

bool denials_flush(struct denials *d, struct err *err)
{
	pthread_mutex_lock(&d->lock);
	AUTO_FREE struct entry *entries = d->entries;
	size_t n = d->n;
	uint64_t left_out = d->left_out;
	d->entries = NULL;
	d->n = 0;
	d->left_out = 0;
	pthread_mutex_unlock(&d->lock);
	if (n == 0 || write_all(d, entries, n, left_out, err)) {
		return true;
	}
	pthread_mutex_lock(&d->lock);
	d->left_out += n + left_out;
	pthread_mutex_unlock(&d->lock);
	return false;
}
