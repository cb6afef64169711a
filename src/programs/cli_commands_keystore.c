/* The commands of a tenant's keystore. */
#include "programs/cli_rows.h"

/* clang-format off */
#define ROW_ALIAS {"ALIAS", NULL, CLI_TEXT, true, "The entry's alias, in any case"}
#define ROW_TO    {"to", NULL, CLI_TEXT, false, "File to write; standard output otherwise"}
#define ROW_CONFIRM                                                                                \
	{"fingerprint", NULL, CLI_TEXT, false,                                                     \
	 "SHA-256 of a certificate that nothing trusted stands behind, when you have compared it"}
#define ROWS_OF_KEY                                                                                \
	{"signature", NULL, CLI_TEXT, false, "Signature algorithm, such as SHA-256/RSA"},           \
	{"common-name", NULL, CLI_TEXT, false, "CN of the certificate"},                            \
	{"organization-unit", NULL, CLI_TEXT, false, "OU"},                                         \
	{"organization", NULL, CLI_TEXT, false, "O"},                                               \
	{"locality", NULL, CLI_TEXT, false, "L"},                                                   \
	{"state", NULL, CLI_TEXT, false, "ST"},                                                     \
	{"country", NULL, CLI_TEXT, false, "C: two letters"},                                       \
	{"email", NULL, CLI_TEXT, false, "E-mail address"},                                         \
	{"valid-for", NULL, CLI_TEXT, false, "Validity from now on, such as 730d"}
#define OF_KEYSTORE OF_CLOUD "/keystore"
#define CHANGES     "status,alias,kind,owner,notAfter,subject,reason"
#define ROWS_OF_RESTORE                                                                            \
	{"backup", "backup", CLI_NUMBER, false, "Number of one of the history; the newest otherwise"}, \
	{"mode", "mode", CLI_TEXT, false,                                                          \
	 "replace (entries made since go) or overwrite (they stay)", "replace"}
#define KEYSTORE_COLUMNS "Alias,Type,Owner,KeyType,KeySize,ValidNotAfter,SubjectDN"

