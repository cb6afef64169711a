#include "connector/subaccounts_priv.h"

#include <stdio.h>
#include <string.h>

#include "crypto/seal.h"
#include "net/address.h"

static void free_set(struct snapshot *snapshot)
{
	struct subaccount_set *set = CONTAINER_OF(snapshot, struct subaccount_set, snapshot);

	for (size_t i = 0; i < set->n; i++) {
		state_subaccount_fini(&set->rows[i].state);
		tls_config_unref(set->rows[i].tls);
	}
	free(set->rows);
	free(set->anchors_pem);
	seal_wipe(set->proxy_password, sizeof(set->proxy_password));
	free(set);
}

static bool same_trust(const struct subaccount *a, const struct subaccount *b)
{
	return a->certificate_id == b->certificate_id &&
	       a->state.system_anchors == b->state.system_anchors &&
	       strcmp(a->state.anchors_pem, b->state.anchors_pem) == 0;
}

static bool make_tls(const struct subaccounts *s, struct subaccount *sa,
		     const struct state_certificate *c, struct err *err)
{
	const struct key_source *keys = &s->settings.keys;
	AUTO(key_free) struct key *key = NULL;
	AUTO_BUF struct buf anchors = BUF(2 * STATE_CHAIN_MAX);

	if (!keys->open(keys->user, buf_str(&c->sealed), buf_str(&c->spki), KEYS_FOR_TLS_CLIENT,
			&key, err)) {
		return err_wrap(err, "its private key");
	}
	buf_add_str(&anchors, str_of(sa->state.anchors_pem));
	buf_add_str(&anchors, str_of(s->anchors_pem));
	struct tls_settings settings = {
		.peer = TLS_PEER_VERIFY,
		.chain_pem = buf_str(&c->chain_pem),
		.key = key,
		.anchors_pem = buf_str(&anchors),
		.system_anchors = sa->state.system_anchors,
		.alpn = "http/1.1",
	};
	return tls_config_new(&settings, &sa->tls, err);
}

/* Its newest certificate; false: `err` says why it cannot be dialled. */
static bool equip(const struct subaccounts *s, const struct subaccount_set *before,
		  struct subaccount *sa, struct err *err)
{
	struct state_certificate c = {0};

	if (!state_certificate_newest(s->settings.store, sa->state.region_host,
				      sa->state.subaccount, false, &c, err)) {
		state_certificate_fini(&c);
		return false;
	}
	sa->certificate_id = c.id;
	sa->certificate_received = c.received;
	sa->certificate_confirmed = c.state == STATE_CERT_ACTIVE;
	bool ok = cert_read_pem(buf_str(&c.chain_pem), &sa->certificate, err);
	sa->has_certificate = ok;
	const struct subaccount *old =
		before != NULL ? subaccount_find(before, str_of(sa->state.region_host),
						 str_of(sa->state.subaccount))
			       : NULL;
	if (ok && old != NULL && old->tls != NULL && same_trust(old, sa) &&
	    strcmp(before->anchors_pem, s->anchors_pem) == 0) {
		sa->tls = tls_config_ref(old->tls);
	} else if (ok) {
		ok = make_tls(s, sa, &c, err);
	}
	state_certificate_fini(&c);
	return ok;
}

static void fill(const struct subaccounts *s, const struct subaccount_set *before,
		 struct subaccount *sa)
{
	struct str host;
	struct err err = {0};

	snprintf(sa->key, sizeof(sa->key), "%s@%s", sa->state.subaccount, sa->state.region_host);
	if (!address_split(str_of(sa->state.region_host), ENROL_PORT, &host, &sa->port) ||
	    !str_copy(host, sa->host, sizeof(sa->host))) {
		(void)err_set(&err, ERR_STORE, "its region host \"%s\" is no host and port",
			      sa->state.region_host);
	} else if (equip(s, before, sa, &err)) {
		return;
	}
	snprintf(sa->defect, sizeof(sa->defect), "%s", err.text);
}

/* A password that does not open any more is a proxy that will say 407: said there. */
static bool read_proxy(const struct subaccounts *s, struct subaccount_set *set, struct err *err)
{
	const struct key_source *keys = &s->settings.keys;
	AUTO_BUF struct buf plain = BUF_SECRET(STATE_NAME - 1);
	struct state_proxy proxy;
	struct err ignored;

	if (!state_proxy_get(s->settings.store, &proxy, err)) {
		buf_fini(&proxy.sealed_password);
		return false;
	}
	memcpy(set->proxy_host, proxy.host, sizeof(set->proxy_host));
	memcpy(set->proxy_user, proxy.user, sizeof(set->proxy_user));
	set->proxy_port = proxy.port;
	if (proxy.sealed_password.len > 0 &&
	    keys->unseal(keys->user, STATE_PROXY_LABEL, buf_str(&proxy.sealed_password), &plain,
			 &ignored)) {
		memcpy(set->proxy_password, plain.at,
		       plain.len); /* at most its size less the NUL */
	}
	buf_fini(&proxy.sealed_password);
	return true;
}

bool subaccounts_build(struct subaccounts *s, const struct subaccount_set *before,
		       struct subaccount_set **out, struct err *err)
{
	struct state_subaccount *rows = NULL;
	size_t n = 0;

	if (!state_subaccount_list(s->settings.store, &rows, &n, err)) {
		return false;
	}
	struct subaccount_set *set = NEW(struct subaccount_set);
	snapshot_init(&set->snapshot, free_set);
	memcpy(set->instance, s->instance, sizeof(set->instance));
	set->anchors_pem = str_dup(str_of(s->anchors_pem));
	set->n = n;
	set->rows = NEW_ARRAY(struct subaccount, n > 0 ? n : 1);
	for (size_t i = 0; i < n; i++) {
		set->rows[i].state = rows[i];
		fill(s, before, &set->rows[i]);
	}
	free(rows);
	if (!read_proxy(s, set, err)) {
		subaccount_set_unref(set);
		return false;
	}
	*out = set;
	return true;
}
