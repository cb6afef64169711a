/* What `drawbridge keystore` takes from files and puts into them. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "crypto/cert.h"
#include "programs/cli_keystore.h"

enum {
	CONTAINER_FILE_MAX = 2 * 1024 * 1024, /* as the server takes (spec/keystore.md 1.9) */
	BODY_MAX = 2 * CONTAINER_FILE_MAX,
};

enum content {
	CONTENT_CERTIFICATE,
	CONTENT_KEY, /* PEM without a certificate */
	CONTENT_KEY_PAIR,
	CONTENT_KEYSTORE,
};

static const char *const content_names[] = {
	[CONTENT_CERTIFICATE] = "certificate",
	[CONTENT_KEY] = "key",
	[CONTENT_KEY_PAIR] = "key-pair",
	[CONTENT_KEYSTORE] = "keystore",
};

static bool read_container(const struct cli_run *run, struct buf *file, struct err *err)
{
	const char *path = cli_value(run, "FILE");

	if (!cli_read_file(path, file, err)) {
		return false;
	}
	return file->len > 0 || err_set(err, ERR_CONFIG, "%s is empty", path);
}

static bool is_on(const struct cli_run *run, const char *row)
{
	const char *value = cli_value(run, row);

	return value && strcmp(value, "on") == 0;
}

/* With an alias it is one entry; what kind of one, the bytes tell. */
static bool judge_content(const struct cli_run *run, struct str file, enum content *out,
			  struct err *err)
{
	const char *named = cli_value(run, "as");
	AUTO_FREE struct cert_facts *facts = NEW(struct cert_facts);
	struct err ignored;

	for (size_t i = 0; named && i < COUNT(content_names); i++) {
		if (strcmp(named, content_names[i]) == 0) {
			*out = (enum content)i;
			return true;
		}
	}
	if (named) {
		return err_set(err, ERR_CONFIG,
			       "--as is certificate, key, key-pair or keystore, not \"%s\"", named);
	}
	if (!cli_value(run, "alias")) {
		*out = CONTENT_KEYSTORE;
	} else if (str_contains(file, STR("PRIVATE KEY-----"))) {
		*out = str_contains(file, STR("BEGIN CERTIFICATE-----")) ? CONTENT_KEY_PAIR
									 : CONTENT_KEY;
	} else if (cert_read_der(file, facts, &ignored) || cert_read_pem(file, facts, &ignored)) {
		*out = CONTENT_CERTIFICATE;
	} else {
		*out = CONTENT_KEY_PAIR;
	}
	return true;
}

static bool add_resource(struct jsonw *w, const char *key, struct str file, struct err *err)
{
	AUTO_BUF struct buf text = BUF_SECRET(BODY_MAX);

	buf_add_base64(&text, file.at, file.len);
	if (buf_failed(&text)) {
		return err_set(err, ERR_LIMIT, "the file is larger than %d bytes",
			       CONTAINER_FILE_MAX);
	}
	jsonw_key_str(w, key, buf_str(&text));
	return true;
}

static bool write_import(const struct cli_run *run, enum content content, struct str file,
			 struct buf *body, struct err *err)
{
	static const char *const members[] = {[CONTENT_KEY] = "RSAFile",
					      [CONTENT_KEY_PAIR] = "Resource",
					      [CONTENT_KEYSTORE] = "Resource"};
	const char *alias = cli_value(run, "alias");
	const char *password = cli_value(run, "file-password");
	struct jsonw w = jsonw_to(body);

	jsonw_object(&w);
	if (content == CONTENT_KEYSTORE) {
		jsonw_key_text(&w, "Name", "system");
	} else {
		jsonw_key_text(&w, "Hexalias", "00");
		jsonw_key_text(&w, "Alias", alias ? alias : "");
	}
	if (content == CONTENT_KEY && !keystore_add_subject(&w, run, err)) {
		return false;
	}
	if (content != CONTENT_KEY || password) {
		jsonw_key_text(&w, "Password", password ? password : "");
	}
	if (!add_resource(&w, members[content], file, err)) {
		return false;
	}
	jsonw_object_end(&w);
	return !buf_failed(body) || err_set(err, ERR_LIMIT, "the file is too large");
}

