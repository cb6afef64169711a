/* Sealing again under a new master key: starts the run on the server, waits, and tells its end. */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "programs/cli.h"

enum {
	PAUSE_MS = 200, /* between two looks */
	STARTED_MAX = 64,
};

static void show_progress(const struct json *progress)
{
	int64_t done = 0, all = 0;

	if (isatty(STDERR_FILENO) && json_get_int(progress, "itemsDone", &done) &&
	    json_get_int(progress, "itemsAll", &all)) {
		fprintf(stderr, "\r%" PRId64 " of %" PRId64, done, all);
	}
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO)) {
		fputs("\r\033[K", stderr);
	}
}

static bool is_of(const struct json *run, const char *started)
{
	struct str text = STR_NONE;

	return json_get_str(run, "started", &text) && str_eq(text, str_of(started));
}

/* *out: the answer that has the end of the run that began at `started`. */
static bool wait_for_end(struct cli_run *run, const char *started, struct json **out,
			 struct err *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

	for (;;) {
		AUTO(json_free) struct json *json = NULL;

		if (!cli_call(&run->session, "GET", run->parsed->command->path, STR_NONE, &json,
			      err)) {
			return err_wrap(err, "how far it is cannot be asked any more");
		}
		if (is_of(json_get(json, "last"), started)) {
			*out = TAKE(json);
			return true;
		}
		if (!is_of(json_get(json, "progress"), started)) {
			return err_set(err, ERR_SYSTEM,
				       "the server was restarted before it was through: start it "
				       "again, it does the rest");
		}
		show_progress(json_get(json, "progress"));
		nanosleep(&pause, NULL);
	}
}

/* Printed whole; failed when the run stopped, or when something did not open. */
static bool judge(struct cli_run *run, const struct json *last, struct err *err)
{
	struct str error = STR_NONE;
	int64_t failed = 0;

	cli_print(run, last);
	if (!json_get_str(last, "error", &error) || !json_get_int(last, "failed", &failed)) {
		return err_set(err, ERR_PROTOCOL, "the server's answer has no result");
	}
	if (error.len > 0) {
		AUTO_BUF struct buf clean = BUF(KIB(4));
		cli_add_clean(&clean, error);
		return err_set(err, ERR_STORE, "it stopped half way: %.*s",
			       STR_ARGS(buf_str(&clean)));
	}
	return failed == 0 || err_set(err, ERR_DENIED,
				      "%" PRId64 " of them do not open: see failures and the log "
				      "of the server",
				      failed);
}

bool cli_master_key_reseal(struct cli_run *run, struct err *err)
{
	const char *anew = cli_value(run, "new-data-keys");
	AUTO(json_free) struct json *first = NULL, *end = NULL;
	char path[CLI_PATH_MAX], started[STARTED_MAX];
	struct str text = STR_NONE;

	(void)snprintf(path, sizeof(path), "%s%s", run->parsed->command->path,
		       anew != NULL && strcmp(anew, "on") == 0 ? "?dataKeys=new" : "");
	if (!cli_call(&run->session, "POST", path, STR_NONE, &first, err)) {
		return false;
	}
	if (!json_get_str(json_get(first, "progress"), "started", &text) ||
	    !str_copy(text, started, sizeof(started))) {
		return err_set(err, ERR_PROTOCOL, "the server does not say that it began");
	}
	bool ok = wait_for_end(run, started, &end, err);
	end_progress();
	return ok && judge(run, json_get(end, "last"), err);
}
