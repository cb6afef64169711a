#include "connector/ui_certificate.h"

#include <pthread.h>

#include "base/crash.h"
#include "base/log.h"
#include "base/random.h"
#include "connector/ui_container.h"
#include "crypto/cert.h"
#include "crypto/formats/chain.h"

enum {
	DAY = 86400,
	HOUR = 3600,
};

struct ui_certificate {
	struct ui_settings settings;
	pthread_mutex_t lock; /* one change at a time; guards what follows */
	struct buf chain_pem; /* in use, leaf first */
	bool is_default;
};

/* ---- keys ---- */

static bool generate(void *user, enum key_kind kind, struct buf *sealed, struct buf *spki,
		     struct err *err)
{
	return keys_generate(user, KEYS_CLASS_LISTENER, kind, sealed, spki, err);
}

static bool open_key(void *user, struct str sealed, struct str spki, enum keys_purpose purpose,
		     struct key **out, struct err *err)
{
	return keys_open(user, sealed, spki, purpose, out, err);
}

static bool self_sign(void *user, const struct issue_facts *facts, struct str spki,
		      struct str sealed, struct buf *der, struct err *err)
{
	return keys_issue(user, facts, spki, sealed, STR_NONE, der, err);
}

static bool open_container(void *user, struct str bytes, struct str password, struct ui_row *out,
			   struct err *err)
{
	return ui_container_open(user, bytes, password, out, err);
}

struct ui_keys ui_keys_of(struct keys_client *client)
{
	return (struct ui_keys){client, generate, open_key, self_sign, open_container};
}

/* ---- what is in use ---- */

/* That the key process signs with it: nobody is locked out by a key that does not. */
static bool try_key(struct key *key, struct err *err)
{
	AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);

	return key_sign(key, key_is_rsa(key) ? KEY_RSA_PSS_SHA256 : KEY_ECDSA_SHA256,
			STR("drawbridge: is this key usable"), &signature, err);
}

static bool configure(struct ui_certificate *u, const struct ui_row *row, struct tls_config **out,
		      struct err *err)
{
	const struct ui_keys *keys = &u->settings.keys;
	AUTO(key_free) struct key *key = NULL;

	if (!keys->open(keys->user, buf_str(&row->sealed), buf_str(&row->spki), KEYS_FOR_TLS_SERVER,
			&key, err) ||
	    !try_key(key, err)) {
		return false;
	}
	const struct tls_settings settings = {.server = true,
					      .chain_pem = buf_str(&row->chain_pem),
					      .key = key,
					      .alpn = "http/1.1",
					      .tickets = true};
	return tls_config_new(&settings, out, err);
}

static void put_in_use(struct ui_certificate *u, struct tls_config *take, struct str chain_pem,
		       bool is_default)
{
	buf_reset(&u->chain_pem);
	buf_add_str(&u->chain_pem, chain_pem);
	u->is_default = is_default;
	u->settings.publish(u->settings.user, take);
}

static bool use_default(struct ui_certificate *u, struct err *err)
{
	AUTO_BUF struct buf chain = BUF(STATE_CHAIN_MAX);
	struct tls_config *tls = NULL;

	if (!u->settings.open_default(u->settings.user, &tls, &chain, err)) {
		return false;
	}
	put_in_use(u, tls, buf_str(&chain), true);
	return true;
}

/* False: there is none, or it cannot be used (logged). */
static bool use_installed(struct ui_certificate *u)
{
	AUTO_UI_ROW struct ui_row row;
	struct tls_config *tls = NULL;
	struct err err;
	bool found = false;

	ui_row_init(&row);
	if (!ui_store_get(u->settings.store, UI_IN_USE, &row, &found, &err) ||
	    (found && !configure(u, &row, &tls, &err))) {
		log_error("the installed certificate of the administration cannot be used: its own "
			  "serves",
			  LOG_ERR(&err));
		return false;
	}
	if (found) {
		put_in_use(u, tls, buf_str(&row.chain_pem), false);
	}
	return found;
}

bool ui_certificate_new(const struct ui_settings *settings, struct ui_certificate **out,
			struct err *err)
{
	struct ui_certificate *u = NEW(struct ui_certificate);

	u->settings = *settings;
	u->chain_pem = BUF(STATE_CHAIN_MAX);
	u->is_default = true;
	pthread_mutex_init(&u->lock, NULL);
	if (!ui_certificate_refresh(u, err)) {
		ui_certificate_free(u);
		return false;
	}
	*out = u;
	return true;
}

void ui_certificate_free(struct ui_certificate *u)
{
	if (u == NULL) {
		return;
	}
	pthread_mutex_destroy(&u->lock);
	buf_fini(&u->chain_pem);
	free(u);
}

