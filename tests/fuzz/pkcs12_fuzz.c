/* PKCS#12 files (RFC 7292) as tenants upload them. */
#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	return fuzz_format(CONTAINER_PKCS12, bytes, len);
}
