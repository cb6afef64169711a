#include "programs/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "crypto/issue.h"
#include "crypto/memory.h"
#include "keys/monitor.h"
#include "keys/sandbox.h"
#include "net/address.h"
#include "net/listener.h"

enum {
	READABLE_MAX = 64,
	NAME_MAX_BYTES = 253, /* of a host (RFC 1035, 2.3.4) */
};

static bool level_of(const char *text, enum log_level *out)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (str_eq(str_of(text), str_of(names[i]))) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static bool is_json(const struct daemon_place *p)
{
	return str_eq(str_of(p->log_format), STR("json"));
}

bool daemon_check_set(const struct daemon_setting *rows, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].value) {
			return err_set(err, ERR_CONFIG,
				       "%s: is empty: leave it out, or give what --help shows",
				       rows[i].option);
		}
	}
	return true;
}

bool daemon_check_log(const struct daemon_place *p, struct err *err)
{
	enum log_level level;

	if (!level_of(p->log_level, &level)) {
		return err_set(err, ERR_CONFIG, "log.level: error, warning, info or debug");
	}
	return is_json(p) || str_eq(str_of(p->log_format), STR("text")) ||
	       err_set(err, ERR_CONFIG, "log.format: text or json");
}

bool daemon_log(const struct daemon_place *p, struct err *err)
{
	enum log_level level = LOG_INFO;

	if (!daemon_check_log(p, err)) {
		return false;
	}
	(void)level_of(p->log_level, &level);
	log_setup(level, is_json(p), p->name);
	return true;
}

void daemon_log_reload(const struct buf *waiting)
{
	log_info("settings were read again");
	if (waiting->len > 0) {
		log_warning("these settings wait for a restart",
			    LOG_STR("settings", buf_str(waiting)));
	}
}

int daemon_failed(const struct err *err)
{
	log_error("cannot start", LOG_ERR(err));
	/* What a new try may cure (a database that comes later) is the monitor's to repeat. */
	return err->kind == ERR_STORE || err->kind == ERR_NETWORK ? 1 : DAEMON_EXIT_CONFIG;
}

/* ---- monitor ---- */

static bool is_only_one(const struct daemon_address *rows, size_t at, struct err *err)
{
	for (size_t i = 0; i < at; i++) {
		if (!rows[i].off && listener_is_same(rows[i].where, rows[at].where)) {
			return err_set(err, ERR_CONFIG,
				       "%s: %s is the address of %s too: give each its own",
				       rows[at].option, rows[at].where, rows[i].option);
		}
	}
	return true;
}

bool daemon_check_addresses(const struct daemon_place *p, const struct daemon_address *rows,
			    size_t n, struct err *err)
{
	bool binds = monitor_is_first_start(p->state_dir);

	for (size_t i = 0; i < n; i++) {
		const char *where = rows[i].where ? rows[i].where : "";
		if (!rows[i].off && !listener_check(where, rows[i].shared, binds, err)) {
			return err_wrap(err, "%s", rows[i].option);
		}
		if (!rows[i].off && !is_only_one(rows, i, err)) {
			return false;
		}
	}
	return true;
}

