#pragma once
/* Inside of admin: what its files share. */
#include <pthread.h>

#include "connector/admin.h"

/* http_route.roles */
enum {
	ADMIN_PUBLIC = 1,    /* without a login */
	ADMIN_EARLY = 2,     /* before the initial password is changed */
	ADMIN_UNDECIDED = 4, /* before the role is chosen */
	ADMIN_LOGIN = 8,     /* the rest */
};

enum {
	ADMIN_NAME_MAX = 128,
	ADMIN_HASH_MAX = 128,
	ADMIN_DENIED_PER_S = 20, /* rows of denied attempts: who guesses passwords fills no disk */
};

/* What is asked for at every call; copied under the lock. */
struct admin_facts {
	char user[ADMIN_NAME_MAX];
	char hash[ADMIN_HASH_MAX];
	bool must_change;
	char role[16]; /* "master", "shadow", "" */
	char description[STATE_TEXT];
};

struct admin {
	struct admin_settings settings;
	struct sessions *sessions;
	pthread_mutex_t lock;
	struct admin_facts facts;
	uint8_t secret[32];   /* of this process: keys `verified` */
	uint8_t verified[32]; /* MAC of the last good password, so that Argon2 runs once */
	bool has_verified;
	int64_t denied_s; /* second of the last denied rows */
	unsigned denied, skipped;
};

extern const struct http_route admin_connector_routes[], admin_subaccount_routes[],
	admin_mapping_routes[], admin_resource_routes[], admin_domain_routes[],
	admin_trust_routes[], admin_own_routes[], admin_transfer_routes[], admin_renewal_routes[],
	admin_alert_routes[], admin_master_key_routes[], admin_doctor_routes[],
	admin_ui_certificate_routes[], admin_audit_routes[], admin_client_routes[],
	admin_ha_routes[], admin_login_routes[];

struct admin *admin_of(const struct http_call *call);
struct admin_facts admin_facts(struct admin *a);
NODISCARD bool admin_read_facts(struct admin *a, struct err *err);
bool admin_password_is_right(struct admin *a, struct str password);
enum admin_login {
	ADMIN_LOGIN_GOOD,
	ADMIN_LOGIN_WRONG,
	ADMIN_LOGIN_ANSWERED, /* too many tries, or from another site */
};
/* Throttled, and recorded when it is wrong. */
enum admin_login admin_judge_login(struct admin *a, struct http_call *call, struct str name,
				   struct str password, struct session_user *user);
void admin_login_page(struct http_call *call); /* 200 and text/html: not logged in (spec 8.8) */
/* For the audit; texts in the call's arena. */
struct state_actor admin_actor(struct http_call *call);

/* {"type","message"} by status; the type follows from it. */
void admin_error(struct http_call *call, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void admin_error_err(struct http_call *call, const struct err *err);
void admin_no_content(struct http_call *call);
/* 201 with Location: https://{Host}{path}. */
void admin_created(struct http_call *call, const char *path);
/* "_links":{…} of href pairs; name NULL ends. `base` is a path. */
void admin_link(struct http_call *call, struct jsonw *w, const char *name, const char *base,
		const char *more);

/* The subaccount of {rh} and {sa}; false: 404 answered. The set is to be unreffed. */
struct admin_place {
	struct subaccount_set *set;
	const struct subaccount *row;
	struct mappings_owner owner;
	const char *path; /* "/api/v1/configuration/subaccounts/{rh}/{sa}" */
};
NODISCARD bool admin_place(struct http_call *call, struct admin_place *out);
void admin_place_fini(struct admin_place *p);
static inline void auto_admin_place(struct admin_place *p)
{
	admin_place_fini(p);
}
#define AUTO_PLACE __attribute__((cleanup(auto_admin_place)))

/* True: enrolled. Else answered; `why` has what an administrator must compare. */
NODISCARD bool admin_judge_enrolment(struct http_call *call, enum enrol_outcome outcome,
				     const struct enrol_result *why, const struct err *err);
/* "certificate":{…} with its state; `s` may be NULL. */
void admin_write_certificate(struct jsonw *w, const struct subaccount *sa,
			     const struct link_status *s);
/* The plan of its renewal as an object. */
void admin_write_renewal(struct http_call *call, struct jsonw *w, const struct subaccount *sa);
/* As much as a subaccount may have, which is more than a call's arena holds. */
enum {
	ADMIN_LIST_FIRST = 64 * 1024,
	ADMIN_LIST_MAX = 64 * 1024 * 1024,
};

/* The mapping of {vhvp}; false: 404 answered. */
NODISCARD bool admin_mapping(struct http_call *call, const struct admin_place *p,
			     struct mapping_row *out);
/* Publishes access control after a change; false: 500 answered. */
NODISCARD bool admin_publish(struct http_call *call);
/*
 * The body as an object. `texts`: members, with commas between, that are texts or numbers where
 * they are there; what else they are is no absence, but an error. False: 400 or 415 answered.
 */
NODISCARD bool admin_body(struct http_call *call, const char *texts, const struct json **out);
/* A member as text, numbers too ("port": 900); at == NULL: absent or null. In the arena. */
struct str admin_text(struct http_call *call, const struct json *object, const char *name);
/* Copies a field if it is there; false: 400 answered because it is too long. */
NODISCARD bool admin_fits(struct http_call *call, const char *name, struct str value, size_t max);
/* id inside a URL: '-' is '/', "+2D" is '-', "+2B" is '+'. */
struct str admin_decode_id(struct http_call *call, struct str encoded);
void admin_encode_id(struct buf *out, struct str id);
