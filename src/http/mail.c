#include "http/mail.h"

#include "http/curl_priv.h"
#include "http/fetch.h"

enum {
	ADDRESS_MAX = 254, /* bytes (RFC 5321, 4.5.3.1.3) */
};

struct sending {
	CURL *curl;
	struct curl_slist *to;
	struct curl_guest tls;
	struct str rest; /* of the text */
	char why[CURL_ERROR_SIZE];
};

static void free_sending(struct sending *s)
{
	curl_easy_cleanup(s->curl); /* first: its SSL_CTX lends the guest */
	curl_slist_free_all(s->to);
	free(s);
}
DEFINE_AUTO(free_sending, struct sending *)

bool mail_is_address(struct str s)
{
	size_t at = str_find_last(s, '@');

	if (s.len > ADDRESS_MAX || at == 0 || at + 1 >= s.len) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c <= ' ' || c >= 0x7f || strchr("<>\"(),;:\\[]", c) != NULL) {
			return false;
		}
	}
	return str_find(s, '@') == at;
}

static size_t on_read(char *into, size_t size, size_t n, void *user)
{
	struct sending *s = user;
	struct str part = str_first(s->rest, size * n);

	memcpy(into, part.at, part.len);
	s->rest = str_skip(s->rest, part.len);
	return part.len;
}

static bool check(const struct mail_request *r, struct err *err)
{
	bool tls_url = str_starts(str_of(r->url), STR("smtps://"));

	if (!tls_url && !str_starts(str_of(r->url), STR("smtp://"))) {
		return err_set(err, ERR_CONFIG,
			       "mail: the server must be smtp://host:port or smtps://host:port");
	}
	if (r->password != NULL && r->plain && !tls_url && !fetch_url_is_local(r->url, "smtp")) {
		return err_set(err, ERR_CONFIG,
			       "mail: a password goes only over TLS, or to this machine");
	}
	if (!mail_is_address(str_of(r->from))) {
		return err_set(err, ERR_CONFIG, "mail: the sender is no address");
	}
	for (size_t i = 0; i < r->n_to; i++) {
		if (!mail_is_address(str_of(r->to[i]))) {
			return err_set(err, ERR_CONFIG, "mail: a recipient is no address");
		}
	}
	return r->n_to > 0 || err_set(err, ERR_CONFIG, "mail: there is no recipient");
}

static bool set_envelope(struct sending *s, const struct mail_request *r, struct err *err)
{
	for (size_t i = 0; i < r->n_to; i++) {
		struct curl_slist *longer = curl_slist_append(s->to, r->to[i]);
		if (longer == NULL) {
			return err_set(err, ERR_SYSTEM, "out of memory");
		}
		s->to = longer;
	}
	curl_easy_setopt(s->curl, CURLOPT_MAIL_FROM, r->from);
	curl_easy_setopt(s->curl, CURLOPT_MAIL_RCPT, s->to);
	curl_easy_setopt(s->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(s->curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(s->curl, CURLOPT_READDATA, s);
	return true;
}

static void set_tls(struct sending *s, const struct mail_request *r)
{
	CURL *c = s->curl;

	s->tls.guest = (struct tls_guest){.anchors_pem = r->anchors_pem,
					  .system_anchors = r->system_anchors};
	curl_easy_setopt(c, CURLOPT_USE_SSL,
			 r->plain ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
	curl_use_guest(c, &s->tls);
}

static void set_common(struct sending *s, const struct mail_request *r)
{
	CURL *c = s->curl;

	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->why);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
			 (long)(r->timeout > 0 ? r->timeout : MAIL_TIMEOUT_MS));
	if (r->user != NULL && r->password != NULL) {
		curl_easy_setopt(c, CURLOPT_USERNAME, r->user);
		curl_easy_setopt(c, CURLOPT_PASSWORD, r->password);
	}
}

static bool failed(const struct sending *s, CURLcode code, const struct mail_request *r,
		   struct err *err)
{
	const char *why = s->why[0] ? s->why : curl_easy_strerror(code);
	long answer = 0;

	if (s->tls.set_up.kind != ERR_NONE) {
		*err = s->tls.set_up;
		return false;
	}
	if (s->tls.guest.untrusted) {
		return err_set(err, ERR_DENIED, "mail: %s is not trusted: %s", r->url,
			       s->tls.guest.why.text);
	}
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &answer);
	switch ((int)code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(err, ERR_CONFIG, "mail: %s: %s", r->url, why);
	case CURLE_USE_SSL_FAILED:
		return err_set(err, ERR_DENIED,
			       "mail: %s offers no TLS; a relay inside the own network may go "
			       "without it by mail.tls = off",
			       r->url);
	default:
		break;
	}
	return err_set(err, answer >= 500 || code == CURLE_LOGIN_DENIED ? ERR_DENIED : ERR_NETWORK,
		       "mail: %s: %s", r->url, why);
}

bool mail_send(const struct mail_request *request, struct err *err)
{
	curl_start();
	if (!check(request, err)) {
		return false;
	}
	AUTO(free_sending) struct sending *s = NEW(struct sending);
	s->rest = request->text;
	s->curl = curl_easy_init();
	if (s->curl == NULL) {
		return err_set(err, ERR_SYSTEM, "libcurl does not start");
	}
	set_common(s, request);
	set_tls(s, request);
	if (!set_envelope(s, request, err)) {
		return false;
	}
	CURLcode code = curl_easy_perform(s->curl);
	return code == CURLE_OK || failed(s, code, request, err);
}
