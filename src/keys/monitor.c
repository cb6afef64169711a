#include "keys/monitor_priv.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "keys/master.h"
#include "keys/pace.h"
#include "keys/protocol.h"
#include "keys/sandbox.h"
#include "keys/spawn.h"
#include "net/packet.h"

enum {
	EXIT_CONFIG = 2,
	SERVER_ENDS_MS = 200,  /* between the last close of its sockets and its end */
	NEXT_READY_MS = 20000, /* a keyd for another master key answers by then */
	RETIRED_MAX = 8,
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
	int control;          /* to the server that runs now; -1: none */
	bool source_is_fixed; /* the environment: there is nothing to read again */
	struct child keyd, server;
	struct child next; /* a keyd for another master key, before it has the server */
	int next_master, next_sockets[KEYS_SOCKETS];
	msec_t next_until;
	pid_t retired[RETIRED_MAX]; /* keyds that serve their last calls */
	bool ending;                /* the server was told to end */
	bool done;
	int status;
};

static void kill_child(struct child *c, int signal)
{
	if (c->pid > 0) {
		(void)kill(c->pid, signal);
	}
}

/* A keyd that is to end by itself: its status is of no interest. */
static void retire(struct monitor *m, pid_t pid)
{
	for (size_t i = 0; i < COUNT(m->retired); i++) {
		if (m->retired[i] == 0) {
			m->retired[i] = pid;
			return;
		}
	}
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
	}
}

/* ---- starting ---- */

/* Hands sockets over; the monitor keeps none. */
static void hand_over(struct monitor *m, int ours[static KEYS_SOCKETS])
{
	struct err err;

	if (packet_send(m->control, STR("s"), ours, KEYS_SOCKETS, &err) == PACKET_FAILED) {
		log_error("cannot hand sockets to the server", LOG_ERR(&err));
	}
	spawn_close(ours);
}

static void start_keyd(struct monitor *m)
{
	int ours[KEYS_SOCKETS];
	struct err err;

	m->keyd.start_at = 0;
	pace_started(&m->keyd.pace, clock_now());
	if (!spawn_keyd(m->settings, m->master, ours, &m->keyd.pid, &err)) {
		log_error("cannot start the key process", LOG_ERR(&err));
		m->keyd.start_at = clock_now() + PACE_WINDOW_MS;
		return;
	}
	hand_over(m, ours);
}

/* The server, and a keyd for it. */
static void start_server(struct monitor *m)
{
	struct err err;

	m->server.start_at = 0;
	pace_started(&m->server.pace, clock_now());
	close_fd(TAKE_FD(m->control));
	if (!spawn_server(m->settings, &m->control, &m->server.pid, &err)) {
		log_error("cannot start the server", LOG_ERR(&err));
		m->server.start_at = clock_now() + PACE_WINDOW_MS;
		return;
	}
	start_keyd(m);
}

/* ---- another master key ---- */

static void drop_next(struct monitor *m)
{
	if (m->next.pid > 0) {
		kill_child(&m->next, SIGKILL);
		spawn_close(m->next_sockets);
		close_fd(TAKE_FD(m->next_master));
		retire(m, m->next.pid);
		m->next.pid = 0;
	}
}

/*
 * SIGHUP: a keyd with the source as it is now is started beside the running one, and asked whether
 * it lives. Only then it gets the server: a source that is refused changes nothing.
 */
static void rotate(struct monitor *m)
{
	static const char ping[] = {KEYS_PING};
	struct err err;
	int fd = -1;

	if (m->source_is_fixed || m->next.pid > 0 || m->server.pid == 0) {
		return;
	}
	if (!master_reopen(m->settings->master_key_path, m->master, &fd, &err)) {
		log_error("the source of the master key was not read again, the old one stays",
			  LOG_ERR(&err));
		return;
	}
	if (fd < 0) {
		return; /* it is the same */
	}
	if (!spawn_keyd(m->settings, fd, m->next_sockets, &m->next.pid, &err) ||
	    packet_send(m->next_sockets[0], str_make(ping, sizeof(ping)), NULL, 0, &err) !=
		    PACKET_OK) {
		log_error("cannot start a key process for the new master key", LOG_ERR(&err));
		m->next_master = fd;
		drop_next(m);
		return;
	}
	m->next_master = fd;
	m->next_until = clock_now() + NEXT_READY_MS;
	CRASH_POINT("monitor.next.started");
}

