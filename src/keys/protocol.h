#pragma once
/*
 * What the server may ask the key process, as bytes.
 *
 * One request, one answer, over a socket pair (SOCK_SEQPACKET), one pair per calling thread. The
 * key process keeps no state but a cache of opened keys: a key is named by the SHA-256 of its
 * sealed form, and when keyd answers NOT_LOADED the client sends LOAD and repeats.
 *
 *   request   u8 operation, then the operation's fields (base/rd.h forms)
 *   answer    u8 status, then the fields, or on KEYS_REFUSED a blob with the reason
 *
 * Every length is bounded by KEYS_MESSAGE_MAX, and a message with bytes behind its fields is
 * refused.
 */
#include "base/rd.h"

enum {
	KEYS_MESSAGE_MAX =
		160 * 1024, /* a TBS of 64 KiB and room; longer is refused, the socket closed */
	KEYS_ID = 32,       /* SHA-256 of the sealed key */
};

enum keys_operation {
	KEYS_PING = 1,
	KEYS_GENERATE, /* u8 class, u8 kind → sealed key, SPKI */
	KEYS_LOAD,     /* sealed key → id */
	KEYS_SIGN,     /* id, u8 purpose, u16 scheme, message → signature */
	KEYS_ISSUE,  /* id of the CA's key ("" for a root: the subject's own), profile, facts, SPKI
			or  CSR, issuer DER → certificate DER. The serial is appended to keyd's list
		      */
	KEYS_SEAL,   /* label (AAD), plain → sealed: passwords, tokens */
	KEYS_UNSEAL, /* label, sealed → plain; labels listed in keyd's policy only */
	KEYS_WIPE,   /* id: forget an opened key */
};

enum keys_status {
	KEYS_OK,
	KEYS_NOT_LOADED,
	KEYS_REFUSED, /* with a reason: wrong class for the purpose, malformed, does not open */
};

/* What a key is for; fixed when it is made and part of the seal's associated data. */
enum keys_class {
	KEYS_CLASS_CA = 1,    /* signs certificates by ISSUE only */
	KEYS_CLASS_LISTENER,  /* TLS server */
	KEYS_CLASS_CONNECTOR, /* subaccount certificate: TLS client, CSR */
	KEYS_CLASS_TOKEN,     /* JWTs */
	KEYS_CLASS_SYSTEM,    /* connector's system certificate: TLS client */
	KEYS_CLASSES,
};

enum keys_purpose {
	KEYS_FOR_TLS_SERVER = 1,
	KEYS_FOR_TLS_CLIENT,
	KEYS_FOR_CSR,
	KEYS_FOR_TOKEN,
};

/* The one table of what may be signed with what; used by keyd, shown in SECURITY.md. */
bool keys_allows(enum keys_class class_, enum keys_purpose purpose);
