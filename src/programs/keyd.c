/*
 * drawbridge-keyd: the key process. Started by the monitor only (keys/monitor.h), with open
 * descriptors for the master key and for its sockets.
 *
 * Order matters: memory is locked, dumps are off and the child that opens uploads is
 * forked before the master key is read; the folder is
 * opened and the user changed before the sandbox is closed; threads start last.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/option.h"
#include "crypto/memory.h"
#include "keyd/harden.h"
#include "keyd/serve.h"
#include "keys/master.h"
#include "keys/sandbox.h"

enum {
	EXIT_CONFIG = 2,
	SOCKETS_MAX = 64,
};

struct settings {
	char *folder, *sockets, *user;
	uint32_t classes, master_fd, log_level;
	bool log_json;
};

static const struct option options[] = {
	{"folder", OPTION_FIELD(struct settings, folder), .help = "folder of its own files"},
	{"sockets", OPTION_FIELD(struct settings, sockets), .initial = "",
	 .help = "numbers of the inherited sockets, with commas"},
	{"user", OPTION_FIELD(struct settings, user), .initial = "",
	 .help = "user to become when started as root"},
	{"classes", OPTION_FIELD(struct settings, classes), .initial = "0",
	 .help = "set of key classes to serve"},
	{"master.fd", OPTION_FIELD(struct settings, master_fd), .initial = "0",
	 .help = "number of the inherited source of the master key"},
	{"log.level", OPTION_FIELD(struct settings, log_level), .initial = "2",
	 .help = "0 error, 1 warning, 2 info, 3 debug"},
	{"log.json", OPTION_FIELD(struct settings, log_json), .initial = "off",
	 .help = "log as JSON lines"},
	{.key = NULL},
};

static bool read_sockets(const char *text, int *fds, size_t *n, struct err *err)
{
	struct str rest = str_of(text), part;

	*n = 0;
	while (str_next_listed(&rest, &part)) {
		uint64_t fd;
		if (*n == SOCKETS_MAX || !str_to_u64(part, &fd) || fd > 65535 ||
		    fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0) {
			return err_set(err, ERR_CONFIG, "bad list of sockets");
		}
		fds[(*n)++] = (int)fd;
	}
	return *n > 0 || err_set(err, ERR_CONFIG,
				 "this program is started by the daemons' monitor "
				 "only");
}

static bool open_vault(const struct settings *s, int dir, struct vault **out, struct err *err)
{
	char hex[MASTER_TEXT_MAX];
	AUTO(vault_free) struct vault *v = NULL;

	ssize_t n = pread((int)s->master_fd, hex, sizeof(hex), 0);
	close_fd((int)s->master_fd);
	if (n < 0) {
		return err_errno(err, ERR_CONFIG, "cannot read the master key");
	}
	bool ok = (n < (ssize_t)sizeof(hex) ||
		   err_set(err, ERR_CONFIG, "the source of the master key is longer than %d bytes",
			   MASTER_TEXT_MAX - 1)) &&
		  vault_open(str_make(hex, (size_t)n), s->classes, &v, err);
	explicit_bzero(hex, sizeof(hex));
	if (!ok || !vault_check(v, dir, err)) {
		return false;
	}
	*out = TAKE(v);
	return true;
}

/* Before the master key is read: it never has anything of it, nor what else keyd has open. */
static bool start_nursery(const struct settings *s, const int *fds, size_t n, int dir,
			  struct nursery **out, struct err *err)
{
	int closes[SOCKETS_MAX + 2];

	memcpy(closes, fds, n * sizeof(*fds));
	closes[n] = (int)s->master_fd;
	closes[n + 1] = dir;
	return nursery_start(closes, n + 2, out, err);
}

