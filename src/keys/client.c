#include "keys/client.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "crypto/seal.h"
#include "keys/pool.h"
#include "net/packet.h"

enum {
	OPENED_ID = KEYS_ID + 1, /* the key's id and the purpose */
	ANSWER_SMALL = KIB(4),   /* bytes: an id, a signature, an error's text */
};

/* One sealed key for one purpose: what the signer of a struct key gets as its `user`. */
struct opened {
	struct keys_client *client;
	uint8_t id[OPENED_ID];
	enum keys_purpose purpose;
	struct buf sealed;
};

struct keys_client {
	struct keys_pool *pool;
	pthread_mutex_t lock; /* of `opened` */
	struct map *opened;
	atomic_ullong calls, repeated, refused;
};

enum call_outcome {
	CALL_OK,
	CALL_NOT_LOADED,
	CALL_REFUSED, /* by keyd, with a reason: see err */
	CALL_BROKEN,  /* keyd died under it */
	CALL_FAILED,  /* see err; the socket may still get the answer */
};

bool keys_client_new(int control_fd, struct keys_client **out, struct err *err)
{
	struct keys_pool *pool;

	if (!keys_pool_new(control_fd, KEYS_FRESH_MS, &pool, err)) {
		return false;
	}
	struct keys_client *c = NEW(struct keys_client);
	c->pool = pool;
	c->opened = map_new();
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return true;
}

