#include "keys/entries.h"

#include "keys/anchor.h"
#include "keys/binding.h"
#include "keys/call.h"

enum {
	ANSWER_SMALL = KIB(8),
	ANSWER_SEALED = KEYS_SEALED_MAX + KIB(1),
	WRAPPED_FORM = 1,
	CHECK_HEAD = 1 + 2, /* operation, number of entries */
	CHECK_ONE_MAX = KEYS_ENTRY_MAX + 4 + KEY_SPKI_MAX,
};

static bool ask(struct keys_client *c, const struct buf *request, struct buf *answer,
		struct err *err)
{
	enum keys_outcome outcome = keys_call(keys_client_calls(c), request, answer, err);

	return outcome == KEYS_CALL_OK || (outcome == KEYS_CALL_NOT_LOADED && keys_bad_answer(err));
}

static bool ask_for_blob(struct keys_client *c, const struct buf *request, struct buf *out,
			 struct err *err)
{
	AUTO_BUF struct buf answer = BUF(ANSWER_SEALED);

	return ask(c, request, &answer, err) && keys_take_blob(&answer, out, err);
}

/* ---- data keys ---- */

bool keys_data_key_new(struct keys_client *c, struct str tenant, struct buf *wrapped,
		       struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(1));

	wr_u8(&request, KEYS_DATA_KEY_NEW);
	wr_blob(&request, tenant);
	return ask_for_blob(c, &request, wrapped, err);
}

struct str keys_data_key_id(struct str wrapped)
{
	struct rd in = rd_over(wrapped);
	uint8_t form = rd_u8(&in);
	struct str id = rd_bytes(&in, KEYS_DATA_KEY_ID);

	return in.failed || form != WRAPPED_FORM ? STR_NONE : id;
}

/* u8 again, blob. */
static bool ask_again(struct keys_client *c, const struct buf *request, struct buf *out,
		      bool *again, struct err *err)
{
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);

	if (!ask(c, request, &answer, err)) {
		return false;
	}
	struct rd in = rd_over(buf_str(&answer));
	uint8_t flag = rd_u8(&in);
	struct str blob = rd_blob(&in, KEYS_MESSAGE_MAX);
	if (!rd_done(&in) || flag > 1) {
		return keys_bad_answer(err);
	}
	buf_add_str(out, blob);
	*again = flag != 0;
	return !buf_failed(out) ||
	       err_set(err, ERR_LIMIT, "no room for the answer of the key process");
}

bool keys_data_key_rewrap(struct keys_client *c, struct str tenant, struct str wrapped,
			  struct buf *out, bool *again, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(1));

	wr_u8(&request, KEYS_DATA_KEY_REWRAP);
	wr_blob(&request, tenant);
	wr_blob(&request, wrapped);
	return ask_again(c, &request, out, again, err);
}

bool keys_reseal_key(struct keys_client *c, struct str sealed, struct buf *out, bool *again,
		     struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_RESEAL_KEY);
	wr_blob(&request, sealed);
	return ask_again(c, &request, out, again, err);
}

bool keys_reseal_secret(struct keys_client *c, const char *label, struct str sealed,
			struct buf *out, bool *again, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_RESEAL_SECRET);
	wr_blob(&request, str_of(label));
	wr_blob(&request, sealed);
	return ask_again(c, &request, out, again, err);
}

/* ---- entries ---- */

bool keys_entry_tag(struct keys_client *c, struct str wrapped, const struct keys_binding *binding,
		    struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_ENTRY_TAG);
	wr_blob(&request, wrapped);
	keys_write_binding(&request, binding);
	return ask_for_blob(c, &request, sealed, err);
}

bool keys_entry_rebind(struct keys_client *c, const struct keys_entry *entry, struct str wrapped,
		       const struct keys_binding *binding, struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_ENTRY_REBIND);
	keys_write_entry(&request, entry);
	wr_blob(&request, wrapped);
	keys_write_binding(&request, binding);
	return ask_for_blob(c, &request, sealed, err);
}

/* Longer than a message takes: it cannot be one that was sealed. */
static bool can_be_sent(const struct keys_entry *e, struct str spki)
{
	return e->wrapped.len <= KEYS_WRAPPED_MAX && e->sealed.len <= KEYS_SEALED_MAX &&
	       e->binding.tenant.len <= KEYS_TENANT_MAX && e->binding.tenant.len > 0 &&
	       e->binding.keystore.len <= KEYS_KEYSTORE_MAX && e->binding.keystore.len > 0 &&
	       e->binding.alias.len <= KEYS_ALIAS_MAX && e->binding.alias.len > 0 &&
	       spki.len <= KEY_SPKI_MAX;
}

/* One message of entries, and which of the caller's they are. */
struct checked {
	struct buf body;
	size_t at[KEYS_CHECK_MAX];
	size_t n;
};

