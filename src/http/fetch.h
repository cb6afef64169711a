#pragma once
/*
 * An HTTP request from the control plane through libcurl: EST, webhooks, and later mail. Blocks: in
 * jobs.
 *
 * TLS client authentication with a struct key (the provider of crypto/key.h) is set up through
 * CURLOPT_SSL_CTX_FUNCTION; verification is never switched off.
 */
#include "base/buf.h"
#include "crypto/tls.h"
#include "http/message.h"

enum {
	FETCH_ANSWER_MAX = 1024 * 1024, /* bytes of a body that is kept; more is ERR_LIMIT */
	FETCH_TIMEOUT_MS = 30 * 1000,
};

struct fetch_request {
	const char *method, *url;
	const struct http_field *fields;
	size_t n_fields;
	struct str body;
	const char *user, *password; /* Basic; NULL: none. Sent only after the server is verified */
	struct str anchors_pem;      /* trusted besides, or instead of, the system's */
	bool system_anchors;
	/* SHA-256 of the SPKI of a certificate that the server presents (32 bytes): then that one
	 * is the only anchor. NULL: none. */
	const uint8_t *root_pin;
	struct str chain_pem; /* client certificate, with `key` */
	struct key *key;
	const char *proxy; /* "http://host:port", NULL: none */
	const char *proxy_user, *proxy_password;
	msec_t timeout;    /* for everything; 0: FETCH_TIMEOUT_MS */
	size_t answer_max; /* bytes of the body; 0: FETCH_ANSWER_MAX */
};

struct fetch_answer {
	unsigned status;
	struct buf body;
	char content_type[128];
	char location[512];    /* empty: none, or longer */
	int64_t date;          /* of the Date field, Unix seconds; 0: none. For the clock's skew */
	int64_t retry_after_s; /* -1: none */
	char csrf_token[128];  /* X-CSRF-Token; empty: none, or longer */
	char cookies[2048]; /* of Set-Cookie, as a Cookie field sends them back; what does not fit
			       is left out */
	/* On a TLS trust failure: hex of the SPKI pin of the topmost certificate presented. */
	char peer_root_sha256[65];
	bool untrusted; /* the failure was trust: nothing was sent */
};

/*
 * True: an answer came, whatever its status. False: ERR_NETWORK (the path, or the server's name in
 * its certificate), ERR_CONFLICT (untrusted: see answer), ERR_LIMIT (a longer body), ERR_CONFIG
 * (the URL; a password that would go over plain http to another machine; the client certificate).
 * fetch_answer_fini() is due in either case. No redirect is followed; no proxy comes from the
 * environment.
 */
NODISCARD bool fetch(const struct fetch_request *request, struct fetch_answer *answer,
		     struct err *err);
void fetch_answer_fini(struct fetch_answer *a);
/* Whether a URL of that scheme ("http", "smtp") names this machine, where no TLS is needed. */
bool fetch_url_is_local(const char *url, const char *scheme);
