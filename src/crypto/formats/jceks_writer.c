#include "crypto/formats/jceks_writer.h"

#include <openssl/evp.h>

#include "base/map.h"
#include "base/rd.h"
#include "crypto/ossl.h"

enum {
	JCEKS_MAGIC = 0xcececece,
	JCEKS_VERSION = 2,
	JCEKS_CERTIFICATE = 2, /* the tag of a trusted certificate */
	UNDERSCORES_MAX = 8,
};

typedef char alias_text[JCEKS_ALIAS_MAX + 32]; /* room for underscores and any number */

struct names {
	struct map *taken;
	alias_text *texts;
	size_t n;
};

static bool claim(struct names *names, const char *text)
{
	char *slot = names->texts[names->n];

	if (map_get(names->taken, str_of(text)) != NULL) {
		return false;
	}
	(void)!str_copy(str_of(text), slot, sizeof names->texts[0]);
	(void)map_put(names->taken, str_of(slot), slot);
	names->n++;
	return true;
}

static bool fold(struct str alias, char into[static JCEKS_ALIAS_MAX + 1])
{
	if (alias.len == 0 || !str_is_utf8(alias) ||
	    !str_copy(alias, into, JCEKS_ALIAS_MAX - UNDERSCORES_MAX)) {
		return false;
	}
	for (char *p = into; *p != '\0'; p++) {
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	}
	return true;
}

static bool claim_numbered(struct names *names, const char *alias, size_t number, const char **out)
{
	static const char underscores[] = "________";
	alias_text text;

	for (int n = 1; n <= UNDERSCORES_MAX; n++) {
		snprintf(text, sizeof text, "%s%.*s%zu", alias, n, underscores, number);
		if (claim(names, text)) {
			*out = names->texts[names->n - 1];
			return true;
		}
	}
	return false;
}

/* DataOutput.writeUTF: NUL in two bytes, characters beyond the BMP as two surrogates. */
static void write_utf(struct buf *out, struct str utf8)
{
	AUTO_BUF struct buf text = BUF(KIB(4));

	while (utf8.len > 0) {
		size_t n = str_utf8_length(utf8);
		n = n == 0 ? 1 : n;
		if (n == 4) {
			const unsigned char *p = (const unsigned char *)utf8.at;
			uint32_t c = ((p[0] & 7u) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 |
				      (p[3] & 63u)) -
				     0x10000;
			const uint32_t halves[] = {0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff)};
			for (size_t i = 0; i < COUNT(halves); i++) {
				buf_add_c(&text, (char)(0xe0 | halves[i] >> 12));
				buf_add_c(&text, (char)(0x80 | (halves[i] >> 6 & 63)));
				buf_add_c(&text, (char)(0x80 | (halves[i] & 63)));
			}
		} else {
			buf_add_str(&text, str_first(utf8, n));
		}
		utf8 = str_skip(utf8, n);
	}
	wr_u16(out, (uint16_t)text.len);
	buf_add_str(out, buf_str(&text));
}

static void write_certificate(struct buf *out, const char *alias, int64_t created_ms,
			      struct str der)
{
	wr_u32(out, JCEKS_CERTIFICATE);
	write_utf(out, str_of(alias));
	wr_u64(out, (uint64_t)created_ms);
	write_utf(out, STR("X.509"));
	wr_blob(out, der);
}

static bool write_chain(struct names *names, const struct jceks_entry *e, struct buf *out,
			struct err *err)
{
	char alias[JCEKS_ALIAS_MAX + 1];

	if (!fold(e->alias, alias)) {
		return err_set(err, ERR_CONFIG, "an alias is empty, too long or no text");
	}
	for (size_t i = 0; i < e->n; i++) {
		const char *name = alias;
		if (i > 0 && !claim_numbered(names, alias, i, &name)) {
			return err_set(err, ERR_LIMIT, "no free name for a chain's certificate");
		}
		write_certificate(out, name, e->created_ms, e->ders[i]);
	}
	return true;
}

static bool add_digest(struct buf *out, size_t from, struct err *err)
{
	AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	static const char salt[] = "Mighty Aphrodite"; /* every Java has it */

	if (ctx == NULL || EVP_DigestInit_ex2(ctx, EVP_sha1(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, salt, sizeof salt - 1) != 1 ||
	    EVP_DigestUpdate(ctx, out->at + from, out->len - from) != 1 ||
	    EVP_DigestFinal_ex(ctx, digest, &len) != 1) {
		return err_ossl(err, ERR_SYSTEM, "SHA-1");
	}
	buf_add(out, digest, len);
	return true;
}

static bool write_all(struct names *names, const struct jceks_entry *entries, size_t n,
		      struct buf *out, struct err *err)
{
	char alias[JCEKS_ALIAS_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		if (fold(entries[i].alias, alias) && !claim(names, alias)) {
			return err_set(err, ERR_CONFIG, "an alias is there twice");
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!write_chain(names, &entries[i], out, err)) {
			return false;
		}
	}
	return true;
}

bool jceks_write(const struct jceks_entry *entries, size_t n, struct buf *out, struct err *err)
{
	size_t from = out->len, certificates = 0;

	for (size_t i = 0; i < n; i++) {
		certificates += entries[i].n;
	}
	struct names names = {.taken = map_new(),
			      .texts = NEW_ARRAY(alias_text, n + certificates + 1)};
	wr_u32(out, JCEKS_MAGIC);
	wr_u32(out, JCEKS_VERSION);
	wr_u32(out, (uint32_t)certificates);
	bool good = write_all(&names, entries, n, out, err) &&
		    (!buf_failed(out) || err_set(err, ERR_LIMIT, "no room for the keystore")) &&
		    add_digest(out, from, err);
	map_free(names.taken);
	free(names.texts);
	return good && (!buf_failed(out) || err_set(err, ERR_LIMIT, "no room for the keystore"));
}
