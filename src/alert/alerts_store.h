#pragma once
/*
 * What the alerts remember: one row for each certificate that is or lately was worth an alert, the
 * messages that wait to be delivered, and how delivery went.
 *
 * Several nodes may look at once. Decisions are made in a transaction that begins with
 * alert_store_lock(), so each is made once; a waiting message is claimed by one node for a while.
 */
#include "alert/judge.h"
#include "store/migrate.h"

extern const struct migration alert_migrations[]; /* module "alert" */

enum {
	ALERT_ROWS_MAX = 20000, /* alerts at once; further certificates wait until some end */
	/* Of those one subaccount's of one source: who keeps thousands of expired certificates
	 * takes no rows of others, nor the operator's attention. */
	ALERT_SHARE_MAX = 200,
	ALERT_KEEP_S = 7 * 86400, /* a solved one stays in the list */
	ALERT_KEY_MAX = 300,
	ALERT_BATCH_MAX = 100, /* messages in one mail or call */
	/* Clocks of nodes differ by less; what is farther ahead was written before a clock was set
	 * back, and no pause after a failure is as long. */
	ALERT_AHEAD_MAX_MS = 2 * 3600 * 1000,
};

enum alert_channel {
	ALERT_MAIL,
	ALERT_WEBHOOK,
	ALERT_CHANNELS,
};
const char *alert_channel_name(enum alert_channel channel); /* "mail", "webhook" */

/* Texts are cut to their arrays. */
struct alert_row {
	char key[ALERT_KEY_MAX]; /* "{source}/{name}" */
	char source[40], name[260], label[260], subaccount[40];
	char subject[520], serial[64], next_step[300], renewal_error[400];
	int64_t not_after;
	struct alert_memory memory;
	int64_t changed_ms; /* Unix: a look that began before it knows less, and changes nothing */
};

/* ---- in one transaction ---- */
NODISCARD bool alert_store_lock(struct db *db, struct err *err);
/* Rows for free(), in order of the key. */
NODISCARD bool alert_store_rows(struct db *db, struct alert_row **rows, size_t *n, struct err *err);
NODISCARD bool alert_store_put(struct db *db, const struct alert_row *row, struct err *err);
NODISCARD bool alert_store_drop(struct db *db, const char *key, struct err *err);
/* A message that waits for the same alert and channel is replaced. */
NODISCARD bool alert_store_queue(struct db *db, const char *key, enum alert_channel channel,
				 enum alert_act act, int64_t now_ms, struct err *err);
/* Forgets alerts that ended long ago, and messages of channels that are not `used`. */
NODISCARD bool alert_store_prune(struct db *db, int64_t now_s, const bool used[ALERT_CHANNELS],
				 struct err *err);

/* ---- delivery ---- */
struct alert_message {
	struct alert_row row;
	enum alert_act act;
	int64_t at_ms, attempts; /* attempts: this one included */
};
/* Messages that are due, the operator's own before those of subaccounts, for free(); nobody else
 * gets them until `until_ms`. Those that would wait longer than ALERT_AHEAD_MAX_MS are due: the
 * clock was set back. */
NODISCARD bool alert_store_claim(struct store *s, enum alert_channel channel, int64_t now_ms,
				 int64_t until_ms, struct alert_message **rows, size_t *n,
				 struct err *err);
NODISCARD bool alert_store_delivered(struct store *s, enum alert_channel channel,
				     const struct alert_message *rows, size_t n, int64_t now_ms,
				     struct err *err);
/* They are due again at `next_ms`. */
NODISCARD bool alert_store_failed(struct store *s, enum alert_channel channel,
				  const struct alert_message *rows, size_t n, int64_t now_ms,
				  int64_t next_ms, const char *why, struct err *err);

/* ---- for the API ---- */
NODISCARD bool alert_store_list(struct store *s, struct alert_row **rows, size_t *n,
				struct err *err);
struct alert_delivery {
	int64_t waiting, attempts;  /* messages; the most attempts of one of them */
	int64_t next_ms;            /* the first of them is due; 0: none waits */
	int64_t sent_ms, failed_ms; /* last time; 0: never */
	char error[400];            /* of the last failure; "" when it went well since */
};
NODISCARD bool alert_store_deliveries(struct store *s, struct alert_delivery out[ALERT_CHANNELS],
				      struct err *err);
