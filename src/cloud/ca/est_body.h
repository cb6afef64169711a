#pragma once
/*
 * The bodies of EST: base64 around DER (RFC 8951, 3). Pure functions, fuzzed.
 */
#include "crypto/csr.h"

enum {
	EST_BODY_MAX = 32 * 1024, /* bytes of a request: 16 KiB of DER in base64 with line ends */
};

/* A PKCS#10 as simpleenroll has it: base64, white space allowed; DER and PEM are taken too, since
 * clients send them. ERR_CONFIG for anything else. */
NODISCARD bool est_read_csr(struct str body, struct csr_facts *out, struct err *err);
/* base64 in lines of 64 characters and CRLF. */
void est_write(struct buf *out, struct str der);