bool ui_certificate_refresh(struct ui_certificate *u, struct err *err)
{
	pthread_mutex_lock(&u->lock);
	bool ok = !u->is_default || use_installed(u) || use_default(u, err);
	pthread_mutex_unlock(&u->lock);
	return ok;
}

void ui_certificate_chain(struct ui_certificate *u, struct buf *pem, bool *is_default)
{
	pthread_mutex_lock(&u->lock);
	buf_add_str(pem, buf_str(&u->chain_pem));
	*is_default = u->is_default;
	pthread_mutex_unlock(&u->lock);
}

bool ui_certificate_is_default(struct ui_certificate *u)
{
	pthread_mutex_lock(&u->lock);
	bool is_default = u->is_default;
	pthread_mutex_unlock(&u->lock);
	return is_default;
}

/* ---- changes ---- */

static bool judge_time(const struct cert_facts *facts, int64_t now, struct err *err)
{
	if (facts->not_after < now) {
		return err_set(err, ERR_CONFIG, "the certificate has expired");
	}
	return facts->not_before <= now ||
	       err_set(err, ERR_CONFIG,
		       "the certificate is not valid yet: is this machine's clock right?");
}

/* Works, is stored, is published; the old one stays in use until then. */
static bool install_locked(struct ui_certificate *u, const struct state_actor *actor,
			   const char *what, const struct ui_row *row, int64_t now, struct err *err)
{
	struct cert_facts facts;
	struct tls_config *tls = NULL;

	if (!cert_read_pem(buf_str(&row->chain_pem), &facts, err) ||
	    !judge_time(&facts, now, err) || !configure(u, row, &tls, err)) {
		return false;
	}
	if (!ui_store_put(u->settings.store, actor, what, UI_IN_USE, row, str_of(facts.subject),
			  err)) {
		tls_config_unref(tls);
		return false;
	}
	CRASH_POINT("ui-certificate.stored"); /* and not published */
	put_in_use(u, tls, buf_str(&row->chain_pem), false);
	return true;
}

static bool install(struct ui_certificate *u, const struct state_actor *actor, const char *what,
		    const struct ui_row *row, int64_t now, struct err *err)
{
	pthread_mutex_lock(&u->lock);
	bool ok = install_locked(u, actor, what, row, now, err);
	pthread_mutex_unlock(&u->lock);
	return ok;
}

bool ui_certificate_self_sign(struct ui_certificate *u, const struct state_actor *actor,
			      const struct ui_request *request, int64_t now, struct err *err)
{
	const struct ui_keys *keys = &u->settings.keys;
	AUTO_UI_ROW struct ui_row row;
	AUTO_BUF struct buf der = BUF(CERT_DER_MAX);
	struct issue_facts facts = {.profile = ISSUE_SERVER,
				    .subject = request->subject,
				    .n_sans = request->n_hosts,
				    .not_before = now - HOUR,
				    .not_after = now + (int64_t)UI_DAYS * DAY};

	_Static_assert((int)UI_HOSTS_MAX <= (int)ISSUE_SANS_MAX, "all of them fit");
	memcpy(facts.sans, request->hosts, sizeof(request->hosts));
	random_bytes(facts.serial, sizeof(facts.serial));
	ui_row_init(&row);
	if (!keys->generate(keys->user, request->kind, &row.sealed, &row.spki, err) ||
	    !keys->self_sign(keys->user, &facts, buf_str(&row.spki), buf_str(&row.sealed), &der,
			     err)) {
		return false;
	}
	cert_add_pem(&row.chain_pem, buf_str(&der));
	return install(u, actor, "ui-certificate.self-sign", &row, now, err);
}

bool ui_certificate_request(struct ui_certificate *u, const struct state_actor *actor,
			    const struct ui_request *request, struct buf *pem, struct err *err)
{
	const struct ui_keys *keys = &u->settings.keys;
	AUTO_UI_ROW struct ui_row row;
	AUTO(key_free) struct key *key = NULL;
	AUTO_BUF struct buf der = BUF(CSR_DER_MAX);

	ui_row_init(&row);
	if (!keys->generate(keys->user, request->kind, &row.sealed, &row.spki, err) ||
	    !keys->open(keys->user, buf_str(&row.sealed), buf_str(&row.spki), KEYS_FOR_CSR, &key,
			err) ||
	    !csr_make_for_hosts(key, request->subject, request->hosts, request->n_hosts, &der,
				err)) {
		return false;
	}
	/* On disk before the request leaves. */
	if (!ui_store_put(u->settings.store, actor, "ui-certificate.request", UI_WAITING, &row,
			  str_of(request->subject), err)) {
		return false;
	}
	csr_add_pem(pem, buf_str(&der));
	return true;
}

