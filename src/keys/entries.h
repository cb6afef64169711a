#pragma once
/*
 * Tenants' keys and certificates at the key process: data keys, sealed entries, staging, MACs.
 *
 * A tenant has data keys, 32 random bytes each, that only keyd ever sees in the clear: they are
 * stored wrapped by the master key. An entry is sealed with a data key; its associated data is the
 * binding below, so that a row cannot be moved to another tenant, alias, owner or chain. Entries
 * of certificates carry a tag over nothing, so that nobody swaps a root in the database.
 *
 * Private keys come into being in a *stage*: a place in keyd, bound to one socket, where a
 * container was opened or a key generated (both in a sandboxed child of keyd). What is staged is
 * looked at, may sign a certificate of its own, is sealed under its binding, and is gone with the
 * stage. When keyd dies meanwhile, every call on the stage is ERR_SYSTEM and the caller starts
 * over.
 *
 * keyd keeps no tenant's state: wrapped data key, binding and sealed form travel with the first
 * call that needs them (KEYS_NOT_LOADED, see protocol.h).
 *
 * Threads: any; every call blocks, so not on a loop. A stage belongs to one thread at a time and
 * occupies one of the KEYS_SOCKETS until keys_stage_end().
 */
#include "keys/anchor.h"
#include "keys/client.h"

enum {
	KEYS_TENANT_MAX = 64,   /* bytes of a tenant's id; 36 for a UUID */
	KEYS_KEYSTORE_MAX = 64, /* bytes of a keystore's name */
	KEYS_ALIAS_MAX = 1000,  /* bytes of an alias (250 characters) */
	KEYS_WRAPPED_MAX = 256, /* bytes of a wrapped data key */
	KEYS_MAC = 32,
	KEYS_STAGE_BYTES_MAX = 2 * 1024 * 1024, /* of a container: ERR_LIMIT */
	KEYS_STAGE_IDLE_MS = 30000,             /* without a call: keyd forgets the stage */
	KEYS_STAGES_MAX =
		4, /* at once: further ones wait, so that sockets for TLS remain; ERR_STORE */
	KEYS_CHECK_MAX = 256, /* entries of one keys_entries_check() message; the call takes more */
};

enum keys_owner {
	KEYS_OWNER_TENANT = 1,
	KEYS_OWNER_PROVIDER,
};

enum keys_entry_kind {
	KEYS_ENTRY_KEY_PAIR = 1,
	KEYS_ENTRY_CERTIFICATE,
};

enum {
	KEYS_FLAG_INBOUND = 1, /* trusted for inbound client certificates (DESIGN 4) */
};

/* What a sealed entry is bound to. All texts are lent. */
struct keys_binding {
	struct str tenant;   /* subaccount id, lower case */
	struct str keystore; /* "system" */
	struct str alias;    /* as typed */
	enum keys_owner owner;
	enum keys_entry_kind kind;
	uint8_t flags;
	int64_t version;          /* id of the entry's version */
	uint8_t chain_sha256[32]; /* of the chain: each DER with its length before it (u32, big
				     endian), leaf first */
};

/* ---- data keys ---- */

/* A new data key of the tenant, wrapped; its id (16 bytes) is in the clear at keys_data_key_id().
 */
NODISCARD bool keys_data_key_new(struct keys_client *c, struct str tenant, struct buf *wrapped,
				 struct err *err);
/* The 16 bytes that name it; at == NULL when `wrapped` is no wrapped data key. */
struct str keys_data_key_id(struct str wrapped);
/*
 * After the master key was rotated: wrapped by the current one. *again false, and nothing appended,
 * when it was already.
 */
NODISCARD bool keys_data_key_rewrap(struct keys_client *c, struct str tenant, struct str wrapped,
				    struct buf *out, bool *again, struct err *err);
/* The same for what protocol.h seals under the master key itself: keys and labelled secrets. */
NODISCARD bool keys_reseal_key(struct keys_client *c, struct str sealed, struct buf *out,
			       bool *again, struct err *err);
NODISCARD bool keys_reseal_secret(struct keys_client *c, const char *label, struct str sealed,
				  struct buf *out, bool *again, struct err *err);

/* ---- entries ---- */

struct keys_entry {
	struct str wrapped; /* data key */
	struct keys_binding binding;
	struct str sealed;
};

/* The tag of a certificate entry. */
NODISCARD bool keys_entry_tag(struct keys_client *c, struct str wrapped,
			      const struct keys_binding *binding, struct buf *sealed,
			      struct err *err);
/*
 * The same key (or tag) under another binding and, maybe, another data key: rename, a new chain,
 * a changed flag, reseal. Tenant, keystore, owner and kind must stay: refused otherwise.
 */
NODISCARD bool keys_entry_rebind(struct keys_client *c, const struct keys_entry *entry,
				 struct str wrapped, const struct keys_binding *binding,
				 struct buf *sealed, struct err *err);
