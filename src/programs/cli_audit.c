/* `drawbridge audit verify`: works on the database itself, also on a copy, without the program. */
#include <limits.h>
#include <unistd.h>

#include "programs/cli.h"
#include "store/audit.h"
#include "store/migrate.h"

enum {
	CONNECTIONS = 2,
};

static bool open_database(const char *named, struct store **out, struct err *err)
{
	char url[PATH_MAX + 16];
	struct str name = str_of(named);

	if (str_starts(name, STR("postgresql://")) || str_starts(name, STR("postgres://"))) {
		return store_open(named, CONNECTIONS, out, err);
	}
	if (str_starts(name, STR("sqlite:"))) {
		named += strlen("sqlite:");
	}
	if (access(named, R_OK) != 0) { /* SQLite would make an empty one */
		return err_errno(err, ERR_CONFIG, "%s", named);
	}
	(void)snprintf(url, sizeof(url), "sqlite:%s", named);
	return store_open(url, CONNECTIONS, out, err);
}

bool cli_audit_verify(struct cli_run *run, struct err *err)
{
	AUTO(store_close) struct store *s = NULL;
	int64_t rows = 0, head = 0;

	if (!open_database(cli_value(run, "DATABASE"), &s, err) ||
	    !store_verify_audit(s, &rows, err) || !store_head(s, &head, err)) {
		return false;
	}
	buf_addf(&run->out,
		 "%lld rows, the last change is number %lld: nothing is changed, missing "
		 "or out of order\n",
		 (long long)rows, (long long)head);
	return true;
}
