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
#include "base/random.h"
#include "crypto/issue.h"
#include "crypto/memory.h"
#include "keys/monitor.h"
#include "keys/sandbox.h"

enum {
	READABLE_MAX = 64,
	NAME_MAX_BYTES = 253, /* of a host (RFC 1035, 2.3.4) */
};

static bool level_of(const char *text, enum log_level *out)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool daemon_check_log(const struct daemon_place *p, struct err *err)
{
	enum log_level level;

	if (!level_of(p->log_level, &level)) {
		return err_set(err, ERR_CONFIG, "log.level: error, warning, info or debug");
	}
	return strcmp(p->log_format, "json") == 0 || strcmp(p->log_format, "text") == 0 ||
	       err_set(err, ERR_CONFIG, "log.format: text or json");
}

bool daemon_log(const struct daemon_place *p, struct err *err)
{
	enum log_level level = LOG_INFO;

	if (!daemon_check_log(p, err)) {
		return false;
	}
	(void)level_of(p->log_level, &level);
	log_setup(level, strcmp(p->log_format, "json") == 0, p->name);
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
		.log_json = strcmp(p->log_format, "json") == 0,
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

/* ---- the setup code ---- */

static void code_path(const char *state_dir, char path[static PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/setup-code", state_dir);
}

/* Lower-case letters and digits that nobody mixes up: 32 of them, so no bias. */
static void draw_code(char code[static DAEMON_SETUP_CODE])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz023456789";
	uint8_t bytes[DAEMON_SETUP_CODE - 1];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		code[i] = letters[bytes[i] % 32];
	}
	code[DAEMON_SETUP_CODE - 1] = '\0';
}

bool daemon_setup_code(const char *state_dir, char code[static DAEMON_SETUP_CODE], struct err *err)
{
	char path[PATH_MAX];
	enum {
		LEN = DAEMON_SETUP_CODE - 1
	};

	code_path(state_dir, path);
	AUTO_FD int old = open(path, O_RDONLY | O_CLOEXEC);
	if (old >= 0 && read(old, code, LEN) == LEN) {
		code[LEN] = '\0';
		return true;
	}
	draw_code(code);
	/* An older one was cut by a full disk or a kill: nobody has seen it. */
	(void)unlink(path);
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (fd < 0 || write(fd, code, LEN) != LEN || write(fd, "\n", 1) != 1 || fsync(fd) != 0) {
		(void)err_errno(err, ERR_CONFIG,
				"cannot write the setup code to %s (is the disk full, or the "
				"folder read-only?)",
				path);
		(void)unlink(path);
		return false;
	}
	return true;
}

void daemon_show_code(const char *state_dir, const char *code)
{
	char path[PATH_MAX];

	code_path(state_dir, path);
	log_info("first start: the setup code is the initial password of Administrator",
		 LOG_TEXT("file", path));
	if (isatty(STDERR_FILENO)) {
		(void)fprintf(stderr, "\n    user Administrator, setup code %s\n\n", code);
	}
}

void daemon_forget_code(const char *state_dir)
{
	char path[PATH_MAX];

	code_path(state_dir, path);
	(void)unlink(path);
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
		if (name.len == 0 || name.len > NAME_MAX_BYTES) {
			return err_set(err, ERR_CONFIG, "server.names: \"%.*s\" is no name",
				       STR_ARGS(str_first(name, 40)));
		}
		n++;
	}
	/* Beside them come a relay's host and its wildcard. */
	return n <= ISSUE_SANS_MAX - 2 ||
	       err_set(err, ERR_CONFIG, "server.names: at most %d names", ISSUE_SANS_MAX - 2);
}

void daemon_metric(struct buf *out, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	buf_addf(out, "# HELP drawbridge_%s %s\n# TYPE drawbridge_%s %s\ndrawbridge_%s ", name,
		 help, name, type, name);
	buf_add_u64(out, value);
	buf_add_c(out, '\n');
}

