#pragma once
/*
 * The monitor: the daemon's first process, which never listens and never parses what comes from a
 * net.
 *
 * It opens the source of the master key, starts drawbridge-keyd with the descriptor and one end of
 * KEYS_SOCKETS socket pairs, and then the server (the same binary, re-executed) with a control
 * socket. When keyd dies it is started again at once (with a pause when it dies more than 5 times a
 * second) and the server gets new sockets. When the server dies unasked it is started again, with
 * growing pauses when it ends with an error (see pace.h); when it exits 0, or 2 (configuration),
 * the monitor ends with that status. SIGTERM and SIGINT are
 * passed on, SIGHUP too.
 *
 * SIGHUP also has the source of the master key looked at. When it is another file than before, a
 * second keyd is started with it; once that one has answered, the server gets its sockets and the
 * old one ends behind the calls that it serves. No call is lost; a source that does not open what
 * the state folder was made with is refused and changes nothing.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

enum {
	KEYS_SOCKETS = 8, /* calls that may run in keyd at once, per server */
};

struct monitor_settings {
	const char *keyd_path;       /* the drawbridge-keyd binary */
	const char *master_key_path; /* file of 32 bytes in hex, mode 0400; made at first start */
	const char *state_dir;       /* keyd's own two files live in its subfolder keyd/ */
	const char *keyd_user;    /* who keyd becomes when started as root; NULL: stays who it is */
	unsigned classes;         /* set of 1 << enum keys_class that this keyd may open */
	char *const *server_argv; /* what to execute as the server; gets DRAWBRIDGE_CONTROL_FD */
	enum log_level log_level; /* for keyd */
	bool log_json;
};

/* Whether nothing was made in the state folder yet: then a key may be made. */
bool monitor_is_first_start(const char *state_dir);
/* Runs until the server ends; returns the exit status of the program. */
int monitor_run(const struct monitor_settings *settings);
/* In the server: the control socket handed down, or -1 when this process is not a monitored one. */
int monitor_control_fd(void);
