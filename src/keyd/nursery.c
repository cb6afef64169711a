#include "keyd/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/rd.h"
#include "keyd/worker.h"
#include "keys/sandbox.h"
#include "net/packet.h"

struct nursery {
	pthread_mutex_t lock; /* of the conversation over `fd` */
	int fd;
	pid_t pid;
};

/* ---- in the nursery ---- */

struct job {
	pid_t pid; /* 0: free */
	int fd;    /* the worker's end, kept for its status */
};

struct nurse {
	int keyd, signals;
	struct job jobs[NURSERY_WORKERS_MAX];
};

static void end_job(struct job *job, int status)
{
	AUTO_BUF struct buf last = BUF(16);
	struct err ignored;

	wr_u8(&last, 'S');
	wr_u32(&last, (uint32_t)status);
	/* Its queue may be full and keyd slow: nobody waits for it, keyd sees the end then. */
	(void)fcntl(job->fd, F_SETFL, O_NONBLOCK);
	(void)packet_send(job->fd, buf_str(&last), NULL, 0, &ignored);
	close_fd(job->fd);
	*job = (struct job){.fd = -1};
}

static void reap_workers(struct nurse *n)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(n->signals, &info, sizeof(info)) < 0) {
		return;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < COUNT(n->jobs); i++) {
			if (n->jobs[i].pid == pid) {
				end_job(&n->jobs[i], status);
			}
		}
	}
}

/* In the worker: nothing of its siblings. */
static void become_worker(const struct nurse *n, int near, int far)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_fd(n->keyd);
	close_fd(n->signals);
	close_fd(far);
	for (size_t i = 0; i < COUNT(n->jobs); i++) {
		if (n->jobs[i].pid != 0) {
			close_fd(n->jobs[i].fd);
		}
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	worker_run(near);
}

/* False when no worker could be made; keyd is told by a packet without a descriptor. */
static bool make_worker(struct nurse *n, struct err *err)
{
	struct job *job = NULL;
	int pair[2];

	for (size_t i = 0; i < COUNT(n->jobs); i++) {
		if (n->jobs[i].pid == 0) {
			job = &n->jobs[i];
		}
	}
	if (job == NULL || !packet_pair(pair, err)) {
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		become_worker(n, pair[1], pair[0]);
	}
	if (pid < 0) {
		close_fd(pair[0]);
		close_fd(pair[1]);
		return false;
	}
	*job = (struct job){.pid = pid, .fd = pair[1]};
	(void)packet_send(n->keyd, STR("w"), &pair[0], 1, err);
	close_fd(pair[0]);
	return true;
}

static bool take_order(struct nurse *n)
{
	char byte[4];
	size_t len;
	struct err err;

	if (packet_receive(n->keyd, byte, sizeof(byte), &len, NULL, 0, NULL, &err) != PACKET_OK) {
		return false;
	}
	return make_worker(n, &err) || packet_send(n->keyd, STR("n"), NULL, 0, &err) == PACKET_OK;
}

static bool turn(struct nurse *n)
{
	struct pollfd fds[2 + NURSERY_WORKERS_MAX] = {
		{.fd = n->keyd, .events = POLLIN},
		{.fd = n->signals, .events = POLLIN},
	};

	for (size_t i = 0; i < COUNT(n->jobs); i++) {
		fds[2 + i].fd = n->jobs[i].pid != 0 ? n->jobs[i].fd : -1;
	}
	if (poll(fds, COUNT(fds), -1) < 0) {
		return errno == EINTR;
	}
	for (size_t i = 0; i < COUNT(n->jobs); i++) {
		/* keyd closed its end: nobody waits for what this worker does. */
		if ((fds[2 + i].revents & (POLLHUP | POLLERR)) != 0) {
			(void)kill(n->jobs[i].pid, SIGKILL);
		}
	}
	if (fds[1].revents != 0) {
		reap_workers(n);
	}
	return fds[0].revents == 0 || take_order(n);
}

static void run_nursery(int keyd)
{
	struct nurse n = {.keyd = keyd};
	const struct sandbox sandbox = {.calls = SANDBOX_NURSERY};
	struct err err;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	n.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (size_t i = 0; i < COUNT(n.jobs); i++) {
		n.jobs[i].fd = -1;
	}
	if (n.signals < 0 || !worker_prepare(&err) || !sandbox_enter(&sandbox, &err)) {
		_exit(1);
	}
	while (turn(&n)) {
	}
	_exit(0);
}

/* ---- in keyd ---- */

