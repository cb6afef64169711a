#pragma once
/* Shared by the files of cloud/token only. */
#include <pthread.h>
#include <stdatomic.h>

#include "cloud/token/token.h"
#include "http/session.h"

enum {
	TOKEN_HOST_MAX = 300,
	TOKEN_JWKS_MAX = 64 * 1024, /* bytes of the published key set */
};

struct token_server {
	struct store *store;
	struct keys_client *keys;
	struct key *key; /* signs through the key process */
	char kid[44];    /* RFC 7638 thumbprint */
	struct buf jwks;
	struct buf url, host; /* "https://a.example:9443", "a.example" */
	pthread_mutex_t lock; /* of proxy_host */
	char proxy_host[TOKEN_HOST_MAX];
	uint16_t proxy_port, socks_port;
	_Atomic int64_t life_s;
	struct sessions *logins; /* only its throttle: wrong secrets per client and address */
	atomic_ullong issued, refused, throttled;
};
