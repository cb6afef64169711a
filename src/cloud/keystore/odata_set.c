/* The sets of entities: one table that odata_entity.c writes after and $metadata describes. */
#include "cloud/keystore/odata.h"

/* ---- values ---- */

/* By hand: five of them in each of 10,000 rows. */
static void write_date(struct jsonw *w, int64_t unix_ms)
{
	char text[40];
	size_t at = sizeof(text);
	uint64_t n = unix_ms < 0 ? (uint64_t)-unix_ms : (uint64_t)unix_ms;

	at -= 3;
	memcpy(text + at, ")/\"", 3);
	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	if (unix_ms < 0) {
		text[--at] = '-';
	}
	at -= 7;
	memcpy(text + at, "\"/Date(", 7);
	jsonw_raw(w, str_make(text + at, sizeof(text) - at));
}

/* Letters, digits and colons of our own making: nothing to escape. */
static void write_plain(struct jsonw *w, const char *text)
{
	if (text == NULL || text[0] == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_raw(w, STR("\""));
	buf_add_str(w->out, str_of(text));
	buf_add_c(w->out, '"');
}

static void write_text(struct jsonw *w, const char *text)
{
	if (text[0] != 0) {
		jsonw_str(w, str_of(text));
	} else {
		jsonw_null(w);
	}
}

static void write_hex(struct jsonw *w, const struct odata_row *row)
{
	jsonw_raw(w, STR("\""));
	odata_hex(str_of(row->entry->alias), w->out);
	buf_add_c(w->out, '"');
}

static void write_alias(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, str_of(row->entry->alias));
}

static void write_key_type(struct jsonw *w, const struct odata_row *row)
{
	write_plain(w, row->entry->key_type);
}

static void write_key_size(struct jsonw *w, const struct odata_row *row)
{
	jsonw_int(w, row->entry->key_size);
}

static void write_not_before(struct jsonw *w, const struct odata_row *row)
{
	write_date(w, row->entry->not_before);
}

static void write_not_after(struct jsonw *w, const struct odata_row *row)
{
	write_date(w, row->entry->not_after);
}

static void write_serial(struct jsonw *w, const struct odata_row *row)
{
	write_plain(w, row->entry->serial);
}

static void write_signature(struct jsonw *w, const struct odata_row *row)
{
	write_plain(w, row->entry->signature);
}

static void write_curve(struct jsonw *w, const struct odata_row *row)
{
	write_plain(w, row->entry->curve);
}

static void write_validity(struct jsonw *w, const struct odata_row *row)
{
	write_text(w, row->validity ? row->validity : "");
}

static void write_subject(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, row->entry->subject);
}

static void write_issuer(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, row->entry->issuer);
}

static void write_version(struct jsonw *w, const struct odata_row *row)
{
	jsonw_int(w, row->entry->x509_version);
}

static void write_sha1(struct jsonw *w, const struct odata_row *row)
{
	char print[KEYSTORE_PRINT_TEXT];

	write_plain(w, keystore_print(row->entry, KEYSTORE_SHA1, print));
}

static void write_sha256(struct jsonw *w, const struct odata_row *row)
{
	char print[KEYSTORE_PRINT_TEXT];

	write_plain(w, keystore_print(row->entry, KEYSTORE_SHA256, print));
}

static void write_sha512(struct jsonw *w, const struct odata_row *row)
{
	char print[KEYSTORE_PRINT_TEXT];

	write_plain(w, keystore_print(row->entry, KEYSTORE_SHA512, print));
}

static void write_type(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w,
		  row->entry->kind == KEYS_ENTRY_KEY_PAIR ? STR("Key Pair") : STR("Certificate"));
}

static void write_owner(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, row->entry->owner == KEYS_OWNER_PROVIDER ? STR("SAP")
							      : STR("Tenant Administrator"));
}

struct str odata_user(const struct keystore_entry *e, const char *who)
{
	struct str name = str_of(who);

	if (e != NULL && e->owner == KEYS_OWNER_PROVIDER) {
		return STR("SAP"); /* spec 1.1: masked */
	}
	return str_skip(name, str_starts(name, STR("user:")) ? 5 : 0);
}

static void write_modified_by(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, row->head ? odata_user(NULL, row->head->modified_by)
			       : odata_user(row->entry, row->entry->modified_by));
}

static void write_modified(struct jsonw *w, const struct odata_row *row)
{
	if (row->head != NULL && row->head->modified == 0) {
		jsonw_null(w);
		return;
	}
	write_date(w, row->head ? row->head->modified : row->entry->modified);
}

static void write_created_by(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, odata_user(row->entry, row->entry->created_by));
}

static void write_created(struct jsonw *w, const struct odata_row *row)
{
	write_date(w, row->entry->created);
}

static void write_status(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, str_of(row->status ? row->status : "unchanged"));
}

