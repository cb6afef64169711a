#pragma once
/*
 * Sends a mail through an SMTP server by libcurl (RFC 5321). Blocks: in jobs.
 *
 * TLS is required unless it is switched off by name: STARTTLS for smtp://, at once for smtps://. A
 * password never goes over a plain connection to another machine.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	MAIL_RECIPIENTS_MAX = 32,
	MAIL_TIMEOUT_MS = 30 * 1000,
};

struct mail_request {
	const char *url;             /* "smtp://host:587", "smtps://host:465" */
	bool plain;                  /* no TLS: a relay inside the own network */
	const char *user, *password; /* NULL: no login */
	struct str anchors_pem;      /* trusted besides, or instead of, the system's */
	bool system_anchors;
	const char *from; /* an address: "drawbridge@example.com" */
	const char *to[MAIL_RECIPIENTS_MAX];
	size_t n_to;
	struct str text; /* the message with its header fields (RFC 5322), lines end in CRLF */
	msec_t timeout;  /* for everything; 0: MAIL_TIMEOUT_MS */
};

/* An address that is good for an envelope and a header field; no display name. */
bool mail_is_address(struct str s);
/*
 * True: the server took the message for all recipients. ERR_CONFIG: the URL, an address, a password
 * without TLS. ERR_DENIED: it refused (login, sender, recipient), or is not trusted. ERR_NETWORK.
 */
NODISCARD bool mail_send(const struct mail_request *request, struct err *err);
