#include "crypto/tls_anchors.h"

#include <stdatomic.h>

#include "crypto/cert.h"
#include "crypto/seal.h"
#include "crypto/tls_anchors_priv.h"
#include "crypto/tls_hello.h"

struct tls_anchors {
	atomic_uint refs;
	STACK_OF(X509_NAME) * names; /* NULL: too many */
	bool are_read;
	size_t n;
	struct read {
		uint8_t subject_sha256[32];
		X509 *cert;
	} all[];
};

static void free_names(STACK_OF(X509_NAME) * names)
{
	sk_X509_NAME_pop_free(names, X509_NAME_free);
}
DEFINE_AUTO(free_names, STACK_OF(X509_NAME) *)

static bool add_name(STACK_OF(X509_NAME) * names, struct str name)
{
	const unsigned char *at = (const unsigned char *)name.at;
	AUTO(X509_NAME_free) X509_NAME *parsed = d2i_X509_NAME(NULL, &at, (long)name.len);

	if (parsed == NULL || sk_X509_NAME_push(names, parsed) <= 0) {
		return false;
	}
	(void)TAKE(parsed);
	return true;
}

/* NULL: they take more bytes than a client may be sent. */
static STACK_OF(X509_NAME) * read_names(const struct str *ders, size_t n)
{
	AUTO(free_names) STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	struct str name, last = STR_NONE; /* anchors of one name follow each other */
	size_t bytes = 0;

	for (size_t i = 0; i < n && names != NULL; i++) {
		if (!cert_subject(ders[i], &name) || str_eq(name, last)) {
			continue;
		}
		last = name;
		bytes += name.len + 2;
		if (bytes > TLS_CA_NAMES_MAX || !add_name(names, name)) {
			return NULL;
		}
	}
	return TAKE(names);
}

static bool read_one(struct str der, struct read *out)
{
	struct err unreadable;
	AUTO(X509_free) X509 *cert = ossl_cert(der, &unreadable);
	const unsigned char *name = NULL;
	size_t len = 0;

	if (cert == NULL || X509_NAME_get0_der(X509_get_subject_name(cert), &name, &len) != 1) {
		return false;
	}
	digest_sha256(str_make(name, len), out->subject_sha256);
	out->cert = TAKE(cert);
	return true;
}

struct tls_anchors *tls_anchors_new(const struct str *ders, size_t n)
{
	bool are_read = n <= TLS_ANCHORS_READ_MAX;
	size_t room = are_read ? n : 0;
	struct tls_anchors *a = must_alloc(sizeof(*a) + room * sizeof(struct read));

	*a = (struct tls_anchors){.names = read_names(ders, n), .are_read = are_read};
	atomic_init(&a->refs, 1);
	for (size_t i = 0; i < room; i++) {
		a->n += read_one(ders[i], &a->all[a->n]) ? 1 : 0;
	}
	ossl_forget();
	return a;
}

struct tls_anchors *tls_anchors_ref(struct tls_anchors *a)
{
	if (a != NULL) {
		atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	}
	return a;
}

void tls_anchors_unref(struct tls_anchors *a)
{
	if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	free_names(a->names);
	for (size_t i = 0; i < a->n; i++) {
		X509_free(a->all[i].cert);
	}
	free(a);
}

STACK_OF(X509_NAME) * tls_anchors_names(const struct tls_anchors *a)
{
	return a != NULL && a->names != NULL ? sk_X509_NAME_dup(a->names) : NULL;
}

bool tls_anchors_are_read(const struct tls_anchors *a)
{
	return a != NULL && a->are_read;
}

void tls_anchors_find(const struct tls_anchors *a, const uint8_t subject_sha256[static 32],
		      STACK_OF(X509) * trusted)
{
	for (size_t i = 0; i < a->n && sk_X509_num(trusted) < TLS_CANDIDATES_MAX; i++) {
		if (memcmp(a->all[i].subject_sha256, subject_sha256, 32) == 0 &&
		    X509_up_ref(a->all[i].cert) == 1 &&
		    sk_X509_push(trusted, a->all[i].cert) <= 0) {
			X509_free(a->all[i].cert);
		}
	}
}
