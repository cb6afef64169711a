#include "keys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

const char *const sandbox_system_files[] = {
	"/usr",
	"/lib",
	"/lib64",
	"/etc/ssl",
	"/etc/pki",
	"/etc/ca-certificates",
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/nsswitch.conf",
	"/etc/services",
	"/etc/protocols",
	"/etc/gai.conf",
	"/etc/localtime",
	"/etc/passwd",
	"/etc/group",
	"/etc/ld.so.cache",
	"/etc/ld.so.preload",
	"/run/systemd/resolve",
	"/dev/null",
	"/dev/urandom",
	"/dev/random",
	"/dev/tty",
	"/proc/self",
	"/proc/meminfo",
	"/proc/cpuinfo",
	"/proc/stat",
	"/proc/loadavg",
	"/proc/net",
	"/proc/sys",
	"/sys/devices/system",
	NULL,
};

/* ---- landlock (linux/landlock.h; glibc 2.36 has no wrappers) ---- */

enum {
	FILE_READS = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE,
	FILE_WRITES = FILE_READS | LANDLOCK_ACCESS_FS_WRITE_FILE,
	DIR_READS = LANDLOCK_ACCESS_FS_READ_DIR,
	DIR_WRITES = DIR_READS | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
		     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
		     LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_REFER,
	HANDLED = FILE_WRITES | DIR_WRITES | LANDLOCK_ACCESS_FS_MAKE_CHAR |
		  LANDLOCK_ACCESS_FS_MAKE_BLOCK,
	HANDLED_V1 = HANDLED & ~LANDLOCK_ACCESS_FS_REFER, /* REFER came with version 2 */
};

static bool allow(int ruleset, const char *path, bool writable, uint64_t handled, struct err *err)
{
	AUTO_FD int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		return errno == ENOENT || errno == EACCES ||
		       err_errno(err, ERR_SYSTEM, "sandbox: %s", path);
	}
	uint64_t access = writable ? FILE_WRITES : FILE_READS;
	if (S_ISDIR(st.st_mode)) {
		access |= writable ? DIR_WRITES : DIR_READS;
	}
	struct landlock_path_beneath_attr rule = {.allowed_access = access & handled,
						  .parent_fd = fd};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
		return err_errno(err, ERR_SYSTEM, "sandbox: cannot allow %s", path);
	}
	return true;
}

static bool allow_all(int ruleset, const char *const *paths, bool writable, uint64_t handled,
		      struct err *err)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		if (!allow(ruleset, paths[i], writable, handled, err)) {
			return false;
		}
	}
	return true;
}

static bool enter_landlock(const struct sandbox *s, struct err *err)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1) {
		log_warning("this kernel has no landlock: files are guarded by their modes only",
			    LOG_TEXT("reason", errno == EOPNOTSUPP ? "switched off at boot (lsm=)"
								   : "older than 5.13"));
		return true;
	}
	struct landlock_ruleset_attr attributes = {
		.handled_access_fs = version >= 2 ? (uint64_t)HANDLED : (uint64_t)HANDLED_V1};
	AUTO_FD int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0) {
		return err_errno(err, ERR_SYSTEM, "sandbox: landlock");
	}
	if (!allow_all(ruleset, s->readable, false, attributes.handled_access_fs, err) ||
	    !allow_all(ruleset, s->writable, true, attributes.handled_access_fs, err)) {
		return false;
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
		return err_errno(err, ERR_SYSTEM, "sandbox: cannot enter landlock");
	}
	return true;
}

/* ---- seccomp ---- */

/* A server makes no processes and changes nothing of the machine. */
static const int server_refused[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(reboot),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(personality),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(sethostname),
	SCMP_SYS(quotactl),
	SCMP_SYS(syslog),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(open_tree),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
};

/* What the threads of keyd, glibc's malloc and OpenSSL call. Everything else is EPERM. */
static const int keyd_allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(setsockopt),
	SCMP_SYS(close),
	SCMP_SYS(openat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(renameat),
	SCMP_SYS(fcntl),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	SCMP_SYS(futex),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(prctl),
	SCMP_SYS(getrusage),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(readlink),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
};

