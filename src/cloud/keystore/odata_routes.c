/* The table of /api/v1, under both of its prefixes (spec/keystore.md 3.3). */
#include "cloud/keystore/odata.h"

enum {
	SEE = ACCESS_TENANT | ACCESS_KEYSTORE_READ,
	CHANGE = ACCESS_TENANT | ACCESS_KEYSTORE_EDIT,
	EITHER = SEE | CHANGE, /* where the CSRF token is fetched */
	UPLOAD = ODATA_BODY_MAX,
};

#define JSON  "application/json"
#define ENTRY "/KeystoreEntries('{alias}')"

#define ROWS(P)                                                                                    \
	{"GET", P, odata_get_root, EITHER, "The service document", NULL, JSON, 0},                 \
		{"GET", P "/", odata_get_root, EITHER, "The service document", NULL, JSON, 0},     \
		{"GET",                                                                            \
		 P "/$metadata",                                                                   \
		 odata_get_metadata,                                                               \
		 EITHER,                                                                           \
		 "The entity model",                                                               \
		 NULL,                                                                             \
		 "application/xml",                                                                \
		 0},                                                                               \
		{"GET",                                                                            \
		 P "/KeystoreEntries",                                                             \
		 odata_get_entries,                                                                \
		 SEE,                                                                              \
		 "Key pairs and certificates",                                                     \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"GET", P ENTRY, odata_get_entry, SEE, "An entry", NULL, JSON, 0},                 \
		{"PUT", P ENTRY, odata_put_entry, CHANGE, "Rename an entry", JSON, JSON, 0},       \
		{"DELETE", P ENTRY, odata_delete_entry, CHANGE, "Delete an entry", NULL, JSON, 0}, \
		{"GET",                                                                            \
		 P ENTRY "/ChainCertificates",                                                     \
		 odata_get_chain,                                                                  \
		 SEE,                                                                              \
		 "The certificates of an entry, root first",                                       \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"GET",                                                                            \
		 P ENTRY "/Certificate/$value",                                                    \
		 odata_get_certificate,                                                            \
		 SEE,                                                                              \
		 "An entry's certificate, or its root",                                            \
		 NULL,                                                                             \
		 "application/pkix-cert",                                                          \
		 0},                                                                               \
		{"GET",                                                                            \
		 P ENTRY "/ChainResource/$value",                                                  \
		 odata_get_chain_file,                                                             \
		 SEE,                                                                              \
		 "An entry's chain as PKCS#7",                                                     \
		 NULL,                                                                             \
		 "application/pkcs7-mime",                                                         \
		 0},                                                                               \
		{"GET",                                                                            \
		 P ENTRY "/SigningRequest/$value",                                                 \
		 odata_get_request,                                                                \
		 SEE,                                                                              \
		 "A signing request of a key pair",                                                \
		 NULL,                                                                             \
		 "application/pkcs10",                                                             \
		 0},                                                                               \
		{"GET",                                                                            \
		 P ENTRY "/Sshkey/$value",                                                         \
		 odata_get_ssh_key,                                                                \
		 SEE,                                                                              \
		 "The OpenSSH public key of a key pair",                                           \
		 NULL,                                                                             \
		 "text/plain",                                                                     \
		 0},                                                                               \
		{"PUT",                                                                            \
		 P "/CertificateResources('{alias}')/$value",                                      \
		 odata_put_certificate,                                                            \
		 CHANGE,                                                                           \
		 "Add or update a certificate",                                                    \
		 "application/pkix-cert",                                                          \
		 JSON,                                                                             \
		 UPLOAD},                                                                          \
		{"GET",                                                                            \
		 P "/CertificateChainResources('{alias}')",                                        \
		 odata_get_chain_resource,                                                         \
		 SEE,                                                                              \
		 "Only written: 400",                                                              \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"PUT",                                                                            \
		 P "/CertificateChainResources('{alias}')/$value",                                 \
		 odata_put_chain,                                                                  \
		 CHANGE,                                                                           \
		 "Take a signing response",                                                        \
		 "application/pkcs7-mime",                                                         \
		 JSON,                                                                             \
		 UPLOAD},                                                                          \
		{"POST",                                                                           \
		 P "/KeyPairResources",                                                            \
		 odata_post_key_pair,                                                              \
		 CHANGE | HTTP_ROUTE_SLOW,                                                         \
		 "Add or update a key pair",                                                       \
		 JSON,                                                                             \
		 JSON,                                                                             \
		 UPLOAD},                                                                          \
		{"POST",                                                                           \
		 P "/KeyPairGenerationRequests",                                                   \
		 odata_post_generation,                                                            \
		 CHANGE | HTTP_ROUTE_SLOW,                                                         \
		 "Create a key pair",                                                              \
		 JSON,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"POST",                                                                           \
		 P "/RSAKeyGenerationRequests",                                                    \
		 odata_post_rsa_key,                                                               \
		 CHANGE | HTTP_ROUTE_SLOW,                                                         \
		 "Add a private key as PEM",                                                       \
		 JSON,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"POST",                                                                           \
		 P "/SSHKeyGenerationRequests",                                                    \
		 odata_post_ssh_key,                                                               \
		 CHANGE | HTTP_ROUTE_SLOW,                                                         \
		 "Add an SSH key",                                                                 \
		 JSON,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"GET", P "/Keystores('{name}')", odata_get_store, SEE, "A keystore", NULL, JSON,  \
		 0},                                                                               \
		{"GET",                                                                            \
		 P "/Keystores('{name}')/Size/$value",                                             \
		 odata_get_size,                                                                   \
		 SEE,                                                                              \
		 "How many entries a keystore has",                                                \
		 NULL,                                                                             \
		 "text/plain",                                                                     \
		 0},                                                                               \
		{"GET",                                                                            \
		 P "/Keystores('{name}')/Entries",                                                 \
		 odata_get_entries_of_store,                                                       \
		 SEE,                                                                              \
		 "The entries of a keystore",                                                      \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"POST",                                                                           \
		 P "/KeystoreResources",                                                           \
		 odata_post_resource,                                                              \
		 CHANGE | HTTP_ROUTE_SLOW,                                                         \
		 "Import a keystore file, or back up",                                             \
		 JSON,                                                                             \
		 JSON,                                                                             \
		 UPLOAD},                                                                          \
		{"GET",                                                                            \
		 P "/KeystoreResources('{name}')",                                                 \
		 odata_get_keystore_file,                                                          \
		 SEE,                                                                              \
		 "The public content of a keystore as JCEKS",                                      \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"PUT",                                                                            \
		 P "/KeystoreResources('{name}')",                                                 \
		 odata_put_resource,                                                               \
		 CHANGE,                                                                           \
		 "Restore the backup, or delete many entries",                                     \
		 JSON,                                                                             \
		 JSON,                                                                             \
		 UPLOAD},                                                                          \
		{"GET",                                                                            \
		 P "/HistoryKeystoreEntries",                                                      \
		 odata_get_history,                                                                \
		 SEE,                                                                              \
		 "Replaced key pairs of the provider",                                             \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
		{"GET",                                                                            \
		 P "/HistoryKeystoreEntries('{alias}')",                                           \
		 odata_get_history_entry,                                                          \
		 SEE,                                                                              \
		 "A replaced key pair",                                                            \
		 NULL,                                                                             \
		 JSON,                                                                             \
		 0},                                                                               \
	{                                                                                          \
		"PUT", P "/HistoryKeystoreEntries('{alias}')", odata_put_history_entry, CHANGE,    \
			"Copy a replaced key pair to KeyRenewal", JSON, JSON, 0                    \
	}

const struct http_route keystore_odata_routes[] = {
	ROWS("/api/v1"),
	ROWS("/t/{sa}/api/v1"),
	{NULL, NULL, NULL, 0, NULL, NULL, NULL, 0},
};
