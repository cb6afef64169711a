#pragma once
/*
 * The console: the cloud side's REST API for people, scripts and (later) its web app.
 *
 * Paths under /api/drawbridge/v1 (JSON; errors are application/problem+json; lists take ?limit= and
 * ?after= and answer {"items":[…],"next":"…"|null}; what can be edited carries "version", is sent
 * with an ETag, and takes If-Match: a stale one is 412):
 *
 *   GET    /session                         who am I: {user, roles, mustChangePassword}
 *   POST   /session                         log in by JSON {user,password}: cookie and X-CSRF-Token
 *   DELETE /session                         log out
 *   PUT    /users/{user}/password           {oldPassword?,newPassword}; own password needs the old
 * one. While the setup code is in force every other call is 403 "operation unavailable unless
 * initial password is changed" GET    /users   POST /users
 * {name,displayName?,password,roles:["administrator", "subaccount-administrator","display"]} → 201
 * + Location GET    /users/{user}  PUT  DELETE       {displayName,roles,locked} GET    /subaccounts
 * POST /subaccounts {displayName,id?,subdomain?,description?,owner} → 201 GET    /subaccounts/{sa}
 * PUT  DELETE   {displayName,subdomain,description,locked,renewalAllowed}; answers carry id,
 * regionHost, owners, tunnelAddress, rootPin GET    /subaccounts/{sa}/owners
 * {"items":[{user,displayName,locked}]} PUT    /subaccounts/{sa}/owners/{user}  204      DELETE
 * 204, 409 for the last unlocked one GET    /subaccounts/{sa}/connectors
 * [{instance,locationId,version,address,firstSeen,lastSeen,
 *                                           connected,tunnels,disconnected,certificate:{…}}]
 *   GET    /subaccounts/{sa}/connectors/{instance}      DELETE
 *   PUT    /subaccounts/{sa}/connectors/{instance}/state   {connected:false|true}: forced
 * disconnect GET    /subaccounts/{sa}/certificates
 * [{serialNumber,instance,state,notBefore,notAfter,issuedTo}] POST
 * /subaccounts/{sa}/certificates/{serial}/revoke     204 POST /subaccounts/{sa}/authentication-data
 * → 201 {authenticationData,expires} GET    /subaccounts/{sa}/service-keys   POST {name} → 201
 * {name, credentials:{…}}: the form of VCAP_SERVICES.connectivity[].credentials; the secret is
 *                                           shown this once
 *   DELETE /subaccounts/{sa}/service-keys/{name}
 *                                           POST takes {roles:[…]} too: what the key may in the
 *                                           tenant's keystore; none by default
 *   GET    /subaccounts/{sa}/members        {"items":[{user,roles:["AuthGroup.ReadOnly",…]}]}
 *   GET    /subaccounts/{sa}/members/{user}   PUT {roles:[…]}   DELETE   roles in the tenant's
 *                                           keystore (directory/members.h): administrators and
 *                                           subaccount administrators only
 *   GET    /ca                              {rootPin,rootPem,issuingPem,regionHost}
 *   GET    /audit                           newest first: {n,at,who,from,what,object,before,after}
 *   GET    /version                         no login
 *
 * Times are RFC 3339 texts in UTC. Who may what: administrator everything; subaccount-administrator
 * all subaccounts; display reads everything; a user without a role sees and edits the subaccounts
 * it owns.
 *
 * Neighbours are handed in by programs as functions, since rooms never include each other.
 */
#include "cloud/directory/bindings.h"
#include "cloud/directory/snapshot.h"
#include "http/server.h"
#include "store/store.h"

struct console;
struct sessions;

struct console_settings {
	struct store *store;       /* lent */
	struct sessions *sessions; /* lent; http/session.h */
	const char *region_host;   /* "cloud.example:9444": host and port that connectors dial */
	uint8_t root_pin[32];      /* SHA-256 of the root's SPKI */
	struct str root_pem, issuing_pem; /* lent */
	/* Appends the credentials' JSON of a new binding; cloud/token gives it. */
	bool (*service_key)(void *user, const struct directory_binding *binding, const char *secret,
			    struct buf *json, struct err *err);
	void *service_key_user;
	/* After a change: makes the workers' snapshot newer at once (directory_watch_poke). */
	void (*changed)(void *user);
	/* Administrator's password was changed: the setup code is void. May be NULL. */
	void (*password_changed)(void *user);
	/* A subaccount was deleted: what other rooms keep of it goes too. May be NULL. */
	void (*subaccount_deleted)(void *user, const struct directory_actor *actor, struct str id);
	void *changed_user; /* of all three */
};

NODISCARD bool console_new(const struct console_settings *settings, struct console **out,
			   struct err *err);
/*
 * The names under which this server is called, a comma list ("*." before one is skipped): a label
 * before one of them in Host names the tenant of /api/v1. ERR_CONFIG when it is too long. Any
 * thread.
 */
NODISCARD bool console_set_names(struct console *c, const char *names, struct err *err);
void console_free(struct console *c);
extern const struct http_route console_routes[];
/* For http_server_settings.authorize of a server whose `user` is the console's holder. */
bool console_authorize(struct http_call *call, struct console *c);
enum console_setup {
	CONSOLE_SETUP_FAILED,
	CONSOLE_SETUP_FIRST,   /* there is no user yet: console_first_start() */
	CONSOLE_SETUP_INITIAL, /* Administrator has the setup code still */
	CONSOLE_SETUP_DONE,
};
enum console_setup console_setup(struct store *s, struct err *err);
/* At the first start: makes Administrator with `setup_code` as a password that must be changed. */
NODISCARD bool console_first_start(struct store *s, struct str setup_code, bool *made,
				   struct err *err);
