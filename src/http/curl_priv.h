#pragma once
/* What the two users of libcurl share: its one start, and our trust inside it. */
#include <curl/curl.h>

#include "crypto/tls_guest.h"

void curl_start(void); /* any thread, any number of times */

struct curl_guest {
	struct tls_guest guest;
	struct err set_up; /* why the TLS set-up failed, if it did */
};
/*
 * The guest judges the server, and nobody else: curl's own anchors and sessions count for nothing.
 * Lent until curl_easy_cleanup().
 */
void curl_use_guest(CURL *curl, struct curl_guest *g);