/*
 * Whether each opens under its binding, and for a key pair whether `spki[i]` is its public key
 * (at == NULL for certificates). good[i] is set for all; false only when keyd could not be asked.
 */
NODISCARD bool keys_entries_check(struct keys_client *c, const struct keys_entry *entries,
				  const struct str *spki, size_t n, bool *good, struct err *err);
/*
 * A struct key that signs for one purpose: KEYS_FOR_TLS_SERVER, KEYS_FOR_TLS_CLIENT or
 * KEYS_FOR_CSR. Everything is copied; the client must outlive the key.
 */
NODISCARD bool keys_entry_open(struct keys_client *c, const struct keys_entry *entry,
			       struct str spki, enum keys_purpose purpose, struct key **out,
			       struct err *err);

/* ---- staging ---- */

struct keys_stage; /* an open one, or the free function's NULL */

/*
 * A container or a PEM with private keys. ERR_DENIED: wrong password; ERR_CONFIG: not readable, see
 * *format (CONTAINER_UNKNOWN, or one that is known and not read); ERR_LIMIT names the limit.
 * `bytes` and `password` should live in wiped buffers. *format is an enum container_format.
 */
NODISCARD bool keys_stage_open(struct keys_client *c, struct str bytes, struct str password,
			       unsigned *format, struct keys_stage **out, struct err *err);
/* The same, where private keys without a certificate are taken too: key pairs with an empty chain.
 */
NODISCARD bool keys_stage_open_keys(struct keys_client *c, struct str bytes, struct str password,
				    unsigned *format, struct keys_stage **out, struct err *err);
/* One fresh key. `type` "RSA" with bits, or "EC" with a curve (spec 1.2's names) or bits. */
NODISCARD bool keys_stage_generate(struct keys_client *c, const char *type, unsigned bits,
				   const char *curve, struct keys_stage **out, struct err *err);
size_t keys_stage_count(const struct keys_stage *stage);

/* Public facts of a staged item; lent by the stage. */
struct keys_staged {
	bool is_taken; /* else `problem` says why this one cannot be */
	enum keys_entry_kind kind;
	struct str alias;        /* as suggested by the container; may be empty */
	struct str spki;         /* of a key pair */
	size_t n_chain;          /* certificates, leaf first; 0 for a generated or a lone key */
	const struct str *chain; /* DER */
	const char *problem;
	const char *warning; /* "weak: …" or NULL */
};
const struct keys_staged *keys_stage_item(const struct keys_stage *stage, size_t i);
/* A certificate of the staged key i by itself (ISSUE_SELF: CA:FALSE v3). Appends DER. */
struct keys_self {
	const struct issue_name *name; /* its parts, as typed (crypto/issue.h) */
	int64_t not_before, not_after;
	uint8_t serial[16];
	const char *digest; /* "SHA256", "SHA384", "SHA512" … */
};
NODISCARD bool keys_stage_self_sign(struct keys_stage *stage, size_t i,
				    const struct keys_self *facts, struct buf *der,
				    struct err *err);
/* Sealed for a tenant. For a certificate it is keys_entry_tag(). */
NODISCARD bool keys_stage_seal(struct keys_stage *stage, size_t i, struct str wrapped,
			       const struct keys_binding *binding, struct buf *sealed,
			       struct err *err);
/* Sealed as a key of one of our own classes (KEYS_CLASS_LISTENER: an uploaded UI certificate). */
NODISCARD bool keys_stage_seal_class(struct keys_stage *stage, size_t i, enum keys_class class_,
				     struct buf *sealed, struct err *err);
void keys_stage_end(struct keys_stage *stage); /* takes NULL; what was staged is wiped */
DEFINE_AUTO(keys_stage_end, struct keys_stage *)

/* ---- MACs of generations, and the anchor of the audit ---- */

/*
 * HMAC-SHA-256 over `message` under a key derived from the data key for `label` ("generation";
 * "pin"). The same wrapped data key gives the same MAC for ever, also after a rewrap.
 */
NODISCARD bool keys_mac(struct keys_client *c, struct str tenant, struct str wrapped,
			const char *label, struct str message, uint8_t mac[static KEYS_MAC],
			struct err *err);
/*
 * Notes that the head of `chain` ("audit": the changes; "denied:{node}": a node's denied attempts)
 * was `n` with that hash: one signed line in keyd's append-only file "anchor" (keys/anchor.h),
 * which is on disk when this returns. It may lag behind the database and never leads: only what is
 * committed is noted. ERR_CONFLICT for a smaller n than the last line's (the database was rolled
 * back), and for the same n with another hash.
 */
NODISCARD bool keys_anchor(struct keys_client *c, struct str chain, int64_t n,
			   const uint8_t hash[static 32], struct err *err);
/* What was noted of `chain` last; n 0 when nothing was. */
NODISCARD bool keys_anchor_last(struct keys_client *c, struct str chain, struct anchor_last *out,
				struct err *err);
