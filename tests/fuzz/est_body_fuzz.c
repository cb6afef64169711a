/* What an unknown client may send to simpleenroll: base64, DER or PEM around a PKCS#10. */
#include "cloud/ca/est_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct csr_facts facts;
	struct err err = {0};

	if (est_read_csr(str_make(bytes, len), &facts, &err)) {
		/* What is read must be good for issuing: a key of a size that fits. */
		if (facts.spki_len == 0 || facts.key_type[0] == '\0') {
			__builtin_trap();
		}
	} else if (err.kind == ERR_NONE || err.text[0] == '\0') {
		__builtin_trap();
	}
	return 0;
}
