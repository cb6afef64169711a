#pragma once
/* Inside of alerts: what its files share. */
#include <pthread.h>
#include <stdatomic.h>

#include "alert/alerts.h"
#include "base/arena.h"
#include "http/mail.h"

/* A configuration, copied; counted, since a delivery goes on while it is replaced. */
struct alerts_set_up {
	atomic_uint refs;
	struct alert_config config; /* texts are owned */
	const char *to[MAIL_RECIPIENTS_MAX];
	size_t n_to;
	char *to_text; /* owned; `to` points into it */
};

/* What one look found; texts in the arena. */
struct alert_found {
	struct alert_certificate *rows;
	size_t n, room;
	struct arena *arena;
	bool full;
	bool source_failed[ALERT_SOURCES_MAX];
};

struct alerts {
	struct store *store;
	char origin[300];
	pthread_mutex_t lock; /* of what follows */
	struct alerts_set_up *set_up;
	struct alert_source sources[ALERT_SOURCES_MAX];
	size_t n_sources;
	struct buf metrics; /* text of the last look */
	/* ---- the control loop's ---- */
	struct loop *loop;
	struct jobs *jobs;
	struct loop_timer timer;
	bool ended; /* alerts_free() was called while a job was out */
	bool looking;
};

struct alerts_set_up *alerts_set_up_ref(struct alerts *a); /* NULL before alerts_configure() */
void alerts_set_up_unref(struct alerts_set_up *s);
DEFINE_AUTO(alerts_set_up_unref, struct alerts_set_up *)

/* Asks all sources. */
void alerts_gather(struct alerts *a, struct alert_found *out);
void alert_found_sort(struct alert_found *f); /* what ends first comes first */
void alert_found_fini(struct alert_found *f);
/* As UTF-8, with '?' for what is none; never cuts a letter in two. */
void alert_keep_text(const char *text, char *into, size_t size);
void alert_key(const struct alert_certificate *c, char *into, size_t size);

/* In one transaction: rows and messages. `found` is sorted. */
NODISCARD bool alerts_decide(struct alerts *a, const struct alerts_set_up *s,
			     struct alert_found *found, int64_t now_ms, struct err *err);
bool alerts_uses(const struct alerts_set_up *s, enum alert_channel channel);
/* Messages that are due, of both channels. */
void alerts_deliver(struct alerts *a, const struct alerts_set_up *s, int64_t now_ms);
NODISCARD bool alerts_send(const struct alerts *a, const struct alerts_set_up *s,
			   enum alert_channel channel, const struct alert_message *rows, size_t n,
			   int64_t now, struct err *err);
/* `found` is sorted. */
void alerts_note_metrics(struct alerts *a, const struct alert_found *found,
			 const struct alert_policy *policy, int64_t now);
