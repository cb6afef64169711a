/* Private keys in DER, plain and encrypted. */
#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	return fuzz_format(CONTAINER_PRIVATE_KEY_DER, bytes, len);
}
