#include <pthread.h>

#include "http/curl_priv.h"

static void init_once(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void curl_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
}

static CURLcode on_ssl_ctx(CURL *curl UNUSED, void *ssl_ctx, void *user)
{
	struct curl_guest *g = user;

	return tls_guest_set_up(ssl_ctx, &g->guest, &g->set_up) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

void curl_use_guest(CURL *curl, struct curl_guest *g)
{
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, g);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	/* the guest judges; curl's own store, and its cache of it, stay empty */
	curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	/* a resumed session would not be judged at all */
	curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}