static bool write_import_path(const struct cli_run *run, enum content content, bool confirmed,
			      struct buf *path, struct err *err)
{
	static const char *const sets[] = {[CONTENT_KEY] = "RSAKeyGenerationRequests",
					   [CONTENT_KEY_PAIR] = "KeyPairResources",
					   [CONTENT_KEYSTORE] = "KeystoreResources"};
	const char *alias = cli_value(run, "alias");
	const char *mode = cli_value(run, "mode");

	if (content != CONTENT_KEYSTORE && !alias) {
		return err_set(err, ERR_CONFIG, "a %s needs --alias", content_names[content]);
	}
	keystore_service(run, path);
	if (content == CONTENT_CERTIFICATE) {
		keystore_add_entry(path, "CertificateResources", str_of(alias));
		buf_add_str(path, STR("/$value"));
	} else {
		buf_add_str(path, str_of(sets[content]));
	}
	keystore_add_query(path, "returnKeystoreEntries", STR("true"));
	if (content == CONTENT_KEYSTORE) {
		keystore_add_query(path, "importOption", str_of(mode ? mode : "merge"));
	} else {
		keystore_add_query(path, "update",
				   is_on(run, "update") ? STR("true") : STR("false"));
		keystore_add_query(path, "fingerprintVerified",
				   confirmed ? STR("true") : STR("false"));
	}
	return !buf_failed(path) || err_set(err, ERR_CONFIG, "the arguments are too long");
}

/* "ab:cd" and "ABCD" are the same. */
static bool same_fingerprint(const char *given, const char *seen)
{
	while (*given || *seen) {
		while (*given == ':' || *given == ' ') {
			given++;
		}
		while (*seen == ':') {
			seen++;
		}
		int a = *given ? str_hex_digit(*given++) : -1;
		int b = *seen ? str_hex_digit(*seen++) : -1;
		if (a != b || (a < 0 && (*given || *seen))) {
			return false;
		}
	}
	return true;
}

/*
 * Asked without confirmation first: the server's refusal names the certificate, and only the one
 * that the caller named is confirmed.
 */
static bool may_confirm(const struct cli_run *run, struct err *err)
{
	const char *given = cli_value(run, "fingerprint");
	const char *seen = run->session.untrusted;

	if (!given || !seen[0]) {
		return false; /* the refusal stands in err */
	}
	return same_fingerprint(given, seen) ||
	       err_set(err, ERR_DENIED,
		       "the certificate's fingerprint is %s, not the one of "
		       "--fingerprint",
		       seen);
}

static bool send_import(struct cli_run *run, enum content content, struct str body, bool confirmed,
			struct json **json, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);

	run->session.untrusted[0] = '\0';
	run->session.content_type = content == CONTENT_CERTIFICATE ? "application/pkix-cert" : NULL;
	return write_import_path(run, content, confirmed, &path, err) &&
	       keystore_write(run, content == CONTENT_CERTIFICATE ? "PUT" : "POST", &path, body,
			      json, err);
}

/* The server cannot tell a password that is wrong from one that was not given. */
static bool explain_password(const struct cli_run *run, enum content content, struct err *err)
{
	bool unsaid = content != CONTENT_CERTIFICATE && !cli_value(run, "file-password");

	return unsaid && str_contains(str_of(err->text), STR("password is wrong"))
		       ? err_wrap(err, "--file-password-file was not given")
		       : false;
}

/* Entries that were not taken are no success. */
static bool judge_report(const struct json *rows, struct err *err)
{
	size_t refused = 0;

	for (size_t i = 0; i < json_count(rows); i++) {
		struct str status;
		refused += json_get_str(json_at(rows, i), "Status", &status) &&
			   str_starts(status, STR("notImported"));
	}
	return refused == 0 || err_set(err, ERR_DENIED, "%zu of %zu entries were not imported",
				       refused, json_count(rows));
}

bool cli_keystore_import(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf file = BUF_SECRET(CONTAINER_FILE_MAX);
	AUTO_BUF struct buf made = BUF_SECRET(BODY_MAX);
	AUTO(json_free) struct json *json = NULL;
	enum content content = CONTENT_CERTIFICATE;

	if (!read_container(run, &file, err) ||
	    !judge_content(run, buf_str(&file), &content, err)) {
		return false;
	}
	struct str body = buf_str(&file);
	if (content != CONTENT_CERTIFICATE) {
		if (!write_import(run, content, buf_str(&file), &made, err)) {
			return false;
		}
		body = buf_str(&made);
	}
	if (!send_import(run, content, body, false, &json, err) &&
	    (!may_confirm(run, err) || !send_import(run, content, body, true, &json, err))) {
		return explain_password(run, content, err);
	}
	const struct json *rows = json_get(json_get(json, "d"), "results");
	keystore_print_report(run, rows);
	return judge_report(rows, err);
}