void keys_client_free(struct keys_client *c)
{
	size_t at = 0;
	struct str key;
	void *value;

	if (!c) {
		return;
	}
	keys_pool_free(c->pool);
	while (map_next(c->opened, &at, &key, &value)) {
		struct opened *o = value;
		buf_fini(&o->sealed);
		free(o);
	}
	map_free(c->opened);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- one call ---- */

static enum call_outcome read_answer(struct keys_client *c, enum keys_operation operation,
				     struct buf *answer, struct err *err)
{
	struct rd in = rd_over(buf_str(answer));
	uint8_t status = rd_u8(&in);

	if (status == KEYS_OK) {
		buf_drop_front(answer, 1);
		return CALL_OK;
	}
	if (status == KEYS_NOT_LOADED) {
		return CALL_NOT_LOADED;
	}
	struct str reason = rd_blob(&in, KEYS_REASON_MAX);
	atomic_fetch_add(&c->refused, 1);
	(void)err_set(err, ERR_DENIED, "the key process refused to %s: %.*s",
		      keys_operation_name(operation), STR_ARGS(reason));
	return CALL_REFUSED;
}

static enum call_outcome exchange(struct keys_client *c, int fd, struct str request,
				  struct buf *answer, struct err *err)
{
	size_t len = 0;
	char *room;

	enum packet_outcome outcome = packet_send(fd, request, NULL, 0, err);
	if (outcome == PACKET_OK) {
		buf_reset(answer);
		room = buf_reserve(answer, answer->max);
		outcome = packet_set_timeout(fd, KEYS_ANSWER_MS, err)
				  ? packet_receive(fd, room, answer->max, &len, NULL, 0, NULL, err)
				  : PACKET_FAILED;
	}
	switch (outcome) {
	case PACKET_OK:
		buf_commit(answer, len);
		return read_answer(c, (enum keys_operation)request.at[0], answer, err);
	case PACKET_END:
		return CALL_BROKEN;
	case PACKET_TIMEOUT:
		(void)err_set(err, ERR_SYSTEM, "the key process gave no answer within %d s",
			      KEYS_ANSWER_MS / 1000);
		return CALL_FAILED;
	case PACKET_TOO_LONG:
		(void)err_set(err, ERR_SYSTEM, "the key process gave an answer that is too long");
		return CALL_FAILED;
	case PACKET_FAILED:
	default:
		return CALL_FAILED;
	}
}

/* Sends `request`, repeats it once on a fresh set when keyd died. `answer` has the fields. */
static enum call_outcome call(struct keys_client *c, const struct buf *request, struct buf *answer,
			      struct err *err)
{
	uint64_t after = 0;

	if (buf_failed(request) || request->len > KEYS_MESSAGE_MAX) {
		(void)err_set(err, ERR_LIMIT,
			      "a request to the key process is longer than %d bytes",
			      KEYS_MESSAGE_MAX);
		return CALL_FAILED;
	}
	atomic_fetch_add(&c->calls, 1);
	for (int tries = 0; tries < 2; tries++) {
		struct keys_socket socket;

		if (!keys_pool_take(c->pool, after, KEYS_FRESH_MS, &socket, err)) {
			return CALL_FAILED;
		}
		enum call_outcome outcome = exchange(c, socket.fd, buf_str(request), answer, err);
		/* A socket that gave no answer yet would give it to the next call. */
		bool broken = outcome == CALL_BROKEN || outcome == CALL_FAILED;
		keys_pool_give(c->pool, socket, broken);
		if (outcome != CALL_BROKEN) {
			return outcome;
		}
		after = socket.set;
		atomic_fetch_add(&c->repeated, tries == 0);
	}
	(void)err_set(err, ERR_SYSTEM, "the key process ended twice under %s: see its log",
		      keys_operation_name((enum keys_operation)request->at[0]));
	return CALL_FAILED;
}

/* A call whose key must be loaded: when keyd does not know it, LOAD and once more. */
static bool call_with_key(struct keys_client *c, struct str sealed, const struct buf *request,
			  struct buf *answer, struct err *err)
{
	enum call_outcome outcome = call(c, request, answer, err);

	/* Three rounds: keyd may die, and so forget the key, between LOAD and the call. */
	for (int rounds = 0; outcome == CALL_NOT_LOADED && rounds < 3; rounds++) {
		AUTO_BUF struct buf load = BUF(KEYS_MESSAGE_MAX);
		wr_u8(&load, KEYS_LOAD);
		wr_blob(&load, sealed);
		if (call(c, &load, answer, err) != CALL_OK) {
			return false;
		}
		outcome = call(c, request, answer, err);
	}
	if (outcome == CALL_NOT_LOADED) {
		return err_set(err, ERR_SYSTEM, "the key process keeps forgetting a key");
	}
	return outcome == CALL_OK;
}

/* The only field of an answer, a blob. */
static bool take_blob(struct buf *answer, struct buf *out, struct err *err)
{
	struct rd in = rd_over(buf_str(answer));
	struct str blob = rd_blob(&in, KEYS_MESSAGE_MAX);

	if (!rd_done(&in)) {
		return err_set(err, ERR_SYSTEM, "the key process gave a malformed answer");
	}
	buf_add_str(out, blob);
	if (buf_failed(out)) {
		return err_set(err, ERR_LIMIT, "no room for the answer of the key process");
	}
	return true;
}

/* ---- the operations ---- */

bool keys_ping(struct keys_client *c, uint32_t *keyd_pid, struct err *err)
{
	AUTO_BUF struct buf request = BUF(16);
	AUTO_BUF struct buf answer = BUF(ANSWER_SMALL);

	wr_u8(&request, KEYS_PING);
	if (call(c, &request, &answer, err) != CALL_OK) {
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
	if (call(c, &request, &answer, err) != CALL_OK) {
		return false;
	}
	struct rd in = rd_over(buf_str(&answer));
	buf_add_str(sealed, rd_blob(&in, KEYS_SEALED_MAX));
	buf_add_str(spki, rd_blob(&in, KEY_SPKI_MAX));
	if (!rd_done(&in) || buf_failed(sealed) || buf_failed(spki)) {
		return err_set(err, ERR_SYSTEM, "the key process gave a malformed answer");
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
	return call_with_key(o->client, buf_str(&o->sealed), &request, &answer, err) &&
	       take_blob(&answer, signature, err);
}

static struct opened *intern(struct keys_client *c, struct str sealed, enum keys_purpose purpose)
{
	uint8_t id[OPENED_ID];

	digest_sha256(sealed, id);
	id[KEYS_ID] = (uint8_t)purpose;
	pthread_mutex_lock(&c->lock);
	struct opened *o = map_get(c->opened, str_make(id, sizeof(id)));
	if (!o && map_count(c->opened) < KEYS_OPENED_MAX) {
		o = NEW(struct opened);
		o->client = c;
		o->purpose = purpose;
		o->sealed = BUF(KEYS_SEALED_MAX);
		memcpy(o->id, id, sizeof(id));
		buf_add_str(&o->sealed, sealed);
		map_put(c->opened, str_make(o->id, sizeof(o->id)), o);
	}
	pthread_mutex_unlock(&c->lock);
	return o;
}

bool keys_open(struct keys_client *c, struct str sealed, struct str spki, enum keys_purpose purpose,
	       struct key **out, struct err *err)
{
	if (sealed.len == 0 || sealed.len > KEYS_SEALED_MAX) {
		return err_set(err, ERR_DENIED, "a sealed key of %zu bytes is none", sealed.len);
	}
	struct opened *o = intern(c, sealed, purpose);
	if (!o) {
		return err_set(err, ERR_LIMIT, "more than %d opened keys", KEYS_OPENED_MAX);
	}
	return key_new(spki, sign, o, out, err);
}

bool keys_issue(struct keys_client *c, const struct issue_facts *facts, struct str subject_spki,
		struct str issuer_sealed, struct str issuer_der, struct buf *der, struct err *err)
{
	AUTO_BUF struct buf request = BUF(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF(KEYS_MESSAGE_MAX);
	uint8_t id[KEYS_ID];

	digest_sha256(issuer_sealed, id);
	wr_u8(&request, KEYS_ISSUE);
	buf_add(&request, id, sizeof(id));
	wr_blob(&request, subject_spki);
	wr_blob(&request, issuer_der);
	keys_write_facts(&request, facts);
	return call_with_key(c, issuer_sealed, &request, &answer, err) &&
	       take_blob(&answer, der, err);
}

static bool call_labelled(struct keys_client *c, enum keys_operation operation, const char *label,
			  struct str in, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf request = BUF_SECRET(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF_SECRET(KEYS_MESSAGE_MAX);

	wr_u8(&request, (uint8_t)operation);
	wr_blob(&request, str_of(label));
	wr_blob(&request, in);
	return call(c, &request, &answer, err) == CALL_OK && take_blob(&answer, out, err);
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

struct keys_counters keys_count(struct keys_client *c)
{
	uint64_t sets = keys_pool_sets(c->pool);

	return (struct keys_counters){
		.calls = atomic_load(&c->calls),
		.repeated = atomic_load(&c->repeated),
		.refused = atomic_load(&c->refused),
		.replaced = sets > 0 ? sets - 1 : 0,
	};
}