static bool run(const struct settings *s, struct err *err)
{
	int fds[SOCKETS_MAX];
	size_t n;
	AUTO(vault_free) struct vault *vault = NULL;
	AUTO(serials_close) struct serials *serials = NULL;
	AUTO(log_book_close) struct log_book *book = NULL;
	AUTO(keyring_free) struct keyring *keys = NULL;
	AUTO(nursery_free) struct nursery *nursery = NULL;
	const char *writable[] = {s->folder, NULL};
	const char *readable[] = {"/dev/urandom", NULL};

	if (!read_sockets(s->sockets, fds, &n, err)) {
		return false;
	}
	sandbox_no_dumps();
	harden_signals();
	harden_memory();
	AUTO_FD int dir = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		return err_errno(err, ERR_CONFIG, "cannot open the key process's folder %s",
				 s->folder);
	}
	const struct sandbox sandbox = {
		.calls = SANDBOX_KEYD, .readable = readable, .writable = writable};
	if (!harden_user(s->user, dir, err) || !start_nursery(s, fds, n, dir, &nursery, err) ||
	    !sandbox_enter(&sandbox, err) || !open_vault(s, dir, &vault, err) ||
	    !serials_open(dir, &serials, err) || !log_book_open(vault, dir, &book, err)) {
		return false;
	}
	crash_points_in(s->folder);
	CRASH_POINT("keyd.anchor.opened"); /* the mark is made anew, and nobody knows */
	keys = keyring_new(KEYRING_MAX);
	const struct dispatch d = {.vault = vault,
				   .keys = keys,
				   .serials = serials,
				   .book = book,
				   .now = clock_unix,
				   .nursery = nursery};
	log_debug("the key process is ready", LOG_INT("sockets", n));
	return serve(&d, fds, n, err);
}

/* Steps of an operator who changes the master key; see docs/operation.md. */
typedef bool master_fn(const char *path, struct err *err);

static master_fn *step_of(const char *word)
{
	if (strcmp(word, "--new-master-key") == 0) {
		return master_prepend;
	}
	return strcmp(word, "--drop-old-master-keys") == 0 ? master_keep_first : NULL;
}

static int run_step(master_fn *step, const char *path)
{
	struct err err;

	if (!step(path, &err)) {
		(void)fprintf(stderr, "drawbridge-keyd: %s\n", err.text);
		return EXIT_CONFIG;
	}
	return 0;
}

static int print_help(void)
{
	AUTO_BUF struct buf text = BUF(KIB(64));

	buf_add_str(&text,
		    STR("usage: drawbridge-keyd options\n\nHolds private keys. The monitor of "
			"drawbridge-cloud and drawbridge-connector starts it.\n\n"
			"By hand:\n"
			"  --version                    print the version\n"
			"  --new-master-key FILE        put a new key before the others in FILE; "
			"SIGHUP has it used\n"
			"  --drop-old-master-keys FILE  leave only the first one, once nothing is "
			"sealed under the others\n\n"));
	options_write_help(options, &text);
	return fwrite(text.at, 1, text.len, stdout) == text.len ? 0 : 1;
}

/* As in the other programs: anywhere among the words, and --version before --help. */
static bool is_asked(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], word) == 0) {
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct settings settings = {0};
	struct err err;
	int used;

	if (is_asked(argc, argv, "--version")) {
		return printf("drawbridge-keyd %s\n", DRAWBRIDGE_VERSION) > 0 ? 0 : 1;
	}
	if (is_asked(argc, argv, "--help")) {
		return print_help();
	}
	if (argc == 3 && argv[1][0] == '-' && step_of(argv[1]) != NULL) {
		return run_step(step_of(argv[1]), argv[2]);
	}
	if (argc >= 2 && argv[1][0] == '-' && step_of(argv[1]) != NULL) {
		(void)fprintf(stderr, "drawbridge-keyd: %s needs one FILE\n", argv[1]);
		return EXIT_CONFIG;
	}
	bool wipes = memory_wipe_ossl(true); /* the worker processes inherit it */
	options_init(options, &settings);
	bool ok = options_read_words(options, &settings, argc - 1, argv + 1, &used, &err) &&
		  (wipes || err_set(&err, ERR_SYSTEM, "OpenSSL was used before its time"));
	log_setup((enum log_level)settings.log_level, settings.log_json, "drawbridge-keyd");
	if (ok && used != argc - 1) {
		ok = err_set(&err, ERR_CONFIG, "unknown word %s", argv[1 + used]);
	}
	ok = ok && run(&settings, &err);
	if (!ok) {
		log_error("the key process ends", LOG_ERR(&err));
	}
	options_fini(options, &settings);
	return ok ? 0 : err.kind == ERR_CONFIG ? EXIT_CONFIG : 1;
}
