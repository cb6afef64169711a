#pragma once
/*
 * Keeps one tunnel open for ever: obeys the commands of tunnel/link with a real stream.
 *
 * A try: resolve the name anew (a job), connect to each of its addresses, cross the corporate proxy
 * by CONNECT where there is one, TLS 1.3 with the subaccount certificate and the name verified,
 * PTTH, read the 101 or the refusal, make the tunnel with the bytes behind the head still unread.
 *
 * Beside the newest try there may be older tunnels that drain: after the relay's GOAWAY, and after
 * dialer_retarget() (a new certificate, location ID or proxy). They are drained when the relay
 * counts on the new one (TUNNEL_SERVING), so there is always one that takes requests; if the new
 * one is refused the old one stays.
 *
 * One loop. Callbacks come from the loop, never inside a call that you made. `user` is lent.
 */
#include "crypto/tls.h"
#include "net/jobs.h"
#include "tunnel/handshake.h"
#include "tunnel/link.h"
#include "tunnel/tunnel.h"

struct dialer;

enum {
	DIALER_HOP_MS = 10000,   /* each of: resolve, connect, proxy, TLS, upgrade (peers.md c26) */
	DIALER_DRAIN_MS = 30000, /* for the streams at dialer_drain(); then they are cut */
	/* For those of a replaced tunnel: a refresh must lose none, however long it runs. */
	DIALER_REPLACED_MS = 24 * 3600 * 1000,
	DIALER_TUNNELS_MAX = 32, /* of one dialer, those that drain included; the oldest is cut */
};

/* Where to and as whom; copied, `tls` is referenced. */
struct dialer_target {
	const char *host; /* the relay's name, verified in its certificate and sent as Host */
	uint16_t port;
	struct tls_config *tls;
	const char *subaccount, *instance, *location_id;
	const char *run;        /* UUID of this run of the program; NULL: not said */
	const char *proxy_host; /* NULL or "": direct */
	uint16_t proxy_port;
	const char *proxy_user, *proxy_password; /* Basic; NULL or "": none */
};

struct dialer_status {
	enum link_state state;     /* of the newest try */
	unsigned failures;         /* tries in a row that failed */
	msec_t retry_at;           /* loop time, in LINK_WAITING */
	size_t tunnels;            /* open, those that drain included */
	int64_t up_since_ms;       /* calendar, of the newest tunnel that takes requests; 0: none */
	unsigned refused;          /* HTTP status of the last refusal; 0: the last try was none */
	struct err reason;         /* why the last try or tunnel ended; ERR_NONE: it did not */
	struct ptth_answer answer; /* the last that came: tunnels wanted, owners, detail */
	int64_t skew_s; /* our clock minus the relay's, as of its last answer with a Date */
};

struct dialer_settings {
	struct loop *loop;
	struct jobs *jobs;
	/* Requests that came down a tunnel; `user` is the settings'. */
	void (*on_stream)(struct tunnel *t, const struct h2_notice *notice, void *user);
	/* Something in dialer_status() changed. May be NULL. */
	void (*on_change)(struct dialer *d, void *user);
	void *user;
	uint64_t seed; /* of the jitter; 0: random */
	/* 0: the defaults; smaller in tests */
	msec_t hop_timeout, drain_limit, ping_after, dead_after;
};

/* Idle until dialer_start(). */
struct dialer *dialer_new(const struct dialer_settings *settings,
			  const struct dialer_target *target);
void dialer_start(struct dialer *d);
/* From now on tries use this; an open tunnel is replaced by a new one, then drained. */
void dialer_retarget(struct dialer *d, const struct dialer_target *target);
/* Tries now, if it waits: network change, or the administrator's button. */
void dialer_hurry(struct dialer *d);
/* Shutdown: open tunnels drain, nothing new is dialled. LINK_IDLE and tunnels == 0: done. */
void dialer_drain(struct dialer *d);
/* At once; streams get H2_CLOSED in this call. dialer_start() works again. Not from inside
 * on_stream. */
void dialer_stop(struct dialer *d);
/* Stops and frees; no callback after it. Takes NULL. Not from inside on_stream. */
void dialer_free(struct dialer *d);
const struct dialer_status *dialer_status(const struct dialer *d); /* lent until the loop goes on */
