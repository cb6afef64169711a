#include "cloud/ca/ca.h"

#include <stdatomic.h>

#include "base/crash.h"
#include "base/random.h"
#include "cloud/ca/ca_store.h"
#include "cloud/directory/settings.h"
#include "http/session.h"

enum {
	DAY = 86400,
	HOSTS_MAX = 4096, /* bytes of a listener's names, joined */
};

struct ca {
	struct store *store;
	struct keys_client *keys;
	_Atomic int64_t leaf_validity_s, renew_expired_s;
	atomic_ullong counts[CA_COUNTS];
	struct sessions *logins;
	char region_host[DIRECTORY_HOST_MAX];
	struct ca_row root, issuing;
	struct buf root_pem, issuing_pem, anchors_pem;
	uint8_t root_pin[32];
};

void ca_close(struct ca *ca)
{
	if (ca == NULL) {
		return;
	}
	sessions_free(ca->logins);
	ca_row_fini(&ca->root);
	ca_row_fini(&ca->issuing);
	buf_fini(&ca->root_pem);
	buf_fini(&ca->issuing_pem);
	buf_fini(&ca->anchors_pem);
	free(ca);
}

/* "Cloud.Example:9444" → "cloud.example": the authority of SPIFFE ids has no port. */
static bool set_region(struct ca *ca, const char *region_host, struct err *err)
{
	struct str host = str_of(region_host);

	host = str_first(host, str_find(host, ':'));
	if (host.len == 0 || !str_copy(host, ca->region_host, sizeof ca->region_host)) {
		return err_set(err, ERR_CONFIG, "the region host is empty or too long");
	}
	for (char *p = ca->region_host; *p != '\0'; p++) {
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 'a' - 'A') : *p;
		bool good = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '.' ||
			    *p == '-';
		if (!good) {
			return err_set(err, ERR_CONFIG, "the region host is no DNS name");
		}
	}
	return true;
}

static bool make_authority(struct ca *ca, enum issue_profile profile, const struct ca_row *issuer,
			   int64_t now, struct ca_row *row, struct err *err)
{
	bool root = profile == ISSUE_ROOT;
	char subject[DIRECTORY_HOST_MAX + 40];
	struct issue_facts facts = {
		.profile = profile,
		.subject = subject,
		.not_before = now - CA_BACKDATE_S,
		.not_after = now + (int64_t)(root ? CA_ROOT_DAYS : CA_ISSUING_DAYS) * DAY,
	};

	/* A common name has at most 64 characters (RFC 5280, A.1); the host may be longer. */
	snprintf(subject, sizeof subject, "CN=%.40s %s,O=Drawbridge", ca->region_host,
		 root ? "Root CA" : "Issuing CA");
	random_bytes(facts.serial, sizeof facts.serial);
	if (!keys_generate(ca->keys, KEYS_CLASS_CA, KEY_KIND_P256, &row->sealed, &row->spki, err)) {
		return err_wrap(err, "making the CA's key");
	}
	const struct ca_row *by = root ? row : issuer;
	return keys_issue(ca->keys, &facts, buf_str(&row->spki), buf_str(&by->sealed),
			  root ? STR_NONE : buf_str(&by->der), &row->der, err) ||
	       err_wrap(err, "making the CA's certificate");
}

static bool load(struct ca *ca, bool *found, struct err *err)
{
	return ca_store_authority(ca->store, "root", &ca->root, found, err) &&
	       (!*found || ca_store_authority(ca->store, "issuing", &ca->issuing, found, err));
}

static bool first_start(struct ca *ca, int64_t now, struct err *err)
{
	bool found = false;

	if (!make_authority(ca, ISSUE_ROOT, NULL, now, &ca->root, err) ||
	    !make_authority(ca, ISSUE_INTERMEDIATE, &ca->root, now, &ca->issuing, err) ||
	    !ca_store_add_authorities(ca->store, &ca->root, &ca->issuing, now, err) ||
	    !load(ca, &found, err)) { /* again: another node may have been first */
		return false;
	}
	return found || err_set(err, ERR_STORE, "the CA that was just stored is not there");
}

