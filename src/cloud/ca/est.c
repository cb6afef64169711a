#include "cloud/ca/est.h"

#include "base/clock.h"
#include "base/crash.h"
#include "cloud/ca/est_body.h"
#include "cloud/directory/authdata.h"
#include "cloud/directory/owners.h"
#include "http/session.h"
#include "store/denials.h"

enum {
	OWNERS_MAX = 1024, /* bytes of the field Drawbridge-Owners */
	EST_TOO_OFTEN_WAIT_S = 600,
};

static struct ca *ca_of(const struct http_call *call)
{
	return ((const struct cloud_rooms *)call->user)->ca;
}

/* ---- answers ---- */

static void answer_base64(struct http_call *call, const char *type, struct str der)
{
	est_write(&call->out, der);
	http_answer_field(call, "Content-Type", str_of(type));
	http_answer_field(call, "Content-Transfer-Encoding", STR("base64")); /* RFC 7030 clients */
	call->status = 200;
}

static void answer_certs(struct http_call *call, struct str pem)
{
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX * 4);
	struct err err = {0};

	if (!cert_pem_to_pkcs7(pem, &der, &err)) {
		http_problem_err(call, &err);
		return;
	}
	answer_base64(call, "application/pkcs7-mime; smime-type=certs-only", buf_str(&der));
}

static void note_denied(struct http_call *call, struct str who, unsigned status, const char *reason)
{
	const struct cloud_rooms *rooms = call->user;
	char from[64];

	ca_note(ca_of(call), CA_REFUSED);
	address_format(&call->peer, from, sizeof from);
	denials_note(rooms->denials,
		     &(const struct denial){.who = who,
					    .from = str_of(from),
					    .tenant = http_param(call, "subaccount"),
					    .what = STR("denied enrolment"),
					    .object = call->path,
					    .reason = reason,
					    .status = status});
}

static void refuse(struct http_call *call, struct str who, unsigned status, const struct err *err)
{
	note_denied(call, who, status, err->text);
	if (status == 401) {
		http_answer_field(call, "WWW-Authenticate", STR("Basic realm=\"Drawbridge\""));
	}
	http_problem(call, status, "%s", err->text);
}

/* A connector shows them; that they cannot be read is no reason to keep a certificate back. */
static void add_owners(struct http_call *call, struct str subaccount)
{
	AUTO_BUF struct buf owners = BUF(OWNERS_MAX);
	struct err ignored = {0};

	if (directory_owner_names(ca_store(ca_of(call)), subaccount, &owners, &ignored) &&
	    !buf_failed(&owners)) {
		http_answer_field(call, "Drawbridge-Owners", buf_str(&owners));
	}
}

static void get_cacerts(struct http_call *call)
{
	answer_certs(call, ca_anchors_pem(ca_of(call)));
}

