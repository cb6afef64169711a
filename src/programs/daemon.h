#pragma once
/*
 * What both daemons do alike: become the monitor or the server, shut themselves in, keep the setup
 * code of the first start, write the common metrics. See keys/monitor.h for the processes.
 */
#include <pthread.h>

#include "http/server.h"
#include "keys/client.h"
#include "store/store.h"

struct daemon_place {
	const char *name; /* "drawbridge-cloud" */
	const char *state_dir;
	const char *master_key_file;
	const char *keyd_path;   /* NULL: drawbridge-keyd beside this program */
	const char *config_file; /* NULL: none; stays readable for SIGHUP */
	const char *trust_file;  /* NULL: none */
	const char *files[4];    /* further ones that SIGHUP reads again; NULL: none */
	const char *user;        /* whom the server becomes when started as root; NULL: stays */
	const char *log_level, *log_format;
	unsigned key_classes; /* of keyd: set of 1 << enum keys_class */
};

enum {
	DAEMON_EXIT_CONFIG = 2,
	DAEMON_ORPHAN_MS = 500,
	DAEMON_SETUP_CODE = 26, /* characters: 128 bits in base 32, and the NUL */
};

/* Texts that the program cannot do without; ERR_CONFIG for one that was set to nothing. */
struct daemon_setting {
	const char *option, *value;
};
NODISCARD bool daemon_check_set(const struct daemon_setting *rows, size_t n, struct err *err);
/* ERR_CONFIG for an unknown level or format. */
NODISCARD bool daemon_check_log(const struct daemon_place *p, struct err *err);
NODISCARD bool daemon_log(const struct daemon_place *p, struct err *err);
/* After a reload: names the settings that wait for a restart. */
void daemon_log_reload(const struct buf *waiting);
/*
 * In the first process: addresses to listen on, judged before anything is made. At the first start
 * they are also tried on this machine; later the listeners themselves tell, since a server whose
 * monitor was killed may still be leaving.
 */
struct daemon_address {
	const char *option, *where;
	bool shared; /* as listener_open() will have it */
	bool off;    /* not listened on */
};
NODISCARD bool daemon_check_addresses(const struct daemon_place *p,
				      const struct daemon_address *rows, size_t n, struct err *err);
/* The first process: runs the monitor, returns the exit status. */
int daemon_monitor(const struct daemon_place *p, char **argv);
/* In the server, before its first thread: signals blocked, sandbox entered. */
NODISCARD bool daemon_enclose(const struct daemon_place *p, struct err *err);
/*
 * The key process's client, once keyd has answered: one that refuses its master key ends before the
 * database is touched.
 */
NODISCARD bool daemon_open_keys(int control_fd, struct keys_client **out, struct err *err);
/* Prints why a program cannot start and gives its exit status. */
int daemon_failed(const struct err *err);

/*
 * The setup code: read from the file "setup-code" in the state folder, or made there with mode
 * 0400. daemon_show_code() says it to a terminal only, never to a log file.
 */
NODISCARD bool daemon_setup_code(const char *state_dir, char code[static DAEMON_SETUP_CODE],
				 struct err *err);
void daemon_show_code(const char *state_dir, const char *code);
void daemon_forget_code(const char *state_dir);

/*
 * How long what is in flight may take to end. `monitor`: getppid() at the start. When the monitor
 * was killed, whoever starts it again needs the ports: DAEMON_ORPHAN_MS then, else `limit`.
 */
msec_t daemon_drain_limit(pid_t monitor, msec_t limit);

unsigned daemon_workers(uint32_t wanted); /* 0: one for each processor */
/* A TLS configuration that changes live: what http_server_listen() asks for each connection. */
struct daemon_tls {
	pthread_mutex_t lock;
	struct tls_config *now;
};
void daemon_tls_init(struct daemon_tls *t);
void daemon_tls_fini(struct daemon_tls *t);
struct tls_config *daemon_tls_ref(void *tls); /* for http_server_listen() */
void daemon_tls_replace(struct daemon_tls *t, struct tls_config *take);

/* server.names: ERR_CONFIG when a certificate cannot hold them. */
NODISCARD bool daemon_check_names(const char *list, struct err *err);
/* Splits "a, b" into at most `max` owned texts; returns how many. */
size_t daemon_names(const char *list, char **names, size_t max);

void daemon_metric(struct buf *out, const char *name, const char *type, const char *help,
		   uint64_t value);
/* Counters of the HTTP servers that are open, by the label `listener`. */
struct daemon_listener {
	const char *name;
	const struct http_server *server; /* NULL: not open */
};
void daemon_metrics_http(struct buf *out, const struct daemon_listener *rows, size_t n);
/* Jobs that wait for a thread, by the label `pool`. */
struct daemon_pool {
	const char *name;
	const struct jobs *jobs;
};
void daemon_metrics_jobs(struct buf *out, const struct daemon_pool *rows, size_t n);
/* Handlers of both programs: /healthz, and the judgement behind /readyz. */
void daemon_health(struct http_call *call);
void daemon_ready(struct http_call *call, bool ending, struct store *store,
		  struct keys_client *keys);
void daemon_metrics(struct buf *out, struct keys_client *keys, int64_t started_ms);
