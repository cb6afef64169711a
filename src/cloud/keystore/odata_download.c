/* Public content as files (spec/keystore.md 1.7). Each goes into the record of exports. */
#include "base/clock.h"
#include "cloud/keystore/odata.h"
#include "crypto/cert.h"
#include "crypto/formats/jceks_writer.h"
#include "crypto/formats/pkcs7_writer.h"
#include "crypto/formats/ssh_line.h"

enum {
	CHAIN_BYTES_MAX = 2 * 1024 * 1024,
	PEM_MAX = 4 * 1024 * 1024,
	STORE_MAX = 48 * 1024 * 1024, /* all chains of a full keystore */
};

/* An entry with its chain. */
struct file {
	struct keystore_place place;
	struct str alias; /* as it was typed */
	struct keystore_list *list;
	struct buf chain;
	const struct keystore_entry *entry;
};

static void fini(struct file *f)
{
	keystore_list_free(f->list);
	buf_fini(&f->chain);
}
#define AUTO_FILE __attribute__((cleanup(fini)))

static bool load(struct http_call *call, struct file *f)
{
	struct err err;

	f->chain = BUF(CHAIN_BYTES_MAX);
	if (!odata_place(call, &f->place) || !odata_alias(call, &f->alias)) {
		return false;
	}
	if (!keystore_find(odata_keystore(call), &f->place, f->alias, &f->list, &err) ||
	    !keystore_chain(odata_keystore(call), &f->place, f->alias, &f->chain, &err)) {
		odata_fail(call, &err);
		return false;
	}
	f->entry = keystore_list_at(f->list, 0);
	f->alias = str_of(f->entry->alias);
	return true;
}

static void finish(struct http_call *call, const struct file *f, const char *type,
		   const char *suffix, const char *what)
{
	if (odata_note_export(call, f->alias, what)) {
		odata_file(call, type, f->alias, suffix);
	}
}

static bool take_first(struct str der, void *user, struct err *err UNUSED)
{
	struct str *first = user;

	if (first->at == NULL) {
		*first = der;
	}
	return true;
}

static bool take_last(struct str der, void *user, struct err *err UNUSED)
{
	*(struct str *)user = der;
	return true;
}

void odata_get_certificate(struct http_call *call)
{
	AUTO_FILE struct file f = {0};
	struct str der = STR_NONE;
	bool root = false;
	struct err err;

	if (!odata_flag(call, "rootCA", &root) || !load(call, &f)) {
		return;
	}
	if (!keystore_chain_each(buf_str(&f.chain), root ? take_last : take_first, &der, &err)) {
		odata_fail(call, &err);
		return;
	}
	cert_add_pem(&call->out, der);
	finish(call, &f, "application/pkix-cert", root ? "_rootCA.cer" : ".cer",
	       root ? "root certificate" : "certificate");
}

struct ders {
	struct str at[64];
	size_t n;
};

static bool keep_der(struct str der, void *user, struct err *err)
{
	struct ders *d = user;

	if (d->n == COUNT(d->at)) {
		return err_set(err, ERR_LIMIT, "the chain has more than %zu certificates",
			       COUNT(d->at));
	}
	d->at[d->n++] = der;
	return true;
}

/* RFC 7468: 64 characters a line. */
static void add_armour(struct buf *out, const char *label, struct str der)
{
	AUTO_BUF struct buf text = BUF(PEM_MAX);

	buf_add_base64(&text, der.at, der.len);
	struct str rest = buf_str(&text);
	buf_addf(out, "-----BEGIN %s-----\n", label);
	while (rest.len > 0) {
		buf_add_str(out, str_first(rest, 64));
		buf_add_c(out, '\n');
		rest = str_skip(rest, 64);
	}
	buf_addf(out, "-----END %s-----\n", label);
}

void odata_get_chain_file(struct http_call *call)
{
	AUTO_FILE struct file f = {0};
	struct ders ders = {.n = 0};
	struct err err;

	if (!load(call, &f)) {
		return;
	}
	if (!keystore_chain_each(buf_str(&f.chain), keep_der, &ders, &err) ||
	    !pkcs7_write_pem(ders.at, ders.n, &call->out, &err)) {
		odata_fail(call, &err);
		return;
	}
	finish(call, &f, "application/pkcs7-mime", ".p7b", "chain");
}

/* The current store only: there the key is. */
void odata_get_request(struct http_call *call)
{
	AUTO_BUF struct buf der = BUF(KIB(64));
	struct keystore_change change = odata_change(call);
	struct str alias, sans = http_query(call, "subjectAltNames");
	struct err err = {0};

	if (!odata_alias(call, &alias)) {
		return;
	}
	enum keystore_outcome outcome =
		keystore_csr(odata_keystore(call), &change, alias, sans, &der, &err);
	if (outcome != KEYSTORE_DONE) {
		odata_refuse(call, outcome, &err);
		return;
	}
	if (odata_note_csr(call, alias)) {
		add_armour(&call->out, "CERTIFICATE REQUEST", buf_str(&der));
		odata_file(call, "application/pkcs10", alias, ".csr");
	}
}

