#pragma once
/*
 * The opened keys, by the SHA-256 of their sealed form. Bounded: the key that was not used for the
 * longest time goes first, and whoever still signs with it keeps it until he lets go.
 *
 * Threads: any.
 */
#include "keyd/vault.h"

enum {
	KEYRING_MAX = 4096, /* opened keys; about 2 KB each. A flood of LOAD only costs time */
};

struct keyring;
struct keyring_key;

struct keyring *keyring_new(size_t max);
void keyring_free(struct keyring *r); /* takes NULL; nobody may hold a key */
DEFINE_AUTO(keyring_free, struct keyring *)

/* Held until keyring_release(); NULL when it is not loaded. */
struct keyring_key *keyring_hold(struct keyring *r, const uint8_t id[static KEYS_ID]);
void keyring_release(struct keyring *r, struct keyring_key *k); /* takes NULL */
void keyring_add(struct keyring *r, const uint8_t id[static KEYS_ID], enum keys_class class_,
		 struct local_key *take);
void keyring_drop(struct keyring *r, const uint8_t id[static KEYS_ID]);
size_t keyring_count(struct keyring *r);
const struct local_key *keyring_local(const struct keyring_key *k);
enum keys_class keyring_class(const struct keyring_key *k);