static void write_index(struct jsonw *w, const struct odata_row *row)
{
	jsonw_int(w, row->index);
}

static void write_name(struct jsonw *w, const struct odata_row *row)
{
	jsonw_str(w, str_of(row->name));
}

static void write_size(struct jsonw *w, const struct odata_row *row)
{
	jsonw_int(w, row->head->entries);
}

/* No row has these yet: the stores of provider's renewals are empty. */
static void write_nothing(struct jsonw *w, const struct odata_row *row UNUSED)
{
	jsonw_null(w);
}

/* ---- sets ---- */

#define FACTS                                                                                      \
	{"KeyType", "Edm.String", 50, write_key_type},                                             \
		{"KeySize", "Edm.Int32", 0, write_key_size},                                       \
		{"ValidNotBefore", "Edm.DateTime", 0, write_not_before},                           \
		{"ValidNotAfter", "Edm.DateTime", 0, write_not_after},                             \
		{"SerialNumber", "Edm.String", 256, write_serial},                                 \
		{"SignatureAlgorithm", "Edm.String", 256, write_signature},                        \
		{"EllipticCurve", "Edm.String", 256, write_curve},                                 \
		{"Validity", "Edm.String", 100, write_validity},                                   \
		{"SubjectDN", "Edm.String", 50000, write_subject},                                 \
		{"IssuerDN", "Edm.String", 50000, write_issuer},                                   \
		{"Version", "Edm.Int32", 0, write_version},                                        \
		{"FingerprintSha1", "Edm.String", 128, write_sha1},                                \
		{"FingerprintSha256", "Edm.String", 128, write_sha256},                            \
	{                                                                                          \
		"FingerprintSha512", "Edm.String", 256, write_sha512                               \
	}
#define OWNED                                                                                      \
	{"Type", "Edm.String", 50, write_type}, {"Owner", "Edm.String", 50, write_owner},          \
		{"LastModifiedBy", "Edm.String", 150, write_modified_by},                          \
		{"LastModifiedTime", "Edm.DateTime", 0, write_modified},                           \
		{"CreatedBy", "Edm.String", 150, write_created_by},                                \
		{"CreatedTime", "Edm.DateTime", 0, write_created},                                 \
	{                                                                                          \
		"Status", "Edm.String", 500, write_status                                          \
	}

static const struct odata_property entry_properties[] = {
	{"Hexalias", "Edm.String", 2000, write_hex},
	{"Alias", "Edm.String", 250, write_alias},
	FACTS,
	OWNED,
	{.name = NULL},
};
static const struct odata_property chain_properties[] = {
	{"Hexalias", "Edm.String", 2000, write_hex},
	{"Index", "Edm.Int32", 0, write_index},
	{"Alias", "Edm.String", 250, write_alias},
	FACTS,
	{.name = NULL},
};
static const struct odata_property history_properties[] = {
	{"Hexalias", "Edm.String", 2000, write_hex},
	{"Alias", "Edm.String", 250, write_alias},
	FACTS,
	OWNED,
	{"ActivatedBy", "Edm.String", 150, write_nothing},
	{"ActiveFrom", "Edm.DateTime", 0, write_nothing},
	{"DeactivatedBy", "Edm.String", 150, write_nothing},
	{"ActiveUntil", "Edm.DateTime", 0, write_nothing},
	{"ActivationSequenceNumber", "Edm.Int64", 0, write_nothing},
	{"OriginalAlias", "Edm.String", 250, write_nothing},
	{.name = NULL},
};
static const struct odata_property store_properties[] = {
	{"Name", "Edm.String", 100, write_name},
	{"LastModifiedBy", "Edm.String", 150, write_modified_by},
	{"LastModifiedTime", "Edm.DateTime", 0, write_modified},
	{"Size", "Edm.Int64", 0, write_size},
	{.name = NULL},
};

static const char *const entry_links[] = {
	"ChainCertificates", "Certificate",    "Sshkey", "Keystore",
	"ChainResource",     "SigningRequest", NULL};
static const char *const store_links[] = {"Entries", NULL};
static const char *const no_links[] = {NULL};

const struct odata_set_row odata_sets[] = {
	[ODATA_ENTRIES] =
		{"KeystoreEntry", "KeystoreEntries", entry_properties, entry_links, {"Hexalias"}},
	[ODATA_CHAIN] = {"ChainCertificate",
			 "ChainCertificates",
			 chain_properties,
			 no_links,
			 {"Hexalias", "Index"}},
	[ODATA_HISTORY] = {"HistoryKeystoreEntry",
			   "HistoryKeystoreEntries",
			   history_properties,
			   no_links,
			   {"Hexalias"}},
	[ODATA_KEYSTORES] = {"Keystore", "Keystores", store_properties, store_links, {"Name"}},
};