bool cli_keystore_reply(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf file = BUF(CONTAINER_FILE_MAX);
	AUTO(json_free) struct json *json = NULL;

	if (!read_container(run, &file, err)) {
		return false;
	}
	for (int confirmed = 0;; confirmed++) {
		AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
		keystore_service(run, &path);
		keystore_add_entry(&path, "CertificateChainResources",
				   str_of(cli_value(run, "ALIAS")));
		buf_add_str(&path, STR("/$value"));
		keystore_add_query(&path, "returnKeystoreEntries", STR("true"));
		keystore_add_query(&path, "fingerprintVerified",
				   confirmed ? STR("true") : STR("false"));
		run->session.content_type = "application/pkcs7-mime";
		if (keystore_write(run, "PUT", &path, buf_str(&file), &json, err)) {
			break;
		}
		if (confirmed || !may_confirm(run, err)) {
			return false;
		}
	}
	keystore_print_report(run, json_get(json_get(json, "d"), "results"));
	return true;
}

/* ---- out ---- */

bool cli_put_out(struct cli_run *run, struct str bytes, struct err *err)
{
	const char *to = cli_value(run, "to");

	if (!to || strcmp(to, "-") == 0) {
		buf_add_str(&run->out, bytes);
		return !buf_failed(&run->out) || err_set(err, ERR_LIMIT, "the answer is too long");
	}
	AUTO_FD int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, bytes.at, bytes.len) != (ssize_t)bytes.len || fsync(fd) != 0) {
		return err_errno(err, ERR_SYSTEM, "%s", to);
	}
	return true;
}

static bool get_value(struct cli_run *run, const char *navigation, const char *query,
		      struct err *err)
{
	const char *alias = cli_value(run, cli_value(run, "ALIAS") ? "ALIAS" : "alias");
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf bytes = BUF(CONTAINER_FILE_MAX);

	keystore_service(run, &path);
	keystore_add_entry(&path, "KeystoreEntries", str_of(alias));
	buf_addf(&path, "/%s/$value%s", navigation, query);
	if (is_on(run, "backup")) {
		keystore_add_query(&path, "keystoreName", STR("backup_admin_system"));
	}
	if (buf_failed(&path)) {
		return err_set(err, ERR_CONFIG, "the arguments are too long");
	}
	return cli_call_raw(&run->session, "GET", path.at, STR_NONE, &bytes, err) &&
	       cli_put_out(run, buf_str(&bytes), err);
}

/* All public content as one JCEKS file, as the original has it. */
static bool export_all(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
	AUTO_BUF struct buf bytes = BUF(CLI_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct str resource;

	keystore_service(run, &path);
	buf_addf(&path, "KeystoreResources('%s')",
		 is_on(run, "backup") ? "backup_admin_system" : "system");
	if (!cli_call(&run->session, "GET", path.at, STR_NONE, &json, err)) {
		return false;
	}
	if (!json_get_str(json_get(json, "d"), "Resource", &resource) ||
	    !buf_add_decoded_base64(&bytes, resource)) {
		return err_set(err, ERR_PROTOCOL, "the answer holds no keystore");
	}
	return cli_put_out(run, buf_str(&bytes), err);
}

bool cli_keystore_export(struct cli_run *run, struct err *err)
{
	static const struct {
		const char *what, *navigation, *query;
	} rows[] = {{"certificate", "Certificate", ""},
		    {"root", "Certificate", "?rootCA=true"},
		    {"chain", "ChainResource", ""},
		    {"ssh", "Sshkey", ""}};
	const char *what = cli_value(run, "what");

	if (!cli_value(run, "alias")) {
		return export_all(run, err);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strcmp(what ? what : "certificate", rows[i].what) == 0) {
			return get_value(run, rows[i].navigation, rows[i].query, err);
		}
	}
	return err_set(err, ERR_CONFIG, "--what is certificate, chain, root or ssh");
}

bool cli_keystore_csr(struct cli_run *run, struct err *err)
{
	return get_value(run, "SigningRequest", "", err);
}
