#pragma once
/*
 * The directory's snapshot for tests of the relay: one subaccount, one client, keys of a token
 * server made here, and switches for what may be forbidden. Its functions stand in for those of
 * cloud/directory/snapshot.c, which are tested there.
 */
#include "base/clock.h"
#include "cloud/directory/snapshot.h"
#include "crypto/key.h"
#include "unit/unit.h"

#define FAKE_SUBACCOUNT "0f9a7c1e-5b1d-4c3e-9b1a-000000000001"
#define FAKE_INSTANCE   "0f9a7c1e-5b1d-4c3e-9b1a-000000000002"
#define FAKE_CLIENT     "sb-app!drawbridge"

struct directory_snapshot {
	struct snapshot base;
	struct directory_subaccount subaccount;
	struct jose_keys *keys;
	enum directory_judgement judgement;
	bool no_binding;
	const char *binding_of; /* NULL: the subaccount's own */
};

/* ---- what the relay calls ---- */

const struct directory_subaccount *
directory_snapshot_subaccount(const struct directory_snapshot *snap, struct str id)
{
	return str_eq(id, str_of(snap->subaccount.id)) ? &snap->subaccount : NULL;
}

const struct directory_subaccount *directory_snapshot_resolve(const struct directory_snapshot *snap,
							      struct str subdomain_or_id)
{
	bool known = str_eq(subdomain_or_id, str_of(snap->subaccount.id)) ||
		     str_eq(subdomain_or_id, str_of(snap->subaccount.subdomain));
	return known ? &snap->subaccount : NULL;
}

const char *directory_snapshot_binding(const struct directory_snapshot *snap, struct str client_id)
{
	bool known = !snap->no_binding && str_eq(client_id, STR(FAKE_CLIENT));
	if (!known) {
		return NULL;
	}
	return snap->binding_of ? snap->binding_of : snap->subaccount.id;
}

const struct jose_keys *directory_snapshot_keys(const struct directory_snapshot *snap)
{
	return snap->keys;
}

enum directory_judgement directory_snapshot_judge(const struct directory_snapshot *snap,
						  struct str serial UNUSED,
						  struct str subaccount UNUSED,
						  struct str instance UNUSED, int64_t since UNUSED)
{
	return snap->judgement;
}

/* ---- the test's side ---- */

struct fake {
	struct local_key *local;
	struct key *key;
	struct buf jwks;
	struct snapshot_cell cell;
};

UNUSED static void fake_free_snapshot(struct snapshot *s)
{
	struct directory_snapshot *snap = CONTAINER_OF(s, struct directory_snapshot, base);
	jose_keys_free(snap->keys);
	free(snap);
}

UNUSED static struct directory_snapshot *fake_snapshot(struct fake *f)
{
	struct directory_snapshot *snap = NEW(struct directory_snapshot);
	struct err err;

	snapshot_init(&snap->base, fake_free_snapshot);
	snprintf(snap->subaccount.id, sizeof(snap->subaccount.id), "%s", FAKE_SUBACCOUNT);
	snprintf(snap->subaccount.subdomain, sizeof(snap->subaccount.subdomain), "acme");
	assert_ok(jose_keys_read(buf_str(&f->jwks), &snap->keys, &err), &err);
	return snap;
}

UNUSED static void fake_start(struct fake *f)
{
	AUTO_BUF struct buf spki = BUF(KIB(4));
	struct err err;

	*f = (struct fake){.jwks = BUF(KIB(8))};
	assert_ok(local_key_generate(KEY_KIND_P256, &f->local, &err), &err);
	assert_ok(local_key_spki(f->local, &spki, &err), &err);
	assert_ok(key_new(buf_str(&spki), local_key_signer, f->local, &f->key, &err), &err);
	buf_add_str(&f->jwks, STR("{\"keys\":["));
	assert_ok(jose_add_jwk(&f->jwks, buf_str(&spki), "k1", &err), &err);
	buf_add_str(&f->jwks, STR("]}"));
	snapshot_cell_init(&f->cell);
	snapshot_publish(&f->cell, &fake_snapshot(f)->base);
}

UNUSED static void fake_stop(struct fake *f)
{
	snapshot_cell_fini(&f->cell);
	key_free(f->key);
	local_key_free(f->local);
	buf_fini(&f->jwks);
}

/* A token of FAKE_CLIENT for `zid` that ends in `life` seconds. */
UNUSED static void fake_token(struct fake *f, const char *zid, int64_t life, struct buf *token)
{
	char claims[400];
	struct err err;

	snprintf(claims, sizeof(claims),
		 "{\"zid\":\"%s\",\"client_id\":\"" FAKE_CLIENT "\",\"exp\":%lld}", zid,
		 (long long)(clock_unix() + life));
	assert_ok(jose_sign(f->key, "k1", NULL, str_of(claims), token, &err), &err);
}
