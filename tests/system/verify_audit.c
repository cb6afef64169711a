/* verify_audit URL: walks the audit chains of a database; prints how many rows hold, or what broke.
 */
#include <stdio.h>

#include "store/change.h"

int main(int argc, char **argv)
{
	struct store *s;
	struct err err;
	int64_t rows;

	if (argc != 2 || !store_open(argv[1], 1, &s, &err)) {
		(void)fprintf(stderr, "%s\n", argc == 2 ? err.text : "usage: verify_audit URL");
		return 2;
	}
	bool ok = store_verify_audit(s, &rows, &err);
	if (ok) {
		printf("%lld\n", (long long)rows);
	} else {
		(void)fprintf(stderr, "%s\n", err.text);
	}
	store_close(s);
	return ok ? 0 : 1;
}
