/* Before anything is opened: is the master key the one that this database was made with? */
#include "programs/cloud_parts.h"

#include "cloud/directory/settings.h"

/* Sealed by the first node; whoever cannot open it has another master key. keyd opens passwords
 * only, so it counts as one. */
#define CHECK_LABEL   "password:master-check"
#define CHECK_SETTING "master.check"
#define CHECK_PLAIN   "drawbridge"

enum {
	CHECK_MAX = 1024,
};

static bool write_check(struct cloud *c, struct err *err)
{
	const struct directory_actor actor = {.who = STR("system"), .from = STR("")};
	AUTO_BUF struct buf sealed = BUF(CHECK_MAX), text = BUF(2 * CHECK_MAX);
	bool won;

	if (!keys_seal(c->keys, CHECK_LABEL, STR(CHECK_PLAIN), &sealed, err)) {
		return false;
	}
	buf_add_base64(&text, sealed.at, sealed.len);
	return directory_setting_init(c->store, &actor, STR(CHECK_SETTING), buf_str(&text), &won,
				      err);
}

bool cloud_check_master(struct cloud *c, struct err *err)
{
	AUTO_BUF struct buf text = BUF(2 * CHECK_MAX);
	AUTO_BUF struct buf sealed = BUF(CHECK_MAX), plain = BUF(CHECK_MAX);

	*err = (struct err){0};
	if (!directory_setting_get(c->store, STR(CHECK_SETTING), &text, err)) {
		return false;
	}
	/* What another node wrote meanwhile is what counts: read it back. */
	if (text.len == 0 && (!write_check(c, err) ||
			      !directory_setting_get(c->store, STR(CHECK_SETTING), &text, err))) {
		return false;
	}
	bool opened = buf_add_decoded_base64(&sealed, buf_str(&text)) &&
		      keys_unseal(c->keys, CHECK_LABEL, buf_str(&sealed), &plain, err);
	if (opened && str_eq(buf_str(&plain), STR(CHECK_PLAIN))) {
		return true;
	}
	if (!opened && (err->kind == ERR_SYSTEM || err->kind == ERR_STORE)) {
		return false; /* keyd died: that says nothing about the key */
	}
	return err_set(err, ERR_CONFIG,
		       "this database was made with another master key than %s: put a copy of the "
		       "first node's key there",
		       c->options.master_key_file);
}

static bool write_anew(struct cloud *c, struct str sealed, struct err *err)
{
	const struct directory_actor actor = {.who = STR("system"), .from = STR("")};
	AUTO_BUF struct buf text = BUF(2 * CHECK_MAX);

	buf_add_base64(&text, sealed.at, sealed.len);
	return directory_setting_set(c->store, &actor, STR(CHECK_SETTING), buf_str(&text), err);
}

bool cloud_new_data_keys(void *user, bool change, struct reseal_count *count, struct err *err)
{
	struct cloud *c = user;

	return keystore_reseal(c->rooms.keystore, change, count, err);
}

bool cloud_reseal_check(void *user, bool change, struct reseal_count *count, struct err *err)
{
	struct cloud *c = user;
	AUTO_BUF struct buf text = BUF(2 * CHECK_MAX);
	AUTO_BUF struct buf sealed = BUF(CHECK_MAX), anew = BUF(CHECK_MAX);
	bool again = false;

	*err = (struct err){0};
	if (!directory_setting_get(c->store, STR(CHECK_SETTING), &text, err)) {
		return false;
	}
	if ((!buf_add_decoded_base64(&sealed, buf_str(&text)) &&
	     !err_set(err, ERR_DENIED, "it is no base64")) ||
	    !keys_reseal_secret(c->keys, CHECK_LABEL, buf_str(&sealed), &anew, &again, err)) {
		return reseal_failed(count, STR("the mark of the master key in the database"),
				     err) &&
		       reseal_step(count, err);
	}
	if (again && !change) {
		count->under_old++;
	} else if (again) {
		count->resealed++;
		if (!write_anew(c, buf_str(&anew), err)) {
			return false;
		}
	}
	return reseal_step(count, err);
}
