/* The room: what it was opened with, its limits, and how outcomes read in HTTP. */
#include "cloud/keystore/keystore_priv.h"

const struct keystore_limits keystore_default_limits = {
	.store_bytes = 6 * 1024 * 1024,
	.entries = 10000,
	.certificate_bytes = 10240,
	.key_pair_bytes = 30720,
	.reply_bytes = 30720,
	.file_bytes = 2 * 1024 * 1024,
	.pins = 50,
};

bool keystore_open(const struct keystore_settings *settings, struct keystore **out, struct err *err)
{
	if (settings->reserved == NULL || settings->store == NULL) {
		return err_set(err, ERR_CONFIG, "the keystore's settings are incomplete");
	}
	struct keystore *k = NEW(struct keystore);
	k->store = settings->store;
	k->keys = settings->keys;
	k->limits = settings->limits;
	k->reserved = must_strdup(settings->reserved);
	k->changed = settings->changed;
	k->user = settings->user;
	pthread_mutex_init(&k->lock, NULL);
	*out = k;
	return true;
}

void keystore_close(struct keystore *k)
{
	if (k == NULL) {
		return;
	}
	pthread_mutex_destroy(&k->lock);
	free(k->reserved);
	free(k);
}

void keystore_set_limits(struct keystore *k, const struct keystore_limits *limits)
{
	pthread_mutex_lock(&k->lock);
	k->limits = *limits;
	pthread_mutex_unlock(&k->lock);
}

struct keystore_limits keystore_limits_of(struct keystore *k)
{
	pthread_mutex_lock(&k->lock);
	struct keystore_limits limits = k->limits;
	pthread_mutex_unlock(&k->lock);
	return limits;
}

bool keystore_within(const char *limit, uint64_t wanted, uint64_t max, struct err *err)
{
	return wanted <= max || err_set(err, ERR_LIMIT, "%llu is over the limit %s of %llu",
					(unsigned long long)wanted, limit, (unsigned long long)max);
}

static unsigned status_of_failure(const struct err *err)
{
	switch (err->kind) {
	case ERR_CONFIG:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_MISSING:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_LIMIT:
		return 413;
	case ERR_STORE:
	case ERR_NETWORK:
		return 503;
	case ERR_NONE:
	case ERR_PROTOCOL:
	case ERR_SYSTEM:
		return 500;
	}
	return 500;
}

unsigned keystore_status(enum keystore_outcome outcome, const struct err *err)
{
	switch (outcome) {
	case KEYSTORE_DONE:
	case KEYSTORE_SAME:
		return 200;
	case KEYSTORE_MISSING:
		return 404;
	case KEYSTORE_TAKEN:
	case KEYSTORE_BAD:
		return 400;
	case KEYSTORE_RESERVED:
		return 403;
	case KEYSTORE_UNREADABLE:
		return 415;
	case KEYSTORE_UNTRUSTED:
		return 409;
	case KEYSTORE_LIMIT:
		return 413;
	case KEYSTORE_STALE:
		return 412;
	case KEYSTORE_BUSY:
		return 503;
	case KEYSTORE_FAILED:
		return status_of_failure(err);
	}
	return 500;
}
