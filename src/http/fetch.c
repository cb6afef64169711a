#include "http/fetch.h"
#include "base/clock.h"
#include "http/curl_priv.h"

struct transfer {
	CURL *curl;
	struct curl_slist *fields;
	struct curl_guest tls;
	struct fetch_answer *answer;
	bool too_long;
	char why[CURL_ERROR_SIZE];
};

static void free_transfer(struct transfer *t)
{
	curl_easy_cleanup(t->curl); /* first: its SSL_CTX lends the guest and the key */
	curl_slist_free_all(t->fields);
	free(t);
}
DEFINE_AUTO(free_transfer, struct transfer *)

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	buf_add(&t->answer->body, bytes, size * n);
	t->too_long = buf_failed(&t->answer->body);
	return t->too_long ? 0 : size * n;
}

/* The value of `name: value CRLF`, or at == NULL. */
static struct str value_of(struct str line, struct str name)
{
	if (!str_starts_nocase(line, name) || line.len == name.len || line.at[name.len] != ':') {
		return STR_NONE;
	}
	struct str value = str_skip(line, name.len + 1);
	while (value.len && (value.at[value.len - 1] == '\r' || value.at[value.len - 1] == '\n')) {
		value.len--;
	}
	return str_trim(value);
}

/* "name=value; Path=/" gives its first part; "; " between two. */
static void keep_cookie(struct str cookie, struct fetch_answer *a)
{
	struct str pair = str_first(cookie, str_find(cookie, ';'));
	size_t have = strlen(a->cookies);
	const char *between = have ? "; " : "";

	if (have + strlen(between) + pair.len < sizeof(a->cookies)) {
		(void)snprintf(a->cookies + have, sizeof(a->cookies) - have, "%s%.*s", between,
			       STR_ARGS(pair));
	}
}

static size_t on_field(char *bytes, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	struct fetch_answer *a = t->answer;
	struct str line = str_make(bytes, size * n);
	struct str date = value_of(line, STR("date"));
	struct str retry = value_of(line, STR("retry-after"));
	struct str type = value_of(line, STR("content-type"));
	struct str location = value_of(line, STR("location"));
	struct str token = value_of(line, STR("x-csrf-token"));
	struct str cookie = value_of(line, STR("set-cookie"));
	uint64_t seconds = 0;
	bool fits = true;
	if (date.at != NULL && !clock_parse_http_date(date, &a->date)) {
		a->date = 0;
	}
	if (retry.at != NULL && str_to_u64(retry, &seconds) && seconds <= INT32_MAX) {
		a->retry_after_s = (int64_t)seconds;
	}
	if (type.at != NULL) {
		fits = str_copy(type, a->content_type, sizeof a->content_type);
	}
	if (location.at != NULL) {
		fits = str_copy(location, a->location, sizeof a->location);
	}
	if (token.at != NULL) {
		fits = str_copy(token, a->csrf_token, sizeof a->csrf_token);
	}
	if (cookie.at != NULL) {
		keep_cookie(cookie, a);
	}
	(void)fits; /* one that is too long counts as absent */
	return size * n;
}

static bool add_field(struct transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->fields, line);
	if (longer == NULL) {
		return false;
	}
	t->fields = longer;
	return true;
}

static bool set_fields(struct transfer *t, const struct fetch_request *r, struct err *err)
{
	bool has_type = false;
	for (size_t i = 0; i < r->n_fields; i++) {
		const struct http_field *f = &r->fields[i];
		AUTO_BUF struct buf line = BUF_SECRET(KIB(16));
		if (!http_is_token(f->name) || !http_is_field_value(f->value)) {
			return err_set(err, ERR_CONFIG, "a header field is malformed");
		}
		has_type |= str_eq_nocase(f->name, STR("content-type"));
		/* "Name;" is how curl is told to send an empty value */
		buf_addf(&line, "%.*s%s%.*s", STR_ARGS(f->name), f->value.len ? ": " : ";",
			 STR_ARGS(f->value));
		if (buf_failed(&line) || !add_field(t, line.at)) {
			return err_set(err, ERR_LIMIT, "a header field is too long");
		}
	}
	/* neither curl's guess of a type nor its wait for a 100 */
	if (!add_field(t, "Expect:") || (!has_type && !add_field(t, "Content-Type:"))) {
		return err_set(err, ERR_SYSTEM, "out of memory");
	}
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->fields);
	return true;
}

