#include "keyd/worker.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/formats/container.h"
#include "crypto/tenant_key.h"
#include "keyd/nursery.h"
#include "keys/facts.h"
#include "keys/sandbox.h"
#include "net/packet.h"

/* There in builds with a sanitizer, whose shadow takes terabytes of address space. */
extern void __asan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));

bool worker_prepare(struct err *err)
{
	return container_prepare(err);
}

/* ---- results ---- */

static uint8_t reaction_to(const struct err *err)
{
	switch (err->kind) {
	case ERR_DENIED:
		return 1 + KEYS_REACT_DENIED;
	case ERR_LIMIT:
		return 1 + KEYS_REACT_LIMIT;
	case ERR_SYSTEM:
		return 1 + KEYS_REACT_SYSTEM;
	case ERR_CONFIG:
	case ERR_NONE:
	case ERR_MISSING:
	case ERR_CONFLICT:
	case ERR_PROTOCOL:
	case ERR_NETWORK:
	case ERR_STORE:
	default:
		return 1 + KEYS_REACT_CONFIG;
	}
}

static void write_bad(struct buf *result, enum container_format format, const struct err *err)
{
	buf_reset(result);
	wr_u8(result, reaction_to(err));
	wr_u32(result, (uint32_t)format);
	wr_blob(result, str_of(err->text));
}

static void write_secret(struct buf *result, uint8_t kind, struct str pkcs8)
{
	wr_u8(result, kind);
	wr_blob(result, pkcs8);
}

/* ---- opening ---- */

static bool public_part(struct str pkcs8, struct buf *spki, struct err *err)
{
	AUTO(local_key_free) struct local_key *k = NULL;

	return local_key_read_tenant(pkcs8, &k, err) && local_key_spki(k, spki, err);
}

/* Which of the container's certificates lie in the item's chain. They are lent from there. */
static size_t number_chain(const struct container *c, const struct container_item *item,
			   uint32_t numbers[static CONTAINER_CHAIN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < item->n_chain; i++) {
		for (size_t j = 0; j < c->n_ders; j++) {
			if (c->ders[j].at == item->chain[i].at) {
				numbers[n++] = (uint32_t)j;
				break;
			}
		}
	}
	return n;
}

static const char *weakness(const struct container *c)
{
	if (c->no_mac) {
		return "weak: the file has no integrity check";
	}
	return c->weak_cipher ? "weak: the file is encrypted with RC2, RC4 or single DES" : NULL;
}

static void write_opened_item(const struct container *c, struct container_item *item,
			      struct buf *secrets, struct buf *facts)
{
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	uint32_t chain[CONTAINER_CHAIN_MAX];
	struct err err = {.kind = ERR_NONE};
	struct keys_staged s = {
		.is_taken = item->kind != CONTAINER_SKIPPED,
		.kind = item->kind == CONTAINER_KEY_PAIR ? KEYS_ENTRY_KEY_PAIR
							 : KEYS_ENTRY_CERTIFICATE,
		.alias = str_of(item->alias),
		.problem = item->why,
		.warning = weakness(c),
	};

	if (item->kind == CONTAINER_KEY_PAIR && !public_part(buf_str(&item->key), &spki, &err)) {
		s.is_taken = false;
		s.problem = err.text;
	}
	s.spki = buf_str(&spki);
	write_secret(secrets, s.is_taken ? (uint8_t)s.kind : 0,
		     s.is_taken && s.kind == KEYS_ENTRY_KEY_PAIR ? buf_str(&item->key) : STR_NONE);
	facts_write_item(facts, &s, chain, number_chain(c, item, chain));
}

static void write_opened(struct container *c, struct buf *result)
{
	AUTO_BUF struct buf facts = BUF(FACTS_MAX);
	const struct err over = {.kind = ERR_LIMIT,
				 .text = "the container holds more than the key process takes"};

	wr_u8(result, 0);
	wr_u32(result, (uint32_t)c->format);
	wr_u32(result, (uint32_t)c->n);
	facts_write_certificates(&facts, c->ders, c->n_ders);
	facts_write_count(&facts, c->n);
	for (size_t i = 0; i < c->n; i++) {
		write_opened_item(c, &c->items[i], result, &facts);
	}
	buf_add_str(result, buf_str(&facts));
	if (buf_failed(&facts) || buf_failed(result)) {
		write_bad(result, c->format, &over);
	}
}

void worker_open(struct str bytes, bool lone_keys, struct str password, struct buf *result)
{
	const struct container_limits limits = {.lone_keys = lone_keys};
	AUTO(container_free) struct container *c = NULL;
	struct err err = {.kind = ERR_NONE};

	if (container_open(bytes, &password, &limits, &c, &err) != CONTAINER_OPENED) {
		write_bad(result, container_detect(bytes), &err);
		return;
	}
	write_opened(c, result);
}

/* ---- generating ---- */

