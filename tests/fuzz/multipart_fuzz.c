/* The reader of multipart/form-data: the boundary is the input's first line, parts lie in the body.
 */
#include <assert.h>

#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool is_within(struct str part, struct str whole)
{
	return part.at == NULL || part.len == 0 ||
	       (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str rest = str_make(bytes, len), type, body;
	struct multipart m;
	struct multipart_part part;
	struct err err = {0};
	size_t n = 0;

	if (len == 0 || !str_next(&rest, '\n', &type)) {
		return 0;
	}
	body = rest.at ? rest : STR("");
	if (!multipart_open(&m, type, body, &err)) {
		return 0;
	}
	while (multipart_next(&m, &part, &err) == MULTIPART_PART) {
		assert(is_within(part.content, body) && is_within(part.name, body));
		assert(is_within(part.filename, body) && is_within(part.content_type, body));
		assert(++n <= MULTIPART_PARTS_MAX);
	}
	return 0;
}