bool fetch_url_is_local(const char *url, const char *scheme)
{
	static const char *const hosts[] = {"127.0.0.1", "[::1]", "localhost"};
	struct str rest = str_skip(str_of(url), strlen(scheme) + 3);

	/* "http://127.0.0.1:x@elsewhere/" names another machine */
	if (!str_starts(str_of(url), str_of(scheme)) ||
	    !str_starts(str_skip(str_of(url), strlen(scheme)), STR("://")) || strchr(url, '@')) {
		return false;
	}
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct str after = str_skip(rest, strlen(hosts[i]));
		if (str_starts(rest, str_of(hosts[i])) &&
		    (after.len == 0 || after.at[0] == ':' || after.at[0] == '/')) {
			return true;
		}
	}
	return false;
}

static bool set_login(struct transfer *t, const struct fetch_request *r, struct err *err)
{
	if (r->user == NULL || r->password == NULL) {
		return true;
	}
	if (!str_starts(str_of(r->url), STR("https://")) && !fetch_url_is_local(r->url, "http")) {
		return err_set(err, ERR_CONFIG,
			       "a password goes only over https, or to this machine: %s", r->url);
	}
	curl_easy_setopt(t->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(t->curl, CURLOPT_USERNAME, r->user);
	curl_easy_setopt(t->curl, CURLOPT_PASSWORD, r->password);
	return true;
}

static void set_request(struct transfer *t, const struct fetch_request *r)
{
	CURL *c = t->curl;
	bool sends = r->body.len > 0 || strcmp(r->method, "POST") == 0 ||
		     strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0;
	curl_easy_setopt(c, CURLOPT_URL, r->url);
	if (sends) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.len ? r->body.at : "");
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
	} else if (strcmp(r->method, "HEAD") == 0) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
	curl_easy_setopt(c, CURLOPT_PROXY, r->proxy ? r->proxy : "");
	if (r->proxy != NULL && r->proxy_user != NULL) {
		curl_easy_setopt(c, CURLOPT_PROXYUSERNAME, r->proxy_user);
		curl_easy_setopt(c, CURLOPT_PROXYPASSWORD,
				 r->proxy_password ? r->proxy_password : "");
	}
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
			 (long)(r->timeout > 0 ? r->timeout : FETCH_TIMEOUT_MS));
}

static void set_tls(struct transfer *t, const struct fetch_request *r)
{
	CURL *c = t->curl;
	t->tls.guest = (struct tls_guest){.anchors_pem = r->anchors_pem,
					  .system_anchors = r->system_anchors,
					  .root_pin = r->root_pin,
					  .chain_pem = r->chain_pem,
					  .key = r->key};
	curl_use_guest(c, &t->tls);
}

static void set_common(struct transfer *t)
{
	CURL *c = t->curl;
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	/* a proxy's Date or cookie is not the server's */
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "drawbridge/" DRAWBRIDGE_VERSION);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
}

static bool fail(const struct transfer *t, CURLcode code, const struct fetch_request *r,
		 struct err *err)
{
	if (t->tls.set_up.kind != ERR_NONE) {
		*err = t->tls.set_up;
		return false;
	}
	if (t->tls.guest.untrusted) {
		struct buf hex = BUF(64);
		buf_add_hex(&hex, t->tls.guest.peer_root_pin, 32);
		t->answer->untrusted = true;
		memcpy(t->answer->peer_root_sha256, hex.at, 65);
		buf_fini(&hex);
		return err_set(err, ERR_CONFLICT, "%s is not trusted: %s", r->url,
			       t->tls.guest.why.text);
	}
	if (t->too_long) {
		return err_set(err, ERR_LIMIT, "%s answered more than %zu bytes", r->url,
			       t->answer->body.max);
	}
	bool ours = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
	bool plain = str_contains(str_of(t->why), STR("wrong version number"));
	return err_set(err, ours ? ERR_CONFIG : ERR_NETWORK, "%s: %s", r->url,
		       plain       ? "what listens there speaks no TLS"
		       : t->why[0] ? t->why
				   : curl_easy_strerror(code));
}

bool fetch(const struct fetch_request *request, struct fetch_answer *answer, struct err *err)
{
	curl_start();
	*answer = (struct fetch_answer){.retry_after_s = -1};
	answer->body =
		BUF_SECRET(request->answer_max ? request->answer_max : (size_t)FETCH_ANSWER_MAX);

	AUTO(free_transfer) struct transfer *t = NEW(struct transfer);
	t->answer = answer;
	t->curl = curl_easy_init();
	if (t->curl == NULL) {
		return err_set(err, ERR_SYSTEM, "libcurl does not start");
	}
	set_common(t);
	set_request(t, request);
	set_tls(t, request);
	if (!set_fields(t, request, err) || !set_login(t, request, err)) {
		return false;
	}
	CURLcode code = curl_easy_perform(t->curl);
	if (code != CURLE_OK) {
		return fail(t, code, request, err);
	}
	long status = 0;
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	answer->status = (unsigned)status;
	return true;
}

void fetch_answer_fini(struct fetch_answer *a)
{
	buf_fini(&a->body);
}
