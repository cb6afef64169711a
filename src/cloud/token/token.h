#pragma once
/*
 * The token server: JWTs for applications, by client credentials (RFC 6749, 4.4), and the keys to
 * verify them with.
 *
 *   POST /oauth/token, /t/{tenant}/oauth/token   form, client by Basic or by form; JSON answer
 *   GET  /token_keys, /oauth/token_keys          JWKS (RFC 7517)
 *
 * The tenant of a token is the one that its client is bound to. A request may name it too, by
 * `/t/{tenant}`, by the Host's first label or by x-zid (as clients of the original do); another one
 * is refused. Errors are RFC 6749's, 5.2.
 *
 * The signing key is RS256, in the key process (class TOKEN); its public part is published in the
 * directory's settings, where relays take it from. `user` of the server is a struct cloud_rooms.
 *
 * Threads: token_server_open() at start; afterwards any job.
 */
#include "cloud/directory/bindings.h"
#include "cloud/directory/rooms.h"
#include "http/server.h"
#include "keys/client.h"
#include "store/migrate.h"

struct token_server;

enum {
	TOKEN_LIFE_S = 3600, /* default; clients of the original expect an hour */
	TOKEN_LIFE_LEAST_S = 60,
	TOKEN_LIFE_MOST_S = 24 * 3600,
	TOKEN_BODY_MAX = 16 * 1024, /* bytes of a token request */
};

struct token_settings {
	struct store *store;      /* lent */
	struct keys_client *keys; /* lent */
	const char
		*url;   /* "https://cloud.example:9443", no slash behind: issuer and service keys */
	int64_t life_s; /* 0: TOKEN_LIFE_S */
	/* What service keys tell applications; lent. */
	const char *proxy_host;
	uint16_t proxy_port, socks_port; /* 20003, 20004 */
};

/* Loads the signing key, or makes it, and publishes the key set. */
NODISCARD bool token_server_open(const struct token_settings *settings, int64_t now,
				 struct token_server **out, struct err *err);
void token_server_close(struct token_server *t); /* takes NULL */
DEFINE_AUTO(token_server_close, struct token_server *)

/* The key set as JSON; lent. */
struct str token_server_jwks(const struct token_server *t);
const char *token_server_kid(const struct token_server *t);
/* Settings that change while it runs; any thread. ERR_CONFIG beyond TOKEN_LIFE_*. */
NODISCARD bool token_server_set(struct token_server *t, int64_t life_s, const char *proxy_host,
				struct err *err);

/* Answers so far: for /metrics. */
struct token_counters {
	uint64_t issued, refused, throttled;
};
struct token_counters token_server_count(const struct token_server *t);

/* What a token says about its client. */
struct token_subject {
	const struct directory_binding *binding;
	const char *subdomain; /* of the subaccount: ext_attr.zdn */
};
/* A signed token for it, appended, and its jti. */
NODISCARD bool token_issue(struct token_server *t, const struct token_subject *subject, int64_t now,
			   char jti[static 37], struct buf *token, struct err *err);

/*
 * The credentials of a service key: an object like VCAP_SERVICES.connectivity[].credentials of the
 * original, so that its SDKs work. Ports are strings. `user` is the struct token_server.
 */
NODISCARD bool token_service_key(void *user, const struct directory_binding *binding,
				 const char *secret, struct buf *json, struct err *err);

extern const struct http_route token_routes[];
/* The module's table; goes into store_migrate() as "token". */
extern const struct migration token_migrations[];
