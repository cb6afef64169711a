#include "keyd/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

void harden_memory(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	/* MCL_FUTURE under a limit would let later allocations fail: only where there is none. */
	if (limit.rlim_cur == RLIM_INFINITY || geteuid() == 0) {
		if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) {
			return;
		}
	} else if (mlockall(MCL_CURRENT | MCL_ONFAULT) == 0) {
		log_warning("only part of the key process's memory is locked: raise LimitMEMLOCK "
			    "to infinity, or switch swap off",
			    LOG_INT("limit_bytes", limit.rlim_cur));
		return;
	}
	log_warning("the key process's memory is not locked: raise LimitMEMLOCK to infinity, or "
		    "switch swap off",
		    LOG_INT("errno", errno));
}

void harden_signals(void)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
}

bool harden_user(const char *user, int dir, struct err *err)
{
	static const char *const files[] = {"check", "serials", "anchor", "anchor.key",
					    "anchor.index"};

	if (geteuid() != 0) {
		return true;
	}
	const struct passwd *who = user && user[0] != '\0' ? getpwnam(user) : NULL;
	if (!who) {
		log_warning("the key process runs as root: make a user for it",
			    LOG_TEXT("keyd_user", user ? user : ""));
		return true;
	}
	if (fchown(dir, who->pw_uid, who->pw_gid) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot give the key process's folder to %s",
				 user);
	}
	for (size_t i = 0; i < COUNT(files); i++) {
		if (fchownat(dir, files[i], who->pw_uid, who->pw_gid, AT_SYMLINK_NOFOLLOW) != 0 &&
		    errno != ENOENT) {
			return err_errno(err, ERR_SYSTEM, "cannot give %s to %s", files[i], user);
		}
	}
	if (setgroups(0, NULL) != 0 || setgid(who->pw_gid) != 0 || setuid(who->pw_uid) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot become %s", user);
	}
	return true;
}
