/*
 * A PKCS#12 of many certificates, to fill a keystore with:
 *
 *     certificates FIRST COUNT PASSWORD FILE   "entry 00001", self-signed, P-256, one key for all
 *
 * Written as `openssl pkcs12 -export -nokeys` does, which gives no aliases of its own to
 * certificates.
 */
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ITERATIONS = 2048, /* openssl's */
	VALID = 365 * 86400,
};

static X509 *make(EVP_PKEY *key, long number)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_NAME_new();
	char text[32];
	int n = snprintf(text, sizeof(text), "entry %05ld", number);

	if (x == NULL || name == NULL || !X509_set_version(x, X509_VERSION_3) ||
	    !ASN1_INTEGER_set(X509_get_serialNumber(x), number) ||
	    !X509_gmtime_adj(X509_getm_notBefore(x), -60) ||
	    !X509_gmtime_adj(X509_getm_notAfter(x), VALID) ||
	    !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (unsigned char *)text, n, -1,
					0) ||
	    !X509_set_subject_name(x, name) || !X509_set_issuer_name(x, name) ||
	    !X509_set_pubkey(x, key) || !X509_alias_set1(x, (unsigned char *)text, n) ||
	    !X509_sign(x, key, EVP_sha256())) {
		fprintf(stderr, "cannot make %s\n", text);
		exit(1);
	}
	X509_NAME_free(name);
	return x;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: certificates FIRST COUNT PASSWORD FILE\n");
		return 2;
	}
	EVP_PKEY *key = EVP_EC_gen("P-256");
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	STACK_OF(PKCS7) *safes = NULL;
	long first = atol(argv[1]), count = atol(argv[2]);

	for (long i = 0; i < count; i++) {
		X509 *x = make(key, first + i);
		if (PKCS12_add_cert(&bags, x) == NULL) {
			return 1;
		}
		X509_free(x);
	}
	if (!PKCS12_add_safe(&safes, bags, NID_aes_256_cbc, ITERATIONS, argv[3])) {
		return 1;
	}
	PKCS12 *p12 = PKCS12_add_safes(safes, 0);
	FILE *f = fopen(argv[4], "wb");
	bool good = p12 != NULL && f != NULL &&
		    PKCS12_set_mac(p12, argv[3], -1, NULL, 0, ITERATIONS, EVP_sha256()) &&
		    i2d_PKCS12_fp(f, p12);
	return good && fclose(f) == 0 ? 0 : 1;
}
