#pragma once
/* Other programs as judges of what is written. A test whose program is not installed is skipped. */
#include <sys/wait.h>
#include <unistd.h>

#include "unit/crypto/testca.h"

struct oracle {
	char folder[32];
};

static inline struct oracle oracle_open(const char *program)
{
	struct oracle o = {"/tmp/drawbridge-oracle-XXXXXX"};
	char command[200];

	snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
	if (system(command) != 0) {
		print_message("%s is not installed\n", program);
		skip();
	}
	assert_non_null(mkdtemp(o.folder));
	return o;
}

static inline void oracle_close(struct oracle *o)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", o->folder);
	assert_int_equal(system(command), 0);
}

static inline void oracle_file(const struct oracle *o, const char *name, struct str bytes)
{
	char path[100];

	snprintf(path, sizeof path, "%s/%s", o->folder, name);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.at, 1, bytes.len, f), bytes.len);
	assert_int_equal(fclose(f), 0);
}

/* Output of a shell command that runs in the folder, standard error too; its exit status. */
static inline int oracle_run(const struct oracle *o, const char *command, struct buf *output)
{
	AUTO_BUF struct buf line = BUF(KIB(4));
	char piece[1024];

	buf_addf(&line, "cd %s && { %s; } 2>&1", o->folder, command);
	FILE *p = popen(line.at, "r");
	assert_non_null(p);
	for (size_t n; (n = fread(piece, 1, sizeof piece, p)) > 0;) {
		buf_add(output, piece, n);
	}
	int status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void oracle_says(const struct oracle *o, const char *command, const char *part)
{
	AUTO_BUF struct buf output = BUF(MIB(1));
	int status = oracle_run(o, command, &output);

	buf_add_c(&output, '\n');
	if (status != 0 || !str_contains(buf_str(&output), str_of(part))) {
		fail_msg("%s: status %d, wanted \"%s\" in: %s", command, status, part, output.at);
	}
}
