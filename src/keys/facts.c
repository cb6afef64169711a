#include "keys/facts.h"

struct item {
	struct keys_staged staged;
	char problem[FACTS_TEXT_MAX + 1], warning[FACTS_TEXT_MAX + 1];
	struct str chain[FACTS_CHAIN_MAX];
};

struct facts {
	struct buf bytes;
	struct str *ders;
	size_t n_ders;
	struct item **items;
	size_t n;
};

/* ---- writing ---- */

void facts_write_certificates(struct buf *out, const struct str *ders, size_t n)
{
	wr_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		wr_blob(out, ders[i]);
	}
}

void facts_write_count(struct buf *out, size_t items)
{
	wr_u32(out, (uint32_t)items);
}

void facts_write_item(struct buf *out, const struct keys_staged *item, const uint32_t *chain,
		      size_t n_chain)
{
	wr_u8(out, item->is_taken);
	wr_u8(out, (uint8_t)item->kind);
	wr_blob(out, item->alias);
	wr_blob(out, item->spki);
	wr_u8(out, (uint8_t)n_chain);
	for (size_t i = 0; i < n_chain; i++) {
		wr_u32(out, chain[i]);
	}
	wr_blob(out, str_of(item->problem));
	wr_blob(out, str_of(item->warning));
}

/* ---- reading ---- */

void facts_free(struct facts *f)
{
	if (!f) {
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		free(f->items[i]);
	}
	free(f->items);
	free(f->ders);
	buf_fini(&f->bytes);
	free(f);
}

static bool read_text(struct rd *in, char into[static FACTS_TEXT_MAX + 1], const char **out)
{
	struct str text = rd_blob(in, FACTS_TEXT_MAX);

	*out = text.len > 0 ? into : NULL;
	return !in->failed && str_copy(text, into, FACTS_TEXT_MAX + 1);
}

static bool read_item(struct rd *in, const struct facts *f, struct item *item)
{
	struct keys_staged *s = &item->staged;
	uint8_t taken = rd_u8(in);
	uint8_t kind = rd_u8(in);

	s->alias = rd_blob(in, KEYS_ALIAS_MAX);
	s->spki = rd_blob(in, KEYS_MESSAGE_MAX);
	s->n_chain = rd_u8(in);
	if (taken > 1 || kind > KEYS_ENTRY_CERTIFICATE || s->n_chain > FACTS_CHAIN_MAX ||
	    (taken == 1 && kind == 0)) {
		return false;
	}
	for (size_t i = 0; i < s->n_chain; i++) {
		uint32_t number = rd_u32(in);
		if (number >= f->n_ders) {
			return false;
		}
		item->chain[i] = f->ders[number];
	}
	s->chain = item->chain;
	s->is_taken = taken == 1;
	s->kind = (enum keys_entry_kind)kind;
	return read_text(in, item->problem, &s->problem) &&
	       read_text(in, item->warning, &s->warning);
}

static bool read_all(struct facts *f)
{
	struct rd in = rd_over(buf_str(&f->bytes));
	uint32_t n = rd_u32(&in);

	if (n > FACTS_CERTIFICATES_MAX) {
		return false;
	}
	f->ders = NEW_ARRAY(struct str, n + 1);
	for (f->n_ders = 0; f->n_ders < n; f->n_ders++) {
		f->ders[f->n_ders] = rd_blob(&in, FACTS_MAX);
	}
	n = rd_u32(&in);
	if (n > FACTS_ITEMS_MAX || in.failed) {
		return false;
	}
	f->items = NEW_ARRAY(struct item *, n + 1);
	while (f->n < n) {
		f->items[f->n] = NEW(struct item);
		f->n++;
		if (!read_item(&in, f, f->items[f->n - 1])) {
			return false;
		}
	}
	return rd_done(&in);
}

bool facts_read(struct buf *take, struct facts **out, struct err *err)
{
	AUTO(facts_free) struct facts *f = NEW(struct facts);

	f->bytes = *take;
	*take = BUF(FACTS_MAX);
	if (!read_all(f)) {
		return err_set(err, ERR_SYSTEM, "the key process gave malformed facts");
	}
	*out = TAKE(f);
	return true;
}

size_t facts_count(const struct facts *f)
{
	return f->n;
}

const struct keys_staged *facts_item(const struct facts *f, size_t i)
{
	return &f->items[i]->staged;
}
