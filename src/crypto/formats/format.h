#pragma once
/* One row per format: what container.c walks. A format is a module; internal to formats. */
#include "crypto/formats/gather.h"

struct format {
	enum container_format id;
	bool (*detect)(struct str bytes);
	/* Fills the gather; any outcome but CONTAINER_OPENED with err. */
	enum container_outcome (*read)(struct str bytes, struct gather *g, struct err *err);
};

extern const struct format format_pkcs12;
extern const struct format format_pem;
extern const struct format format_pkcs7;
extern const struct format format_pki_path;
extern const struct format format_certificate;
extern const struct format format_private_key;

/* Formats that are recognised and not read; CONTAINER_UNKNOWN when it is none of them. */
enum container_format foreign_detect(struct str bytes);

/* ---- what the readers share ---- */

/* One step into DER: the header of the first element of `bytes`. False when there is none. */
struct der_head {
	uint8_t tag;
	struct str content; /* as much as is there; also of an indefinite length */
	struct str rest;    /* behind the element; empty when it is cut or of indefinite length */
	bool whole;         /* definite, and all of it is there */
};
NODISCARD bool der_head(struct str bytes, struct der_head *out);
/* The tags at the first places: "0" SEQUENCE, "2" INTEGER, "6" OID, "1" SET, "4" OCTET STRING,
 * "a" [0], "b" BIT STRING, "t" a time; "(" goes into the last one, "." is any. der_looks(bytes,
 * "0(0(6") is true for a sequence that starts with a sequence that starts with an OID. */
bool der_looks(struct str bytes, const char *shape);

/* A private key of any DER form, a certificate, a PKCS#7: into the gather. */
enum container_outcome read_key_der(struct str der, struct gather *g, struct err *err);
enum container_outcome read_pkcs8_encrypted(struct str der, struct gather *g, struct err *err);
enum container_outcome read_pkcs7_der(struct str der, struct gather *g, struct err *err);
enum container_outcome read_certificate_der(struct str der, struct gather *g, struct err *err);

/* The kind of an err as an outcome: ERR_LIMIT and ERR_DENIED have their own, others are `other`. */
enum container_outcome outcome_of(const struct err *err, enum container_outcome other);
