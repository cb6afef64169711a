/* A token as an application sends it, and a key set as another server publishes it. */
#include "crypto/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The key of RFC 7517, A.1 (EC): so that the way to the signature is open. */
static const char key_set[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\","
			      "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
			      "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO(jose_keys_free) struct jose_keys *known = NULL;
	AUTO(jose_keys_free) struct jose_keys *read = NULL;
	AUTO_BUF struct buf claims = BUF(KIB(16));
	struct err err = {0};

	if (!jose_keys_read(str_of(key_set), &known, &err)) {
		__builtin_trap();
	}
	if (jose_verify(known, str_make(bytes, len), &claims, &err)) {
		__builtin_trap(); /* nobody has the private key */
	}
	(void)!jose_keys_read(str_make(bytes, len), &read, &err);
	return 0;
}
