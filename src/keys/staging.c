#include "crypto/cert.h"
#include "keys/binding.h"
#include "keys/call.h"
#include "keys/entries.h"
#include "keys/facts.h"

enum {
	ANSWER_SMALL = KIB(4),
	ANSWER_SEALED = KEYS_SEALED_MAX + KIB(1),
	ANSWER_CERTIFICATE = CERT_DER_MAX + KIB(1),
};

/* An open one has a socket of its own, since keyd's stage is bound to it. */
struct keys_stage {
	struct keys_calls *calls;
	struct keys_socket socket;
	bool died;   /* keyd, and the stage with it */
	bool broken; /* that, or its answer may still come: no more is asked */
	struct facts *facts;
};

static bool ask(struct keys_stage *s, const struct buf *request, struct buf *answer,
		struct err *err)
{
	if (s->broken) {
		return err_set(err, ERR_STORE, "the key process ended under an upload: start over");
	}
	switch (keys_exchange(s->calls, s->socket.fd, request, answer, err)) {
	case KEYS_CALL_OK:
		return true;
	case KEYS_CALL_REFUSED:
		return false;
	case KEYS_CALL_BROKEN:
		s->died = true;
		s->broken = true;
		return err_set(err, ERR_STORE, "the key process ended under an upload: start over");
	case KEYS_CALL_NOT_LOADED:
		return keys_bad_answer(err);
	case KEYS_CALL_FAILED:
	default:
		s->broken = true;
		return false;
	}
}

static bool ask_for_nothing(struct keys_stage *s, const struct buf *request, struct err *err)
{
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	return ask(s, request, &answer, err) && (answer.len == 0 || keys_bad_answer(err));
}

static bool ask_for_blob(struct keys_stage *s, const struct buf *request, size_t max,
			 struct buf *out, struct err *err)
{
	AUTO_BUF struct buf answer = BUF(max);

	return ask(s, request, &answer, err) && keys_take_blob(&answer, out, err);
}

/* On a socket of a set newer than `after`. */
static bool take_stage(struct keys_client *c, uint64_t after, struct keys_stage **out,
		       struct err *err)
{
	struct keys_calls *calls = keys_client_calls(c);
	struct keys_socket socket;

	if (!keys_calls_begin_stage(calls, err)) {
		return false;
	}
	if (!keys_pool_take(keys_calls_pool(calls), after, KEYS_FRESH_MS, &socket, err)) {
		keys_calls_end_stage(calls);
		return false;
	}
	struct keys_stage *s = NEW(struct keys_stage);
	s->calls = calls;
	s->socket = socket;
	*out = s;
	return true;
}

void keys_stage_end(struct keys_stage *s)
{
	AUTO_BUF struct buf request = BUF(16);
	struct err ignored;

	if (!s) {
		return;
	}
	wr_u8(&request, KEYS_STAGE_END);
	bool clean = ask_for_nothing(s, &request, &ignored);
	keys_pool_give(keys_calls_pool(s->calls), s->socket, !clean);
	keys_calls_end_stage(s->calls);
	facts_free(s->facts);
	free(s);
}

/* ---- opening ---- */

static bool fetch_facts(struct keys_stage *s, uint32_t n, uint32_t len, struct err *err)
{
	AUTO_BUF struct buf bytes = BUF(FACTS_MAX);
	AUTO_BUF struct buf request = BUF(16);

	while (bytes.len < len) {
		size_t before = bytes.len;
		buf_reset(&request);
		wr_u8(&request, KEYS_STAGE_FACTS);
		wr_u32(&request, (uint32_t)before);
		if (!ask_for_blob(s, &request, KEYS_MESSAGE_MAX, &bytes, err)) {
			return false;
		}
		if (bytes.len == before) {
			return keys_bad_answer(err);
		}
	}
	if (!facts_read(&bytes, &s->facts, err)) {
		return false;
	}
	return facts_count(s->facts) == n || keys_bad_answer(err);
}

/* u8 reaction, u32 format, then the counts or the reason. */
static bool take_result(struct keys_stage *s, const struct buf *answer, unsigned *format,
			struct err *err)
{
	struct rd in = rd_over(buf_str(answer));
	uint8_t reaction = rd_u8(&in);

	*format = rd_u32(&in);
	if (reaction != 0) {
		struct str reason = rd_blob(&in, KEYS_REASON_MAX);
		return rd_done(&in) ? err_set(err, keys_reaction_kind(reaction - 1), "%.*s",
					      STR_ARGS(reason))
				    : keys_bad_answer(err);
	}
	uint32_t n = rd_u32(&in);
	uint32_t len = rd_u32(&in);
	return (rd_done(&in) || keys_bad_answer(err)) && fetch_facts(s, n, len, err);
}

/* What a stage is made of: bytes, or the kind of a fresh key. */
struct content {
	struct str bytes, password;
	bool lone_keys;
	const struct buf *generate; /* NULL: the bytes */
	unsigned format;
};

