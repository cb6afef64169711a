#include "cloud/keystore/connection_test.h"

static bool may_be_shown(const struct connection_pair *p, const struct tls_fit *fit, int64_t now)
{
	return fit->issuer && fit->signature && fit->client_auth && p->not_before <= now &&
	       now <= p->not_after;
}

static bool is_better(const struct connection_pair *a, const struct connection_pair *than)
{
	if (a->not_after != than->not_after) {
		return a->not_after > than->not_after;
	}
	return strcmp(a->alias, than->alias) < 0;
}

size_t connection_choose(const struct connection_pair *pairs, const struct tls_fit *fits, size_t n,
			 int64_t now)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		if (may_be_shown(&pairs[i], &fits[i], now) &&
		    (best == n || is_better(&pairs[i], &pairs[best]))) {
			best = i;
		}
	}
	return best;
}
