#pragma once
/* Connectors: installations that enrolled for a subaccount, and whether they may connect. */
#include "cloud/directory/actor.h"

struct directory_connector {
	char subaccount[DIRECTORY_UUID];
	char instance[DIRECTORY_UUID];
	char location[DIRECTORY_LOCATION_MAX]; /* last one it dialled with; "" is the default one */
	char version[64];                      /* of its program, as it says; may be "" */
	char address[64];                      /* where it last dialled from */
	int64_t first_seen, last_seen;         /* 0: enrolled, never dialled */
	bool disconnected; /* forced by an administrator: its dials are refused until undone */
	int64_t tunnels;   /* up now, over all relays, from unexpired claims */
};

/* Called by the relay when a tunnel opens and by the CA when it enrols; not through the head. */
NODISCARD bool directory_connector_seen(struct store *s, const struct directory_connector *seen,
					int64_t now, struct err *err);
NODISCARD bool directory_connector_find(struct store *s, struct str subaccount, struct str instance,
					int64_t now_ms, struct directory_connector *out,
					struct err *err);
/* Ordered by instance; `after` is the last instance of the page before, or "". */
NODISCARD bool directory_connector_list(struct store *s, struct str subaccount, struct str after,
					size_t limit, int64_t now_ms,
					struct directory_connector **rows, size_t *n,
					struct err *err);
/* Forced disconnect and its end. Relays learn it with the next snapshot and cut the tunnels. */
NODISCARD bool directory_connector_set_disconnected(struct store *s,
						    const struct directory_actor *actor,
						    struct str subaccount, struct str instance,
						    bool disconnected, struct err *err);
/* Also revokes its certificates. */
NODISCARD bool directory_connector_delete(struct store *s, const struct directory_actor *actor,
					  struct str subaccount, struct str instance,
					  struct err *err);