static void write_generated(const struct local_key *k, struct buf *result)
{
	AUTO_BUF struct buf pkcs8 = BUF_SECRET(KIB(16));
	AUTO_BUF struct buf spki = BUF(KEY_SPKI_MAX);
	AUTO_BUF struct buf facts = BUF(KIB(8));
	struct err err;

	if (!local_key_write(k, &pkcs8, &err) || !local_key_spki(k, &spki, &err)) {
		write_bad(result, CONTAINER_UNKNOWN, &err);
		return;
	}
	const struct keys_staged s = {
		.is_taken = true, .kind = KEYS_ENTRY_KEY_PAIR, .spki = buf_str(&spki)};
	facts_write_certificates(&facts, NULL, 0);
	facts_write_count(&facts, 1);
	facts_write_item(&facts, &s, NULL, 0);
	wr_u8(result, 0);
	wr_u32(result, CONTAINER_UNKNOWN);
	wr_u32(result, 1);
	write_secret(result, KEYS_ENTRY_KEY_PAIR, buf_str(&pkcs8));
	buf_add_str(result, buf_str(&facts));
}

void worker_generate(struct str type, uint32_t bits, struct str curve, struct buf *result)
{
	AUTO(local_key_free) struct local_key *k = NULL;
	char type_text[WORKER_TYPE_MAX + 1], curve_text[WORKER_CURVE_MAX + 1];
	struct err err;

	if (!str_copy(type, type_text, sizeof(type_text)) ||
	    !str_copy(curve, curve_text, sizeof(curve_text))) {
		(void)err_set(&err, ERR_CONFIG, "no such kind of key");
		write_bad(result, CONTAINER_UNKNOWN, &err);
		return;
	}
	if (!local_key_generate_named(type_text, bits, curve_text[0] != '\0' ? curve_text : NULL,
				      &k, &err)) {
		write_bad(result, CONTAINER_UNKNOWN, &err);
		return;
	}
	write_generated(k, result);
}

/* ---- the process ---- */

static void limit(int resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit limits = {.rlim_cur = soft, .rlim_max = hard};

	if (setrlimit((__rlimit_resource_t)resource, &limits) != 0) {
		_exit(1);
	}
}

static bool shut_in(void)
{
	const struct sandbox sandbox = {.calls = SANDBOX_WORKER};
	struct err err;

	limit(RLIMIT_CPU, WORKER_CPU_S, WORKER_CPU_S + 1);
	limit(RLIMIT_FSIZE, 0, 0);
	if (&__asan_init == NULL && &__tsan_init == NULL) {
		limit(RLIMIT_AS, MIB(WORKER_MEMORY_MIB), MIB(WORKER_MEMORY_MIB));
	}
	if (!sandbox_enter(&sandbox, &err)) {
		return false;
	}
	limit(RLIMIT_NOFILE, 0, 0);
	return true;
}

static bool next_packet(int fd, struct buf *packet)
{
	size_t len = 0;
	struct err err;

	buf_reset(packet);
	char *room = buf_reserve(packet, packet->max);
	if (packet_receive(fd, room, packet->max, &len, NULL, 0, NULL, &err) != PACKET_OK) {
		return false;
	}
	buf_commit(packet, len);
	return true;
}

static bool do_open(int fd, struct rd *in, struct buf *result)
{
	uint32_t total = rd_u32(in);
	bool lone_keys = rd_u8(in) != 0;
	struct str password = rd_blob(in, CONTAINER_PASSWORD_MAX);
	AUTO_BUF struct buf secret = BUF_SECRET(CONTAINER_PASSWORD_MAX);
	AUTO_BUF struct buf bytes = BUF_SECRET(KEYS_STAGE_BYTES_MAX);
	AUTO_BUF struct buf packet = BUF_SECRET(KEYS_MESSAGE_MAX);

	if (!rd_done(in) || total > KEYS_STAGE_BYTES_MAX) {
		return false;
	}
	buf_add_str(&secret, password);
	while (bytes.len < total) {
		if (!next_packet(fd, &packet)) {
			return false;
		}
		buf_add_str(&bytes, buf_str(&packet));
	}
	if (bytes.len != total || buf_failed(&bytes)) {
		return false;
	}
	worker_open(buf_str(&bytes), lone_keys, buf_str(&secret), result);
	return true;
}

static bool do_generate(struct rd *in, struct buf *result)
{
	struct str type = rd_blob(in, WORKER_TYPE_MAX);
	uint32_t bits = rd_u32(in);
	struct str curve = rd_blob(in, WORKER_CURVE_MAX);

	if (!rd_done(in)) {
		return false;
	}
	worker_generate(type, bits, curve, result);
	return true;
}

static bool send_result(int fd, struct str result)
{
	AUTO_BUF struct buf packet = BUF_SECRET(NURSERY_PACKET_MAX);
	struct err err;

	while (result.len > 0) {
		struct str part = str_first(result, NURSERY_PACKET_MAX - 1);
		buf_reset(&packet);
		wr_u8(&packet, 'D');
		buf_add_str(&packet, part);
		if (packet_send(fd, buf_str(&packet), NULL, 0, &err) != PACKET_OK) {
			return false;
		}
		result = str_skip(result, part.len);
	}
	return true;
}

static bool work(int fd)
{
	AUTO_BUF struct buf head = BUF_SECRET(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf result = BUF_SECRET(NURSERY_RESULT_MAX);

	if (!next_packet(fd, &head)) {
		return false;
	}
	struct rd in = rd_over(buf_str(&head));
	uint8_t job = rd_u8(&in);
	bool done = (job == WORKER_OPEN && do_open(fd, &in, &result)) ||
		    (job == WORKER_GENERATE && do_generate(&in, &result));
	return done && send_result(fd, buf_str(&result));
}

_Noreturn void worker_run(int fd)
{
	_exit(shut_in() && work(fd) ? 0 : 1);
}
