#include "keys/client.h"

#include "crypto/seal.h"
#include "keys/call.h"

enum {
	ANSWER_SMALL = KIB(4), /* bytes: an id, a signature, an error's text */
};

/* One sealed key for one purpose: what the signer of a struct key gets as its `user`. */
struct opened {
	struct keys_calls *calls;
	uint8_t id[KEYS_ID];
	enum keys_purpose purpose;
	struct buf load; /* the request that makes keyd know it */
};

struct keys_client {
	struct keys_calls *calls;
};

bool keys_client_new(int control_fd, struct keys_client **out, struct err *err)
{
	struct keys_calls *calls;

	if (!keys_calls_new(control_fd, &calls, err)) {
		return false;
	}
	struct keys_client *c = NEW(struct keys_client);
	c->calls = calls;
	*out = c;
	return true;
}

void keys_client_free(struct keys_client *c)
{
	if (c != NULL) {
		keys_calls_free(c->calls);
		free(c);
	}
}

struct keys_calls *keys_client_calls(struct keys_client *c)
{
	return c->calls;
}

struct keys_counters keys_count(struct keys_client *c)
{
	return keys_calls_count(c->calls);
}

/* ---- the operations ---- */

bool keys_ping(struct keys_client *c, uint32_t *keyd_pid, struct err *err)
{
	AUTO_BUF struct buf request = BUF(16);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_PING);
	if (keys_call(c->calls, &request, &answer, err) != KEYS_CALL_OK) {
		return false;
	}
	struct rd in = rd_over(buf_str(&answer));
	*keyd_pid = rd_u32(&in);
	return true;
}

bool keys_generate(struct keys_client *c, enum keys_class class_, enum key_kind kind,
		   struct buf *sealed, struct buf *spki, struct err *err)
{
	AUTO_BUF struct buf request = BUF(16);
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_GENERATE);
	wr_u8(&request, (uint8_t)class_);
	wr_u8(&request, (uint8_t)kind);
	if (keys_call(c->calls, &request, &answer, err) != KEYS_CALL_OK) {
		return false;
	}
	struct rd in = rd_over(buf_str(&answer));
	buf_add_str(sealed, rd_blob(&in, KEYS_SEALED_MAX));
	buf_add_str(spki, rd_blob(&in, KEY_SPKI_MAX));
	if (!rd_done(&in) || buf_failed(sealed) || buf_failed(spki)) {
		return keys_bad_answer(err);
	}
	return true;
}

static bool sign(void *user, enum key_scheme scheme, struct str message, struct buf *signature,
		 struct err *err)
{
	const struct opened *o = user;
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_SIGN);
	buf_add(&request, o->id, KEYS_ID);
	wr_u8(&request, (uint8_t)o->purpose);
	wr_u16(&request, (uint16_t)scheme);
	wr_blob(&request, message);
	return keys_call_loaded(o->calls, buf_str(&o->load), &request, &answer, err) &&
	       keys_take_blob(&answer, signature, err);
}

static void free_opened(void *user)
{
	struct opened *o = user;

	buf_fini(&o->load);
	free(o);
}

bool keys_open(struct keys_client *c, struct str sealed, struct str spki, enum keys_purpose purpose,
	       struct key **out, struct err *err)
{
	struct key *k = NULL;

	if (sealed.len == 0 || sealed.len > KEYS_SEALED_MAX) {
		return err_set(err, ERR_DENIED, "a sealed key of %zu bytes is none", sealed.len);
	}
	struct opened *o = NEW(struct opened);
	o->calls = c->calls;
	o->purpose = purpose;
	o->load = BUF(KEYS_SEALED_MAX + 5);
	digest_sha256(sealed, o->id);
	wr_u8(&o->load, KEYS_LOAD);
	wr_blob(&o->load, sealed);
	if (!key_new(spki, sign, o, &k, err)) {
		free_opened(o);
		return false;
	}
	key_on_free(k, free_opened);
	*out = k;
	return true;
}

bool keys_issue(struct keys_client *c, const struct issue_facts *facts, struct str subject_spki,
		struct str issuer_sealed, struct str issuer_der, struct buf *der, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf load = BUF(KEYS_MESSAGE_MAX);
	uint8_t id[KEYS_ID];

	digest_sha256(issuer_sealed, id);
	wr_u8(&load, KEYS_LOAD);
	wr_blob(&load, issuer_sealed);
	wr_u8(&request, KEYS_ISSUE);
	buf_add(&request, id, sizeof(id));
	wr_blob(&request, subject_spki);
	wr_blob(&request, issuer_der);
	keys_write_facts(&request, facts);
	return keys_call_loaded(c->calls, buf_str(&load), &request, &answer, err) &&
	       keys_take_blob(&answer, der, err);
}

static bool call_labelled(struct keys_client *c, enum keys_operation operation, const char *label,
			  struct str in, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf request = BUF_SECRET(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF_SECRET(KEYS_MESSAGE_MAX);

	wr_u8(&request, (uint8_t)operation);
	wr_blob(&request, str_of(label));
	wr_blob(&request, in);
	return keys_call(c->calls, &request, &answer, err) == KEYS_CALL_OK &&
	       keys_take_blob(&answer, out, err);
}

bool keys_seal(struct keys_client *c, const char *label, struct str plain, struct buf *sealed,
	       struct err *err)
{
	return call_labelled(c, KEYS_SEAL, label, plain, sealed, err);
}

bool keys_unseal(struct keys_client *c, const char *label, struct str sealed, struct buf *plain,
		 struct err *err)
{
	return call_labelled(c, KEYS_UNSEAL, label, sealed, plain, err);
}
