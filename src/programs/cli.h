#pragma once
/*
 * `drawbridge`: a thin client of the REST APIs of both programs. One table of commands drives the
 * parser, --help, the manual page and the shell's completion; nearly every command is one request
 * whose path and body come from its rows.
 *
 * Exit status: 0 done, 1 refused or failed, 2 wrong usage.
 */
#include "base/json.h"
#include "base/option.h"
#include "http/fetch.h"

enum {
	CLI_ROWS_MAX = 16,          /* arguments and options of one command */
	CLI_FILE_MAX = 1024 * 1024, /* of a file of certificates or a password */
	CLI_BODY_MAX = 1024 * 1024,
	CLI_PATH_MAX = 4096,
	CLI_TEXT_MAX = 16 * 1024 * 1024, /* of what is printed */
	CLI_PAGES_MAX = 10000,           /* of one list; a server that never ends it is stopped */
};

struct cli_settings {
	char *url, *login, *password_file, *ca_file, *root_pin, *output;
	msec_t timeout;
};
extern const struct option cli_option_table[];

enum cli_server {
	CLI_CONNECTOR, /* https://localhost:8443 unless --url says otherwise */
	CLI_CLOUD,     /* https://localhost:9443 */
	CLI_LOCAL,     /* none: the command works on files of this machine */
};

enum cli_kind {
	CLI_TEXT,
	CLI_BOOL, /* an option without value: true; =off: false */
	CLI_NUMBER,
	CLI_LIST,       /* a,b,c: an array */
	CLI_SECRET,     /* never on the command line: --NAME-file, DRAWBRIDGE_NAME, or asked for */
	CLI_HOST_PORT,  /* host:port: the members {json}Host and {json}Port; "": host and port */
	CLI_SUBACCOUNT, /* ID, or ID@REGION-HOST: "region/id" in a path of the connector */
	CLI_RESOURCE,   /* a URL path; as the id of a resource in a path of the connector */
	CLI_ALIAS,      /* of a keystore's entry; in hex in a path */
};

struct cli_row {
	const char
		*name; /* upper case: an argument by position; lower case: an option; NULL ends */
	const char *json; /* member of the body; NULL: only in the path */
	enum cli_kind kind;
	bool required;
	const char *help;
	const char *usual; /* sent when it is not given; NULL: left out */
};

struct cli_run;

struct cli_command {
	const char *words; /* "subaccount add" */
	const char *summary;
	enum cli_server server;
	const char *method, *path; /* "{SUBACCOUNT}" names a row */
	struct cli_row rows[CLI_ROWS_MAX];
	const char *body;    /* members that are always the same, without braces; NULL: none */
	const char *columns; /* of a list as text: "subaccount,tunnel.state" */
	const char *list; /* member of the answer that is the list; NULL: the answer, or "items" */
	/* More than one request. NULL: the one above. */
	bool (*run)(struct cli_run *run, struct err *err);
};
/* By subject, each ended by words == NULL: cli_commands_*.c. */
extern const struct cli_command cli_connector_commands[];
extern const struct cli_command cli_cloud_commands[];
extern const struct cli_command cli_keystore_commands[];
const struct cli_command *cli_command_at(size_t i); /* of all of them; NULL behind the last one */

/* ---- cli_parse.c ---- */
struct cli_parsed {
	struct cli_settings settings;
	const struct cli_command *command; /* NULL: none was named whole */
	char group[64];                    /* the words that name commands, for --help */
	bool help, version;
	char *values[CLI_ROWS_MAX]; /* owned; NULL: not given */
};
/* ERR_CONFIG: wrong usage. cli_parsed_fini() is due in either case. */
NODISCARD bool cli_parse(int n, char **words, struct cli_parsed *out, struct err *err);
void cli_parsed_fini(struct cli_parsed *p);
/* The row of that name, or -1. */
int cli_row_index(const struct cli_command *c, struct str name);
bool cli_row_is_argument(const struct cli_row *row);

/* ---- cli_request.c: pure ---- */
/* on, true, yes, or off, false, no. cli_parse() leaves "on" or "off" for CLI_BOOL. */
NODISCARD bool cli_read_switch(struct str value, bool *out);
/* `regions[i]`: the region host of a CLI_SUBACCOUNT row whose value has none; may be NULL. */
NODISCARD bool cli_write_path(const struct cli_command *c, char *const *values, const char *region,
			      struct buf *out, struct err *err);
/* Nothing when the command sends no body. */
NODISCARD bool cli_write_body(const struct cli_command *c, char *const *values, struct buf *out,
			      struct err *err);
void cli_add_encoded(struct buf *out, struct str segment); /* percent-encoded */
/* ID@REGION in two; region.at == NULL when there is none. */
void cli_split_subaccount(struct str value, struct str *id, struct str *region);

/* ---- cli_secret.c ---- */
/* From `file` ("-": standard input), the environment, or the terminal; one line without its end. */
NODISCARD bool cli_secret(const char *file, const char *environment, const char *prompt,
			  struct buf *out, struct err *err);
/* The same for one that is to be set: on the terminal it is typed twice. */
NODISCARD bool cli_new_secret(const char *file, const char *environment, const char *prompt,
			      struct buf *out, struct err *err);
NODISCARD bool cli_read_file(const char *path, struct buf *out, struct err *err);

