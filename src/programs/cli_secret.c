#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "programs/cli.h"

static bool read_all(int fd, const char *name, struct buf *out, struct err *err)
{
	for (;;) {
		char *room = buf_reserve(out, 4096);
		if (room == NULL) {
			return err_set(err, ERR_CONFIG, "%s is longer than %zu bytes", name,
				       out->max);
		}
		ssize_t got = read(fd, room, 4096);
		if (got < 0) {
			return err_errno(err, ERR_CONFIG, "%s", name);
		}
		if (got == 0) {
			return true;
		}
		buf_commit(out, (size_t)got);
	}
}

bool cli_read_file(const char *path, struct buf *out, struct err *err)
{
	if (strcmp(path, "-") == 0) {
		return read_all(STDIN_FILENO, "standard input", out, err);
	}
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_errno(err, ERR_CONFIG, "%s", path);
	}
	return read_all(fd, path, out, err);
}

/* Cuts behind the first line: an editor's newline is no part of a password. */
static bool keep_line(struct buf *out, const char *name, struct err *err)
{
	size_t end = str_find(buf_str(out), '\n');
	if (end > 0 && end <= out->len && out->at[end - 1] == '\r') {
		end--;
	}
	if (end == 0) {
		return err_set(err, ERR_CONFIG, "%s is empty", name);
	}
	explicit_bzero(out->at + end, out->len - end);
	out->len = end;
	return true;
}

/* DRAWBRIDGE_CLOUD_PASSWORD's option is --cloud-password-file. */
static void write_option(struct str environment, struct buf *out)
{
	struct str name = str_skip(environment, strlen("DRAWBRIDGE_"));

	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		buf_add_c(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c == '_' ? '-' : c));
	}
	buf_add_str(out, STR("-file"));
}

static bool refuse_to_ask(const char *prompt, const char *environment, struct err *err)
{
	AUTO_BUF struct buf option = BUF(256);

	write_option(str_of(environment), &option);
	return err_set(err, ERR_CONFIG,
		       "%s is needed and there is no terminal to ask on: set %s, or give "
		       "--%.*s FILE",
		       prompt, environment, STR_ARGS(buf_str(&option)));
}

static bool ask(const char *prompt, const char *environment, struct buf *out, struct err *err)
{
	AUTO_FD int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios usual;
	if (tty < 0 || tcgetattr(tty, &usual) != 0) {
		return refuse_to_ask(prompt, environment, err);
	}
	struct termios silent = usual;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "%s: ", prompt);
	tcsetattr(tty, TCSAFLUSH, &silent);
	char *room = buf_reserve(out, 1024);
	ssize_t got = room ? read(tty, room, 1024) : -1; /* the line discipline gives one line */
	tcsetattr(tty, TCSAFLUSH, &usual);
	dprintf(tty, "\n");
	if (got <= 0) {
		return err_set(err, ERR_CONFIG, "%s: nothing was typed", prompt);
	}
	buf_commit(out, (size_t)got);
	return true;
}

bool cli_secret(const char *file, const char *environment, const char *prompt, struct buf *out,
		struct err *err)
{
	const char *value = getenv(environment);
	if (file != NULL) {
		return cli_read_file(file, out, err) && keep_line(out, file, err);
	}
	if (value != NULL) {
		buf_add_str(out, str_of(value));
		return keep_line(out, environment, err);
	}
	return ask(prompt, environment, out, err) && keep_line(out, prompt, err);
}