static void metric_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP drawbridge_%s %s\n# TYPE drawbridge_%s %s\n", name, help, name, type);
}

enum http_number {
	HTTP_CONNECTIONS,
	HTTP_REQUESTS,
	HTTP_REFUSED,
	HTTP_OVERLOAD,
	HTTP_NUMBERS,
};

static uint64_t number_of(const struct http_server_counters *n, enum http_number which)
{
	switch (which) {
	case HTTP_CONNECTIONS:
		return n->connections;
	case HTTP_REQUESTS:
		return n->requests;
	case HTTP_REFUSED:
		return n->refused_400 + n->refused_408 + n->refused_413 + n->refused_431;
	case HTTP_OVERLOAD:
		return n->overload;
	case HTTP_NUMBERS:
		break;
	}
	return 0;
}

void daemon_metrics_http(struct buf *out, const struct daemon_listener *rows, size_t n)
{
	static const struct {
		const char *name, *type, *help;
	} numbers[HTTP_NUMBERS] = {
		{"http_connections", "gauge", "Open connections of a listener"},
		{"http_requests_total", "counter", "Requests that reached a handler"},
		{"http_refused_total", "counter",
		 "Requests refused before a handler: malformed, too slow, too large"},
		{"http_overload_total", "counter",
		 "Connections over the maximum, and requests that no job took"},
	};

	for (int which = 0; which < HTTP_NUMBERS; which++) {
		metric_head(out, numbers[which].name, numbers[which].type, numbers[which].help);
		for (size_t i = 0; i < n; i++) {
			if (rows[i].server == NULL) {
				continue;
			}
			struct http_server_counters c = http_server_count(rows[i].server);
			buf_addf(out, "drawbridge_%s{listener=\"%s\"} %llu\n", numbers[which].name,
				 rows[i].name,
				 (unsigned long long)number_of(&c, (enum http_number)which));
		}
	}
}

void daemon_metrics_jobs(struct buf *out, const struct daemon_pool *rows, size_t n)
{
	metric_head(out, "jobs_waiting", "gauge", "Jobs that wait for a thread");
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "drawbridge_jobs_waiting{pool=\"%s\"} %zu\n", rows[i].name,
			 jobs_waiting(rows[i].jobs));
	}
}

void daemon_metrics(struct buf *out, struct keys_client *keys, int64_t started_ms)
{
	struct keys_counters k = keys_count(keys);

	buf_addf(out, "# HELP drawbridge_build_info Version\n# TYPE drawbridge_build_info gauge\n"
		      "drawbridge_build_info{version=\"" DRAWBRIDGE_VERSION "\"} 1\n");
	daemon_metric(out, "start_time_seconds", "gauge", "Start of the server, Unix time",
		      (uint64_t)started_ms / 1000);
	daemon_metric(out, "keys_calls_total", "counter", "Calls to the key process", k.calls);
	daemon_metric(out, "keys_repeated_total", "counter",
		      "Calls repeated because the key process died", k.repeated);
	daemon_metric(out, "keys_refused_total", "counter", "Calls the key process refused",
		      k.refused);
	daemon_metric(out, "keys_replaced_total", "counter", "Restarts of the key process",
		      k.replaced);
}

/* ---- health ---- */

void daemon_health(struct http_call *call)
{
	http_answer_text(call, 200, "text/plain", STR("ok\n"));
}

void daemon_ready(struct http_call *call, bool ending, struct store *store,
		  struct keys_client *keys)
{
	struct err err;
	struct db *db;
	uint32_t pid;

	if (ending) {
		http_problem(call, 503, "this program is ending");
		return;
	}
	if (!store_take(store, &db, &err)) {
		http_problem(call, 503, "not ready: %s", err.text);
		return;
	}
	store_give(store, db);
	if (!keys_ping(keys, &pid, &err)) {
		http_problem(call, 503, "not ready: %s", err.text);
		return;
	}
	http_answer_text(call, 200, "text/plain", STR("ready\n"));
}
