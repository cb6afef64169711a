#pragma once
/*
 * The connector's administration over REST: the paths, fields, texts and habits of the original
 * (spec sections 1.2, 3.1-3.5, 8.8) under /api/v1, and what it lacks under /api/drawbridge/v1.
 *
 *     settings.tables = admin_tables;   settings.user = admin;   settings.lenient_json = true;
 *     settings.authorize = admin_authorize;   settings.render_error = admin_render_error;
 *
 * One user ("Administrator" unless renamed), known by Basic or by a session (http/session.h). Until
 * the initial password is changed, and until the role is chosen, everything else is 403
 * FORBIDDEN_REQUEST. Handlers run in jobs and may block.
 */
#include "alert/alerts.h"
#include "connector/links.h"
#include "connector/mappings.h"
#include "connector/renewals.h"
#include "http/session.h"

struct admin;

struct admin_settings {
	struct store *store;
	struct subaccounts *subaccounts;
	struct links *links;       /* NULL: no tunnels are shown (tests) */
	struct renewals *renewals; /* NULL: none are shown (tests) */
	struct mappings *mappings;
	struct alerts *alerts;     /* NULL: 503 (tests) */
	struct ui_certificate *ui; /* NULL: none (tests) */
	const char *version;
	/* The initial password was changed: the file with the setup code can go. May be NULL. */
	void (*on_password)(void *user);
	/* Answers about the master key; `change`: seals again. May be NULL. */
	void (*master_key)(struct http_call *call, bool change, const struct state_actor *actor,
			   void *user);
	void *user;
};

/* Reads the user and the role; publishes the first snapshot of access control. All lent. */
NODISCARD bool admin_new(const struct admin_settings *settings, struct admin **out,
			 struct err *err);
void admin_free(struct admin *a); /* takes NULL */
/* Subaccounts changed (subaccounts_settings.on_change): access control follows. Blocks. */
void admin_follow(struct admin *a);

extern const struct http_route *const admin_tables[];
bool admin_authorize(struct http_call *call);
bool admin_render_error(struct http_call *call, unsigned status, const char *detail);
