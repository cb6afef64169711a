#include "programs/ui_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"

enum {
	FILE_MAX = 128 * 1024,
	DAY = 86400,
};

/* The file: blobs of names, sealed key, SPKI and certificate (DER), in this order. */
struct identity {
	struct buf sealed, spki, der;
};

static void identity_fini(struct identity *id)
{
	buf_fini(&id->sealed);
	buf_fini(&id->spki);
	buf_fini(&id->der);
}

static bool read_file(const char *path, struct buf *out)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *room = buf_reserve(out, FILE_MAX);
	ssize_t n = fd < 0 ? -1 : read(fd, room, FILE_MAX);

	if (n <= 0) {
		return false;
	}
	buf_commit(out, (size_t)n);
	return true;
}

/* True when the file is whole, of these names and good for a while yet. */
static bool load(const char *path, const char *names, int64_t now, struct identity *id)
{
	AUTO_BUF struct buf text = BUF(FILE_MAX + 1);
	struct cert_facts facts;
	struct err err;

	if (!read_file(path, &text)) {
		return false;
	}
	struct rd in = rd_over(buf_str(&text));
	bool same = str_eq(rd_blob(&in, KIB(8)), str_of(names));
	buf_add_str(&id->sealed, rd_blob(&in, KEYS_SEALED_MAX));
	buf_add_str(&id->spki, rd_blob(&in, KEY_SPKI_MAX));
	buf_add_str(&id->der, rd_blob(&in, CERT_DER_MAX));
	return same && rd_done(&in) && cert_read_der(buf_str(&id->der), &facts, &err) &&
	       facts.not_before <= now && /* the clock may have been ahead then */
	       facts.not_after - now > (int64_t)UI_IDENTITY_RENEW_DAYS * DAY;
}

static bool save(const char *path, const char *names, const struct identity *id, struct err *err)
{
	AUTO_BUF struct buf text = BUF(FILE_MAX);
	char fresh[PATH_MAX + 8];

	wr_blob(&text, str_of(names));
	wr_blob(&text, buf_str(&id->sealed));
	wr_blob(&text, buf_str(&id->spki));
	wr_blob(&text, buf_str(&id->der));
	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	AUTO_FD int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text.at, text.len) != (ssize_t)text.len || fsync(fd) != 0 ||
	    rename(fresh, path) != 0) {
		return err_errno(err, ERR_CONFIG,
				 "cannot write %s (is the disk full, or the folder read-only?)",
				 path);
	}
	return true;
}

static bool make(struct keys_client *keys, const char *names, int64_t now, struct identity *id,
		 struct err *err)
{
	char texts[ISSUE_SANS_MAX][256];
	struct str rest = str_of(names), name;
	struct issue_facts facts = {.profile = ISSUE_SERVER,
				    .subject = "CN=Drawbridge connector,O=Drawbridge",
				    .not_before = now - 3600,
				    .not_after = now + (int64_t)UI_IDENTITY_DAYS * DAY};

	while (facts.n_sans < ISSUE_SANS_MAX && str_next_listed(&rest, &name)) {
		if (!str_copy(name, texts[facts.n_sans], sizeof(texts[0]))) {
			return err_set(err, ERR_CONFIG, "server.names: a name is too long");
		}
		facts.sans[facts.n_sans] = texts[facts.n_sans];
		facts.n_sans++;
	}
	random_bytes(facts.serial, sizeof(facts.serial));
	buf_reset(&id->sealed);
	buf_reset(&id->spki);
	buf_reset(&id->der);
	return keys_generate(keys, KEYS_CLASS_LISTENER, KEY_KIND_P256, &id->sealed, &id->spki,
			     err) &&
	       keys_issue(keys, &facts, buf_str(&id->spki), buf_str(&id->sealed), STR_NONE,
			  &id->der, err);
}

static bool configure(struct keys_client *keys, const struct identity *id, struct tls_config **out,
		      struct err *err)
{
	AUTO(key_free) struct key *key = NULL;
	AUTO_BUF struct buf pem = BUF(CERT_DER_MAX * 2);

	cert_add_pem(&pem, buf_str(&id->der));
	if (!keys_open(keys, buf_str(&id->sealed), buf_str(&id->spki), KEYS_FOR_TLS_SERVER, &key,
		       err)) {
		return false;
	}
	const struct tls_settings settings = {.server = true,
					      .chain_pem = buf_str(&pem),
					      .key = key,
					      .alpn = "http/1.1",
					      .tickets = true};
	return tls_config_new(&settings, out, err);
}

bool ui_identity_open(struct keys_client *keys, const char *state_dir, const char *names,
		      int64_t now, struct tls_config **out, struct buf *chain_pem, struct err *err)
{
	struct identity id = {BUF(KEYS_SEALED_MAX), BUF(KEY_SPKI_MAX), BUF(CERT_DER_MAX)};
	char path[PATH_MAX];
	bool ok = true;

	(void)snprintf(path, sizeof(path), "%s/ui-identity", state_dir);
	if (!load(path, names, now, &id)) {
		ok = make(keys, names, now, &id, err) && save(path, names, &id, err);
	}
	ok = ok && configure(keys, &id, out, err);
	if (ok) {
		cert_add_pem(chain_pem, buf_str(&id.der));
	}
	identity_fini(&id);
	return ok;
}

/* False when there is no whole file; `names` is NUL-terminated. */
static bool read_identity(const char *path, char names[static KIB(8)], struct identity *id)
{
	AUTO_BUF struct buf text = BUF(FILE_MAX + 1);

	if (!read_file(path, &text)) {
		return false;
	}
	struct rd in = rd_over(buf_str(&text));
	bool fits = str_copy(rd_blob(&in, KIB(8) - 1), names, KIB(8));
	buf_add_str(&id->sealed, rd_blob(&in, KEYS_SEALED_MAX));
	buf_add_str(&id->spki, rd_blob(&in, KEY_SPKI_MAX));
	buf_add_str(&id->der, rd_blob(&in, CERT_DER_MAX));
	return fits && rd_done(&in);
}

static bool reseal_file(struct keys_client *keys, const char *path, const char *names,
			struct identity *id, bool change, struct reseal_count *count,
			struct err *err)
{
	AUTO_BUF struct buf anew = BUF(KEYS_SEALED_MAX);
	bool again = false;

	if (!keys_reseal_key(keys, buf_str(&id->sealed), &anew, &again, err)) {
		return reseal_failed(count, STR("the key of the administration's own certificate"),
				     err) &&
		       reseal_step(count, err);
	}
	if (!again || !change) {
		count->under_old += again;
		return reseal_step(count, err);
	}
	count->resealed++;
	buf_reset(&id->sealed);
	buf_add_str(&id->sealed, buf_str(&anew));
	return save(path, names, id, err) && reseal_step(count, err);
}

bool ui_identity_reseal(struct keys_client *keys, const char *state_dir, bool change,
			struct reseal_count *count, struct err *err)
{
	struct identity id = {BUF(KEYS_SEALED_MAX), BUF(KEY_SPKI_MAX), BUF(CERT_DER_MAX)};
	char path[PATH_MAX], names[KIB(8)];

	(void)snprintf(path, sizeof(path), "%s/ui-identity", state_dir);
	bool ok = !read_identity(path, names, &id) ||
		  reseal_file(keys, path, names, &id, change, count, err);
	identity_fini(&id);
	return ok;
}
