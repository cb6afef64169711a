/* What is read of the four stores: entries, chains, the stores themselves. */
#include "base/clock.h"
#include "cloud/keystore/odata.h"
#include "crypto/cert_details.h"

enum {
	DETAILS_ARENA_FIRST = 16 * 1024,
	DETAILS_ARENA_MAX = 4 * 1024 * 1024, /* of one chain */
	CHAIN_BYTES_MAX = 2 * 1024 * 1024,
	XML_MAX = 256 * 1024,
};

void odata_get_root(struct http_call *call)
{
	static const char *const more[] = {
		"KeystoreResources",         "CertificateResources",
		"CertificateChainResources", "KeyPairResources",
		"KeyPairGenerationRequests", "RSAKeyGenerationRequests",
		"SSHKeyGenerationRequests",
	};

	if (!odata_accepts_json(call)) {
		return;
	}
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key(&w, "d");
	jsonw_object(&w);
	jsonw_key(&w, "EntitySets");
	jsonw_array(&w);
	for (size_t i = 0; i < ODATA_SETS; i++) {
		jsonw_str(&w, str_of(odata_sets[i].name));
	}
	for (size_t i = 0; i < COUNT(more); i++) {
		jsonw_str(&w, str_of(more[i]));
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	odata_end(call);
}

void odata_get_metadata(struct http_call *call)
{
	AUTO_BUF struct buf xml = BUF(XML_MAX);

	odata_add_metadata(&xml);
	http_answer_field(call, "DataServiceVersion", STR("2.0"));
	http_answer_text(call, 200, "application/xml;charset=utf-8", buf_str(&xml));
}

/* ---- lists ---- */

/* $skiptoken is the last alias of the page before, in hex. */
static bool read_skip_token(struct http_call *call, struct str *after)
{
	struct str hex = http_query(call, "$skiptoken");
	uint8_t *bytes = arena_get(call->arena, hex.len / 2 + 1);

	*after = STR("");
	if (hex.len == 0) {
		return true;
	}
	if (bytes == NULL || hex.len > ODATA_HEX_MAX || hex.len % 2 != 0 ||
	    !str_to_hex_bytes(hex, bytes, hex.len / 2) ||
	    !str_is_utf8(str_make(bytes, hex.len / 2))) {
		odata_error(call, 400, "$skiptoken is none that this server gave out");
		return false;
	}
	*after = str_make(bytes, hex.len / 2);
	return true;
}

static void write_next(struct http_call *call, struct odata_writer *o, const char *alias)
{
	AUTO_BUF struct buf uri = BUF(ODATA_URL_MAX + ODATA_HEX_MAX + 100);
	struct str selected = http_query(call, "$select");

	odata_root(call, &uri);
	buf_addf(&uri, "/KeystoreEntries?keystoreName=%s", o->store);
	if (selected.len > 0) { /* was judged: names, commas and blanks */
		buf_add_str(&uri, STR("&$select="));
		for (size_t i = 0; i < selected.len; i++) {
			if (selected.at[i] != ' ' && selected.at[i] != '\t') {
				buf_add_c(&uri, selected.at[i]);
			}
		}
	}
	buf_add_str(&uri, STR("&$skiptoken="));
	odata_hex(str_of(alias), &uri);
	jsonw_key_str(&o->w, "__next", buf_str(&uri));
}

static void begin_results(struct odata_writer *o)
{
	jsonw_object(&o->w);
	jsonw_key(&o->w, "d");
	jsonw_object(&o->w);
	jsonw_key(&o->w, "results");
	jsonw_array(&o->w);
}

/* `more`: alias of the last row when another page follows. */
static void end_results(struct http_call *call, struct odata_writer *o, const char *more)
{
	jsonw_array_end(&o->w);
	if (more != NULL) {
		write_next(call, o, more);
	}
	jsonw_object_end(&o->w);
	jsonw_object_end(&o->w);
	odata_end(call);
}

static void list_entries(struct http_call *call, const struct keystore_place *place)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	AUTO_ODATA struct odata_writer o = {0};
	struct keystore_filter filter = {.limit = KEYSTORE_PAGE_MAX + 1};
	struct err err;

	if (!odata_writer_start(call, ODATA_ENTRIES, &o) || !read_skip_token(call, &filter.after)) {
		return;
	}
	o.store = place->name;
	if (!keystore_list(odata_keystore(call), place, &filter, &list, &err)) {
		odata_fail(call, &err);
		return;
	}
	size_t n = keystore_list_count(list);
	bool more = n > KEYSTORE_PAGE_MAX;
	n -= more;
	begin_results(&o);
	for (size_t i = 0; i < n; i++) {
		odata_write(&o, &(struct odata_row){.entry = keystore_list_at(list, i)});
	}
	end_results(call, &o, more ? keystore_list_at(list, n - 1)->alias : NULL);
}

