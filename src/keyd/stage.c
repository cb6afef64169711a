#include "keyd/stage.h"

#include "keyd/worker.h"
#include "keys/facts.h"
#include "net/packet.h"

struct staged {
	uint8_t kind; /* 0: cannot be taken */
	struct str pkcs8;
};

struct stage {
	struct nursery *nursery;
	int server;
	int worker;     /* -1: none */
	uint32_t still; /* bytes of the container that have not come */
	struct buf result;
	struct staged *items;
	size_t n;
	struct str facts;
};

struct stage *stage_new(struct nursery *nursery, int server)
{
	struct stage *s = NEW(struct stage);

	s->nursery = nursery;
	s->server = server;
	s->worker = -1;
	s->result = BUF_SECRET(NURSERY_RESULT_MAX);
	return s;
}

void stage_clear(struct stage *s)
{
	close_fd(TAKE_FD(s->worker)); /* the nursery kills it */
	free(s->items);
	buf_fini(&s->result);
	s->items = NULL;
	s->n = 0;
	s->still = 0;
	s->facts = STR_NONE;
}

void stage_free(struct stage *s)
{
	if (s) {
		stage_clear(s);
		free(s);
	}
}

bool stage_is_used(const struct stage *s)
{
	return s->worker >= 0 || s->items != NULL;
}

static bool fail(struct stage *s)
{
	stage_clear(s);
	return false;
}

/* Hires a worker and hands it the head of its job. */
static bool start(struct stage *s, const struct buf *head, struct err *err)
{
	stage_clear(s);
	if (!s->nursery) {
		return err_set(err, ERR_DENIED, "nothing is staged here");
	}
	if (!nursery_hire(s->nursery, &s->worker, err)) {
		return false;
	}
	enum packet_outcome outcome = packet_send(s->worker, buf_str(head), NULL, 0, err);
	if (outcome == PACKET_OK) {
		return true;
	}
	(void)err_set(err, ERR_SYSTEM, "the process that opens uploads did not start");
	return fail(s);
}

bool stage_begin(struct stage *s, uint32_t total, bool lone_keys, struct str password,
		 struct err *err)
{
	AUTO_BUF struct buf head = BUF_SECRET(KIB(4));

	if (total > KEYS_STAGE_BYTES_MAX) {
		return err_set(err, ERR_LIMIT, "a container of more than %d bytes",
			       KEYS_STAGE_BYTES_MAX);
	}
	wr_u8(&head, WORKER_OPEN);
	wr_u32(&head, total);
	wr_u8(&head, lone_keys);
	wr_blob(&head, password);
	if (buf_failed(&head)) {
		return err_set(err, ERR_LIMIT, "the password is too long");
	}
	if (!start(s, &head, err)) {
		return false;
	}
	s->still = total;
	return true;
}

static bool is_gone(struct err *err)
{
	return err_set(err, ERR_SYSTEM, "what was uploaded is not there any more: start over");
}

bool stage_add(struct stage *s, struct str bytes, struct err *err)
{
	if (s->worker < 0) {
		return is_gone(err);
	}
	if (bytes.len == 0 || bytes.len > s->still) {
		(void)err_set(err, ERR_PROTOCOL, "more bytes than the container has");
		return fail(s);
	}
	if (packet_send(s->worker, bytes, NULL, 0, err) != PACKET_OK) {
		(void)err_set(err, ERR_SYSTEM, "the process that opens uploads ended under one");
		return fail(s);
	}
	s->still -= (uint32_t)bytes.len;
	return true;
}

/* ---- the result ---- */

