#pragma once
/* Shared by the files of the dialer: dialer.c has its lanes, dialer_hops.c one try, hop by hop. */
#include "tunnel/dialer.h"

/* Where a try is; the link only knows that it dials or greets. */
enum hop {
	HOP_NONE,
	HOP_RESOLVE,
	HOP_CONNECT,
	HOP_PROXY,
	HOP_TLS,
	HOP_UPGRADE,
	HOP_OPEN,
};

struct target { /* a dialer_target that owns its texts */
	char *host, *subaccount, *instance, *location_id, *run;
	char *proxy_host, *proxy_user, *proxy_password;
	uint16_t port, proxy_port;
	struct tls_config *tls;
};

/* One try or one tunnel: the newest lane dials again, the others drain and go. */
struct lane {
	struct lane *next; /* older */
	struct dialer *dialer;
	struct link link;
	enum hop hop;
	struct stream *stream; /* until the tunnel takes it */
	struct tunnel *tunnel;
	struct errand *errand; /* names being resolved */
	struct loop_timer timer;
	int64_t up_since_ms;
	unsigned refused; /* status of the refusal that ends this try, or 0 */
	bool failed;      /* the last try or tunnel ended, none is up */
};

/* A job that resolves; `lane` is NULL when nobody waits any more. Both ends live on the loop. */
struct errand {
	struct job job;
	struct lane *lane;
	char *host;
	uint16_t port;
	struct address addresses[ADDRESSES_MAX];
	size_t n;
	struct err err;
	bool ok;
};

struct dialer {
	struct dialer_settings settings;
	struct target target;
	struct lane *lanes; /* newest first */
	struct dialer_status status;
	struct loop_task notice;
	bool draining;
};

/* dialer.c */
void lane_step(struct lane *lane, enum link_event event);
void lane_lost(struct lane *lane, const struct err *err); /* the lane may be gone after it */
void lane_lost_at(struct lane *lane, const struct err *err, const char *where, uint16_t port);
void lane_lost_at_relay(struct lane *lane, const struct err *err);
void dialer_changed(struct dialer *d); /* on_change follows in phase ACT */
bool dialer_uses_proxy(const struct dialer *d);

/* dialer_hops.c */
void lane_dial(struct lane *lane);
void lane_greet(struct lane *lane);
void lane_wait(struct lane *lane);     /* until link.retry_at */
void lane_set_open(struct lane *lane); /* no hop is timed any more */
