#include "keys/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "net/packet.h"

#define CONTROL_VARIABLE "DRAWBRIDGE_CONTROL_FD"

enum {
	EXIT_CONFIG = 2,
	EXIT_NO_EXEC = 127,
	/* Freed memory is overwritten at once, also by OpenSSL's frees: see tune_memory(). */
	PERTURB = 0x55,
};

int monitor_control_fd(void)
{
	const char *text = getenv(CONTROL_VARIABLE);
	uint64_t fd;

	if (!text || !str_to_u64(str_of(text), &fd) || fd > INT_MAX) {
		return -1;
	}
	unsetenv(CONTROL_VARIABLE);
	return fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0 ? (int)fd : -1;
}

/* In the child: signals as usual, and an end when the monitor ends. */
static void become_child(int signal_at_monitors_end, pid_t monitor)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, signal_at_monitors_end);
	if (getppid() != monitor) {
		_exit(1);
	}
}

static void keep_open(int fd)
{
	(void)fcntl(fd, F_SETFD, 0);
}

/* In the child. glibc overwrites what is freed, and no thread's cache keeps it from that. */
static void exec_keyd(const struct monitor_settings *s, int master, int *sockets)
{
	AUTO_BUF struct buf words = BUF(KIB(8));
	char *argv[10], *envp[2];
	size_t starts[COUNT(argv)], n = 0;

	for (size_t i = 0; i < KEYS_SOCKETS; i++) {
		keep_open(sockets[i]);
	}
	keep_open(master);
	starts[n++] = words.len;
	buf_addf(&words, "%s%c", s->keyd_path, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--folder=%s/keyd%c", s->state_dir, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--classes=%u%c", s->classes, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--master-fd=%d%c", master, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--sockets=");
	for (size_t i = 0; i < KEYS_SOCKETS; i++) {
		buf_addf(&words, "%s%d", i ? "," : "", sockets[i]);
	}
	buf_add_c(&words, '\0');
	starts[n++] = words.len;
	buf_addf(&words, "--log-level=%u%c", (unsigned)s->log_level, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--log-json=%s%c", s->log_json ? "on" : "off", 0);
	starts[n++] = words.len;
	buf_addf(&words, "--user=%s%c", s->keyd_user ? s->keyd_user : "", 0);
	size_t tunables = words.len;
	buf_addf(&words, "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.perturb=%d%c",
		 PERTURB, 0);
	if (buf_failed(&words)) {
		_exit(EXIT_CONFIG);
	}
	for (size_t i = 0; i < n; i++) {
		argv[i] = words.at + starts[i];
	}
	argv[n] = NULL;
	envp[0] = words.at + tunables;
	envp[1] = NULL;
	execve(s->keyd_path, argv, envp);
}

static void could_not_exec(const char *path)
{
	struct err err;

	(void)err_errno(&err, ERR_SYSTEM, "cannot execute %s", path);
	log_error("a program is missing", LOG_ERR(&err));
	_exit(EXIT_NO_EXEC);
}

/* Makes socket pairs: ours[] for the server, keyds[] for keyd. */
static bool make_set(int *ours, int *keyds, struct err *err)
{
	for (size_t i = 0; i < KEYS_SOCKETS; i++) {
		int pair[2];
		if (!packet_pair(pair, err)) {
			for (size_t j = 0; j < i; j++) {
				close_fd(ours[j]);
				close_fd(keyds[j]);
			}
			return false;
		}
		ours[i] = pair[0];
		keyds[i] = pair[1];
	}
	return true;
}

static void exec_server(const struct monitor_settings *s, int control)
{
	char number[16];

	keep_open(control);
	(void)snprintf(number, sizeof(number), "%d", control);
	(void)setenv(CONTROL_VARIABLE, number, 1);
	execvp(s->server_argv[0], s->server_argv);
}

void spawn_close(int sockets[static KEYS_SOCKETS])
{
	for (size_t i = 0; i < KEYS_SOCKETS; i++) {
		close_fd(sockets[i]);
		sockets[i] = -1;
	}
}

bool spawn_keyd(const struct monitor_settings *s, int master, int ours[static KEYS_SOCKETS],
		pid_t *pid, struct err *err)
{
	int keyds[KEYS_SOCKETS];
	pid_t monitor = getpid();

	if (!make_set(ours, keyds, err)) {
		return false;
	}
	pid_t child = fork();
	if (child == 0) {
		become_child(SIGKILL, monitor);
		exec_keyd(s, master, keyds);
		could_not_exec(s->keyd_path);
	}
	spawn_close(keyds);
	if (child < 0) {
		spawn_close(ours);
		return err_errno(err, ERR_SYSTEM, "cannot fork the key process");
	}
	*pid = child;
	return true;
}

bool spawn_server(const struct monitor_settings *s, int *control, pid_t *pid, struct err *err)
{
	int pair[2];
	pid_t monitor = getpid();

	if (!packet_pair(pair, err)) {
		return false;
	}
	pid_t child = fork();
	if (child == 0) {
		become_child(SIGTERM, monitor);
		exec_server(s, pair[1]);
		could_not_exec(s->server_argv[0]);
	}
	close_fd(pair[1]);
	if (child < 0) {
		close_fd(pair[0]);
		return err_errno(err, ERR_SYSTEM, "cannot fork the server");
	}
	*control = pair[0];
	*pid = child;
	return true;
}
