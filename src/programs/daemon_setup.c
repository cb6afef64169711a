/* The setup code of the first start: drawn, kept in a file, shown to a terminal, forgotten. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "programs/daemon.h"

static void code_path(const char *state_dir, char path[static PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/setup-code", state_dir);
}

/* Lower-case letters and digits that nobody mixes up: 32 of them, so no bias. */
static void draw_code(char code[static DAEMON_SETUP_CODE])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz023456789";
	uint8_t bytes[DAEMON_SETUP_CODE - 1];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		code[i] = letters[bytes[i] % 32];
	}
	code[DAEMON_SETUP_CODE - 1] = '\0';
}

bool daemon_setup_code(const char *state_dir, char code[static DAEMON_SETUP_CODE], struct err *err)
{
	char path[PATH_MAX];
	enum {
		LEN = DAEMON_SETUP_CODE - 1
	};

	code_path(state_dir, path);
	AUTO_FD int old = open(path, O_RDONLY | O_CLOEXEC);
	if (old >= 0 && read(old, code, LEN) == LEN) {
		code[LEN] = '\0';
		return true;
	}
	draw_code(code);
	/* An older one was cut by a full disk or a kill: nobody has seen it. */
	(void)unlink(path);
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (fd < 0 || write(fd, code, LEN) != LEN || write(fd, "\n", 1) != 1 || fsync(fd) != 0) {
		(void)err_errno(err, ERR_CONFIG,
				"cannot write the setup code to %s (is the disk full, or the "
				"folder read-only?)",
				path);
		(void)unlink(path);
		return false;
	}
	return true;
}

void daemon_show_code(const char *state_dir, const char *code)
{
	char path[PATH_MAX];

	code_path(state_dir, path);
	log_info("first start: the setup code is the initial password of Administrator",
		 LOG_TEXT("file", path));
	if (isatty(STDERR_FILENO)) {
		(void)fprintf(stderr, "\n    user Administrator, setup code %s\n\n", code);
	}
}

void daemon_forget_code(const char *state_dir)
{
	char path[PATH_MAX];

	code_path(state_dir, path);
	(void)unlink(path);
}
