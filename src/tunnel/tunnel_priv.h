#pragma once
/*
 * Shared by the files of the tunnel: tunnel.c has the pump and the events, tunnel_liveness.c asks
 * whether the peer is still there, tunnel_end.c has drain, loss and death.
 */
#include "tunnel/tunnel.h"

enum life {
	LIFE_NEW,     /* the peer's SETTINGS have not come */
	LIFE_UP,      /* serves */
	LIFE_NOTICE,  /* server: shutdown notice sent, its PING is on the way */
	LIFE_LEAVING, /* GOAWAY sent: ends with the last stream */
	LIFE_LOST,    /* the stream is gone, TUNNEL_LOST is due or was delivered */
	LIFE_BURIED,  /* closed by the owner; freed at the end of the turn */
};

enum {
	SAY_UP = 1,
	SAY_SERVING = 2,
	SAY_DRAINING = 4,
	SAY_LOST = 8,
};

struct tunnel {
	struct stream *stream; /* NULL once lost */
	struct loop *loop;
	struct h2_engine *h2;
	struct tunnel_settings settings;
	enum life life;
	bool started;       /* the bytes behind the 101 were fed */
	bool peer_leaves;   /* its GOAWAY came */
	uint32_t peer_code; /* of its GOAWAY */
	bool inside;        /* an event of the engine is being delivered */
	bool cut;           /* closed by the owner from inside an event */
	unsigned say;       /* SAY_*, not yet told to the owner */
	uint64_t pings;     /* sent; answers come in the same order */
	uint64_t pongs;     /* received */
	uint64_t last_ping; /* the number of the PING behind the shutdown notice */
	msec_t born;
	msec_t asked_at; /* when the oldest PING without any byte since left; 0: none */
	msec_t ends_at;  /* limit of the drain; 0: none */
	struct err failure;
	struct loop_timer timer;
	struct loop_task notice, grave;
};

/* ---- tunnel.c ---- */

/* Tells the owner in phase ACT; 0: only looks there whether a drain is over. */
void tunnel_say(struct tunnel *t, unsigned what);

/* ---- tunnel_liveness.c ---- */

void tunnel_watch(struct tunnel *t); /* sets the timer to the next moment that decides something */
void tunnel_ping(struct tunnel *t);  /* whose answer is only counted */

/* ---- tunnel_end.c ---- */

/* The connection is over; `why` with ERR_NONE: as it should be. Streams hear of it in phase ACT. */
void tunnel_lose(struct tunnel *t, const struct err *why);
void tunnel_lose_because(struct tunnel *t, enum err_kind kind, const char *text);
void tunnel_lose_at_eof(struct tunnel *t);
void tunnel_lose_failed(struct tunnel *t); /* the stream has the reason */
void tunnel_free_engine(struct tunnel *t); /* every open stream hears H2_CLOSED */
void tunnel_leave_if_done(struct tunnel *t);
/* The notice becomes a GOAWAY once its PING was answered, or never will be. */
void tunnel_finish_notice(struct tunnel *t);
