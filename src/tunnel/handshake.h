#pragma once
/*
 * The PTTH upgrade (draft-kazuho-ptth-ptth-01), as text: what the connector sends, what the relay
 * answers. Pure functions; the rival draft (TLS ALPN "rh2") would be another module beside this
 * one.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "http/h1_engine.h"

enum {
	PTTH_PROTOCOL = 1,           /* Drawbridge-Protocol; only grows */
	PTTH_LOCATION_MAX = 128,     /* bytes of a location ID, decoded */
	PTTH_TUNNELS_MAX = 64,       /* Drawbridge-Tunnels that a connector obeys */
	PTTH_ANSWER_MAX = 16 * 1024, /* head and problem of a refusal that a connector reads */
};

struct ptth_request {
	struct str subaccount; /* UUID from the path */
	struct str instance;   /* UUID */
	struct str
		run; /* UUID of this run of it (Drawbridge-Run), tells copies apart; may be empty */
	struct str location_id; /* decoded */
	unsigned protocol;
	struct str host;
	bool probe; /* Drawbridge-Probe: judge me, answer 204, and open nothing */
};

/* "host:port" for a Host field, an IPv6 address in brackets. */
void ptth_add_authority(struct buf *out, const char *host, uint16_t port);

void ptth_write_request(struct buf *out, const struct ptth_request *r);
/*
 * From a parsed head; `location_id` goes to the arena, the rest points into the head. ERR_PROTOCOL
 * names the missing or bad field. Unknown fields are ignored; a higher protocol number is fine.
 */
NODISCARD bool ptth_read_request(const struct http_head *head, struct arena *arena,
				 struct ptth_request *out, struct err *err);

struct ptth_answer {
	unsigned status;       /* 101 or the refusal */
	unsigned tunnels;      /* Drawbridge-Tunnels, 1 when absent */
	int64_t retry_after_s; /* -1: none */
	char detail[400];      /* the problem's text */
	char owners[400];      /* Drawbridge-Owners, as last known; empty */
	char refusal[24];      /* Drawbridge-Refusal: why not, as a word for programs; empty */
	int64_t date;          /* Unix seconds, 0: none */
};
/*
 * Reads the answer's head and, for a refusal, its body. With H1_MORE, `status` is set as soon as
 * the head was there, so that a refusal whose body was cut short is still a refusal. H1_BAD: no
 * HTTP, a 101 to something else, or more than PTTH_ANSWER_MAX.
 */
enum h1_outcome ptth_read_answer(struct str in, struct ptth_answer *out, size_t *used,
				 struct err *err);

/* The fields of a 101: Upgrade, ALPN, Drawbridge-Tunnels, Drawbridge-Owners (when not empty);
 * `fields` has room for PTTH_WELCOME_FIELDS; the number goes to the arena. Returns how many. */
enum {
	PTTH_WELCOME_FIELDS = 4,
};
size_t ptth_welcome_fields(unsigned tunnels, struct str owners, struct arena *arena,
			   struct http_field *fields);
