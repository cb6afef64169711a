/* Any file: what it is, and what is in it. */
#include "container_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	return fuzz_format(CONTAINER_UNKNOWN, bytes, len);
}