/* ---- cli_call.c: one connection's worth of settings, and requests ---- */
struct cli_session {
	char url[512];
	enum cli_server server;
	const struct cli_settings *settings; /* lent */
	struct buf password, anchors;
	uint8_t pin[32];
	bool has_pin;
	const char *content_type;            /* of bodies; NULL: JSON */
	char csrf_token[128], cookies[2048]; /* of cli_open_session(); empty: none */
	char untrusted[100]; /* SHA-256 of the certificate that the last refusal wants confirmed */
};
NODISCARD bool cli_session_open(enum cli_server server, const struct cli_settings *settings,
				struct cli_session *out, struct err *err);
void cli_session_close(struct cli_session *s);
/* `json` becomes the answer (NULL when it is empty); owned. A refusal is an error with its text. */
NODISCARD bool cli_call(struct cli_session *s, const char *method, const char *path,
			struct str body, struct json **json, struct err *err);

/* The same, with the answer's bytes as they are. */
NODISCARD bool cli_call_raw(struct cli_session *s, const char *method, const char *path,
			    struct str body, struct buf *out, struct err *err);
/*
 * A session with a CSRF token, as the keystore's API wants it for writes (spec/keystore.md 3.1):
 * later calls send both. `path` is the service root. At most once per session.
 */
NODISCARD bool cli_open_session(struct cli_session *s, const char *path, struct err *err);

/* ---- cli_run.c ---- */
struct cli_run {
	const struct cli_parsed *parsed;
	struct cli_session session;
	struct buf out;   /* what goes to stdout */
	const char *note; /* a line for stderr behind it; NULL: none */
};
/* Status for exit(3); messages on stderr. */
int cli_main(int argc, char **argv);
/* The runs of commands that take more than one request. */
bool cli_connector_setup(struct cli_run *run, struct err *err);
bool cli_connector_status(struct cli_run *run, struct err *err);
bool cli_cloud_setup(struct cli_run *run, struct err *err);
bool cli_cloud_password(struct cli_run *run, struct err *err);
bool cli_trust_add(struct cli_run *run, struct err *err);
/* Of a row by its name; NULL: not given. */
const char *cli_value(const struct cli_run *run, const char *name);
/* Prints what an answer holds, as JSON or by the command's columns. */
void cli_print(struct cli_run *run, const struct json *json);
/* The command's path, with the region of its subaccount looked up where it was not said. */
NODISCARD bool cli_path(struct cli_run *run, struct buf *path, struct err *err);

/* ---- cli_certificate.c ---- */
bool cli_ui_self_sign(struct cli_run *run, struct err *err);
bool cli_ui_request(struct cli_run *run, struct err *err);
bool cli_ui_install(struct cli_run *run, struct err *err);
bool cli_ui_upload(struct cli_run *run, struct err *err);

/* ---- cli_transfer.c ---- */
bool cli_subaccount_export(struct cli_run *run, struct err *err);
bool cli_subaccount_import(struct cli_run *run, struct err *err);

/* ---- cli_certs.c ---- */
bool cli_cert_list(struct cli_run *run, struct err *err);
bool cli_doctor(struct cli_run *run, struct err *err);

/* ---- cli_master_key.c ---- */
bool cli_master_key_reseal(struct cli_run *run, struct err *err);

/* ---- cli_audit.c ---- */
bool cli_audit_verify(struct cli_run *run, struct err *err);

/* ---- cli_keystore.c, cli_keystore_files.c ---- */
/* Into --to, made new with mode 0644 (public content), or to standard output. */
NODISCARD bool cli_put_out(struct cli_run *run, struct str bytes, struct err *err);
bool cli_keystore_preview(struct cli_run *run, struct err *err);
bool cli_keystore_test(struct cli_run *run, struct err *err);
bool cli_keystore_verify(struct cli_run *run, struct err *err);
bool cli_keystore_list(struct cli_run *run, struct err *err);
bool cli_keystore_show(struct cli_run *run, struct err *err);
bool cli_keystore_import(struct cli_run *run, struct err *err);
bool cli_keystore_export(struct cli_run *run, struct err *err);
bool cli_keystore_create(struct cli_run *run, struct err *err);
bool cli_keystore_csr(struct cli_run *run, struct err *err);
bool cli_keystore_reply(struct cli_run *run, struct err *err);
bool cli_keystore_rename(struct cli_run *run, struct err *err);
bool cli_keystore_delete(struct cli_run *run, struct err *err);

/* ---- cli_output.c: pure ---- */
bool cli_wants_json(const struct cli_settings *settings);
/* A list as a table of `columns`, an object as lines. What a peer sent cannot steer a terminal. */
void cli_write_text(struct buf *out, const struct json *json, const char *columns);
void cli_write_json(struct buf *out, const struct json *json);
/* Without control characters: nothing that a server said moves the cursor. */
void cli_add_clean(struct buf *out, struct str s);

/* ---- cli_help.c, cli_man.c ---- */
/* Of one command, of a group ("cloud owner"), or of all (""). */
void cli_write_help(struct buf *out, const struct cli_command *c, const char *group);
void cli_write_usage(struct buf *out, const struct cli_command *c);
void cli_write_completion(struct buf *out); /* for bash */
void cli_write_man(struct buf *out);        /* drawbridge(1), mdoc */