/* The answer to the ping: it has opened the vault, and what this folder was made with. */
static void adopt_next(struct monitor *m)
{
	char answer[64];
	size_t len = 0;
	struct err err;

	if (packet_receive(m->next_sockets[0], answer, sizeof(answer), &len, NULL, 0, NULL, &err) !=
		    PACKET_OK ||
	    answer[0] != KEYS_OK) {
		return; /* it ends, and its status tells why */
	}
	CRASH_POINT("monitor.next.ready"); /* and the server has the old one */
	retire(m, m->keyd.pid);
	close_fd(m->master);
	m->master = TAKE_FD(m->next_master);
	m->keyd.pid = m->next.pid;
	m->keyd.start_at = 0;
	m->next.pid = 0;
	/* The old one ends when the server has closed its sockets, behind the calls that run. */
	hand_over(m, m->next_sockets);
	CRASH_POINT("monitor.next.handed");
	log_info("the source of the master key was read again: its first key seals from now on",
		 LOG_INT("keyd", m->keyd.pid));
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

/*
 * A keyd with a new source makes the folder's mark anew before the monitor hears of it. When the
 * server or a keyd dies just then, what was read at first does not fit any more, but the source
 * does.
 */
static bool take_newer_source(struct monitor *m)
{
	struct err err;
	int fd = -1;

	if (m->source_is_fixed ||
	    !master_reopen(m->settings->master_key_path, m->master, &fd, &err) || fd < 0) {
		return false;
	}
	close_fd(m->master);
	m->master = fd;
	log_info("the source of the master key has changed: the key process is started with it");
	return true;
}

static void keyd_ended(struct monitor *m, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIG) {
		m->keyd.pid = 0;
		if (take_newer_source(m)) {
			m->keyd.start_at = pace_next(&m->keyd.pace, clock_now());
		} else {
			finish(m, EXIT_CONFIG); /* it said why */
		}
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
	drop_next(m);
	/* Its keyd has nobody left to serve, and would end by itself: sooner is faster. */
	kill_child(&m->keyd, SIGKILL);
	m->keyd.start_at = 0;
	m->server.start_at = WIFEXITED(status) ? pace_failed(&m->server.pace, clock_now())
					       : pace_next(&m->server.pace, clock_now());
}

static void next_ended(struct monitor *m)
{
	log_error("the new source of the master key was refused, see above: the old one stays");
	m->next.pid = 0;
	spawn_close(m->next_sockets);
	close_fd(TAKE_FD(m->next_master));
}

static void forget_retired(struct monitor *m, pid_t pid)
{
	for (size_t i = 0; i < COUNT(m->retired); i++) {
		if (m->retired[i] == pid) {
			m->retired[i] = 0;
		}
	}
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
		} else if (pid == m->next.pid) {
			next_ended(m);
		} else {
			forget_retired(m, pid);
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
		rotate(m);
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

	if (m->next.pid > 0 && now >= m->next_until) {
		drop_next(m);
		log_error("the key process for the new master key gave no sign: the old one stays");
	}
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
	if (m->next.pid > 0 && m->next_until < next) {
		next = m->next_until;
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
	drop_next(m);
	for (size_t i = 0; i < COUNT(m->retired); i++) {
		if (m->retired[i] > 0) {
			(void)kill(m->retired[i], SIGKILL);
			(void)waitpid(m->retired[i], NULL, 0);
		}
	}
}

int monitor_run(const struct monitor_settings *settings)
{
	struct monitor m = {.settings = settings,
			    .master = -1,
			    .next_master = -1,
			    .signals = -1,
			    .control = -1,
			    .keyd = {.name = "drawbridge-keyd"},
			    .server = {.name = "server"}};
	struct err err;

	sandbox_no_dumps();
	m.source_is_fixed = master_is_fixed();
	if (!monitor_prepare(settings, &m.master, &err) || !watch_signals(&m, &err)) {
		log_error("cannot start", LOG_ERR(&err));
		m.done = true;
		m.status = EXIT_CONFIG;
	} else {
		crash_points_in(settings->state_dir);
		start_server(&m);
	}
	while (!m.done) {
		struct pollfd wake[2] = {
			{.fd = m.signals, .events = POLLIN},
			{.fd = m.next.pid > 0 ? m.next_sockets[0] : -1, .events = POLLIN}};
		int n = poll(wake, COUNT(wake), wait_ms(&m));
		if (n > 0 && wake[1].revents == POLLIN) {
			adopt_next(&m);
		} else if (n > 0 && (wake[1].revents & POLLHUP) != 0) {
			/* It ended; SIGCHLD tells how. */
			usleep(1000);
		}
		if (n > 0 && wake[0].revents != 0) {
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