static bool publish(struct ca *ca, struct err *err)
{
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	AUTO_BUF struct buf known = BUF(DIRECTORY_SETTING_MAX);
	struct str anchors = buf_str(&ca->anchors_pem);

	if (!directory_setting_get(ca->store, STR(DIRECTORY_SETTING_ANCHORS), &known, err)) {
		return false;
	}
	return str_eq(buf_str(&known), anchors) ||
	       directory_setting_set(ca->store, &system, STR(DIRECTORY_SETTING_ANCHORS), anchors,
				     err);
}

static bool describe(struct ca *ca, struct err *err)
{
	struct cert_facts facts;

	if (!cert_read_der(buf_str(&ca->root.der), &facts, err)) {
		return err_wrap(err, "the CA's root");
	}
	memcpy(ca->root_pin, facts.spki_sha256, sizeof ca->root_pin);
	cert_add_pem(&ca->root_pem, buf_str(&ca->root.der));
	cert_add_pem(&ca->issuing_pem, buf_str(&ca->issuing.der));
	buf_add_str(&ca->anchors_pem, buf_str(&ca->root_pem));
	buf_add_str(&ca->anchors_pem, buf_str(&ca->issuing_pem));
	return true;
}

bool ca_set_policy(struct ca *ca, int64_t leaf_validity_s, int64_t renew_expired_s, struct err *err)
{
	if (leaf_validity_s < CA_LEAF_LEAST_S || leaf_validity_s > CA_LEAF_MOST_S) {
		return err_set(err, ERR_CONFIG,
			       "the validity of certificates is %d seconds to %d days",
			       CA_LEAF_LEAST_S, CA_LEAF_MOST_S / 86400);
	}
	if (renew_expired_s < 0) {
		return err_set(err, ERR_CONFIG, "the time for renewal after expiry is negative");
	}
	atomic_store(&ca->leaf_validity_s, leaf_validity_s);
	atomic_store(&ca->renew_expired_s, renew_expired_s);
	return true;
}

int64_t ca_renew_expired_s(const struct ca *ca)
{
	return atomic_load(&ca->renew_expired_s);
}

bool ca_open(const struct ca_settings *settings, int64_t now, struct ca **out, struct err *err)
{
	AUTO(ca_close) struct ca *ca = NEW(struct ca);
	bool found = false;

	ca->store = settings->store;
	ca->keys = settings->keys;
	ca->logins = sessions_new(&(struct session_settings){.cookie = ""}); /* its throttle only */
	int64_t leaf = settings->leaf_validity_s;
	if (!ca_set_policy(ca, leaf != 0 ? leaf : (int64_t)CA_LEAF_DAYS * DAY,
			   (int64_t)DIRECTORY_RENEW_EXPIRED_DAYS * DAY, err)) {
		return false;
	}
	ca_row_init(&ca->root);
	ca_row_init(&ca->issuing);
	ca->root_pem = BUF(CERT_DER_MAX * 2);
	ca->issuing_pem = BUF(CERT_DER_MAX * 2);
	ca->anchors_pem = BUF(CERT_DER_MAX * 4);
	if (!set_region(ca, settings->region_host, err) || !load(ca, &found, err) ||
	    (!found && !first_start(ca, now, err)) || !describe(ca, err) || !publish(ca, err)) {
		return false;
	}
	*out = TAKE(ca);
	return true;
}

struct sessions *ca_logins(struct ca *ca)
{
	return ca->logins;
}

void ca_note(struct ca *ca, enum ca_count what)
{
	atomic_fetch_add(&ca->counts[what], 1);
}

struct ca_counters ca_count(const struct ca *ca)
{
	return (struct ca_counters){.enrolled = atomic_load(&ca->counts[CA_ENROLLED]),
				    .renewed = atomic_load(&ca->counts[CA_RENEWED]),
				    .refused = atomic_load(&ca->counts[CA_REFUSED])};
}