static void get_csrattrs(struct http_call *call)
{
	/* RFC 7030, 4.5.2: the attribute id-ecPublicKey { secp256r1 } and ecdsa-with-SHA256. */
	static const uint8_t der[] = {0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48,
				      0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08, 0x2a,
				      0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08,
				      0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

	answer_base64(call, "application/csrattrs", str_make(der, sizeof der));
}

/* ---- what a request says ---- */

struct enrolment {
	char subaccount[DIRECTORY_UUID];
	char instance[DIRECTORY_UUID]; /* "" when the request names none */
	struct csr_facts csr;
	struct directory_actor actor;
	char who[DIRECTORY_NAME_MAX + 16];
	char from[64];
};

static bool read_uuid(struct str text, char into[static DIRECTORY_UUID])
{
	if (!str_is_uuid(text) || !str_copy(text, into, DIRECTORY_UUID)) {
		return false;
	}
	for (char *p = into; *p != '\0'; p++) {
		*p = *p >= 'A' && *p <= 'F' ? (char)(*p + 'a' - 'A') : *p;
	}
	return true;
}

static bool read_instance(struct http_call *call, struct enrolment *e)
{
	struct str field = http_value(call->head, STR("Drawbridge-Instance"));
	struct str name = str_of(e->csr.common_name);
	char other[DIRECTORY_UUID];

	if (field.at == NULL) {
		return !str_is_uuid(name) || read_uuid(name, e->instance);
	}
	if (!read_uuid(field, e->instance)) {
		http_problem(call, 400, "the field Drawbridge-Instance is no UUID");
		return false;
	}
	if (read_uuid(name, other) && strcmp(other, e->instance) != 0) {
		http_problem(call, 400,
			     "the field Drawbridge-Instance and the CSR name two installations");
		return false;
	}
	return true;
}

/*
 * A browser that has the credentials or the certificate of a user at hand sends them along with
 * whatever form another site makes it post: neither a foreign site nor a form's type passes.
 */
static bool is_from_a_client(struct http_call *call)
{
	struct str type = http_value(call->head, STR("Content-Type"));

	if (session_is_cross_site(call)) {
		http_problem(call, 403, "an enrolment that comes from another site is refused");
		return false;
	}
	if (!str_eq_nocase(str_trim(str_first(type, str_find(type, ';'))),
			   STR("application/pkcs10"))) {
		http_problem(call, 415, "the body of an enrolment is application/pkcs10");
		return false;
	}
	return true;
}

static bool read_enrolment(struct http_call *call, struct enrolment *e)
{
	struct err err = {0};

	if (!is_from_a_client(call)) {
		return false;
	}
	if (!read_uuid(http_param(call, "subaccount"), e->subaccount)) {
		http_problem(call, 404, "there is no such subaccount");
		return false;
	}
	if (!est_read_csr(call->body, &e->csr, &err)) {
		http_problem_err(call, &err);
		return false;
	}
	address_format(&call->peer, e->from, sizeof e->from);
	e->actor.from = str_of(e->from);
	return read_instance(call, e);
}

static void set_actor(struct enrolment *e, const char *kind, struct str name)
{
	snprintf(e->who, sizeof e->who, "%s%.*s", kind, STR_ARGS(str_first(name, 240)));
	e->actor.who = str_of(e->who);
}

static void issue(struct http_call *call, struct enrolment *e, const char *issued_to,
		  struct str proof, enum ca_count kind)
{
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
	AUTO_BUF struct buf pem = BUF(CERT_DER_MAX * 2);
	struct err err = {0};
	struct ca_connector want = {.actor = &e->actor,
				    .subaccount = str_of(e->subaccount),
				    .instance = str_of(e->instance),
				    .csr = &e->csr,
				    .issued_to = issued_to,
				    .proof = proof};

	CRASH_POINT("cloud.enrolment.proven");
	if (!ca_issue_connector(ca_of(call), &want, clock_unix(), &der, &err)) {
		if (err.kind == ERR_DENIED) {
			note_denied(call, str_of(e->instance), http_status_of(err.kind), err.text);
		}
		http_problem_err(call, &err);
		return;
	}
	ca_note(ca_of(call), kind);
	cert_add_pem(&pem, buf_str(&der));
	add_owners(call, str_of(e->subaccount));
	answer_certs(call, buf_str(&pem));
}

/* ---- simpleenroll ---- */

static bool prove_by_token(struct http_call *call, struct enrolment *e, struct str token)
{
	char creator[DIRECTORY_NAME_MAX] = "";
	struct err err = {0};
	enum directory_authdata o =
		directory_authdata_use(ca_store(ca_of(call)), str_of(e->subaccount), token,
				       e->csr.spki_sha256, clock_unix(), creator, &err);

	if (o != DIRECTORY_AUTHDATA_OK) {
		refuse(call, STR("authdata"), directory_authdata_status(o), &err);
		return false;
	}
	set_actor(e, "authdata:", str_of(creator));
	return true;
}

static void answer_wait(struct http_call *call, int64_t seconds)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)seconds);
	http_answer_field(call, "Retry-After", str_of(text));
}

/* By the address too: who guesses at many names would never meet the pauses of one, and each try
 * costs an Argon2 of the threads that also admit tunnels. */
static bool is_throttled(struct http_call *call, struct str user)
{
	msec_t pause = login_pause(ca_logins(ca_of(call)), str_first(user, SESSION_USER_MAX - 1),
				   &call->peer, clock_now());
	struct err err = {0};

	if (pause <= 0) {
		return false;
	}
	int64_t seconds = (pause + 999) / 1000;
	answer_wait(call, seconds);
	(void)err_set(&err, ERR_LIMIT, "too many failed logins: wait %lld s", (long long)seconds);
	refuse(call, user, 429, &err);
	return true;
}

