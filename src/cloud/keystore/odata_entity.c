/* Entities in JSON, after one table that $metadata describes too. */
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
	if (text[0] == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_raw(w, STR("\""));
	buf_add_str(w->out, str_of(text));
	buf_add_c(w->out, '"');
}

static void write_key(struct jsonw *w, const char *name)
{
	write_plain(w, name);
	buf_add_c(w->out, ':');
	w->needs_comma = false;
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
	write_plain(w, row->entry->sha1);
}

static void write_sha256(struct jsonw *w, const struct odata_row *row)
{
	write_plain(w, row->entry->sha256);
}

static void write_sha512(struct jsonw *w, const struct odata_row *row)
{
	write_plain(w, row->entry->sha512);
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

/* ---- $select ---- */

enum {
	LINKS_AT = 48, /* bits from here on are the set's navigation properties */
};

static uint64_t bit_of(const struct odata_set_row *set, struct str name)
{
	if (str_eq(name, STR("*"))) {
		return (UINT64_C(1) << LINKS_AT) - 1;
	}
	for (size_t i = 0; set->properties[i].name != NULL; i++) {
		if (str_eq(name, str_of(set->properties[i].name))) {
			return UINT64_C(1) << i;
		}
	}
	for (size_t i = 0; set->links[i] != NULL; i++) {
		if (str_eq(name, str_of(set->links[i]))) {
			return UINT64_C(1) << (LINKS_AT + i);
		}
	}
	return 0;
}

static bool read_select(struct http_call *call, enum odata_set set, uint64_t *selected)
{
	struct str rest = http_query(call, "$select"), name;

	*selected = UINT64_MAX;
	if (rest.len == 0) {
		return true;
	}
	*selected = 0;
	while (str_next_listed(&rest, &name)) {
		uint64_t bit = bit_of(&odata_sets[set], name);
		if (bit == 0) {
			odata_error(call, 400, "$select: %s has no property \"%.*s\"",
				    odata_sets[set].type, STR_ARGS(str_first(name, 100)));
			return false;
		}
		*selected |= bit;
	}
	return true;
}

/* As it stands within JSON's quotes: written raw, twice in each row and once per link. */
static void escape_root(struct http_call *call, struct buf *out)
{
	AUTO_BUF struct buf root = BUF(ODATA_URL_MAX), quoted = BUF(2 * ODATA_URL_MAX);
	struct jsonw w = jsonw_to(&quoted);

	odata_root(call, &root);
	jsonw_str(&w, buf_str(&root));
	buf_add_str(out, str_first(str_skip(buf_str(&quoted), 1), quoted.len - 2));
}

bool odata_writer_start(struct http_call *call, enum odata_set set, struct odata_writer *out)
{
	struct str store = http_query(call, "keystoreName");
	const char *known = store.at != NULL ? odata_store_name(store) : KEYSTORE_SYSTEM;

	*out = (struct odata_writer){.w = jsonw_to(&call->out),
				     .set = set,
				     .store = known ? known : KEYSTORE_SYSTEM,
				     .root = BUF(2 * ODATA_URL_MAX),
				     .uri = BUF(2 * ODATA_URL_MAX + ODATA_HEX_MAX + 200)};
	escape_root(call, &out->root);
	return read_select(call, set, &out->selected);
}

void odata_writer_fini(struct odata_writer *o)
{
	buf_fini(&o->root);
	buf_fini(&o->uri);
}

/* ---- one entity ---- */

/* "\".../KeystoreEntries('6D79')" with the quote in front, its key as the set has it. */
static void start_uri(struct odata_writer *o, const struct odata_row *row)
{
	const struct odata_set_row *set = &odata_sets[o->set];
	struct buf *uri = &o->uri;

	buf_reset(uri);
	buf_add_c(uri, '"');
	buf_add_str(uri, buf_str(&o->root));
	buf_add_c(uri, '/');
	buf_add_str(uri, str_of(set->name));
	buf_add_str(uri, o->set == ODATA_CHAIN ? STR("(Hexalias='") : STR("('"));
	if (o->set == ODATA_KEYSTORES) {
		buf_add_str(uri, str_of(row->name));
	} else {
		odata_hex(str_of(row->entry->alias), uri);
	}
	buf_add_c(uri, '\'');
	if (o->set == ODATA_CHAIN) {
		buf_addf(uri, ",Index=%lld", (long long)row->index);
	}
	buf_add_c(uri, ')');
}

/* The URI with what follows the entity in it, and with what names another store. */
static void write_uri(struct odata_writer *o, const char *link)
{
	size_t len = o->uri.len;

	if (link != NULL) {
		buf_add_c(&o->uri, '/');
		buf_add_str(&o->uri, str_of(link));
	}
	if (o->set == ODATA_ENTRIES && strcmp(o->store, KEYSTORE_SYSTEM) != 0) {
		buf_add_str(&o->uri, STR("?keystoreName="));
		buf_add_str(&o->uri, str_of(o->store));
	}
	buf_add_c(&o->uri, '"');
	jsonw_raw(&o->w, buf_str(&o->uri));
	o->uri.len = len;
}

static void write_expanded(struct odata_writer *o, const struct odata_row *row)
{
	struct odata_writer inner = *o;

	inner.set = ODATA_ENTRIES;
	inner.selected = UINT64_MAX;
	inner.store = row->name;
	jsonw_object(&inner.w);
	jsonw_key(&inner.w, "results");
	jsonw_array(&inner.w);
	for (size_t n = 0; n < keystore_list_count(row->expanded); n++) {
		odata_write(&inner,
			    &(struct odata_row){.entry = keystore_list_at(row->expanded, n)});
	}
	jsonw_array_end(&inner.w);
	jsonw_object_end(&inner.w);
	o->w = inner.w;
	o->uri = inner.uri; /* its memory may have moved */
}

static void write_links(struct odata_writer *o, const struct odata_row *row)
{
	const char *const *links = odata_sets[o->set].links;

	for (size_t i = 0; links[i] != NULL; i++) {
		if ((o->selected & UINT64_C(1) << (LINKS_AT + i)) == 0) {
			continue;
		}
		write_key(&o->w, links[i]);
		if (row->expanded != NULL) {
			write_expanded(o, row);
			continue;
		}
		jsonw_object(&o->w);
		write_key(&o->w, "__deferred");
		jsonw_object(&o->w);
		write_key(&o->w, "uri");
		write_uri(o, links[i]);
		jsonw_object_end(&o->w);
		jsonw_object_end(&o->w);
	}
}

static void write_metadata(struct odata_writer *o)
{
	write_key(&o->w, "__metadata");
	jsonw_object(&o->w);
	write_key(&o->w, "id");
	write_uri(o, NULL);
	write_key(&o->w, "uri");
	write_uri(o, NULL);
	write_key(&o->w, "type");
	jsonw_raw(&o->w, STR("\"com.sap.hci.api."));
	buf_add_str(o->w.out, str_of(odata_sets[o->set].type));
	buf_add_c(o->w.out, '"');
	jsonw_object_end(&o->w);
}

void odata_write(struct odata_writer *o, const struct odata_row *row)
{
	const struct odata_property *properties = odata_sets[o->set].properties;

	jsonw_object(&o->w);
	if (!o->is_bare) {
		start_uri(o, row);
		write_metadata(o);
	}
	for (size_t i = 0; properties[i].name != NULL; i++) {
		if ((o->selected & UINT64_C(1) << i) != 0) {
			write_key(&o->w, properties[i].name);
			properties[i].write(&o->w, row);
		}
	}
	if (!o->is_bare) {
		write_links(o, row);
	}
	jsonw_object_end(&o->w);
}

/* ---- reports ---- */

static const char *did_text(const struct keystore_report_row *row, char *room, size_t size)
{
	switch (row->did) {
	case KEYSTORE_UNCHANGED:
		return "unchanged";
	case KEYSTORE_CHANGED:
		return "changed";
	case KEYSTORE_NEW:
		return "new";
	case KEYSTORE_REMOVED:
		return "removed";
	case KEYSTORE_NOT_IMPORTED:
	default:
		snprintf(room, size, "notImported: %s", row->reason);
		return room;
	}
}

/* An entry of a file that could not be read at all: what is known of it. */
static void write_stranger(struct odata_writer *o, const struct keystore_report_row *row,
			   const char *status)
{
	AUTO_BUF struct buf hex = BUF(ODATA_HEX_MAX);

	odata_hex(str_of(row->alias), &hex);
	jsonw_object(&o->w);
	jsonw_key_str(&o->w, "Hexalias", buf_str(&hex));
	jsonw_key_text(&o->w, "Alias", row->alias);
	jsonw_key_text(&o->w, "Type",
		       row->kind == KEYS_ENTRY_KEY_PAIR ? "Key Pair" : "Certificate");
	jsonw_key_text(&o->w, "Owner",
		       row->owner == KEYS_OWNER_PROVIDER ? "SAP" : "Tenant Administrator");
	jsonw_key_text(&o->w, "Status", status);
	jsonw_object_end(&o->w);
}

void odata_write_report(struct odata_writer *o, const struct keystore_report *report)
{
	char room[300];

	jsonw_object(&o->w);
	write_key(&o->w, "d");
	jsonw_object(&o->w);
	write_key(&o->w, "results");
	jsonw_array(&o->w);
	for (size_t i = 0; i < report->n; i++) {
		const struct keystore_report_row *row = &report->rows[i];
		const char *status = did_text(row, room, sizeof(room));
		if (row->entry == NULL) {
			write_stranger(o, row, status);
		} else {
			odata_write(o, &(struct odata_row){.entry = row->entry, .status = status});
		}
	}
	jsonw_array_end(&o->w);
	jsonw_object_end(&o->w);
	jsonw_object_end(&o->w);
}