const struct cli_command cli_keystore_commands[] = {
	{.words = "keystore status", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE,
	 .summary = "How many entries, how many near their end, the backup, and what can be undone",
	 .rows = {ROW_TENANT}},
	{.words = "keystore list", .server = CLI_CLOUD, .run = cli_keystore_list,
	 .summary = "A tenant's key pairs and certificates", .columns = KEYSTORE_COLUMNS,
	 .rows = {ROW_TENANT,
		  {"backup", NULL, CLI_BOOL, false, "Those of the backup, not the current ones"},
		  {"expiring-within", NULL, CLI_TEXT, false, "Only those that end within a time like 30d"},
		  {"fail-on-expiry", NULL, CLI_BOOL, false, "Exit with 1 when one of them is listed, or expired"}}},
	{.words = "keystore show", .server = CLI_CLOUD, .run = cli_keystore_show,
	 .summary = "One entry with its chain and fingerprints",
	 .columns = "Index,SubjectDN,IssuerDN,ValidNotAfter,FingerprintSha256",
	 .rows = {ROW_TENANT, ROW_ALIAS,
		  {"backup", NULL, CLI_BOOL, false, "As the backup has it"}}},
	{.words = "keystore import", .server = CLI_CLOUD, .run = cli_keystore_import,
	 .summary = "Take a certificate, a key pair or a whole keystore from a file",
	 .columns = "Alias,Type,Status,ValidNotAfter,SubjectDN",
	 .rows = {ROW_TENANT,
		  {"FILE", NULL, CLI_TEXT, true, "PKCS#12, PEM, DER or PKCS#7; - for standard input"},
		  {"alias", NULL, CLI_TEXT, false, "Alias of one entry; without it all that the file holds"},
		  {"as", NULL, CLI_TEXT, false, "certificate, key, key-pair or keystore; seen from the file otherwise"},
		  {"mode", NULL, CLI_TEXT, false, "Of a keystore: merge (usual), overwrite or replace"},
		  {"update", NULL, CLI_BOOL, false, "Replace the entry of that alias"},
		  {"file-password", NULL, CLI_SECRET, false, "The file's password"},
		  ROW_CONFIRM,
		  {"signature", NULL, CLI_TEXT, false, "Of a key without a certificate: signature algorithm"},
		  {"common-name", NULL, CLI_TEXT, false, "Of a key without a certificate: its CN"},
		  {"valid-for", NULL, CLI_TEXT, false, "Of a key without a certificate: validity, such as 730d"}}},
	{.words = "keystore export", .server = CLI_CLOUD, .run = cli_keystore_export,
	 .summary = "Public content of an entry, or of all entries as a JCEKS file",
	 .rows = {ROW_TENANT,
		  {"alias", NULL, CLI_TEXT, false, "The entry; all of them otherwise"},
		  {"what", NULL, CLI_TEXT, false, "certificate (usual), chain, root, or ssh: the OpenSSH public key"},
		  {"backup", NULL, CLI_BOOL, false, "As the backup has it"}, ROW_TO}},
	{.words = "keystore create", .server = CLI_CLOUD, .run = cli_keystore_create,
	 .summary = "Make a key pair with a self-signed certificate", .columns = KEYSTORE_COLUMNS,
	 .rows = {ROW_TENANT, {"ALIAS", NULL, CLI_TEXT, true, "Its alias"},
		  {"key-type", NULL, CLI_TEXT, false, "RSA (usual), EC, DSA, Ed25519 or Ed448"},
		  {"key-size", NULL, CLI_TEXT, false, "Bits; 4096 for RSA otherwise"},
		  {"curve", NULL, CLI_TEXT, false, "Of EC, such as secp256r1"}, ROWS_OF_KEY}},
	{.words = "keystore csr", .server = CLI_CLOUD, .run = cli_keystore_csr,
	 .summary = "A signing request (PKCS#10) of a key pair", .rows = {ROW_TENANT, ROW_ALIAS, ROW_TO}},
	{.words = "keystore reply", .server = CLI_CLOUD, .run = cli_keystore_reply,
	 .summary = "Take the certificates that a CA answered to a signing request",
	 .columns = "Alias,Type,Status,ValidNotAfter,SubjectDN",
	 .rows = {ROW_TENANT, ROW_ALIAS, {"FILE", NULL, CLI_TEXT, true, "PKCS#7, PEM or DER"}, ROW_CONFIRM}},
	{.words = "keystore rename", .server = CLI_CLOUD, .run = cli_keystore_rename,
	 .summary = "Give an entry another alias",
	 .rows = {ROW_TENANT, ROW_ALIAS, {"NEW-ALIAS", NULL, CLI_TEXT, true, "The new one"}}},
	{.words = "keystore delete", .server = CLI_CLOUD, .run = cli_keystore_delete,
	 .summary = "Delete an entry; a backup that holds it brings it back", .rows = {ROW_TENANT, ROW_ALIAS}},
	{.words = "keystore trust-inbound", .server = CLI_CLOUD, .method = "PUT",
	 .path = OF_KEYSTORE "/entries/{ALIAS}", .summary = "Let a certificate vouch for clients of the TLS proxy, or not",
	 .columns = CHANGES,
	 .rows = {ROW_TENANT, {"ALIAS", NULL, CLI_ALIAS, true, "The entry's alias, in any case"},
		  {"TRUST", "trustedForInbound", CLI_BOOL, true, "on or off"}}},
	{.words = "keystore backup", .server = CLI_CLOUD, .method = "POST", .path = OF_KEYSTORE "/backups",
	 .summary = "Back up the tenant's entries; earlier backups stay in the history",
	 .rows = {ROW_TENANT, {"note", "note", CLI_TEXT, false, "A line for the history", ""}}},
	{.words = "keystore backups", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE "/backups",
	 .summary = "Backups, and what restores saved, newest first", .rows = {ROW_TENANT},
	 .columns = "backup,kind,current,at,by,entries,note"},
	{.words = "keystore preview", .server = CLI_CLOUD, .run = cli_keystore_preview,
	 .summary = "What a restore would do, entry by entry", .columns = CHANGES,
	 .rows = {ROW_TENANT, ROWS_OF_RESTORE}},
	{.words = "keystore restore", .server = CLI_CLOUD, .method = "POST", .path = OF_KEYSTORE "/restore",
	 .summary = "Go back to a backup; what is lost is saved first", .columns = CHANGES,
	 .rows = {ROW_TENANT, ROWS_OF_RESTORE}},
	{.words = "keystore undo", .server = CLI_CLOUD, .method = "POST", .path = OF_KEYSTORE "/undo",
	 .summary = "Undo the last restore", .columns = CHANGES, .rows = {ROW_TENANT}},
	{.words = "keystore history", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE "/generations",
	 .summary = "What happened to the keystore, newest first", .rows = {ROW_TENANT},
	 .columns = "generation,at,by,what,opened,closed"},
	{.words = "keystore test", .server = CLI_CLOUD, .method = "POST",
	 .path = OF_KEYSTORE "/connection-test", .run = cli_keystore_test,
	 .summary = "Open TLS to a server as the tenant, and tell what it meets",
	 .rows = {ROW_TENANT, {"HOST", "host", CLI_TEXT, true, "The server's name"},
		  {"PORT", "port", CLI_NUMBER, true, "Its port"},
		  {"alias", "alias", CLI_TEXT, false, "Key pair to show; chosen when the server asks otherwise"},
		  {"validate-server", "validateServer", CLI_BOOL, false,
		   "End at a chain, time or name that is wrong; off: tell it, and go on", "on"}}},
	{.words = "keystore require-certificate", .server = CLI_CLOUD, .method = "PUT",
	 .path = OF_KEYSTORE "/settings",
	 .summary = "Demand a client certificate of whoever uses the TLS proxy, or not",
	 .rows = {ROW_TENANT, {"REQUIRED", "clientCertificateRequired", CLI_BOOL, true, "on or off"}}},
	{.words = "keystore verify", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE "/verify",
	 .run = cli_keystore_verify,
	 .summary = "Check every entry against its seal; ends with 1 when one is damaged", .rows = {ROW_TENANT}},
	{.words = NULL},
};
/* clang-format on */
