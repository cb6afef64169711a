#include "store/denials.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/export_pace.h"

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

/* What waits for one chain. */
struct batch {
	struct entry *entries; /* DENIALS_MAX of them, or NULL */
	size_t n;
	uint64_t left_out;
};

struct denials {
	struct store *store;
	struct export_pace *pace;
	pthread_mutex_t lock; /* of what follows */
	struct batch batches[STORE_CHAINS];
};

struct denials *denials_new(struct store *s)
{
	struct denials *d = NEW(struct denials);

	d->store = s;
	d->pace = export_pace_new();
	pthread_mutex_init(&d->lock, NULL);
	return d;
}

void denials_free(struct denials *d)
{
	if (d != NULL) {
		pthread_mutex_destroy(&d->lock);
		free(d->batches[STORE_DENIED].entries);
		free(d->batches[STORE_EXPORTS].entries);
		export_pace_free(d->pace);
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
static bool keep(struct denials *d, enum store_chain chain, const struct denial *denial)
{
	struct batch *b = &d->batches[chain];

	pthread_mutex_lock(&d->lock);
	if (b->entries == NULL) {
		b->entries = NEW_ARRAY(struct entry, DENIALS_MAX);
	}
	bool room = b->n < DENIALS_MAX;
	if (room) {
		fill(&b->entries[b->n++], denial);
	}
	pthread_mutex_unlock(&d->lock);
	return room;
}

static void leave_out(struct denials *d, enum store_chain chain)
{
	pthread_mutex_lock(&d->lock);
	d->batches[chain].left_out++;
	pthread_mutex_unlock(&d->lock);
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

static bool write_all(struct denials *d, enum store_chain chain, const struct batch *b,
		      struct err *err)
{
	size_t n = b->n;
	AUTO_FREE struct change_audit *rows = NEW_ARRAY(struct change_audit, n);
	AUTO_FREE struct buf *after = NEW_ARRAY(struct buf, n);

	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &b->entries[i];
		after[i] = BUF(8 * DENIALS_TEXT_MAX); /* a text escaped byte by byte */
		describe(e, i == 0 ? b->left_out : 0, &after[i]);
		rows[i] = (struct change_audit){.who = str_of(e->texts[WHO]),
						.from = str_of(e->texts[FROM]),
						.tenant = str_of(e->texts[TENANT]),
						.what = str_of(e->texts[WHAT]),
						.object = str_of(e->texts[OBJECT]),
						.after = buf_str(&after[i])};
	}
	bool ok = store_denied_all(d->store, chain, rows, n, err);
	for (size_t i = 0; i < n; i++) {
		buf_fini(&after[i]);
	}
	return ok;
}

static bool flush(struct denials *d, enum store_chain chain, struct err *err)
{
	pthread_mutex_lock(&d->lock);
	struct batch b = d->batches[chain];
	d->batches[chain] = (struct batch){.left_out = b.n > 0 ? 0 : b.left_out};
	pthread_mutex_unlock(&d->lock);
	bool ok = b.n == 0 || write_all(d, chain, &b, err);
	if (!ok) {
		pthread_mutex_lock(&d->lock);
		d->batches[chain].left_out += b.n + b.left_out;
		pthread_mutex_unlock(&d->lock);
	}
	free(b.entries);
	return ok;
}

void denials_note(struct denials *d, const struct denial *denial)
{
	if (d != NULL && !keep(d, STORE_DENIED, denial)) {
		leave_out(d, STORE_DENIED);
	}
}

static void refuse_export(struct denials *d, const struct denial *denial)
{
	struct denial refused = *denial;

	refused.what = STR("denied export");
	refused.reason = "more exports of this subaccount than it may make";
	refused.status = 429;
	denials_note(d, &refused);
}

msec_t denials_note_export(struct denials *d, const struct denial *denial)
{
	struct err err;

	if (d == NULL) {
		return 0;
	}
	msec_t wait = export_pace_take(d->pace, denial->tenant, clock_now());
	if (wait > 0) {
		refuse_export(d, denial);
		return wait;
	}
	while (!keep(d, STORE_EXPORTS, denial)) {
		if (!flush(d, STORE_EXPORTS, &err)) {
			leave_out(d, STORE_EXPORTS);
			break;
		}
	}
	return 0;
}

bool denials_waiting(struct denials *d)
{
	pthread_mutex_lock(&d->lock);
	bool any = d->batches[STORE_DENIED].n > 0 || d->batches[STORE_EXPORTS].n > 0;
	pthread_mutex_unlock(&d->lock);
	return any;
}

bool denials_flush(struct denials *d, struct err *err)
{
	struct err ignored;
	bool ok = flush(d, STORE_EXPORTS, err);

	return flush(d, STORE_DENIED, ok ? err : &ignored) && ok;
}