static bool read_bad(uint8_t reaction, struct rd *in, struct err *err)
{
	static const enum err_kind kinds[] = {
		[KEYS_REACT_DENIED] = ERR_DENIED,     [KEYS_REACT_CONFIG] = ERR_CONFIG,
		[KEYS_REACT_LIMIT] = ERR_LIMIT,       [KEYS_REACT_SYSTEM] = ERR_SYSTEM,
		[KEYS_REACT_CONFLICT] = ERR_CONFLICT,
	};
	struct str text = rd_blob(in, sizeof(err->text));

	if (!rd_done(in) || reaction > COUNT(kinds)) {
		return err_set(err, ERR_SYSTEM, "the process that opens uploads gave no result");
	}
	return err_set(err, kinds[reaction - 1], "%.*s", STR_ARGS(text));
}

static bool read_items(struct stage *s, struct rd *in)
{
	uint32_t n = rd_u32(in);

	if (in->failed || n > FACTS_ITEMS_MAX) {
		return false;
	}
	s->items = NEW_ARRAY(struct staged, n + 1);
	for (s->n = 0; s->n < n; s->n++) {
		struct staged *item = &s->items[s->n];
		item->kind = rd_u8(in);
		item->pkcs8 = rd_blob(in, KEYS_SEALED_MAX);
		if (in->failed || item->kind > KEYS_ENTRY_CERTIFICATE ||
		    (item->kind == KEYS_ENTRY_KEY_PAIR) != (item->pkcs8.len > 0)) {
			return false;
		}
	}
	s->facts = in->rest;
	return s->facts.len <= FACTS_MAX;
}

/* The worker is a process that reads hostile bytes: what it says is looked at. */
static bool read_result(struct stage *s, struct stage_result *out, struct err *err)
{
	struct rd in = rd_over(buf_str(&s->result));
	uint8_t reaction = rd_u8(&in);

	out->format = rd_u32(&in);
	out->good = reaction == 0 && !in.failed;
	if (!out->good) {
		(void)read_bad(reaction, &in, err);
		stage_clear(s);
		return true;
	}
	if (!read_items(s, &in)) {
		(void)err_set(err, ERR_SYSTEM, "the process that opens uploads gave no result");
		return fail(s);
	}
	return true;
}

static bool finish(struct stage *s, struct stage_result *out, struct err *err)
{
	bool ok = nursery_collect(s->worker, s->server, &s->result, err);

	close_fd(TAKE_FD(s->worker));
	if (!ok) {
		/* A limit or a crash: of this container, which is not known to be of any format. */
		bool ours = err->kind == ERR_SYSTEM;
		*out = (struct stage_result){.good = false};
		stage_clear(s);
		return !ours;
	}
	return read_result(s, out, err);
}

bool stage_take(struct stage *s, struct str result, struct stage_result *out, struct err *err)
{
	stage_clear(s);
	buf_add_str(&s->result, result);
	return read_result(s, out, err);
}

bool stage_open(struct stage *s, struct stage_result *out, struct err *err)
{
	if (s->worker < 0) {
		return is_gone(err);
	}
	if (s->still > 0) {
		(void)err_set(err, ERR_PROTOCOL, "the container has not come whole");
		return fail(s);
	}
	return finish(s, out, err);
}

bool stage_generate(struct stage *s, struct str type, uint32_t bits, struct str curve,
		    struct stage_result *out, struct err *err)
{
	AUTO_BUF struct buf head = BUF(KIB(1));

	wr_u8(&head, WORKER_GENERATE);
	wr_blob(&head, type);
	wr_u32(&head, bits);
	wr_blob(&head, curve);
	return start(s, &head, err) && finish(s, out, err);
}

size_t stage_count(const struct stage *s)
{
	return s->n;
}

struct str stage_facts(const struct stage *s)
{
	return s->facts;
}

bool stage_item(const struct stage *s, uint32_t i, enum keys_entry_kind *kind, struct str *pkcs8,
		struct err *err)
{
	if (s->items == NULL) {
		return is_gone(err);
	}
	if (i >= s->n || s->items[i].kind == 0) {
		return err_set(err, ERR_DENIED, "this item of the container cannot be taken");
	}
	*kind = (enum keys_entry_kind)s->items[i].kind;
	*pkcs8 = s->items[i].pkcs8;
	return true;
}
