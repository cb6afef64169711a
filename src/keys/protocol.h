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
 * In the list below "id" is KEYS_ID bytes as they are, a text or sealed thing is a blob. Every
 * length is bounded by KEYS_MESSAGE_MAX, and a message with bytes behind its fields is refused.
 * Numbers of operations, classes and purposes are never used again for something else: sealed keys
 * carry their class. The operations of tenants' keystores stand behind the older ones.
 */
#include "base/rd.h"
#include "crypto/issue.h"

enum {
	KEYS_MESSAGE_MAX =
		160 * 1024, /* a TBS of 64 KiB and room; longer is refused, the socket closed */
	KEYS_ID = 32,       /* SHA-256 of the sealed key */
	KEYS_SEALED_MAX = KIB(16), /* a sealed private key; RSA 8192 needs 5 KB */
	KEYS_LABEL_MAX = 256,      /* bytes of a label of SEAL and UNSEAL */
	KEYS_PLAIN_MAX = KIB(64),  /* bytes that SEAL takes */
	KEYS_SAN_MAX = 255,        /* bytes of one name: RFC 1035, 2.3.4 */
	KEYS_URI_MAX = 511,
	KEYS_SUBJECT_MAX = 511,
	KEYS_REASON_MAX = 400,          /* bytes of a refusal's text that the client keeps */
	KEYS_STAGE_PART_MAX = KIB(128), /* bytes of a container, or of its facts, in one message */
	KEYS_STAGE_PASSWORD_MAX = 512,
	KEYS_DIGEST_MAX = 16, /* bytes of a digest's name */
	KEYS_NAME_PARTS = 7,  /* of a struct issue_name */
};

enum keys_operation {
	KEYS_PING = 1, /* → u32 process id of keyd, u64 keys in its cache */
	KEYS_GENERATE, /* u8 class, u8 kind → sealed key, SPKI */
	KEYS_LOAD,     /* sealed key → id */
	KEYS_SIGN,     /* id, u8 purpose, u16 scheme, message → signature */
	KEYS_ISSUE,    /* id of the CA's key (for a root: its own), SPKI, issuer DER (empty for a
			  root), facts → certificate DER. The serial is appended to keyd's list first
			*/
	KEYS_SEAL,     /* label (AAD), plain → sealed: passwords, tokens */
	KEYS_UNSEAL,   /* label, sealed → plain; labels of keyd's policy only */
	KEYS_WIPE,     /* id → nothing: forget an opened key */

	/* Tenants. An "entry" is: wrapped data key, binding (keys/binding.h), sealed form. */
	KEYS_DATA_KEY_NEW,    /* tenant → wrapped */
	KEYS_DATA_KEY_REWRAP, /* tenant, wrapped → u8 again, wrapped (empty when not again) */
	KEYS_RESEAL_KEY,      /* sealed key → u8 again, sealed key */
	KEYS_RESEAL_SECRET,   /* label, sealed → u8 again, sealed */
	KEYS_ENTRY_LOAD,    /* entry of a key pair → id: SHA-256 of the entry's bytes; SIGN takes
			       it */
	KEYS_ENTRY_TAG,     /* wrapped, binding of a certificate → sealed */
	KEYS_ENTRY_REBIND,  /* entry, wrapped, binding → sealed */
	KEYS_ENTRIES_CHECK, /* u16 n, n × (entry, SPKI) → n × u8 good */
	KEYS_MAC_MAKE,      /* tenant, wrapped, label, message → KEYS_MAC bytes */

	/* Staging, on one socket (keyd/stage.h). A "result" is u8 reaction (0 good, else 1 + enum
	   keys_reaction), u32 format, then bad: reason; good: u32 items, u32 bytes of facts. */
	KEYS_STAGE_BEGIN, /* u32 bytes of the container, u8 1: lone keys too, password → nothing */
	KEYS_STAGE_DATA,  /* the next part of it → nothing */
	KEYS_STAGE_OPEN,  /* → result */
	KEYS_STAGE_GENERATE,  /* type, u32 bits, curve → result */
	KEYS_STAGE_FACTS,     /* u32 offset → the next part of the facts (keys/facts.h) */
	KEYS_STAGE_SELF_SIGN, /* u32 item, name (7 blobs), digest, u64 from, u64 to, 16 bytes serial
				 → certificate DER */
	KEYS_STAGE_SEAL,      /* u32 item, wrapped, binding → sealed */
	KEYS_STAGE_SEAL_CLASS, /* u32 item, u8 class → sealed key */
	KEYS_STAGE_END,        /* → nothing: what was staged is wiped */

