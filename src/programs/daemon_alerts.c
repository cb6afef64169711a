#include "programs/daemon_alerts.h"

#include <fcntl.h>
#include <unistd.h>

enum {
	TRUST_MAX = 1024 * 1024, /* bytes of alert.trust.file */
};

struct alerts *daemon_alerts_new(struct store *store, const char *program)
{
	char host[256] = "this machine", origin[300];
	const struct alerts_settings settings = {.store = store, .origin = origin};

	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(origin, sizeof(origin), "%.32s on %s", program, host);
	return alerts_new(&settings);
}

static bool read_file(const char *key, const char *path, size_t max, struct buf *out,
		      struct err *err)
{
	if (path == NULL) {
		return true;
	}
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *room = buf_reserve(out, max + 1);
	ssize_t n = fd < 0 || room == NULL ? -1 : read(fd, room, max + 1);
	if (n < 0) {
		return err_errno(err, ERR_CONFIG, "%s: cannot read %s", key, path);
	}
	if ((size_t)n > max) {
		return err_set(err, ERR_CONFIG, "%s: %s is longer than %zu bytes", key, path, max);
	}
	buf_commit(out, (size_t)n);
	return true;
}

/* A line that an editor ended. */
static bool read_secret(const char *key, const char *path, struct buf *out, struct err *err)
{
	if (!read_file(key, path, ALERT_SECRET_MAX, out, err)) {
		return false;
	}
	while (out->len > 0 && (out->at[out->len - 1] == '\n' || out->at[out->len - 1] == '\r')) {
		out->at[--out->len] = '\0';
	}
	if (path != NULL && (out->len == 0 || strlen(out->at) != out->len)) {
		return err_set(err, ERR_CONFIG, "%s: %s is empty, or no text", key, path);
	}
	return true;
}

bool daemon_alerts_check(const struct alert_options *o, struct err *err)
{
	struct alert_policy ignored = {0};

	return alert_policy_read(str_of(o->thresholds), &ignored, err);
}

bool daemon_alerts_configure(struct alerts *a, const struct alert_options *o, struct err *err)
{
	AUTO_BUF struct buf password = BUF_SECRET(ALERT_SECRET_MAX + 2);
	AUTO_BUF struct buf secret = BUF_SECRET(ALERT_SECRET_MAX + 2);
	AUTO_BUF struct buf trust = BUF(TRUST_MAX + 2);
	struct alert_config c = {.interval = o->interval,
				 .retry = o->retry,
				 .mail_url = o->mail_url,
				 .mail_user = o->mail_user,
				 .mail_plain = !o->mail_tls,
				 .mail_from = o->mail_from,
				 .mail_to = o->mail_to,
				 .webhook_url = o->webhook_url,
				 .system_anchors = true};
	struct cert_facts facts;

	c.policy.repeat_s = o->repeat / 1000;
	if (!alert_policy_read(str_of(o->thresholds), &c.policy, err) ||
	    !read_secret("mail.password.file", o->mail_password_file, &password, err) ||
	    !read_secret("webhook.secret.file", o->webhook_secret_file, &secret, err) ||
	    !read_file("alert.trust.file", o->trust_file, TRUST_MAX, &trust, err)) {
		return false;
	}
	if (trust.len > 0 && !cert_read_pem(buf_str(&trust), &facts, err)) {
		return err_wrap(err, "alert.trust.file");
	}
	c.mail_password = password.len > 0 ? password.at : NULL;
	c.webhook_secret = secret.len > 0 ? secret.at : NULL;
	c.anchors_pem = trust.len > 0 ? trust.at : NULL;
	return alerts_configure(a, &c, err);
}

void daemon_alerts_files(const struct alert_options *o, struct daemon_place *place)
{
	const char *files[] = {o->trust_file, o->mail_password_file, o->webhook_secret_file};

	_Static_assert(COUNT(files) <= COUNT(place->files), "room for each");
	memcpy(place->files, files, sizeof(files));
}

/* ---- sources ---- */

void daemon_alerts_give(const struct alert_certificate *base, const struct cert_facts *facts,
			alert_each_fn *fn, void *user)
{
	struct alert_certificate c = *base;

	c.subject = facts->subject;
	c.issuer = facts->issuer;
	c.serial = facts->serial;
	c.not_before = facts->not_before;
	c.not_after = facts->not_after;
	c.subaccount = c.subaccount != NULL ? c.subaccount : "";
	fn(&c, user);
}

struct giving {
	const struct alert_certificate *base;
	const char *prefix;
	alert_each_fn *fn;
	void *user;
};

static bool give_one(struct str der, void *user, struct err *err)
{
	const struct giving *g = user;
	struct alert_certificate c = *g->base;
	struct cert_facts facts;
	AUTO_BUF struct buf name = BUF(KIB(1)), label = BUF(KIB(2));

	if (!cert_read_der(der, &facts, err)) {
		return false;
	}
	buf_add_str(&name, str_of(g->prefix));
	buf_add_hex(&name, facts.sha256, 8);
	buf_addf(&label, "%s %.150s", g->base->label, facts.subject);
	c.name = name.at;
	c.label = label.at;
	daemon_alerts_give(&c, &facts, g->fn, g->user);
	return true;
}

bool daemon_alerts_give_pem(const struct alert_certificate *base, const char *prefix,
			    struct str pem, alert_each_fn *fn, void *user, struct err *err)
{
	struct giving g = {.base = base, .prefix = prefix, .fn = fn, .user = user};

	return pem.len == 0 || cert_each_pem(pem, give_one, &g, err);
}
