/* Entities in JSON, after the table of odata_set.c. */
#include "cloud/keystore/odata.h"

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

/* Letters of our own making: nothing to escape. */
static void write_key(struct jsonw *w, const char *name)
{
	jsonw_raw(w, STR("\""));
	buf_add_str(w->out, str_of(name));
	buf_add_str(w->out, STR("\":"));
	w->needs_comma = false;
}

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