/* What a parser, OpenSSL and malloc call, and an abort(). */
static const int worker_allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getrusage),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
};

/* That, and what makes a worker and shuts it in. */
static const int nursery_allowed[] = {
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(fork),
	SCMP_SYS(wait4),
	SCMP_SYS(kill),
	SCMP_SYS(tgkill),
	SCMP_SYS(prlimit64),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(socketpair),
	SCMP_SYS(fcntl),
	SCMP_SYS(prctl),
	SCMP_SYS(setrlimit),
	SCMP_SYS(seccomp),
	SCMP_SYS(getppid),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(landlock_create_ruleset),
	SCMP_SYS(landlock_restrict_self),
};

static int add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add(filter, action, calls[i], 0);
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

/*
 * A worker aborts and limits itself. Not others: keyd, its monitor and the server may be of the
 * same user, and a signal or a limit of files from here would end them.
 */
static int add_own_rules(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp self = SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid());
	const struct scmp_arg_cmp zero = SCMP_A0_64(SCMP_CMP_EQ, 0);
	int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);

	return rc != 0 ? rc
		       : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
						&zero);
}

static int fill_filter(scmp_filter_ctx filter, enum sandbox_calls calls)
{
	int rc = 0;

	switch (calls) {
	case SANDBOX_SERVER:
		return add_rules(filter, SCMP_ACT_ERRNO(EPERM), server_refused,
				 COUNT(server_refused));
	case SANDBOX_KEYD:
		return add_rules(filter, SCMP_ACT_ALLOW, keyd_allowed, COUNT(keyd_allowed));
	case SANDBOX_NURSERY:
		rc = add_rules(filter, SCMP_ACT_ALLOW, nursery_allowed, COUNT(nursery_allowed));
		break;
	case SANDBOX_WORKER:
	default:
		rc = add_own_rules(filter);
		break;
	}
	return rc != 0 ? rc
		       : add_rules(filter, SCMP_ACT_ALLOW, worker_allowed, COUNT(worker_allowed));
}

static bool enter_seccomp(const struct sandbox *s, struct err *err)
{
	scmp_filter_ctx filter =
		seccomp_init(s->calls == SANDBOX_SERVER ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));

	if (!filter) {
		return err_set(err, ERR_SYSTEM, "sandbox: no memory for the filter");
	}
	int rc = fill_filter(filter, s->calls);
	if (rc == 0) {
		rc = seccomp_load(filter);
	}
	seccomp_release(filter);
	if (rc == -EINVAL || rc == -ENOSYS || rc == -ECANCELED) {
		log_warning("this kernel has no seccomp filters: system calls are not limited");
		return true;
	}
	errno = -rc;
	return rc == 0 || err_errno(err, ERR_SYSTEM, "sandbox: seccomp");
}

void sandbox_no_dumps(void)
{
	const struct rlimit none = {0, 0};

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}

void sandbox_all_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

bool sandbox_is_inside(const char *path, const char *folder)
{
	AUTO_FREE char *p = realpath(path, NULL);
	AUTO_FREE char *f = realpath(folder, NULL);

	if (!p || !f || !str_starts(str_of(p), str_of(f))) {
		return false;
	}
	char next = p[strlen(f)];
	return next == '\0' || next == '/' || strcmp(f, "/") == 0;
}

static bool keeps_secret(const struct sandbox *s, const char *const *paths, struct err *err)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		if (sandbox_is_inside(s->secret, paths[i])) {
			return err_set(err, ERR_CONFIG,
				       "the master key %s lies where the server may read (%s): "
				       "move it to another folder",
				       s->secret, paths[i]);
		}
	}
	return true;
}

bool sandbox_enter(const struct sandbox *s, struct err *err)
{
	if (s->secret &&
	    (!keeps_secret(s, s->readable, err) || !keeps_secret(s, s->writable, err))) {
		return false;
	}
	sandbox_no_dumps();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return err_errno(err, ERR_SYSTEM, "sandbox: no_new_privs");
	}
	return enter_landlock(s, err) && enter_seccomp(s, err);
}
