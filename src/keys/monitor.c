#include "keys/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "keys/master.h"
#include "keys/pace.h"
#include "keys/sandbox.h"
#include "net/packet.h"

#define CONTROL_VARIABLE "DRAWBRIDGE_CONTROL_FD"

enum {
	EXIT_CONFIG = 2,
	EXIT_NO_EXEC = 127,
	SERVER_ENDS_MS = 200, /* between the last close of its sockets and its end */
	/* Freed memory is overwritten at once, also by OpenSSL's frees: see tune_memory(). */
	PERTURB = 0x55,
};

struct child {
	const char *name;
	pid_t pid; /* 0: not running */
	struct pace pace;
	msec_t start_at; /* when to start it; 0: not planned */
};

struct monitor {
	const struct monitor_settings *settings;
	int master, signals;
	int control; /* to the server that runs now; -1: none */
	struct child keyd, server;
	bool ending; /* the server was told to end */
	bool done;
	int status;
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

/* ---- starting ---- */

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
static void exec_keyd(const struct monitor *m, int *sockets)
{
	const struct monitor_settings *s = m->settings;
	AUTO_BUF struct buf words = BUF(KIB(8));
	char *argv[10], *envp[2];
	size_t starts[COUNT(argv)], n = 0;

	for (size_t i = 0; i < KEYS_SOCKETS; i++) {
		keep_open(sockets[i]);
	}
	keep_open(m->master);
	starts[n++] = words.len;
	buf_addf(&words, "%s%c", s->keyd_path, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--folder=%s/keyd%c", s->state_dir, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--classes=%u%c", s->classes, 0);
	starts[n++] = words.len;
	buf_addf(&words, "--master-fd=%d%c", m->master, 0);
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

static void start_keyd(struct monitor *m)
{
	int ours[KEYS_SOCKETS], keyds[KEYS_SOCKETS];
	struct err err;
	pid_t monitor = getpid();

	m->keyd.start_at = 0;
	pace_started(&m->keyd.pace, clock_now());
	if (!make_set(ours, keyds, &err)) {
		log_error("cannot start the key process", LOG_ERR(&err));
		m->keyd.start_at = pace_next(&m->keyd.pace, clock_now() + PACE_WINDOW_MS);
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		become_child(SIGKILL, monitor);
		exec_keyd(m, keyds);
		could_not_exec(m->settings->keyd_path);
	}
	m->keyd.pid = pid > 0 ? pid : 0;
	if (pid < 0) {
		log_error("cannot fork the key process", LOG_INT("errno", errno));
		m->keyd.start_at = clock_now() + PACE_WINDOW_MS;
	} else if (packet_send(m->control, STR("s"), ours, KEYS_SOCKETS, &err) == PACKET_FAILED) {
		log_error("cannot hand sockets to the server", LOG_ERR(&err));
	}
	for (size_t i = 0; i < KEYS_SOCKETS; i++) {
		close_fd(ours[i]);
		close_fd(keyds[i]);
	}
}

static void exec_server(const struct monitor *m, int control)
{
	char number[16];

	keep_open(control);
	(void)snprintf(number, sizeof(number), "%d", control);
	(void)setenv(CONTROL_VARIABLE, number, 1);
	execvp(m->settings->server_argv[0], m->settings->server_argv);
}

/* The server, and a keyd for it. */
static void start_server(struct monitor *m)
{
	int pair[2];
	struct err err;
	pid_t monitor = getpid();

	m->server.start_at = 0;
	pace_started(&m->server.pace, clock_now());
	close_fd(TAKE_FD(m->control));
	if (!packet_pair(pair, &err)) {
		log_error("cannot start the server", LOG_ERR(&err));
		m->server.start_at = clock_now() + PACE_WINDOW_MS;
		return;
	}
	m->control = pair[0];
	pid_t pid = fork();
	if (pid == 0) {
		become_child(SIGTERM, monitor);
		exec_server(m, pair[1]);
		could_not_exec(m->settings->server_argv[0]);
	}
	close_fd(pair[1]);
	m->server.pid = pid > 0 ? pid : 0;
	if (pid < 0) {
		log_error("cannot fork the server", LOG_INT("errno", errno));
		m->server.start_at = clock_now() + PACE_WINDOW_MS;
		return;
	}
	start_keyd(m);
}

/* ---- ends ---- */

static void log_end(const struct child *c, int status)
{
	if (WIFSIGNALED(status)) {
		log_error("a process was killed, it is started again", LOG_TEXT("process", c->name),
			  LOG_INT("pid", c->pid), LOG_INT("signal", WTERMSIG(status)));
	} else {
		log_error("a process ended unasked, it is started again",
			  LOG_TEXT("process", c->name), LOG_INT("pid", c->pid),
			  LOG_INT("status", WEXITSTATUS(status)));
	}
}

static void finish(struct monitor *m, int status)
{
	m->done = true;
	m->status = status;
}

static void keyd_ended(struct monitor *m, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG) {
		m->keyd.pid = 0;
		finish(m, EXIT_CONFIG); /* it said why */
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		/* All its sockets were closed: the server ends, and will be reaped at once. */
		m->keyd.start_at = clock_now() + SERVER_ENDS_MS;
	} else if (m->server.pid > 0) {
		log_end(&m->keyd, status);
		m->keyd.start_at = pace_next(&m->keyd.pace, clock_now());
	}
	m->keyd.pid = 0;
}

static void kill_child(struct child *c, int signal)
{
	if (c->pid > 0) {
		(void)kill(c->pid, signal);
	}
}

static void server_ended(struct monitor *m, int status)
{
	bool asked = m->ending || (WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
							 WEXITSTATUS(status) == EXIT_CONFIG));
	if (asked) {
		m->server.pid = 0;
		finish(m, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) != SIGTERM);
		return;
	}
	log_end(&m->server, status);
	m->server.pid = 0;
	/* Its keyd has nobody left to serve, and would end by itself: sooner is faster. */
	kill_child(&m->keyd, SIGKILL);
	m->keyd.start_at = 0;
	m->server.start_at = WIFEXITED(status) ? pace_failed(&m->server.pace, clock_now())
					       : pace_next(&m->server.pace, clock_now());
}

