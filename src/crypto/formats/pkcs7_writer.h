#pragma once
/* A chain as degenerate PKCS#7 (no content, no signer): what ".p7b" downloads are. */
#include "base/buf.h"
#include "base/err.h"

/* Appends DER, or PEM with the label PKCS7. The set keeps the order given, leaf first. */
NODISCARD bool pkcs7_write_der(const struct str *ders, size_t n, struct buf *out, struct err *err);
NODISCARD bool pkcs7_write_pem(const struct str *ders, size_t n, struct buf *out, struct err *err);
