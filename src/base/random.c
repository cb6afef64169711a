#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *into, size_t len)
{
	uint8_t *at = into;
	while (len) {
		ssize_t got = getrandom(at, len, 0);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			abort(); /* secrets from anything else would be worse than an end */
		}
		at += got;
		len -= (size_t)got;
	}
}

void random_uuid(char into[static 37])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t b[16];
	random_bytes(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
	char *to = into;
	for (size_t i = 0; i < sizeof b; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			*to++ = '-';
		}
		*to++ = digits[b[i] >> 4];
		*to++ = digits[b[i] & 15];
	}
	*to = '\0';
}

uint64_t random_jitter(uint64_t *seed)
{
	uint64_t z = *seed += 0x9E3779B97F4A7C15U;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
	return z ^ (z >> 31);
}