void odata_get_entries(struct http_call *call)
{
	struct keystore_place place;

	if (odata_check_options(call) && odata_place(call, &place)) {
		list_entries(call, &place);
	}
}

void odata_get_entry(struct http_call *call)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	AUTO_ODATA struct odata_writer o = {0};
	struct keystore_place place;
	struct str alias;
	struct err err;

	if (!odata_check_options(call) || !odata_place(call, &place) ||
	    !odata_alias(call, &alias) || !odata_writer_start(call, ODATA_ENTRIES, &o)) {
		return;
	}
	if (!keystore_find(odata_keystore(call), &place, alias, &list, &err)) {
		odata_fail(call, &err);
		return;
	}
	jsonw_object(&o.w);
	jsonw_key(&o.w, "d");
	odata_write(&o, &(struct odata_row){.entry = keystore_list_at(list, 0)});
	jsonw_object_end(&o.w);
	odata_end(call);
}

/* ---- chains ---- */

struct chain_walk {
	struct odata_writer *o;
	const struct keystore_entry *leaf;
	struct str ders[64];
	size_t n;
};

static bool keep_der(struct str der, void *user, struct err *err)
{
	struct chain_walk *c = user;

	if (c->n == COUNT(c->ders)) {
		return err_set(err, ERR_LIMIT, "the chain has more than %zu certificates",
			       COUNT(c->ders));
	}
	c->ders[c->n++] = der;
	return true;
}

static bool fill(struct keystore_entry *e, const struct cert_details *d, struct arena *texts)
{
	uint8_t *prints = arena_get(texts, KEYSTORE_PRINTS);

	if (prints == NULL || !keystore_read_prints(d, prints)) {
		return false;
	}
	e->prints = prints;
	e->key_type = d->key_type;
	e->curve = d->curve;
	e->signature = d->signature_algorithm;
	e->serial = d->serial;
	e->key_size = (uint32_t)d->key_bits;
	e->x509_version = (uint32_t)d->version;
	e->not_before = d->not_before * 1000;
	e->not_after = d->not_after * 1000;
	e->subject = str_of(d->subject);
	e->issuer = str_of(d->issuer);
	return true;
}

/* Index 0 is the root, the leaf has the highest (spec 3.4). */
static bool write_chain(struct chain_walk *c, struct err *err)
{
	AUTO(arena_free) struct arena *texts = arena_new(DETAILS_ARENA_FIRST, DETAILS_ARENA_MAX);

	for (size_t i = 0; i < c->n; i++) {
		struct keystore_entry *e = arena_get_zeroed(texts, sizeof(*e));
		struct cert_details details;
		if (e == NULL) {
			return err_set(err, ERR_LIMIT, "the chain is too large to be shown");
		}
		if (!cert_details_read(c->ders[c->n - 1 - i], texts, &details, err)) {
			return false;
		}
		e->alias = c->leaf->alias;
		if (!fill(e, &details, texts)) {
			return err_set(err, ERR_LIMIT, "the chain is too large to be shown");
		}
		odata_write(c->o, &(struct odata_row){.entry = e, .index = (int64_t)i});
	}
	return true;
}