static bool send_checked(struct keys_client *c, struct checked *batch, bool *good, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	if (batch->n == 0) {
		return true;
	}
	wr_u8(&request, KEYS_ENTRIES_CHECK);
	wr_u16(&request, (uint16_t)batch->n);
	buf_add_str(&request, buf_str(&batch->body));
	if (!ask(c, &request, &answer, err)) {
		return false;
	}
	if (answer.len != batch->n) {
		return keys_bad_answer(err);
	}
	for (size_t i = 0; i < batch->n; i++) {
		good[batch->at[i]] = answer.at[i] == 1;
	}
	buf_reset(&batch->body);
	batch->n = 0;
	return true;
}

static bool check_all(struct keys_client *c, const struct keys_entry *entries,
		      const struct str *spki, size_t n, struct checked *batch, bool *good,
		      struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		good[i] = false;
		if (!can_be_sent(&entries[i], spki[i])) {
			continue;
		}
		if ((batch->n == KEYS_CHECK_MAX ||
		     batch->body.len + CHECK_ONE_MAX > batch->body.max) &&
		    !send_checked(c, batch, good, err)) {
			return false;
		}
		keys_write_entry(&batch->body, &entries[i]);
		wr_blob(&batch->body, spki[i]);
		batch->at[batch->n++] = i;
	}
	return send_checked(c, batch, good, err);
}

bool keys_entries_check(struct keys_client *c, const struct keys_entry *entries,
			const struct str *spki, size_t n, bool *good, struct err *err)
{
	AUTO_FREE struct checked *batch = NEW(struct checked);

	batch->body = BUF(KEYS_MESSAGE_MAX - CHECK_HEAD);
	bool ok = check_all(c, entries, spki, n, batch, good, err);
	buf_fini(&batch->body);
	return ok;
}

/* What the signer of a struct key gets as its `user`; freed with the key. */
struct signer {
	struct keys_calls *calls;
	uint8_t id[KEYS_ID];
	enum keys_purpose purpose;
	struct buf load; /* the request that makes keyd know the entry */
};

static void free_signer(void *user)
{
	struct signer *s = user;

	buf_fini(&s->load);
	free(s);
}

static bool sign(void *user, enum key_scheme scheme, struct str message, struct buf *signature,
		 struct err *err)
{
	const struct signer *s = user;
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_SIGN);
	buf_add(&request, s->id, KEYS_ID);
	wr_u8(&request, (uint8_t)s->purpose);
	wr_u16(&request, (uint16_t)scheme);
	wr_blob(&request, message);
	return keys_call_loaded(s->calls, buf_str(&s->load), &request, &answer, err) &&
	       keys_take_blob(&answer, signature, err);
}

bool keys_entry_open(struct keys_client *c, const struct keys_entry *entry, struct str spki,
		     enum keys_purpose purpose, struct key **out, struct err *err)
{
	struct key *k;

	if (!can_be_sent(entry, spki) || !keys_allows(KEYS_CLASS_TENANT, purpose)) {
		return err_set(err, ERR_DENIED, "no entry of a keystore, or not for this purpose");
	}
	struct signer *s = NEW(struct signer);
	s->calls = keys_client_calls(c);
	s->purpose = purpose;
	s->load = BUF(1 + KEYS_ENTRY_MAX);
	wr_u8(&s->load, KEYS_ENTRY_LOAD);
	keys_write_entry(&s->load, entry);
	keys_entry_id(entry, s->id);
	if (!key_new(spki, sign, s, &k, err)) {
		free_signer(s);
		return false;
	}
	key_on_free(k, free_signer);
	*out = k;
	return true;
}

/* ---- MACs, and the anchor ---- */

bool keys_mac(struct keys_client *c, struct str tenant, struct str wrapped, const char *label,
	      struct str message, uint8_t mac[static KEYS_MAC], struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_MAC_MAKE);
	wr_blob(&request, tenant);
	wr_blob(&request, wrapped);
	wr_blob(&request, str_of(label));
	wr_blob(&request, message);
	if (!ask(c, &request, &answer, err)) {
		return false;
	}
	if (answer.len != KEYS_MAC) {
		return keys_bad_answer(err);
	}
	memcpy(mac, answer.at, KEYS_MAC);
	return true;
}

bool keys_anchor(struct keys_client *c, struct str chain, int64_t n, const uint8_t hash[static 32],
		 struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(1));
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_ANCHOR);
	wr_blob(&request, chain);
	wr_u64(&request, (uint64_t)n);
	buf_add(&request, hash, ANCHOR_HASH);
	return ask(c, &request, &answer, err);
}

bool keys_anchor_last(struct keys_client *c, struct str chain, struct anchor_last *out,
		      struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(1));
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_ANCHOR_LAST);
	wr_blob(&request, chain);
	if (!ask(c, &request, &answer, err)) {
		return false;
	}
	struct rd in = rd_over(buf_str(&answer));
	int64_t n = (int64_t)rd_u64(&in);
	struct str hash = rd_bytes(&in, ANCHOR_HASH);
	if (!rd_done(&in) || n < 0) {
		return keys_bad_answer(err);
	}
	out->n = n;
	memcpy(out->hash, hash.at, ANCHOR_HASH);
	return true;
}