static bool upload(struct keys_stage *s, const struct content *from, struct err *err)
{
	struct str bytes = from->bytes;
	AUTO_BUF struct buf request = BUF_SECRET(KEYS_MESSAGE_MAX);

	wr_u8(&request, KEYS_STAGE_BEGIN);
	wr_u32(&request, (uint32_t)bytes.len);
	wr_u8(&request, from->lone_keys);
	wr_blob(&request, from->password);
	if (!ask_for_nothing(s, &request, err)) {
		return false;
	}
	while (bytes.len > 0) {
		struct str part = str_first(bytes, KEYS_STAGE_PART_MAX);
		buf_reset(&request);
		wr_u8(&request, KEYS_STAGE_DATA);
		wr_blob(&request, part);
		if (!ask_for_nothing(s, &request, err)) {
			return false;
		}
		bytes = str_skip(bytes, part.len);
	}
	return true;
}

static bool open_once(struct keys_stage *s, struct content *from, struct err *err)
{
	AUTO_BUF struct buf request = BUF(16);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_STAGE_OPEN);
	return upload(s, from, err) && ask(s, &request, &answer, err) &&
	       take_result(s, &answer, &from->format, err);
}

static bool fill(struct keys_stage *s, struct content *from, struct err *err)
{
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	if (from->generate == NULL) {
		return open_once(s, from, err);
	}
	return ask(s, from->generate, &answer, err) && take_result(s, &answer, &from->format, err);
}

/* Until it is filled nothing of it was seen: when keyd dies, it is done again on a fresh set.
 */
static bool make_stage(struct keys_client *c, struct content *from, struct keys_stage **out,
		       struct err *err)
{
	uint64_t after = 0;

	for (int tries = 0; tries <= KEYS_REPEATS; tries++) {
		AUTO(keys_stage_end) struct keys_stage *s = NULL;
		if (!take_stage(c, after, &s, err)) {
			return false;
		}
		if (fill(s, from, err)) {
			*out = TAKE(s);
			return true;
		}
		if (!s->died) {
			return false;
		}
		after = s->socket.set;
	}
	return false;
}

static bool stage_container(struct keys_client *c, struct content *from, unsigned *format,
			    struct keys_stage **out, struct err *err)
{
	*format = 0;
	if (from->bytes.len > KEYS_STAGE_BYTES_MAX) {
		return err_set(err, ERR_LIMIT, "a container of more than %d bytes",
			       KEYS_STAGE_BYTES_MAX);
	}
	if (from->password.len > KEYS_STAGE_PASSWORD_MAX) {
		return err_set(err, ERR_LIMIT, "a password of more than %d bytes",
			       KEYS_STAGE_PASSWORD_MAX);
	}
	bool ok = make_stage(c, from, out, err);
	*format = from->format;
	return ok;
}

bool keys_stage_open(struct keys_client *c, struct str bytes, struct str password, unsigned *format,
		     struct keys_stage **out, struct err *err)
{
	struct content from = {.bytes = bytes, .password = password};

	return stage_container(c, &from, format, out, err);
}

bool keys_stage_open_keys(struct keys_client *c, struct str bytes, struct str password,
			  unsigned *format, struct keys_stage **out, struct err *err)
{
	struct content from = {.bytes = bytes, .password = password, .lone_keys = true};

	return stage_container(c, &from, format, out, err);
}

bool keys_stage_generate(struct keys_client *c, const char *type, unsigned bits, const char *curve,
			 struct keys_stage **out, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(1));
	struct content from = {.generate = &request};

	wr_u8(&request, KEYS_STAGE_GENERATE);
	wr_blob(&request, str_of(type));
	wr_u32(&request, bits);
	wr_blob(&request, str_of(curve));
	return make_stage(c, &from, out, err);
}

size_t keys_stage_count(const struct keys_stage *s)
{
	return facts_count(s->facts);
}

const struct keys_staged *keys_stage_item(const struct keys_stage *s, size_t i)
{
	return facts_item(s->facts, i);
}

/* ---- what is done with it ---- */

bool keys_stage_self_sign(struct keys_stage *s, size_t i, const struct keys_self *facts,
			  struct buf *der, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(8));

	wr_u8(&request, KEYS_STAGE_SELF_SIGN);
	wr_u32(&request, (uint32_t)i);
	keys_write_name(&request, facts->name);
	wr_blob(&request, str_of(facts->digest));
	wr_u64(&request, (uint64_t)facts->not_before);
	wr_u64(&request, (uint64_t)facts->not_after);
	buf_add(&request, facts->serial, sizeof(facts->serial));
	return ask_for_blob(s, &request, ANSWER_CERTIFICATE, der, err);
}

bool keys_stage_seal(struct keys_stage *s, size_t i, struct str wrapped,
		     const struct keys_binding *binding, struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KIB(4));

	wr_u8(&request, KEYS_STAGE_SEAL);
	wr_u32(&request, (uint32_t)i);
	wr_blob(&request, wrapped);
	keys_write_binding(&request, binding);
	return ask_for_blob(s, &request, ANSWER_SEALED, sealed, err);
}

bool keys_stage_seal_class(struct keys_stage *s, size_t i, enum keys_class class_,
			   struct buf *sealed, struct err *err)
{
	AUTO_BUF struct buf request = BUF(16);

	wr_u8(&request, KEYS_STAGE_SEAL_CLASS);
	wr_u32(&request, (uint32_t)i);
	wr_u8(&request, (uint8_t)class_);
	return ask_for_blob(s, &request, ANSWER_SEALED, sealed, err);
}
