/*
 * What the server may send the key process: any bytes as one request, and as a chain of requests on
 * one socket. The server is not trusted with a key, so it must not get at one by a crash.
 */
#include <fcntl.h>
#include <unistd.h>

#include "keyd/dispatch.h"
#include "keys/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int64_t now(void)
{
	return 1800000000;
}

/* One keyd for the whole run: a vault, a ring, no folder, no child. */
static const struct dispatch *keyd(void)
{
	static struct dispatch d;
	struct vault *vault;
	struct err err;

	if (d.vault == NULL) {
		struct str master =
			STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
		if (!vault_open(master, ~0U, &vault, &err)) {
			__builtin_trap();
		}
		d = (struct dispatch){.vault = vault,
				      .keys = keyring_new(8),
				      .now = now,
				      .stage = stage_new(NULL, -1)};
	}
	return &d;
}

/* ISSUE writes its list to a file, and key generation takes seconds: other tests have them. */
static bool is_fuzzed(struct str request)
{
	return request.len == 0 ||
	       ((uint8_t)request.at[0] != KEYS_ISSUE && (uint8_t)request.at[0] != KEYS_GENERATE);
}

static void ask(struct str request)
{
	AUTO_BUF struct buf answer = BUF_SECRET(KEYS_MESSAGE_MAX);

	if (!is_fuzzed(request)) {
		return;
	}
	(void)dispatch(keyd(), request, &answer);
	struct rd in = rd_over(buf_str(&answer));
	uint8_t status = rd_u8(&in);
	if (in.failed || status > KEYS_REFUSED ||
	    (status == KEYS_REFUSED && rd_blob(&in, KEYS_REASON_MAX).len == 0)) {
		__builtin_trap(); /* every request has a whole answer, a refusal a reason */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str input = str_make(bytes, len);
	struct rd in = rd_over(input);
	struct stage_result result;
	struct err err = {0};

	ask(input);
	while (!in.failed && in.rest.len > 0) {
		ask(rd_blob(&in, KEYS_MESSAGE_MAX));
	}
	/* The other direction: a worker that a hostile container took over. */
	if (stage_take(keyd()->stage, input, &result, &err) && result.good) {
		AUTO_BUF struct buf facts = BUF(FACTS_MAX);
		AUTO(facts_free) struct facts *f = NULL;
		buf_add_str(&facts, stage_facts(keyd()->stage));
		(void)!facts_read(&facts, &f, &err);
	}
	stage_clear(keyd()->stage);
	return 0;
}
