/* The JSON reader, strict and lenient. Whatever was taken must be written and read back the same.
 */
#include <assert.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum {
	TEXT_MAX = 1 << 16,
};

static void write_and_read_back(struct json *j)
{
	AUTO_BUF struct buf first = BUF(TEXT_MAX * 16);
	AUTO_BUF struct buf again = BUF(TEXT_MAX * 16);
	struct jsonw w = jsonw_to(&first);
	jsonw_tree(&w, j);
	struct err err;
	AUTO(json_free) struct json *back = NULL;
	bool good = json_parse(buf_str(&first), first.max, &back, &err);
	assert(good);
	w = jsonw_to(&again);
	jsonw_tree(&w, back);
	assert(str_eq(buf_str(&first), buf_str(&again)));
	(void)good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = str_make(bytes, len);
	AUTO(json_free) struct json *strict = NULL;
	AUTO(json_free) struct json *lenient = NULL;
	struct err err = {0};
	bool took = json_parse(text, TEXT_MAX, &strict, &err);
	bool took_lenient = json_parse_lenient(text, TEXT_MAX, &lenient, &err);
	assert(!took || took_lenient);
	if (took) {
		write_and_read_back(strict);
	}
	if (took_lenient) {
		write_and_read_back(lenient);
	}
	return 0;
}