static bool prove_by_password(struct http_call *call, struct enrolment *e)
{
	struct str user = STR_NONE, password = STR_NONE;
	int64_t retry_after_s = 0;
	struct err err = {0};

	if (!http_basic(call, &user, &password)) {
		err_set(&err, ERR_DENIED,
			"enrolment needs an owner's user and password, or authentication data");
		refuse(call, STR("nobody"), 401, &err);
		return false;
	}
	if (is_throttled(call, user)) {
		return false;
	}
	enum directory_enrol o =
		directory_owner_judge(ca_store(ca_of(call)), str_of(e->subaccount), user, password,
				      clock_unix(), &retry_after_s, &err);
	if (o == DIRECTORY_ENROL_THROTTLED) {
		answer_wait(call, retry_after_s);
	} else if (o != DIRECTORY_ENROL_FAILED) {
		login_note(ca_logins(ca_of(call)), str_first(user, SESSION_USER_MAX - 1),
			   &call->peer, o != DIRECTORY_ENROL_WRONG, clock_now());
	}
	if (o != DIRECTORY_ENROL_ALLOWED) {
		refuse(call, user, directory_enrol_status(o), &err);
		return false;
	}
	set_actor(e, "user:", user);
	return true;
}

static void post_simpleenroll(struct http_call *call)
{
	struct enrolment e = {0};
	struct str authorization = http_value(call->head, STR("Authorization"));

	if (!read_enrolment(call, &e)) {
		return;
	}
	if (e.instance[0] == '\0') {
		http_problem(call, 400,
			     "the field Drawbridge-Instance, or the CSR's common name, must be the "
			     "installation's UUID");
		return;
	}
	bool proven = str_starts_nocase(authorization, STR("Bearer "))
			      ? prove_by_token(call, &e, str_trim(str_skip(authorization, 7)))
			      : prove_by_password(call, &e);
	if (proven) {
		issue(call, &e, e.who, STR_NONE, CA_ENROLLED);
	}
}

/* ---- simplereenroll ---- */

static void post_simplereenroll(struct http_call *call)
{
	struct enrolment e = {0};
	struct str host, subaccount, instance;
	struct err err = {0};

	if (!read_enrolment(call, &e)) {
		return;
	}
	struct directory_presented shown = {.state = call->peer_state,
					    .facts = call->peer_cert,
					    .region_host = str_of(ca_region_host(ca_of(call))),
					    .subaccount = str_of(e.subaccount),
					    .instance = str_of(e.instance)};
	enum directory_judgement j = directory_judge_renewal(
		ca_store(ca_of(call)), &shown, clock_unix(), ca_renew_expired_s(ca_of(call)), &err);
	if (j != DIRECTORY_ADMITTED) {
		/* No WWW-Authenticate: a password does not help here. */
		note_denied(call, str_of(e.instance), directory_judgement_status(j), err.text);
		if (j == DIRECTORY_RENEWAL_TOO_OFTEN) {
			answer_wait(call, EST_TOO_OFTEN_WAIT_S);
		}
		http_problem(call, directory_judgement_status(j), "%s", err.text);
		return;
	}
	/* RFC 7030, 4.2.2: who renews stays who it is. */
	if (!directory_spiffe_read(str_of(call->peer_cert->uri), &host, &subaccount, &instance) ||
	    !read_uuid(instance, e.instance)) {
		http_problem(call, 403, "the certificate names no connector");
		return;
	}
	set_actor(&e, "connector:", instance);
	issue(call, &e, DIRECTORY_ISSUED_RENEWAL, str_of(call->peer_cert->serial), CA_RENEWED);
}

#define EST "/.well-known/est/{subaccount}/"

const struct http_route est_routes[] = {
	{.method = "GET",
	 .pattern = EST "cacerts",
	 .handler = get_cacerts,
	 .roles = HTTP_ROUTE_OPEN,
	 .summary = "The certificates of the region's CA (RFC 7030, 4.1)",
	 .answer = "application/pkcs7-mime"},
	{.method = "GET",
	 .pattern = EST "csrattrs",
	 .handler = get_csrattrs,
	 .roles = HTTP_ROUTE_OPEN,
	 .summary = "What a certificate request should hold (RFC 7030, 4.5)",
	 .answer = "application/csrattrs"},
	{.method = "POST",
	 .pattern = EST "simpleenroll",
	 .handler = post_simpleenroll,
	 .roles = HTTP_ROUTE_OPEN,
	 .summary = "A first certificate, by password or authentication data (RFC 7030, 4.2.1)",
	 .request = "application/pkcs10",
	 .answer = "application/pkcs7-mime",
	 .body_max = EST_BODY_MAX},
	{.method = "POST",
	 .pattern = EST "simplereenroll",
	 .handler = post_simplereenroll,
	 .roles = HTTP_ROUTE_OPEN,
	 .summary = "A new certificate for the one in use (RFC 7030, 4.2.2)",
	 .request = "application/pkcs10",
	 .answer = "application/pkcs7-mime",
	 .body_max = EST_BODY_MAX},
	{.method = NULL},
};