static void reap(struct monitor *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == m->keyd.pid) {
			keyd_ended(m, status);
		} else if (pid == m->server.pid) {
			server_ended(m, status);
		}
	}
}

static void take_signal(struct monitor *m)
{
	struct signalfd_siginfo info;

	if (read(m->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
		return;
	}
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap(m);
		break;
	case SIGHUP:
		kill_child(&m->server, SIGHUP);
		break;
	default:
		m->ending = true;
		if (m->server.pid > 0) {
			kill_child(&m->server, SIGTERM);
		} else {
			finish(m, 0); /* between two servers: nothing to drain */
		}
	}
}

static void run_plans(struct monitor *m)
{
	msec_t now = clock_now();

	/* A new server waits until the old keyd is reaped: its start kills by pid. */
	if (m->server.start_at > 0 && now >= m->server.start_at && m->keyd.pid == 0) {
		start_server(m);
	}
	if (m->keyd.start_at > 0 && now >= m->keyd.start_at && m->server.pid > 0) {
		start_keyd(m);
	}
}

static int wait_ms(const struct monitor *m)
{
	msec_t now = clock_now(), next = now + SEC(60);

	if (m->server.start_at > 0 && m->server.start_at < next) {
		next = m->server.start_at;
	}
	if (m->keyd.start_at > 0 && m->keyd.start_at < next) {
		next = m->keyd.start_at;
	}
	return next <= now ? 1 : (int)(next - now);
}

/* ---- the frame ---- */

static bool watch_signals(struct monitor *m, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signals >= 0 || err_errno(err, ERR_SYSTEM, "cannot watch signals");
}

static bool make_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		return err_errno(err, ERR_CONFIG,
				 "cannot make the state folder %s (make it, or give another with "
				 "state.dir)",
				 path);
	}
	return true;
}

/* Looked at before the key is made: its folder tells where it will be. */
static bool key_is_apart(const struct monitor_settings *s, struct err *err)
{
	struct str path = str_of(s->master_key_path);
	size_t slash = str_find_last(path, '/');
	AUTO_FREE char *folder = slash == path.len ? str_dup(STR("."))
				 : slash == 0      ? str_dup(STR("/"))
						   : str_dup(str_first(path, slash));

	if (sandbox_is_inside(folder, s->state_dir) ||
	    sandbox_is_inside(s->master_key_path, s->state_dir)) {
		return err_set(err, ERR_CONFIG,
			       "the master key %s lies in the state folder, where the server may "
			       "read: move it to another folder (master.key.file)",
			       s->master_key_path);
	}
	return true;
}

/* A program that cannot be executed would be started again for ever. */
static bool keyd_is_there(const char *path, struct err *err)
{
	struct stat st;

	if (access(path, X_OK) != 0 || stat(path, &st) != 0) {
		return err_errno(err, ERR_CONFIG,
				 "cannot execute the key process %s (say where it is with "
				 "keyd.path)",
				 path);
	}
	return S_ISREG(st.st_mode) ||
	       err_set(err, ERR_CONFIG, "the key process %s is no file (keyd.path)", path);
}

static bool prepare(struct monitor *m, struct err *err)
{
	const struct monitor_settings *s = m->settings;
	AUTO_BUF struct buf folder = BUF(PATH_MAX);
	struct stat st;

	buf_addf(&folder, "%s/keyd", s->state_dir);
	if (buf_failed(&folder)) {
		return err_set(err, ERR_CONFIG, "the name of the state folder is too long");
	}
	bool first_start = stat(folder.at, &st) != 0;
	if (!keyd_is_there(s->keyd_path, err)) {
		return false;
	}
	if (!make_folder(s->state_dir, err) || !key_is_apart(s, err)) {
		return false;
	}
	/* The key before the folder that makes it obligatory: kill -9 between them heals. */
	if (!master_open(s->master_key_path, first_start, &m->master, err)) {
		return false;
	}
	return make_folder(folder.at, err) && watch_signals(m, err);
}

static void end_children(struct monitor *m)
{
	kill_child(&m->server, SIGTERM); /* runs only when keyd has the wrong master key */
	if (m->server.pid > 0) {
		(void)waitpid(m->server.pid, NULL, 0);
	}
	kill_child(&m->keyd, SIGKILL);
	if (m->keyd.pid > 0) {
		(void)waitpid(m->keyd.pid, NULL, 0);
	}
}

int monitor_run(const struct monitor_settings *settings)
{
	struct monitor m = {.settings = settings,
			    .master = -1,
			    .signals = -1,
			    .control = -1,
			    .keyd = {.name = "drawbridge-keyd"},
			    .server = {.name = "server"}};
	struct err err;

	sandbox_no_dumps();
	if (!prepare(&m, &err)) {
		log_error("cannot start", LOG_ERR(&err));
		m.done = true;
		m.status = EXIT_CONFIG;
	} else {
		start_server(&m);
	}
	while (!m.done) {
		struct pollfd wake = {.fd = m.signals, .events = POLLIN};
		if (poll(&wake, 1, wait_ms(&m)) > 0) {
			take_signal(&m);
		}
		run_plans(&m);
	}
	end_children(&m);
	close_fd(m.control);
	close_fd(m.signals);
	close_fd(m.master);
	return m.status;
}
