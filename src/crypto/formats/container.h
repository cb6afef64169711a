#pragma once
/*
 * Files that hold keys and certificates, read into entries. What a file is, its content says; names
 * and media types are never asked (spec/keystore.md 1.3, 1.4, 1.6).
 *
 * Two doors. container_open() also reads private keys: for the sandboxed child of the key process.
 * container_read_certificates() never decodes a key: for the server.
 *
 * Ownership: the container owns its items, their keys and the DER that the chains lend;
 * container_free() wipes keys. Nothing here keeps the caller's bytes or password.
 * Sandbox: after container_prepare() no function here opens a file or a socket.
 */
#include "base/buf.h"
#include "base/err.h"

enum container_format {
	CONTAINER_UNKNOWN,
	/* read */
	CONTAINER_CERTIFICATE_DER, /* one, or several one after another */
	CONTAINER_PEM,             /* certificates, PKCS#7 and private keys (RFC 7468), any order */
	CONTAINER_PKCS7,           /* signed data; .p7b, .p7c, .spc (RFC 2315, RFC 5652) */
	CONTAINER_PKI_PATH,        /* SEQUENCE OF Certificate, top CA first (X.509, 7.7) */
	CONTAINER_PKCS12,          /* RFC 7292 */
	CONTAINER_PRIVATE_KEY_DER, /* PKCS#8, plain or encrypted; PKCS#1; SEC 1: read, but alone */
	/* recognised and not read */
	CONTAINER_JKS,
	CONTAINER_JCEKS,
	CONTAINER_BKS,
	CONTAINER_PPK,
	CONTAINER_OPENSSH_KEY,
	CONTAINER_SSH_PUBLIC_KEY,
	CONTAINER_PGP,
	CONTAINER_CSR,
	CONTAINER_PUBLIC_KEY,
	CONTAINER_CRL,
	CONTAINER_JWK,
	CONTAINER_ZIP,
	CONTAINER_FORMATS, /* how many; the last one */
};

/* "PKCS#12", "JKS", …, for messages. Never NULL. */
const char *container_format_name(enum container_format format);
/* Bare base64 is looked through: what it encodes is named. */
enum container_format container_detect(struct str bytes);

enum container_outcome {
	CONTAINER_OPENED,
	CONTAINER_WRONG_PASSWORD, /* ERR_DENIED: or the file is damaged, which looks the same */
	CONTAINER_NOT_READ,       /* ERR_CONFIG: recognised, but not for this; 415 */
	CONTAINER_UNRECOGNISED,   /* ERR_CONFIG: 415 */
	CONTAINER_MALFORMED,      /* ERR_CONFIG: of a format that is read, but broken; 415 */
	CONTAINER_OVER_LIMIT,     /* ERR_LIMIT: the text names the limit; 413 */
	CONTAINER_FAILED,         /* see err */
};

enum {
	CONTAINER_ALIAS_MAX = 250,          /* bytes of UTF-8 */
	CONTAINER_CHAIN_MAX = 20,           /* certificates above and with a key */
	CONTAINER_FILE_MAX = 2 * 1048576,   /* bytes, before base64 is taken off */
	CONTAINER_ENTRIES_MAX = 1500,       /* keys, certificates and what cannot be taken */
	CONTAINER_ITERATIONS_MAX = 5000000, /* of all key derivations of a file; 0.4 us each */
	/* Trial signatures of the keys, one unit being RSA 2048 (a millisecond); RSA 16384 is 512.
	 */
	CONTAINER_KEY_WORK_MAX = 20000,
	CONTAINER_DEPTH_MAX = 4,      /* safe contents within safe contents (RFC 7292, 4.2.6) */
	CONTAINER_PASSWORD_MAX = 512, /* bytes of UTF-8 */
};

/* What a hostile file could size, a zero field meaning the default above, and what is asked of it.
 */