bool ui_certificate_remove(struct ui_certificate *u, const struct state_actor *actor,
			   struct err *err)
{
	AUTO_BUF struct buf chain = BUF(STATE_CHAIN_MAX);
	struct tls_config *tls = NULL;

	pthread_mutex_lock(&u->lock);
	bool ok = u->settings.open_default(u->settings.user, &tls, &chain, err);
	if (ok && !ui_store_delete(u->settings.store, actor, err)) {
		tls_config_unref(tls);
		ok = false;
	} else if (ok) {
		put_in_use(u, tls, buf_str(&chain), true);
	}
	pthread_mutex_unlock(&u->lock);
	return ok;
}

/* ---- the signed chain ---- */

struct ders {
	struct buf bytes; /* one behind the other */
	size_t ends[CHAIN_INPUT_MAX];
	size_t n;
};

static bool keep_der(struct str der, void *user, struct err *err)
{
	struct ders *d = user;

	if (d->n == CHAIN_INPUT_MAX) {
		return err_set(err, ERR_CONFIG, "more than %d certificates", CHAIN_INPUT_MAX);
	}
	buf_add_str(&d->bytes, der);
	d->ends[d->n++] = d->bytes.len;
	return !buf_failed(&d->bytes) || err_set(err, ERR_CONFIG, "the chain is too long");
}

/* PEM; PKCS#7 as DER or PEM; or the DER of one certificate. */
static bool read_ders(struct str chain, struct ders *d, struct err *err)
{
	AUTO_BUF struct buf pem = BUF(STATE_CHAIN_MAX);
	struct cert_facts facts;
	struct err ignored;

	if (str_contains(chain, STR("-----BEGIN CERTIFICATE-----"))) {
		return cert_each_pem(chain, keep_der, d, err);
	}
	if (cert_read_der(chain, &facts, &ignored)) {
		return keep_der(chain, d, err);
	}
	return cert_pkcs7_to_pem(chain, &pem, err) &&
	       cert_each_pem(buf_str(&pem), keep_der, d, err);
}

static bool arrange(const struct ders *d, struct str spki, struct buf *pem, struct err *err)
{
	struct str ders[CHAIN_INPUT_MAX];
	struct chain chain;
	enum chain_outcome outcome;

	for (size_t i = 0; i < d->n; i++) {
		size_t start = i > 0 ? d->ends[i - 1] : 0;
		ders[i] = str_make(d->bytes.at + start, d->ends[i] - start);
	}
	outcome = chain_arrange(spki, ders, d->n, &chain, err);
	if (outcome != CHAIN_COMPLETE && outcome != CHAIN_OPEN) {
		err->kind = ERR_CONFIG;
		return false;
	}
	if (chain.strangers > 0) {
		return err_set(err, ERR_CONFIG,
			       "%zu of the certificates do not belong to the chain",
			       chain.strangers);
	}
	for (size_t i = 0; i < chain.n; i++) {
		cert_add_pem(pem, ders[chain.index[i]]);
	}
	return !buf_failed(pem) || err_set(err, ERR_CONFIG, "the chain is too long");
}

bool ui_certificate_install(struct ui_certificate *u, const struct state_actor *actor,
			    struct str chain, int64_t now, struct err *err)
{
	AUTO_UI_ROW struct ui_row row;
	struct ders ders = {.bytes = BUF(STATE_CHAIN_MAX)};
	bool found = false;

	ui_row_init(&row);
	if (!ui_store_get(u->settings.store, UI_WAITING, &row, &found, err)) {
		return false;
	}
	if (!found) {
		return err_set(err, ERR_CONFIG,
			       "no certificate signing request waits: make one first");
	}
	bool ok = read_ders(chain, &ders, err) &&
		  arrange(&ders, buf_str(&row.spki), &row.chain_pem, err) &&
		  install(u, actor, "ui-certificate.install", &row, now, err);
	buf_fini(&ders.bytes);
	return ok;
}

bool ui_certificate_upload(struct ui_certificate *u, const struct state_actor *actor,
			   struct str bytes, struct str password, int64_t now, struct err *err)
{
	const struct ui_keys *keys = &u->settings.keys;
	AUTO_UI_ROW struct ui_row in, row;
	struct ders ders = {.bytes = BUF(STATE_CHAIN_MAX)};

	ui_row_init(&in);
	ui_row_init(&row);
	if (!keys->open_container(keys->user, bytes, password, &in, err)) {
		return false;
	}
	buf_add_str(&row.sealed, buf_str(&in.sealed));
	buf_add_str(&row.spki, buf_str(&in.spki));
	bool ok = read_ders(buf_str(&in.chain_pem), &ders, err) &&
		  arrange(&ders, buf_str(&row.spki), &row.chain_pem, err) &&
		  install(u, actor, "ui-certificate.upload", &row, now, err);
	buf_fini(&ders.bytes);
	return ok;
}
