/* PEM texts with certificates and keys, as tenants upload them. */
#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	return fuzz_format(CONTAINER_PEM, bytes, len);
}
