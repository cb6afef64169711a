#include "crypto/formats/pbe.h"

#include <openssl/evp.h>
#include <openssl/objects.h>

DEFINE_AUTO(PBE2PARAM_free, PBE2PARAM *)
DEFINE_AUTO(PBEPARAM_free, PBEPARAM *)
DEFINE_AUTO(PBKDF2PARAM_free, PBKDF2PARAM *)
DEFINE_AUTO(SCRYPT_PARAMS_free, SCRYPT_PARAMS *)
DEFINE_AUTO(EVP_CIPHER_free, EVP_CIPHER *)

static enum pbe_outcome malformed(struct err *err)
{
	ossl_forget();
	err_set(err, ERR_CONFIG, "the parameters of an encryption are malformed");
	return PBE_REFUSED;
}

static bool number(const ASN1_INTEGER *n, uint64_t *out)
{
	return n != NULL && ASN1_INTEGER_get_uint64(out, n) == 1;
}

/* A number that does not even fit is over the limit too. */
static enum pbe_outcome spend(struct gather *g, const ASN1_INTEGER *n, struct err *err)
{
	uint64_t iterations = UINT64_MAX;

	if (n == NULL || (ASN1_STRING_type(n) & V_ASN1_NEG) != 0) {
		return malformed(err);
	}
	(void)number(n, &iterations);
	ossl_forget();
	if (iterations == 0) {
		return malformed(err);
	}
	return gather_spend(g, iterations, err) ? PBE_READY : PBE_REFUSED;
}

static bool cipher_is_there(struct gather *g, int nid, char name[static 40])
{
	static const char *const weak[] = {"RC2", "RC4", "DES-CBC"};
	const char *sn = OBJ_nid2sn(nid);

	snprintf(name, 40, "%s", sn != NULL ? sn : "unknown");
	for (size_t i = 0; sn != NULL && i < COUNT(weak); i++) {
		g->weak_cipher |= str_starts(str_of(sn), str_of(weak[i]));
	}
	AUTO(EVP_CIPHER_free) EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	ossl_forget();
	return cipher != NULL;
}

static void name_of(const ASN1_OBJECT *object, char name[static 40])
{
	if (OBJ_obj2txt(name, 40, object, 0) <= 0) {
		snprintf(name, 40, "unknown");
	}
}

/* N * r * p blocks of 128 bytes mixed twice: booked as that many iterations. */
static enum pbe_outcome spend_scrypt(struct gather *g, const X509_ALGOR *kdf, struct err *err)
{
	AUTO(SCRYPT_PARAMS_free)
	SCRYPT_PARAMS *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), kdf->parameter);
	uint64_t n = 0, r = 0, par = 0;

	if (p == NULL || !number(p->costParameter, &n) || !number(p->blockSize, &r) ||
	    !number(p->parallelizationParameter, &par) || n == 0 || r == 0 || par == 0) {
		return malformed(err);
	}
	uint64_t most = g->limits.iterations + 1;
	uint64_t cost = 2;
	const uint64_t factors[] = {n, r, par};
	for (size_t i = 0; i < COUNT(factors); i++) {
		cost = factors[i] >= most || cost >= most ? most : cost * factors[i];
	}
	return gather_spend(g, cost, err) ? PBE_READY : PBE_REFUSED;
}

static enum pbe_outcome check_pbes2(struct gather *g, const X509_ALGOR *algorithm,
				    char name[static 40], struct err *err)
{
	AUTO(PBE2PARAM_free)
	PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);

	if (p == NULL) {
		return malformed(err);
	}
	if (!cipher_is_there(g, OBJ_obj2nid(p->encryption->algorithm), name)) {
		name_of(p->encryption->algorithm, name);
		return PBE_UNSUPPORTED;
	}
	int kdf = OBJ_obj2nid(p->keyfunc->algorithm);
	if (kdf == NID_id_scrypt) {
		return spend_scrypt(g, p->keyfunc, err);
	}
	if (kdf != NID_id_pbkdf2) {
		name_of(p->keyfunc->algorithm, name);
		return PBE_UNSUPPORTED;
	}
	AUTO(PBKDF2PARAM_free)
	PBKDF2PARAM *q =
		ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), p->keyfunc->parameter);
	return q != NULL ? spend(g, q->iter, err) : malformed(err);
}

enum pbe_outcome pbe_check(struct gather *g, const X509_ALGOR *algorithm, char name[static 40],
			   struct err *err)
{
	int nid = OBJ_obj2nid(algorithm->algorithm);
	int cipher = NID_undef, md = NID_undef;

	name[0] = '\0';
	if (nid == NID_pbes2) {
		return check_pbes2(g, algorithm, name, err);
	}
	if (nid == NID_undef || EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, &cipher, &md, NULL) != 1 ||
	    !cipher_is_there(g, cipher, name)) {
		ossl_forget();
		name_of(algorithm->algorithm, name);
		return PBE_UNSUPPORTED;
	}
	AUTO(PBEPARAM_free)
	PBEPARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
	return p != NULL ? spend(g, p->iter, err) : malformed(err);
}
