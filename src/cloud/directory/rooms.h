#pragma once
/*
 * What `user` of the cloud side's HTTP servers points to (http/server.h): the route handlers of
 * each room find their own object here, and know of the others no more than the name. Made by the
 * program; NULL where a room is not open.
 */
struct ca;
struct token_server;
struct console;
struct relay;
struct denials;
struct keystore;
struct connection_policy;

struct cloud_rooms {
	struct ca *ca;                         /* cloud/ca/ca.h */
	struct token_server *tokens;           /* cloud/token/token.h */
	struct console *console;               /* cloud/console/console.h */
	struct relay *relay;                   /* cloud/relay/relay.h */
	struct denials *denials;               /* store/denials.h; takes refused attempts */
	struct keystore *keystore;             /* cloud/keystore/keystore.h */
	struct connection_policy *connections; /* cloud/keystore/connection_policy.h */
};
