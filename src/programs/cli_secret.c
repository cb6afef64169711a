#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "programs/cli.h"

enum {
	SECRET_LINE_MAX = 1024,
};

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

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

/*
 * One line without echo. A signal that would end or stop the program waits until the terminal
 * echoes again; the line discipline gives one line per read.
 */
static ssize_t read_unseen(int tty, char *room, size_t max)
{
	sigset_t waiting, before;
	struct termios usual, silent;

	sigemptyset(&waiting);
	for (size_t i = 0; i < COUNT(ending); i++) {
		sigaddset(&waiting, ending[i]);
	}
	if (tcgetattr(tty, &usual) != 0 || sigprocmask(SIG_BLOCK, &waiting, &before) != 0) {
		return -1;
	}
	AUTO_FD int signals = signalfd(-1, &waiting, SFD_CLOEXEC);
	struct pollfd fds[] = {{.fd = tty, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	silent = usual;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(tty, TCSAFLUSH, &silent);
	bool typed = poll(fds, COUNT(fds), -1) > 0 && fds[1].revents == 0;
	ssize_t got = typed ? read(tty, room, max) : -1;
	tcsetattr(tty, TCSAFLUSH, &usual);
	dprintf(tty, "\n");
	sigprocmask(SIG_SETMASK, &before, NULL); /* here a signal that came has its way */
	return got;
}

static bool ask(const char *prompt, const char *environment, struct buf *out, struct err *err)
{
	AUTO_FD int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty < 0 || isatty(tty) == 0) {
		return refuse_to_ask(prompt, environment, err);
	}
	dprintf(tty, "%s: ", prompt);
	char *room = buf_reserve(out, SECRET_LINE_MAX);
	ssize_t got = room ? read_unseen(tty, room, SECRET_LINE_MAX) : -1;
	if (got <= 0) {
		return err_set(err, ERR_CONFIG, "%s: nothing was typed", prompt);
	}
	buf_commit(out, (size_t)got);
	return keep_line(out, prompt, err);
}

static bool ask_again(const char *prompt, const struct buf *first, struct err *err)
{
	AUTO_BUF struct buf second = BUF_SECRET(CLI_FILE_MAX);
	AUTO_BUF struct buf again = BUF(512);

	buf_addf(&again, "%s, again", prompt);
	return ask(again.at, "", &second, err) &&
	       (str_eq(buf_str(first), buf_str(&second)) ||
		err_set(err, ERR_CONFIG, "the two are not the same: nothing was changed"));
}

static bool secret(const char *file, const char *environment, const char *prompt, bool is_new,
		   struct buf *out, struct err *err)
{
	const char *value = getenv(environment);

	if (file != NULL) {
		return cli_read_file(file, out, err) && keep_line(out, file, err);
	}
	if (value != NULL) {
		buf_add_str(out, str_of(value));
		return keep_line(out, environment, err);
	}
	return ask(prompt, environment, out, err) && (!is_new || ask_again(prompt, out, err));
}

bool cli_secret(const char *file, const char *environment, const char *prompt, struct buf *out,
		struct err *err)
{
	return secret(file, environment, prompt, false, out, err);
}

bool cli_new_secret(const char *file, const char *environment, const char *prompt, struct buf *out,
		    struct err *err)
{
	return secret(file, environment, prompt, true, out, err);
}
