/* Certificates that strangers present: DER, PEM, PKCS#7. */
#include "crypto/cert.h"
#include "crypto/cert_details.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool look(struct str der, UNUSED void *user, UNUSED struct err *err)
{
	return der.len > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO_BUF struct buf pem = BUF(KIB(256));
	AUTO_BUF struct buf der = BUF(KIB(256));
	struct str input = str_make(bytes, len);
	struct cert_facts facts;
	struct err err = {0};

	if (cert_read_der(input, &facts, &err) &&
	    (!str_is_utf8(str_of(facts.subject)) || facts.serial[0] == '\0')) {
		__builtin_trap();
	}
	AUTO(arena_free) struct arena *arena = arena_new(KIB(4), KIB(256));
	struct cert_details details;
	if (cert_details_read(input, arena, &details, &err) &&
	    (!str_is_utf8(str_of(details.subject)) || !str_is_utf8(str_of(details.issuer)) ||
	     !str_is_utf8(str_of(details.common_name)))) {
		__builtin_trap();
	}
	(void)!cert_read_pem(input, &facts, &err);
	(void)!cert_each_pem(input, look, NULL, &err);
	if (cert_pkcs7_to_pem(input, &pem, &err) && !cert_pem_to_pkcs7(buf_str(&pem), &der, &err)) {
		__builtin_trap(); /* what was read can be written again */
	}
	return 0;
}