	KEYS_ANCHOR, /* chain, u64 n, 32 bytes hash → nothing: it is on disk (keys/anchor.h) */
	KEYS_ANCHOR_LAST, /* chain → u64 n, 32 bytes hash; n 0: it has no line */
	KEYS_OPERATIONS   /* one behind the last */
};

/* What the receiver does about a refusal, for the operations from KEYS_DATA_KEY_NEW on. */
enum keys_reaction {
	KEYS_REACT_DENIED,   /* ERR_DENIED */
	KEYS_REACT_CONFIG,   /* ERR_CONFIG */
	KEYS_REACT_LIMIT,    /* ERR_LIMIT */
	KEYS_REACT_SYSTEM,   /* ERR_SYSTEM */
	KEYS_REACT_CONFLICT, /* ERR_CONFLICT */
};

enum keys_status {
	KEYS_OK,
	KEYS_NOT_LOADED,
	KEYS_REFUSED, /* with a reason: wrong class for the purpose, malformed, does not open.
			 From KEYS_DATA_KEY_NEW on a u8 enum keys_reaction follows it */
};

/* What a key is for; fixed when it is made and part of the seal's associated data. */
enum keys_class {
	KEYS_CLASS_CA = 1,    /* signs certificates by ISSUE only */
	KEYS_CLASS_LISTENER,  /* TLS server */
	KEYS_CLASS_CONNECTOR, /* subaccount certificate: TLS client, CSR */
	KEYS_CLASS_TOKEN,     /* JWTs */
	KEYS_CLASS_SYSTEM,    /* connector's system certificate: TLS client */
	KEYS_CLASS_TENANT,    /* entries of keystores: never sealed under the master key itself */
	KEYS_CLASSES,
};

enum keys_purpose {
	KEYS_FOR_TLS_SERVER = 1,
	KEYS_FOR_TLS_CLIENT,
	KEYS_FOR_CSR,
	KEYS_FOR_TOKEN,
	KEYS_PURPOSES,
};

/* The one table of what may be signed with what; used by keyd, shown in SECURITY.md. */
bool keys_allows(enum keys_class class_, enum keys_purpose purpose);
/*
 * Whether a certificate of `profile` may be signed by a key of that class: CA keys sign all of
 * them. A listener key signs itself a server certificate (issuer empty), for a UI's first start.
 */
bool keys_may_issue(enum keys_class class_, enum issue_profile profile);
/*
 * Labels of what the server may have opened again: `kind` or `kind:anything`, where the kinds are
 * keyd's policy. Anything that was sealed under another label stays shut.
 */
bool keys_may_unseal(struct str label);
enum err_kind keys_reaction_kind(uint8_t reaction);             /* ERR_DENIED for an unknown one */
const char *keys_class_name(enum keys_class class_);            /* "ca", "listener" …; "?" */
const char *keys_operation_name(enum keys_operation operation); /* "sign" …; "?" */

/* The facts of an ISSUE read back: the texts are copied here, so that they end in NUL. */
struct keys_issue {
	struct issue_facts facts; /* its texts point into this struct: do not copy it */
	char subject[KEYS_SUBJECT_MAX + 1];
	char uri[KEYS_URI_MAX + 1];
	char sans[ISSUE_SANS_MAX][KEYS_SAN_MAX + 1];
};

void keys_write_facts(struct buf *out, const struct issue_facts *facts);
/* The seven parts of a name, an empty one for NULL. */
struct keys_name {
	struct issue_name name; /* points into this struct: do not copy it */
	char parts[KEYS_NAME_PARTS][ISSUE_NAME_PART_MAX + 1];
};
void keys_write_name(struct buf *out, const struct issue_name *name);
NODISCARD bool keys_read_name(struct rd *in, struct keys_name *out);
/* One text of at most size - 1 bytes, without a NUL inside. */
NODISCARD bool keys_read_text(struct rd *in, char *into, size_t size);
/* False when malformed: too long, too many, an unknown profile, a NUL inside a text. */
NODISCARD bool keys_read_facts(struct rd *in, struct keys_issue *out);
