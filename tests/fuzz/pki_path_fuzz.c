/* PKI paths as a CA's reply. */
#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	return fuzz_format(CONTAINER_PKI_PATH, bytes, len);
}
