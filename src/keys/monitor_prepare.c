#include "keys/monitor_priv.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "keys/master.h"
#include "keys/sandbox.h"

static bool make_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		return err_errno(err, ERR_CONFIG,
				 "cannot make the state folder %s (make it, or give another with "
				 "state.dir)",
				 path);
	}
	return true;
}

/* Looked at before the key is made: its folder tells where it will be. */
static bool key_is_apart(const struct monitor_settings *s, struct err *err)
{
	struct str path = str_of(s->master_key_path);
	size_t slash = str_find_last(path, '/');
	AUTO_FREE char *folder = slash == path.len ? str_dup(STR("."))
				 : slash == 0      ? str_dup(STR("/"))
						   : str_dup(str_first(path, slash));

	if (sandbox_is_inside(folder, s->state_dir) ||
	    sandbox_is_inside(s->master_key_path, s->state_dir)) {
		return err_set(err, ERR_CONFIG,
			       "the master key %s lies in the state folder, where the server may "
			       "read: move it to another folder (master.key.file)",
			       s->master_key_path);
	}
	return true;
}

/* A program that cannot be executed would be started again for ever. */
static bool keyd_is_there(const char *path, struct err *err)
{
	struct stat st;

	if (access(path, X_OK) != 0 || stat(path, &st) != 0) {
		return err_errno(err, ERR_CONFIG,
				 "cannot execute the key process %s (say where it is with "
				 "keyd.path)",
				 path);
	}
	return S_ISREG(st.st_mode) ||
	       err_set(err, ERR_CONFIG, "the key process %s is no file (keyd.path)", path);
}

bool monitor_is_first_start(const char *state_dir)
{
	AUTO_BUF struct buf folder = BUF(PATH_MAX);
	struct stat st;

	buf_addf(&folder, "%s/keyd", state_dir);
	return !buf_failed(&folder) && stat(folder.at, &st) != 0;
}

bool monitor_prepare(const struct monitor_settings *s, int *master, struct err *err)
{
	AUTO_BUF struct buf folder = BUF(PATH_MAX);

	buf_addf(&folder, "%s/keyd", s->state_dir);
	if (buf_failed(&folder)) {
		return err_set(err, ERR_CONFIG, "the name of the state folder is too long");
	}
	bool first_start = monitor_is_first_start(s->state_dir);
	if (!keyd_is_there(s->keyd_path, err)) {
		return false;
	}
	if (!make_folder(s->state_dir, err) || !key_is_apart(s, err)) {
		return false;
	}
	/* The key before the folder that makes it obligatory: kill -9 between them heals. */
	return master_open(s->master_key_path, first_start, master, err) &&
	       make_folder(folder.at, err);
}
