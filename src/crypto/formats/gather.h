#pragma once
/*
 * What a reader finds, collected, and at the end made into the items of a container: keys meet
 * their certificates here, and chains are built. The same for all formats. Internal to formats.
 */
#include "crypto/formats/container.h"
#include "crypto/ossl.h"

struct gather_cert {
	X509 *cert;
	struct str der;   /* owned */
	struct str id;    /* localKeyID, owned; at NULL: none */
	char *name;       /* the file's alias, or NULL */
	size_t same;      /* index of the first certificate with these bytes */
	uint8_t spki[32]; /* SHA-256 */
	bool bad_name;    /* the file's alias is no text */
	bool trusted;     /* marked as an entry of its own */
	bool in_chain;    /* a key's chain holds it */
};

struct gather_key {
	EVP_PKEY *pkey;
	struct str id;
	char *name;
	bool bad_name;
};

struct gather_skip {
	char *name;
	enum container_reason reason;
	char why[200];
};

/* An alias as a file gives it. */
struct gather_name {
	struct str text; /* UTF-8; at NULL: none */
	bool bad;        /* there is one, but it is no text */
};

struct gather {
	struct container_limits limits; /* without zeroes */
	const struct str *password;     /* NULL: none; lent */
	bool certificates_only;         /* keys are not decoded */
	uint64_t iterations, key_work;  /* spent */
	bool no_mac, weak_cipher;
	bool marks_trust;  /* the file has a way to mark trusted certificates, and uses it */
	unsigned locked;   /* keys or safes that the password did not open */
	unsigned unlocked; /* that it did open */
	struct gather_cert *certs;
	struct gather_key *keys;
	struct gather_skip *skips;
	size_t n_certs, n_keys, n_skips;
};

void gather_init(struct gather *g, const struct container_limits *limits,
		 const struct str *password);
void gather_fini(struct gather *g);
/* Forgets what was found, keeps what was spent: for another try with another password. */
void gather_forget(struct gather *g);

/* These take `cert` and `pkey` in any case, copy the rest, and fail with ERR_LIMIT only. */
NODISCARD bool gather_cert(struct gather *g, X509 *cert, struct gather_name name, struct str id,
			   bool trusted, struct err *err);
NODISCARD bool gather_key(struct gather *g, EVP_PKEY *pkey, struct gather_name name, struct str id,
			  struct err *err);
NODISCARD bool gather_skip(struct gather *g, struct gather_name name, enum container_reason reason,
			   const char *why, struct err *err);
/* Books `n` iterations before they are run; ERR_LIMIT when that would pass the limit. */
NODISCARD bool gather_spend(struct gather *g, uint64_t n, struct err *err);

struct container *gather_finish(struct gather *g, enum container_format format);