bool nursery_start(const int *closes, size_t n, struct nursery **out, struct err *err)
{
	int pair[2];
	pid_t keyd = getpid();

	if (!packet_pair(pair, err)) {
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keyd) {
			_exit(1);
		}
		for (size_t i = 0; i < n; i++) {
			close_fd(closes[i]);
		}
		close_fd(pair[0]);
		run_nursery(pair[1]);
	}
	close_fd(pair[1]);
	if (pid < 0) {
		close_fd(pair[0]);
		return err_errno(err, ERR_SYSTEM, "cannot fork the process that opens uploads");
	}
	struct nursery *made = NEW(struct nursery);
	pthread_mutex_init(&made->lock, NULL);
	made->fd = pair[0];
	made->pid = pid;
	*out = made;
	return true;
}

void nursery_free(struct nursery *n)
{
	if (!n) {
		return;
	}
	close_fd(n->fd); /* it ends then, and its workers by their parent's end */
	(void)waitpid(n->pid, NULL, 0);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

pid_t nursery_pid(const struct nursery *n)
{
	return n->pid;
}

bool nursery_hire(struct nursery *n, int *worker, struct err *err)
{
	char byte[4];
	size_t len = 0, n_fds = 0;
	int fd = -1;

	pthread_mutex_lock(&n->lock);
	enum packet_outcome outcome = packet_send(n->fd, STR("w"), NULL, 0, err);
	if (outcome == PACKET_OK) {
		outcome = packet_receive(n->fd, byte, sizeof(byte), &len, &fd, 1, &n_fds, err);
	}
	pthread_mutex_unlock(&n->lock);
	if (outcome != PACKET_OK) {
		/* Only a new keyd has a new one: the monitor makes it, and no call is lost. */
		log_error("the process that opens uploads is gone, the key process ends with it");
		_exit(1);
	}
	if (n_fds != 1) {
		return err_set(err, ERR_LIMIT,
			       "no process for this upload: too many at once, or the system makes "
			       "no more");
	}
	*worker = fd;
	CRASH_POINT("keyd.entry.hired"); /* a worker that nobody waits for */
	return true;
}

static bool judge_end(int status, struct err *err)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return true;
	}
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL)) {
		return err_set(err, ERR_LIMIT,
			       "the container asks for more work than allowed: %d s of processor "
			       "time",
			       WORKER_CPU_S);
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
		return err_set(err, ERR_LIMIT,
			       "the container asks for more work than allowed: %d MiB of memory",
			       WORKER_MEMORY_MIB);
	}
	return err_set(err, ERR_CONFIG,
		       "the container made its reader fail (%s %d): nothing was taken from it",
		       WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* False at the end: *good and err tell how. */
static bool take_packet(int worker, char *packet, struct buf *result, bool *good, struct err *err)
{
	size_t len = 0;

	enum packet_outcome outcome =
		packet_receive(worker, packet, NURSERY_PACKET_MAX + 1, &len, NULL, 0, NULL, err);
	if (outcome != PACKET_OK) {
		*good = err_set(err, ERR_SYSTEM, "the process that opens uploads ended under one");
		return false;
	}
	struct rd in = rd_over(str_make(packet, len));
	if (rd_u8(&in) == 'S') {
		*good = judge_end((int)rd_u32(&in), err);
		return false;
	}
	buf_add_str(result, in.rest);
	if (buf_failed(result)) {
		*good = err_set(err, ERR_LIMIT, "what the container holds is longer than %d MiB",
				(int)(NURSERY_RESULT_MAX / MIB(1)));
		return false;
	}
	return true;
}

static bool wait_packet(int worker, int server, msec_t until, struct err *err)
{
	for (;;) {
		struct pollfd fds[2] = {{.fd = worker, .events = POLLIN}, {.fd = server}};
		msec_t left = until - clock_now();

		int n = left > 0 ? poll(fds, COUNT(fds), (int)left) : 0;
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return err_set(err, ERR_LIMIT,
				       "the container asks for more work than allowed: it took "
				       "longer than %d s",
				       NURSERY_WALL_MS / 1000);
		}
		if ((fds[1].revents & (POLLHUP | POLLERR)) != 0) {
			return err_set(err, ERR_SYSTEM, "the server is gone");
		}
		return true;
	}
}

bool nursery_collect(int worker, int server, struct buf *result, struct err *err)
{
	AUTO_BUF struct buf packet = BUF_SECRET(NURSERY_PACKET_MAX + 1);
	char *room = buf_reserve(&packet, NURSERY_PACKET_MAX + 1);
	msec_t until = clock_now() + NURSERY_WALL_MS;
	bool good = false;

	do {
		if (!wait_packet(worker, server, until, err)) {
			return false;
		}
	} while (take_packet(worker, room, result, &good, err));
	return good;
}