struct container_limits {
	size_t file_bytes;
	uint64_t iterations; /* 2^31 of them would be a quarter of an hour */
	size_t entries;
	uint64_t key_work; /* a few keys of 16384 bits would hold a core for minutes */
	unsigned depth;
	/* Private keys without a certificate are key pairs with an empty chain; else they are
	   skipped as CONTAINER_NO_CERTIFICATE. For callers that certify them. */
	bool lone_keys;
};

/* `why` of CONTAINER_ALIAS_TWICE: whoever imports a whole file refuses it then. */
#define CONTAINER_TWICE "the alias is in the file twice"

enum container_kind {
	CONTAINER_KEY_PAIR,
	CONTAINER_CERTIFICATE,
	CONTAINER_SKIPPED, /* cannot be taken: `reason` and `why` */
};

enum container_reason {
	CONTAINER_TAKEN,
	CONTAINER_SECRET_KEY,        /* neither key pair nor certificate */
	CONTAINER_NO_CERTIFICATE,    /* a private key alone */
	CONTAINER_OTHER_PASSWORD,    /* opens with another password than the file */
	CONTAINER_UNSUPPORTED,       /* encryption or key algorithm */
	CONTAINER_KEY_REFUSED,       /* size, curve, or private and public part differ */
	CONTAINER_DAMAGED,           /* this entry only */
	CONTAINER_ALIAS_TWICE,       /* an earlier entry of the file has it, case folded (ASCII) */
	CONTAINER_ALIAS_BAD,         /* longer than CONTAINER_ALIAS_MAX, or not Unicode */
	CONTAINER_CHAIN_LONG,        /* more than CONTAINER_CHAIN_MAX */
	CONTAINER_CERTIFICATE_LONG,  /* more than CERT_DER_MAX */
	CONTAINER_STRAY_CERTIFICATE, /* in a Java keystore: of no key's chain, and not trusted */
	CONTAINER_OTHER,             /* CRLs, SDSI certificates, … */
};

struct container_item {
	enum container_kind kind;
	enum container_reason reason;
	/* The suggestion: friendlyName, else the CN, made unique by "_1" and so on; may be empty.
	 */
	char alias[CONTAINER_ALIAS_MAX + 1];
	bool alias_is_made; /* from the CN: the file gives none */
	char why[200];      /* CONTAINER_SKIPPED: a sentence for a person; else empty */
	struct buf key;     /* CONTAINER_KEY_PAIR: PKCS#8, unencrypted, wiping; may be moved out */
	struct str chain[CONTAINER_CHAIN_MAX]; /* DER, leaf first; one for a CERTIFICATE */
	size_t n_chain;                        /* 0 for a lone key */
};

struct container {
	enum container_format format;
	bool no_mac;      /* PKCS#12 without an integrity check: weak */
	bool weak_cipher; /* something was encrypted with RC2, RC4 or single DES */
	struct container_item *items;
	size_t n;
	/* Memory that the chains point into; nobody else's business. */
	struct str *ders;
	size_t n_ders;
};

/*
 * Loads what OpenSSL would load from files later: its configuration, the default provider and,
 * where it is installed, the legacy one (RC2-40), for the whole process. Called once, before the
 * sandbox, and only in a process that opens containers. True also without the legacy provider:
 * entries that need it are then reported.
 */
NODISCARD bool container_prepare(struct err *err);

/*
 * Reads a file. `password` NULL or empty: absent and empty are both tried. `limits` may be NULL.
 * *out is filled when CONTAINER_OPENED; err in all other cases. An opened container may be empty,
 * or hold skipped items only.
 */
NODISCARD enum container_outcome container_open(struct str bytes, const struct str *password,
						const struct container_limits *limits,
						struct container **out, struct err *err);
/*
 * Certificates only, in the file's order, as CONTAINER_CERTIFICATE (and CONTAINER_SKIPPED) items. A
 * file with a private key in it is CONTAINER_NOT_READ, without the key having been decoded.
 */
NODISCARD enum container_outcome container_read_certificates(struct str bytes,
							     const struct container_limits *limits,
							     struct container **out,
							     struct err *err);
void container_free(struct container *c); /* takes NULL; wipes */
DEFINE_AUTO(container_free, struct container *)
