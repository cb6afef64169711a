/* `drawbridge ui-certificate`: the certificate of the connector's administration. */
#include "crypto/seal.h"
#include "net/address.h"
#include "programs/cli.h"

enum {
	UPLOAD_MAX = 2 * 1024 * 1024,
};

/* ---- made there ---- */

static void write_names(struct jsonw *w, struct str names)
{
	struct str name = STR_NONE;
	struct address address;

	jsonw_key(w, "subjectAltNames");
	jsonw_array(w);
	while (str_next_listed(&names, &name)) {
		jsonw_object(w);
		jsonw_key_text(w, "type", address_parse(name, 1, &address) ? "IP" : "DNS");
		jsonw_key_str(w, "value", name);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static bool write_wish(const struct cli_run *run, const char *type, struct buf *body,
		       struct err *err)
{
	const char *size = cli_value(run, "key-size"), *names = cli_value(run, "names");
	struct jsonw w = jsonw_to(body);

	jsonw_object(&w);
	jsonw_key_text(&w, "type", type);
	jsonw_key_text(&w, "subjectDN", cli_value(run, "SUBJECT"));
	jsonw_key_text(&w, "keySize", size ? size : "4096");
	if (names != NULL) {
		write_names(&w, str_of(names));
	}
	jsonw_object_end(&w);
	return !buf_failed(body) || err_set(err, ERR_CONFIG, "the arguments are too long");
}

bool cli_ui_self_sign(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf body = BUF(CLI_BODY_MAX);
	AUTO(json_free) struct json *json = NULL;

	return write_wish(run, "selfsigned", &body, err) &&
	       cli_call(&run->session, "POST", run->parsed->command->path, buf_str(&body), &json,
			err);
}

bool cli_ui_request(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf body = BUF(CLI_BODY_MAX), pem = BUF(CLI_FILE_MAX);

	return write_wish(run, "csr", &body, err) &&
	       cli_call_raw(&run->session, "POST", run->parsed->command->path, buf_str(&body), &pem,
			    err) &&
	       cli_put_out(run, buf_str(&pem), err);
}

/* ---- brought ---- */

static void add_part(struct buf *body, const char *boundary, const char *name, struct str content)
{
	buf_addf(body, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", boundary,
		 name);
	buf_add_str(body, content);
	buf_add_str(body, STR("\r\n"));
}

/* A boundary that the file cannot hold: it is made of the file's digest. */
static void write_boundary(struct str file, char into[static 40])
{
	AUTO_BUF struct buf hex = BUF(64);
	uint8_t digest[32];

	digest_sha256(file, digest);
	buf_add_hex(&hex, digest, 16);
	(void)snprintf(into, 40, "%.32s", hex.at);
}

static bool send_file(struct cli_run *run, const char *method, const char *part,
		      const char *password, struct err *err)
{
	AUTO_BUF struct buf file = BUF_SECRET(UPLOAD_MAX);
	AUTO_BUF struct buf body = BUF_SECRET(UPLOAD_MAX + KIB(4));
	AUTO(json_free) struct json *json = NULL;
	char boundary[40], type[100];

	if (!cli_read_file(cli_value(run, "FILE"), &file, err)) {
		return false;
	}
	write_boundary(buf_str(&file), boundary);
	add_part(&body, boundary, part, buf_str(&file));
	if (password != NULL) {
		add_part(&body, boundary, "password", str_of(password));
	}
	buf_addf(&body, "--%s--\r\n", boundary);
	if (buf_failed(&file) || buf_failed(&body)) {
		return err_set(err, ERR_CONFIG, "%s is too large", cli_value(run, "FILE"));
	}
	(void)snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
	run->session.content_type = type;
	bool ok = cli_call(&run->session, method, run->parsed->command->path, buf_str(&body), &json,
			   err);
	run->session.content_type = NULL; /* `type` ends here */
	return ok;
}

bool cli_ui_install(struct cli_run *run, struct err *err)
{
	return send_file(run, "PATCH", "signedCertificate", NULL, err);
}

bool cli_ui_upload(struct cli_run *run, struct err *err)
{
	const char *password = cli_value(run, "file-password");

	return send_file(run, "PUT", "pkcs12", password ? password : "", err);
}
