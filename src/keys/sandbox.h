#pragma once
/*
 * A process shuts itself in: landlock (an allow-list of files), a seccomp filter, no new
 * privileges, no core dump and no ptrace by its own user.
 *
 * To be called before the first thread: all of it is inherited by threads and children, and cannot
 * be undone. What the kernel does not have is left out and said in one log line.
 */
#include "base/err.h"

enum sandbox_calls {
	SANDBOX_SERVER,  /* all but what a server never needs: exec, ptrace, mount, modules … */
	SANDBOX_KEYD,    /* only what keyd needs: no socket, no open beyond its folder */
	SANDBOX_NURSERY, /* keyd's child that makes workers: no open at all, but fork */
	SANDBOX_WORKER,  /* its children: to compute and to answer */
};

struct sandbox {
	enum sandbox_calls calls;
	/* Files or folders, with all below them; ends with NULL. What does not exist is skipped. */
	const char *const *readable;
	const char *const *writable; /* read, write, make and remove */
	const char *secret;          /* NULL, or a file that must be in none of those: checked */
};

NODISCARD bool sandbox_enter(const struct sandbox *s, struct err *err);
/* The part that works at any time: not dumpable, no core file. */
void sandbox_no_dumps(void);
/* As many open files as the system lets this process have: the usual 1,024 are less than the limits
 * of our own listeners, and whoever fills them takes files from the database and the tunnels too.
 */
void sandbox_all_files(void);
/* Whether `path` is `folder` or lies below it, both as realpath(3) sees them. */
bool sandbox_is_inside(const char *path, const char *folder);
/* What any server with DNS, TLS and a clock must read; ends with NULL. */
extern const char *const sandbox_system_files[];
