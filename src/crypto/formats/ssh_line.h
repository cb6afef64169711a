#pragma once
/*
 * Public keys as OpenSSH writes them (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4): RSA, DSA, NIST
 * P-256, P-384, P-521, Ed25519.
 */
#include "base/buf.h"
#include "base/err.h"

enum {
	SSH_FINGERPRINT_MAX = 64, /* "SHA256:" and 43 characters */
	SSH_LINE_MAX = 8192,      /* RSA 16384 needs 2,800 */
};

/*
 * Appends "ssh-rsa AAAA… comment", without a line end. ERR_CONFIG for a key that SSH does not know;
 * control characters in the comment become "?", so that it stays one line.
 */
NODISCARD bool ssh_line_write(struct str spki, struct str comment, struct buf *out,
			      struct err *err);
/* "SHA256:…" in base64 without padding, as ssh-keygen -l. */
NODISCARD bool ssh_line_fingerprint(struct str spki, char into[static SSH_FINGERPRINT_MAX],
				    struct err *err);