void odata_get_chain(struct http_call *call)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	AUTO_BUF struct buf chain = BUF(CHAIN_BYTES_MAX);
	AUTO_ODATA struct odata_writer o = {0};
	struct chain_walk walk = {.o = &o};
	struct keystore_place place;
	struct str alias;
	struct err err;

	if (!odata_check_options(call) || !odata_place(call, &place) ||
	    !odata_alias(call, &alias) || !odata_writer_start(call, ODATA_CHAIN, &o)) {
		return;
	}
	if (!keystore_find(odata_keystore(call), &place, alias, &list, &err) ||
	    !keystore_chain(odata_keystore(call), &place, alias, &chain, &err) ||
	    !keystore_chain_each(buf_str(&chain), keep_der, &walk, &err)) {
		odata_fail(call, &err);
		return;
	}
	walk.leaf = keystore_list_at(list, 0);
	begin_results(&o);
	if (!write_chain(&walk, &err)) {
		odata_fail(call, &err);
		return;
	}
	end_results(call, &o, NULL);
}

/* ---- stores ---- */

/* {name}: one of the four, or 400 as the original answers. */
static bool store_of(struct http_call *call, struct keystore_place *place)
{
	struct str name = http_param(call, "name");
	const char *known = odata_store_name(name);

	if (known == NULL) {
		odata_error(call, 400, "there is no keystore \"%.*s\"",
			    STR_ARGS(str_first(name, 100)));
		return false;
	}
	*place = (struct keystore_place){.tenant = str_of(directory_caller(call)->subaccount),
					 .name = known};
	return true;
}

/* Only Entries can be expanded. */
static bool read_expand(struct http_call *call, bool *expand)
{
	struct str what = http_query(call, "$expand");

	*expand = str_eq(what, STR("Entries"));
	if (what.len > 0 && !*expand) {
		odata_error(call, 400, "$expand: only Entries can be expanded");
		return false;
	}
	return true;
}

void odata_get_store(struct http_call *call)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	AUTO_ODATA struct odata_writer o = {0};
	struct keystore_place place;
	struct keystore_head head;
	struct keystore_filter all = {.limit = 0};
	struct err err;
	bool expand;

	if (!odata_check_options(call) || !store_of(call, &place) || !read_expand(call, &expand) ||
	    !odata_writer_start(call, ODATA_KEYSTORES, &o)) {
		return;
	}
	if (!keystore_head(odata_keystore(call), &place, clock_unix_ms(), &head, &err) ||
	    (expand && !keystore_list(odata_keystore(call), &place, &all, &list, &err))) {
		odata_fail(call, &err);
		return;
	}
	jsonw_object(&o.w);
	jsonw_key(&o.w, "d");
	odata_write(&o, &(struct odata_row){.name = place.name, .head = &head, .expanded = list});
	jsonw_object_end(&o.w);
	odata_end(call);
}

void odata_get_size(struct http_call *call)
{
	struct keystore_place place;
	struct keystore_head head;
	char text[24];
	struct err err;

	if (!store_of(call, &place)) {
		return;
	}
	if (!keystore_head(odata_keystore(call), &place, clock_unix_ms(), &head, &err)) {
		odata_fail(call, &err);
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)head.entries);
	http_answer_text(call, 200, "text/plain;charset=utf-8", str_of(text));
}

void odata_get_entries_of_store(struct http_call *call)
{
	struct keystore_place place;

	if (odata_check_options(call) && store_of(call, &place)) {
		list_entries(call, &place);
	}
}

/* ---- the provider's history: empty so far ---- */

void odata_get_history(struct http_call *call)
{
	AUTO_ODATA struct odata_writer o = {0};

	if (odata_check_options(call) && odata_writer_start(call, ODATA_HISTORY, &o)) {
		begin_results(&o);
		end_results(call, &o, NULL);
	}
}

static void refuse_history(struct http_call *call, struct str alias)
{
	odata_error(call, 404, "there is no entry \"%.*s\" in the keystore KeyHistory",
		    STR_ARGS(str_first(alias, 300)));
}

void odata_get_history_entry(struct http_call *call)
{
	struct str alias;

	if (odata_check_options(call) && odata_alias(call, &alias)) {
		refuse_history(call, alias);
	}
}

void odata_put_history_entry(struct http_call *call)
{
	struct str alias;
	bool copy = false;

	if (!odata_alias(call, &alias) || !odata_flag(call, "copy", &copy)) {
		return;
	}
	if (!copy) {
		odata_error(call, 400, "copy=true is what can be done with an entry of KeyHistory");
		return;
	}
	refuse_history(call, alias);
}
