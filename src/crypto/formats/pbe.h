#pragma once
/* The price of password-based encryption (RFC 8018, RFC 7292 appendix C), known before it is paid.
 * Internal to formats. */
#include "crypto/formats/gather.h"

enum pbe_outcome {
	PBE_READY,       /* booked: go on */
	PBE_UNSUPPORTED, /* the cipher or scheme is not there; `name` says which */
	PBE_REFUSED,     /* err: limit, or parameters that make no sense */
};

/* Looks at the algorithm, books its iterations, notes weak ciphers. */
NODISCARD enum pbe_outcome pbe_check(struct gather *g, const X509_ALGOR *algorithm,
				     char name[static 40], struct err *err);