bool ca_each_certificate(struct ca *ca, ca_each_fn *fn, void *user, struct err *err)
{
	AUTO_FREE struct ca_listener_row *rows = NULL;
	size_t n = 0;

	fn("root", false, buf_str(&ca->root.der), user);
	fn("issuing", false, buf_str(&ca->issuing.der), user);
	if (!ca_store_listeners(ca->store, &rows, &n, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		fn(rows[i].name, true, str_make(rows[i].der, rows[i].len), user);
	}
	return true;
}

struct str ca_root_pem(const struct ca *ca)
{
	return buf_str(&ca->root_pem);
}

struct str ca_issuing_pem(const struct ca *ca)
{
	return buf_str(&ca->issuing_pem);
}

struct str ca_anchors_pem(const struct ca *ca)
{
	return buf_str(&ca->anchors_pem);
}

const uint8_t *ca_root_pin(const struct ca *ca)
{
	return ca->root_pin;
}

const char *ca_region_host(const struct ca *ca)
{
	return ca->region_host;
}

struct store *ca_store(const struct ca *ca)
{
	return ca->store;
}

static bool record(struct ca *ca, const struct ca_connector *want, struct str der, int64_t now,
		   struct err *err)
{
	struct directory_certificate row = {.issued = now};
	struct cert_facts facts;

	if (!cert_read_der(der, &facts, err)) {
		return err_wrap(err, "the issued certificate");
	}
	memcpy(row.serial, facts.serial, sizeof row.serial);
	memcpy(row.spki_sha256, want->csr->spki_sha256, sizeof row.spki_sha256);
	row.not_before = facts.not_before;
	row.not_after = facts.not_after;
	if (!str_copy(want->subaccount, row.subaccount, sizeof row.subaccount) ||
	    !str_copy(want->instance, row.instance, sizeof row.instance) ||
	    !str_copy(str_of(want->issued_to), row.issued_to, sizeof row.issued_to)) {
		return err_set(err, ERR_CONFIG, "subaccount and instance are UUIDs");
	}
	return want->proof.len > 0
		       ? directory_certificate_renew(ca->store, want->actor, &row, want->proof, err)
		       : directory_certificate_record(ca->store, want->actor, &row, err);
}

bool ca_issue_connector(struct ca *ca, const struct ca_connector *want, int64_t now,
			struct buf *der, struct err *err)
{
	AUTO_BUF struct buf uri = BUF(CERT_URI_MAX);
	char subject[128];
	struct issue_facts facts = {
		.profile = ISSUE_CONNECTOR,
		.subject = subject,
		.not_before = now - CA_BACKDATE_S,
		.not_after = now + atomic_load(&ca->leaf_validity_s),
	};
	size_t start = der->len;

	if (!str_is_uuid(want->subaccount) || !str_is_uuid(want->instance)) {
		return err_set(err, ERR_CONFIG, "subaccount and instance are UUIDs");
	}
	if (!str_eq(str_of(want->csr->key_type), STR("EC P-256"))) {
		return err_set(err, ERR_CONFIG, "the key of a connector is EC P-256, not %s",
			       want->csr->key_type);
	}
	if (facts.not_after > facts.not_before + CA_LEAF_MOST_S) {
		facts.not_after = facts.not_before + CA_LEAF_MOST_S;
	}
	snprintf(subject, sizeof subject, "CN=%.*s,OU=%.*s,O=Drawbridge", STR_ARGS(want->instance),
		 STR_ARGS(want->subaccount));
	directory_spiffe_write(&uri, str_of(ca->region_host), want->subaccount, want->instance);
	if (buf_failed(&uri)) {
		return err_set(err, ERR_CONFIG, "the region host is too long");
	}
	facts.uri = uri.at;
	random_bytes(facts.serial, sizeof facts.serial);
	if (!keys_issue(ca->keys, &facts, str_make(want->csr->spki, want->csr->spki_len),
			buf_str(&ca->issuing.sealed), buf_str(&ca->issuing.der), der, err)) {
		return err_wrap(err, "issuing the certificate");
	}
	CRASH_POINT("cloud.certificate.signed");
	if (!record(ca, want, str_skip(buf_str(der), start), now, err)) {
		return false;
	}
	CRASH_POINT("cloud.certificate.recorded");
	return true;
}

/* ---- our own listeners ---- */

static bool make_listener(struct ca *ca, const char *const *hosts, size_t n_hosts, int64_t now,
			  struct ca_row *row, struct err *err)
{
	char subject[80];
	struct issue_facts facts = {
		.profile = ISSUE_SERVER,
		.subject = subject,
		.n_sans = n_hosts,
		.not_before = now - CA_BACKDATE_S,
		.not_after = now + (int64_t)CA_LEAF_DAYS * DAY,
	};

	if (n_hosts == 0 || n_hosts > ISSUE_SANS_MAX) {
		return err_set(err, ERR_CONFIG, "a listener has 1 to %d names", ISSUE_SANS_MAX);
	}
	for (size_t i = 0; i < n_hosts; i++) {
		facts.sans[i] = hosts[i];
	}
	snprintf(subject, sizeof subject, "CN=%.64s", hosts[0]);
	random_bytes(facts.serial, sizeof facts.serial);
	ca_row_fini(row);
	ca_row_init(row);
	return (keys_generate(ca->keys, KEYS_CLASS_LISTENER, KEY_KIND_P256, &row->sealed,
			      &row->spki, err) &&
		keys_issue(ca->keys, &facts, buf_str(&row->spki), buf_str(&ca->issuing.sealed),
			   buf_str(&ca->issuing.der), &row->der, err)) ||
	       err_wrap(err, "listener's certificate");
}

static bool fill_listener(struct ca *ca, const struct ca_row *row, int64_t issued, int64_t now,
			  struct ca_listener *out, struct err *err)
{
	struct cert_facts facts;

	if (!cert_read_der(buf_str(&row->der), &facts, err)) {
		return false;
	}
	out->not_after = facts.not_after;
	/* One that was made while the clock was ahead would lock everybody out until its day comes.
	 */
	out->renew_at =
		facts.not_before > now ? now : cert_renewal_time(issued, facts.not_after, 0);
	buf_reset(&out->chain_pem);
	cert_add_pem(&out->chain_pem, buf_str(&row->der));
	buf_add_str(&out->chain_pem, buf_str(&ca->issuing_pem));
	buf_add_str(&out->chain_pem, buf_str(&ca->root_pem)); /* first contact compares its pin */
	return true;
}

static bool is_ours(const struct ca *ca, const struct ca_listener *l)
{
	struct err ignored = {0};

	/* After a restored database the CA may be another one than the listener's. */
	return cert_verify_chain(buf_str(&l->chain_pem), buf_str(&ca->root_pem), 0, &ignored);
}

bool ca_listener_get(struct ca *ca, const char *name, const char *const *hosts, size_t n_hosts,
		     int64_t now, struct ca_listener *out, struct err *err)
{
	struct ca_row row;
	AUTO_BUF struct buf joined = BUF(HOSTS_MAX);
	int64_t issued = 0;
	bool found = false;

	for (size_t i = 0; i < n_hosts; i++) {
		buf_addf(&joined, "%s%s", i > 0 ? "," : "", hosts[i]);
	}
	if (buf_failed(&joined)) {
		return err_set(err, ERR_CONFIG, "the names of a listener are too long");
	}
	*out = (struct ca_listener){.chain_pem = BUF(CERT_DER_MAX * 4)};
	ca_row_init(&row);
	bool good =
		ca_store_listener(ca->store, name, buf_str(&joined), &row, &issued, &found, err) &&
		(!found || fill_listener(ca, &row, issued, now, out, err));
	out->renewed = good && (!found || now >= out->renew_at || !is_ours(ca, out));
	if (out->renewed) {
		good = make_listener(ca, hosts, n_hosts, now, &row, err) &&
		       ca_store_put_listener(ca->store, name, buf_str(&joined), &row, now, err) &&
		       fill_listener(ca, &row, now, now, out, err);
	}
	good = good && keys_open(ca->keys, buf_str(&row.sealed), buf_str(&row.spki),
				 KEYS_FOR_TLS_SERVER, &out->key, err);
	ca_row_fini(&row);
	if (!good) {
		ca_listener_fini(out);
	}
	return good;
}

void ca_listener_fini(struct ca_listener *l)
{
	buf_fini(&l->chain_pem);
	key_free(l->key);
	*l = (struct ca_listener){0};
}
