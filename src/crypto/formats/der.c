#include "base/rd.h"
#include "crypto/formats/format.h"

static bool der_length(struct rd *r, size_t *len, bool *indefinite)
{
	uint8_t first = rd_u8(r);

	*indefinite = first == 0x80;
	*len = first & 0x7f;
	if (first <= 0x80) {
		*len = first == 0x80 ? 0 : first;
		return !r->failed;
	}
	size_t n = *len;
	if (n > 4) {
		return false;
	}
	*len = 0;
	while (n-- > 0) {
		*len = *len << 8 | rd_u8(r);
	}
	return !r->failed;
}

bool der_head(struct str bytes, struct der_head *out)
{
	struct rd r = rd_over(bytes);
	struct der_head head = {.tag = rd_u8(&r)};
	size_t len = 0;
	bool indefinite = false;

	if ((head.tag & 0x1f) == 0x1f || !der_length(&r, &len, &indefinite)) {
		return false; /* high tag numbers do not occur in what is read here */
	}
	head.whole = !indefinite && len <= r.rest.len;
	head.content = indefinite ? r.rest : str_first(r.rest, len);
	head.rest = head.whole ? str_skip(r.rest, len) : STR_NONE;
	*out = head;
	return true;
}

static bool tag_is(uint8_t tag, char wanted)
{
	switch (wanted) {
	case '0':
		return tag == 0x30;
	case '1':
		return tag == 0x31;
	case '2':
		return tag == 0x02;
	case '4':
		return tag == 0x04 || tag == 0x24;
	case '6':
		return tag == 0x06;
	case 'b':
		return tag == 0x03;
	case 't':
		return tag == 0x17 || tag == 0x18;
	case 'a':
		return tag == 0xa0;
	default:
		return wanted == '.';
	}
}

bool der_looks(struct str bytes, const char *shape)
{
	struct der_head head = {0};

	for (; *shape != '\0'; shape++) {
		if (*shape == '(') {
			bytes = head.content;
			continue;
		}
		if (!der_head(bytes, &head) || !tag_is(head.tag, *shape)) {
			return false;
		}
		bytes = head.rest;
	}
	return true;
}