int daemon_monitor(const struct daemon_place *p, char **argv)
{
	char own[PATH_MAX], keyd[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	struct err err;

	if (n <= 0) {
		(void)err_errno(&err, ERR_SYSTEM, "cannot find the own program");
		return daemon_failed(&err);
	}
	own[n] = '\0';
	struct str folder = str_first(str_of(own), str_find_last(str_of(own), '/'));
	(void)snprintf(keyd, sizeof(keyd), "%.*s/drawbridge-keyd", STR_ARGS(folder));
	enum log_level level = LOG_INFO;
	(void)level_of(p->log_level, &level);
	argv[0] = own;
	const struct monitor_settings settings = {
		.keyd_path = p->keyd_path ? p->keyd_path : keyd,
		.master_key_path = p->master_key_file,
		.state_dir = p->state_dir,
		.keyd_user = "drawbridge-keyd",
		.classes = p->key_classes,
		.server_argv = argv,
		.log_level = level,
		.log_json = is_json(p),
	};
	return monitor_run(&settings);
}

/* ---- server ---- */

/*
 * The folder of a file that SIGHUP reads again, since another file may be renamed over it. Not when
 * the master key lies there too: then only the file itself, as it is now.
 */
static const char *readable_of(const char *file, const char *secret, char folder[static PATH_MAX])
{
	(void)snprintf(folder, PATH_MAX, "%s", file);
	char *slash = strrchr(folder, '/');
	if (slash == NULL) {
		(void)snprintf(folder, PATH_MAX, ".");
	} else {
		slash[slash == folder ? 1 : 0] = '\0';
	}
	if (!sandbox_is_inside(secret, folder)) {
		return folder;
	}
	log_warning("the master key lies in the folder of the settings: when another file is "
		    "renamed over them, SIGHUP does not see it",
		    LOG_TEXT("file", file));
	return file;
}

/* The state folder and the files in it, not what lies deeper: keyd's folder is keyd's. */
static bool give_state(const char *path, const struct passwd *who, struct err *err)
{
	DIR *dir = opendir(path);

	if (!dir) {
		return err_errno(err, ERR_CONFIG, "cannot look into the state folder %s", path);
	}
	bool ok = fchown(dirfd(dir), who->pw_uid, who->pw_gid) == 0;
	for (const struct dirent *e = readdir(dir); ok && e; e = readdir(dir)) {
		ok = e->d_type != DT_REG || fchownat(dirfd(dir), e->d_name, who->pw_uid,
						     who->pw_gid, AT_SYMLINK_NOFOLLOW) == 0;
	}
	if (!ok) {
		(void)err_errno(err, ERR_CONFIG, "cannot give the state folder %s to %s", path,
				who->pw_name);
	}
	(void)closedir(dir);
	return ok;
}

static bool become_user(const struct daemon_place *p, struct err *err)
{
	if (!p->user || geteuid() != 0) {
		return true;
	}
	const struct passwd *who = getpwnam(p->user);
	if (!who) {
		return err_set(err, ERR_CONFIG,
			       "user: there is no user %s on this machine, make it (useradd "
			       "--system %s) or leave the setting out",
			       p->user, p->user);
	}
	if (!give_state(p->state_dir, who, err)) {
		return false;
	}
	if (initgroups(p->user, who->pw_gid) != 0 || setgid(who->pw_gid) != 0 ||
	    setuid(who->pw_uid) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot become the user %s", p->user);
	}
	/* A change of user forgets it: the server ends when its monitor does. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	return true;
}

bool daemon_open_keys(int control_fd, struct keys_client **out, struct err *err)
{
	uint32_t pid;

	return keys_client_new(control_fd, out, err) && keys_ping(*out, &pid, err);
}

msec_t daemon_drain_limit(pid_t monitor, msec_t limit)
{
	return getppid() == monitor || limit < DAEMON_ORPHAN_MS ? limit : DAEMON_ORPHAN_MS;
}

bool daemon_enclose(const struct daemon_place *p, struct err *err)
{
	const char *readable[READABLE_MAX];
	const char *const writable[] = {p->state_dir, NULL};
	char config_folder[PATH_MAX], trust_folder[PATH_MAX];
	char folders[COUNT(p->files)][PATH_MAX];
	size_t n = 0;
	sigset_t set;

	if (!memory_wipe_ossl(false)) {
		log_debug("freed memory of OpenSSL is not wiped: it was used already");
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (!become_user(p, err)) {
		return false;
	}
	if (access(p->state_dir, W_OK) != 0) {
		return err_errno(err, ERR_CONFIG,
				 "the state folder %s cannot be written (give it to this user, or "
				 "name another with state.dir)",
				 p->state_dir);
	}
	crash_points_in(p->state_dir);
	/* What SQLite needs besides its file lies there too: no other folder can be written. */
	(void)setenv("SQLITE_TMPDIR", p->state_dir, 1);
	sandbox_all_files();
	while (sandbox_system_files[n]) {
		readable[n] = sandbox_system_files[n];
		n++;
	}
	if (p->config_file) {
		readable[n++] = readable_of(p->config_file, p->master_key_file, config_folder);
	}
	if (p->trust_file) {
		readable[n++] = readable_of(p->trust_file, p->master_key_file, trust_folder);
	}
	for (size_t i = 0; i < COUNT(p->files); i++) {
		if (p->files[i]) {
			readable[n++] = readable_of(p->files[i], p->master_key_file, folders[i]);
		}
	}
	readable[n] = NULL;
	const struct sandbox s = {.calls = SANDBOX_SERVER,
				  .readable = readable,
				  .writable = writable,
				  .secret = p->master_key_file};
	return sandbox_enter(&s, err);
}

/* ---- small things ---- */

unsigned daemon_workers(uint32_t wanted)
{
	long n = wanted > 0 ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

void daemon_tls_init(struct daemon_tls *t)
{
	pthread_mutex_init(&t->lock, NULL);
	t->now = NULL;
}

void daemon_tls_fini(struct daemon_tls *t)
{
	tls_config_unref(t->now);
	pthread_mutex_destroy(&t->lock);
}

struct tls_config *daemon_tls_ref(void *tls)
{
	struct daemon_tls *t = tls;

	pthread_mutex_lock(&t->lock);
	struct tls_config *now = t->now ? tls_config_ref(t->now) : NULL;
	pthread_mutex_unlock(&t->lock);
	return now;
}

void daemon_tls_replace(struct daemon_tls *t, struct tls_config *take)
{
	pthread_mutex_lock(&t->lock);
	struct tls_config *old = t->now;
	t->now = take;
	pthread_mutex_unlock(&t->lock);
	tls_config_unref(old);
}

size_t daemon_names(const char *list, char **names, size_t max)
{
	struct str rest = str_of(list), name;
	size_t n = 0;

	while (n < max && str_next_listed(&rest, &name)) {
		names[n++] = str_dup(name);
	}
	return n;
}

bool daemon_check_names(const char *list, struct err *err)
{
	struct str rest = str_of(list), name;
	size_t n = 0;

	while (str_next_listed(&rest, &name)) {
		bool all_of = str_starts(name, STR("*."));
		if (name.len > NAME_MAX_BYTES ||
		    !address_is_host(all_of ? str_skip(name, 2) : name)) {
			return err_set(err, ERR_CONFIG, "server.names: \"%.*s\" is no name",
				       STR_ARGS(str_first(name, 40)));
		}
		n++;
	}
	/* Beside them come a relay's host and its wildcard. */
	return n <= ISSUE_SANS_MAX - 2 ||
	       err_set(err, ERR_CONFIG, "server.names: at most %d names", ISSUE_SANS_MAX - 2);
}
