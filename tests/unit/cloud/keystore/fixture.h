#pragma once
/* A keystore on an empty database, with keys of this process, and certificates to put into it. */
#include "base/clock.h"
#include "cloud/keystore/keystore.h"
#include "database.h"
#include "unit/cloud/keystore/local_keys.h"

#define TENANT   "11111111-2222-4333-8444-555555555555"
#define RESERVED "sap_*,hcicertificate,hcicertificate1,hcimsgcertificate"
#define NOW      ((int64_t)1800000000000) /* 2027-01-15 */

static const struct keystore_place here = {{TENANT, 36}, KEYSTORE_SYSTEM, 0};
static const struct keystore_place saved = {{TENANT, 36}, KEYSTORE_BACKUP, 0};

UNUSED static struct keystore *ready(void **state)
{
	struct database *d = *state;
	const struct migration_set sets[] = {{"store", store_migrations},
					     {"keystore", keystore_migrations}};
	const struct keystore_settings settings = {.store = d->store,
						   .keys = local_keys(),
						   .limits = keystore_default_limits,
						   .reserved = RESERVED};
	struct keystore *k;
	struct err err;

	assert_ok(store_migrate(d->store, sets, COUNT(sets), &err), &err);
	assert_ok(keystore_open(&settings, &k, &err), &err);
	return k;
}

UNUSED static struct keystore_change by(const char *who)
{
	return (struct keystore_change){.actor = {str_of(who), STR("192.0.2.7")},
					.tenant = STR(TENANT),
					.if_match = DIRECTORY_ANY_VERSION,
					.now = NOW};
}

/* As alice, who confirms every fingerprint. */
UNUSED static struct keystore_change alice(void)
{
	struct keystore_change c = by("user:alice");

	c.confirmed = true;
	return c;
}

/* A self-signed CA certificate with that subject; the key is the same for all in a program. */
UNUSED static struct str certificate(const char *subject, struct buf *der)
{
	static struct local_key *key;
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	struct issue_facts f = {.profile = ISSUE_ROOT,
				.subject = subject,
				.not_before = NOW / 1000 - 3600,
				.not_after = NOW / 1000 + 365 * 86400};
	struct err err;

	if (key == NULL) {
		assert_ok(local_key_generate(KEY_KIND_P256, &key, &err), &err);
	}
	random_bytes(f.serial, sizeof(f.serial));
	*der = BUF(CERT_DER_MAX);
	assert_ok(local_key_spki(key, &spki, &err), &err);
	assert_ok(issue_certificate(&f, buf_str(&spki), STR_NONE, key, der, &err), &err);
	return buf_str(der);
}

UNUSED static void put(struct keystore *k, const char *alias, const char *subject, bool update)
{
	struct keystore_change c = alice();
	struct buf der;
	struct err err = {0};

	enum keystore_outcome outcome = keystore_put_certificate(
		k, &c, str_of(alias), certificate(subject, &der), update, NULL, &err);
	buf_fini(&der);
	if (outcome != KEYSTORE_DONE) {
		fail_msg("%s: %d %s", alias, outcome, err.text);
	}
}

UNUSED static void make_pair(struct keystore *k, const char *alias)
{
	struct keystore_change c = alice();
	const struct keystore_request r = {
		.alias = str_of(alias), .key_type = STR("EC"), .common_name = STR("edge.example")};
	struct err err = {0};

	if (keystore_create(k, &c, &r, NULL, &err) != KEYSTORE_DONE) {
		fail_msg("%s: %s", alias, err.text);
	}
}

/* "alias alias …" of a place, in its order. */
UNUSED static const char *aliases_of(struct keystore *k, const struct keystore_place *place)
{
	static char text[4096];
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct err err;
	size_t len = 0;

	assert_ok(keystore_list(k, place, NULL, &l, &err), &err);
	text[0] = '\0';
	for (size_t i = 0; i < keystore_list_count(l); i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					keystore_list_at(l, i)->alias);
	}
	return text;
}

UNUSED static int64_t version_of(struct keystore *k, const char *alias)
{
	AUTO(keystore_list_free) struct keystore_list *l = NULL;
	struct err err;

	assert_ok(keystore_find(k, &here, str_of(alias), &l, &err), &err);
	return keystore_list_at(l, 0)->version;
}

UNUSED static int64_t generation_of(struct keystore *k)
{
	struct keystore_head head;
	struct err err;

	assert_ok(keystore_head(k, &here, NOW, &head, &err), &err);
	return head.generation;
}