void odata_get_ssh_key(struct http_call *call)
{
	AUTO_BUF struct buf spki = BUF(KIB(16)), comment = BUF(KIB(2));
	AUTO_FILE struct file f = {0};
	struct str der = STR_NONE;
	struct err err;

	if (!load(call, &f)) {
		return;
	}
	if (f.entry->kind != KEYS_ENTRY_KEY_PAIR ||
	    (strcmp(f.entry->key_type, "RSA") != 0 && strcmp(f.entry->key_type, "DSA") != 0)) {
		odata_error(call, 400,
			    "only RSA and DSA key pairs have an OpenSSH public key here; \"%s\" is "
			    "a %s with a key of type %s",
			    f.entry->alias,
			    f.entry->kind == KEYS_ENTRY_KEY_PAIR ? "key pair" : "certificate",
			    f.entry->key_type);
		return;
	}
	buf_addf(&comment, "public key for alias %s", f.entry->alias);
	if (!keystore_chain_each(buf_str(&f.chain), take_first, &der, &err) ||
	    !cert_spki(der, &spki, &err) ||
	    !ssh_line_write(buf_str(&spki), buf_str(&comment), &call->out, &err)) {
		odata_fail(call, &err);
		return;
	}
	buf_add_c(&call->out, '\n');
	finish(call, &f, "text/plain;charset=utf-8", ".pub", "OpenSSH public key");
}

/* ---- the whole keystore ---- */

/* The chains of all entries, by their place in the list. */
struct collecting {
	struct buf *chains;
	struct jceks_entry *entries;
	struct ders *ders;
	size_t n;
};

static bool load_chains(struct keystore *k, const struct keystore_place *place,
			const struct keystore_list *list, struct collecting *c, struct err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct keystore_entry *e = keystore_list_at(list, i);
		if (!keystore_chain(k, place, str_of(e->alias), &c->chains[i], err) ||
		    !keystore_chain_each(buf_str(&c->chains[i]), keep_der, &c->ders[i], err)) {
			return false;
		}
		c->entries[i] = (struct jceks_entry){.alias = str_of(e->alias),
						     .ders = c->ders[i].at,
						     .n = c->ders[i].n,
						     .created_ms = e->created};
	}
	return true;
}

bool keystore_public_file(struct keystore *k, const struct keystore_place *place, struct buf *out,
			  struct err *err)
{
	AUTO(keystore_list_free) struct keystore_list *list = NULL;
	struct keystore_filter all = {.limit = 0};
	struct collecting c;

	if (!keystore_list(k, place, &all, &list, err)) {
		return false;
	}
	c.n = keystore_list_count(list);
	c.chains = NEW_ARRAY(struct buf, c.n + 1);
	c.ders = NEW_ARRAY(struct ders, c.n + 1);
	c.entries = NEW_ARRAY(struct jceks_entry, c.n + 1);
	for (size_t i = 0; i < c.n; i++) {
		c.chains[i] = BUF(CHAIN_BYTES_MAX);
	}
	bool good = load_chains(k, place, list, &c, err) && jceks_write(c.entries, c.n, out, err);
	for (size_t i = 0; i < c.n; i++) {
		buf_fini(&c.chains[i]);
	}
	free(c.chains);
	free(c.ders);
	free(c.entries);
	return good;
}

void odata_get_keystore_file(struct http_call *call)
{
	AUTO_BUF struct buf file = BUF(STORE_MAX), uri = BUF(ODATA_URL_MAX);
	struct str name = http_param(call, "name");
	struct keystore_place place = {.tenant = str_of(directory_caller(call)->subaccount),
				       .name = odata_store_name(name)};
	struct err err;

	if (!odata_accepts_json(call)) {
		return;
	}
	if (place.name == NULL) {
		odata_error(call, 400, "there is no keystore \"%.*s\"",
			    STR_ARGS(str_first(name, 100)));
		return;
	}
	if (!keystore_public_file(odata_keystore(call), &place, &file, &err)) {
		odata_fail(call, &err);
		return;
	}
	if (!odata_note_export(call, str_of(place.name), "whole keystore")) {
		return;
	}
	odata_root(call, &uri);
	buf_addf(&uri, "/KeystoreResources('%s')", place.name);
	AUTO_BUF struct buf text = BUF(2 * STORE_MAX);
	buf_add_base64(&text, file.at, file.len);
	struct jsonw w = jsonw_to(&call->out);
	jsonw_object(&w);
	jsonw_key(&w, "d");
	jsonw_object(&w);
	jsonw_key(&w, "__metadata");
	jsonw_object(&w);
	jsonw_key_str(&w, "id", buf_str(&uri));
	jsonw_key_str(&w, "uri", buf_str(&uri));
	jsonw_key_text(&w, "type", "com.sap.hci.api.KeystoreResource");
	jsonw_object_end(&w);
	jsonw_key_text(&w, "Name", place.name);
	jsonw_key_str(&w, "Resource", buf_str(&text));
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	odata_end(call);
}
