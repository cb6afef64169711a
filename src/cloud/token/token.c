#include "cloud/token/token.h"

#include "base/random.h"
#include "cloud/directory/settings.h"
#include "cloud/token/token_priv.h"
#include "cloud/token/token_store.h"
#include "crypto/jose.h"

enum {
	CLAIMS_MAX = 8 * 1024,
};

void token_server_close(struct token_server *t)
{
	if (t == NULL) {
		return;
	}
	key_free(t->key);
	sessions_free(t->logins);
	buf_fini(&t->jwks);
	buf_fini(&t->url);
	buf_fini(&t->host);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Splits the host off the URL: requests to {label}.{host} name a tenant. */
static bool set_url(struct token_server *t, const char *url, struct err *err)
{
	struct str rest = str_of(url);

	if (!str_starts(rest, STR("https://")) || str_ends(rest, STR("/"))) {
		return err_set(err, ERR_CONFIG,
			       "the token server's address is like https://host:port");
	}
	buf_add_str(&t->url, rest);
	rest = str_skip(rest, 8);
	buf_add_str(&t->host, str_first(rest, str_find(rest, ':')));
	if (buf_failed(&t->url) || buf_failed(&t->host) || t->host.len == 0) {
		return err_set(err, ERR_CONFIG, "the token server's address is too long");
	}
	return true;
}

static bool add_public(struct str spki, void *user, struct err *err)
{
	struct buf *json = user;

	if (json->len > 0) {
		buf_add_c(json, ',');
	}
	return jose_add_jwk(json, spki, NULL, err);
}

static bool make_key(struct token_server *t, bool first, int64_t now, struct err *err)
{
	struct token_key made;
	char kid[44];

	token_key_init(&made);
	bool good = keys_generate(t->keys, KEYS_CLASS_TOKEN, KEY_KIND_RSA_2048, &made.sealed,
				  &made.spki, err) &&
		    jose_thumbprint(buf_str(&made.spki), kid, err) &&
		    token_store_add_key(t->store, kid, &made, first, now, err);
	token_key_fini(&made);
	return good || err_wrap(err, "making the token server's key");
}

static bool load_keys(struct token_server *t, struct token_key *newest, int64_t now,
		      struct err *err)
{
	AUTO_BUF struct buf members = BUF(TOKEN_JWKS_MAX);
	size_t n = 0;

	if (!token_store_keys(t->store, newest, add_public, &members, &n, err)) {
		return false;
	}
	if (n == 0) {
		buf_reset(&members);
		if (!make_key(t, true, now, err) ||
		    !token_store_keys(t->store, newest, add_public, &members, &n, err)) {
			return false;
		}
	}
	if (n == 0) {
		return err_set(err, ERR_STORE, "the key that was just stored is not there");
	}
	buf_add_str(&t->jwks, STR("{\"keys\":["));
	buf_add_str(&t->jwks, buf_str(&members));
	buf_add_str(&t->jwks, STR("]}"));
	return !buf_failed(&t->jwks) || err_set(err, ERR_LIMIT, "too many keys to publish");
}

static bool open_key(struct token_server *t, int64_t now, struct err *err)
{
	struct token_key newest;

	token_key_init(&newest);
	bool good = load_keys(t, &newest, now, err) &&
		    jose_thumbprint(buf_str(&newest.spki), t->kid, err) &&
		    keys_open(t->keys, buf_str(&newest.sealed), buf_str(&newest.spki),
			      KEYS_FOR_TOKEN, &t->key, err);
	token_key_fini(&newest);
	return good;
}

static bool publish(struct token_server *t, struct err *err)
{
	const struct directory_actor system = {.who = STR("system"), .from = STR("")};
	AUTO_BUF struct buf known = BUF(DIRECTORY_SETTING_MAX);

	if (!directory_setting_get(t->store, STR(DIRECTORY_SETTING_JWKS), &known, err)) {
		return false;
	}
	return str_eq(buf_str(&known), buf_str(&t->jwks)) ||
	       directory_setting_set(t->store, &system, STR(DIRECTORY_SETTING_JWKS),
				     buf_str(&t->jwks), err);
}

bool token_server_set(struct token_server *t, int64_t life_s, const char *proxy_host,
		      struct err *err)
{
	if (life_s < TOKEN_LIFE_LEAST_S || life_s > TOKEN_LIFE_MOST_S) {
		return err_set(err, ERR_CONFIG, "tokens live 1 minute to 24 hours");
	}
	pthread_mutex_lock(&t->lock);
	bool fits = str_copy(str_of(proxy_host), t->proxy_host, sizeof(t->proxy_host));
	pthread_mutex_unlock(&t->lock);
	if (!fits) {
		return err_set(err, ERR_CONFIG, "the host of the HTTP proxy is too long");
	}
	atomic_store(&t->life_s, life_s);
	return true;
}

bool token_server_open(const struct token_settings *settings, int64_t now,
		       struct token_server **out, struct err *err)
{
	AUTO(token_server_close) struct token_server *t = NEW(struct token_server);

	t->store = settings->store;
	t->keys = settings->keys;
	t->jwks = BUF(TOKEN_JWKS_MAX);
	t->url = t->host = BUF(512);
	pthread_mutex_init(&t->lock, NULL);
	if (!token_server_set(t, settings->life_s != 0 ? settings->life_s : TOKEN_LIFE_S,
			      settings->proxy_host, err)) {
		return false;
	}
	t->proxy_port = settings->proxy_port;
	t->socks_port = settings->socks_port;
	t->logins = sessions_new(&(struct session_settings){
		.cookie = "unused", .idle = SEC(60), .absolute = SEC(60)});
	if (!set_url(t, settings->url, err) || !open_key(t, now, err) || !publish(t, err)) {
		return false;
	}
	*out = TAKE(t);
	return true;
}

struct str token_server_jwks(const struct token_server *t)
{
	return buf_str(&t->jwks);
}

const char *token_server_kid(const struct token_server *t)
{
	return t->kid;
}

struct token_counters token_server_count(const struct token_server *t)
{
	return (struct token_counters){.issued = atomic_load(&t->issued),
				       .refused = atomic_load(&t->refused),
				       .throttled = atomic_load(&t->throttled)};
}

static void write_claims(const struct token_server *t, const struct token_subject *s, int64_t now,
			 const char *jti, struct buf *claims)
{
	const struct directory_binding *b = s->binding;
	struct jsonw w = jsonw_to(claims);

	jsonw_object(&w);
	jsonw_key_text(&w, "jti", jti);
	jsonw_key(&w, "ext_attr");
	jsonw_object(&w);
	jsonw_key_text(&w, "enhancer", "XSUAA"); /* SDKs look at it */
	jsonw_key_text(&w, "subaccountid", b->subaccount);
	jsonw_key_text(&w, "zdn", s->subdomain);
	jsonw_key_text(&w, "serviceinstanceid", b->id);
	jsonw_object_end(&w);
	jsonw_key_text(&w, "sub", b->client_id);
	jsonw_key(&w, "scope");
	jsonw_array(&w);
	jsonw_str(&w, STR("uaa.resource"));
	jsonw_array_end(&w);
	jsonw_key_text(&w, "client_id", b->client_id);
	jsonw_key_text(&w, "cid", b->client_id);
	jsonw_key_text(&w, "azp", b->client_id);
	jsonw_key_text(&w, "grant_type", "client_credentials");
	jsonw_key_int(&w, "iat", now);
	jsonw_key_int(&w, "exp", now + t->life_s);
	jsonw_key(&w, "iss");
	AUTO_BUF struct buf issuer = BUF(1024);
	buf_addf(&issuer, "%s/oauth/token", t->url.at);
	jsonw_str(&w, buf_str(&issuer));
	jsonw_key_text(&w, "zid", b->subaccount);
	jsonw_key(&w, "aud");
	jsonw_array(&w);
	jsonw_str(&w, str_of(b->client_id));
	jsonw_str(&w, STR("uaa"));
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}

bool token_issue(struct token_server *t, const struct token_subject *subject, int64_t now,
		 char jti[static 37], struct buf *token, struct err *err)
{
	AUTO_BUF struct buf claims = BUF(CLAIMS_MAX);
	AUTO_BUF struct buf jku = BUF(1024);

	random_uuid(jti);
	write_claims(t, subject, now, jti, &claims);
	buf_addf(&jku, "%s/token_keys", t->url.at);
	if (buf_failed(&claims) || buf_failed(&jku)) {
		return err_set(err, ERR_LIMIT, "the token would be too long");
	}
	return jose_sign(t->key, t->kid, jku.at, buf_str(&claims), token, err);
}

static void key_port(struct jsonw *w, const char *name, uint16_t port)
{
	char text[8];

	snprintf(text, sizeof text, "%u", (unsigned)port);
	jsonw_key_text(w, name, text);
}

bool token_service_key(void *user, const struct directory_binding *binding, const char *secret,
		       struct buf *json, struct err *err)
{
	struct token_server *t = user;
	struct jsonw w = jsonw_to(json);
	char proxy_host[TOKEN_HOST_MAX];

	pthread_mutex_lock(&t->lock);
	memcpy(proxy_host, t->proxy_host, sizeof(proxy_host));
	pthread_mutex_unlock(&t->lock);
	jsonw_object(&w);
	jsonw_key_text(&w, "onpremise_proxy_host", proxy_host);
	key_port(&w, "onpremise_proxy_port", t->proxy_port); /* old name */
	key_port(&w, "onpremise_proxy_http_port", t->proxy_port);
	key_port(&w, "onpremise_socks5_proxy_port", t->socks_port);
	jsonw_key_text(&w, "clientid", binding->client_id);
	jsonw_key_text(&w, "clientsecret", secret);
	jsonw_key_text(&w, "xsappname", binding->client_id);
	jsonw_key_str(&w, "url", buf_str(&t->url)); /* old name */
	jsonw_key_str(&w, "token_service_url", buf_str(&t->url));
	jsonw_key_str(&w, "uaadomain", buf_str(&t->host));
	jsonw_key(&w, "token-type");
	jsonw_array(&w);
	jsonw_str(&w, STR("xsuaa"));
	jsonw_array_end(&w);
	jsonw_key_text(&w, "credential-type", "binding-secret");
	jsonw_key_text(&w, "instance_guid", binding->id);
	jsonw_key_text(&w, "tenantid", binding->subaccount);
	jsonw_key_text(&w, "zoneid", binding->subaccount);
	jsonw_object_end(&w);
	return !buf_failed(json) || err_set(err, ERR_LIMIT, "the service key is too long");
}
