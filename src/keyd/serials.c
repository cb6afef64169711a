#include "keyd/serials.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

struct serials {
	pthread_mutex_t lock;
	int fd;
};

static const char *const profile_names[] = {"root", "intermediate", "connector", "server"};

bool serials_open(int dir, struct serials **out, struct err *err)
{
	int fd = openat(dir, "serials", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_errno(err, ERR_SYSTEM,
				 "cannot open \"serials\" in the key process's folder (is the disk "
				 "full, or the folder read-only?)");
	}
	struct serials *s = NEW(struct serials);
	s->fd = fd;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return true;
}

void serials_close(struct serials *s)
{
	if (!s) {
		return;
	}
	close_fd(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* One line, whole and on disk, or nothing of it. */
static bool append(struct serials *s, struct str line, struct err *err)
{
	struct stat before;

	if (fstat(s->fd, &before) != 0) {
		return err_errno(err, ERR_SYSTEM, "cannot look at the list of serials");
	}
	ssize_t n = write(s->fd, line.at, line.len);
	if (n == (ssize_t)line.len && fsync(s->fd) == 0) {
		return true;
	}
	if (n >= 0 && n != (ssize_t)line.len) {
		errno = ENOSPC;
	}
	(void)err_errno(err, ERR_SYSTEM, "cannot append to the list of serials, nothing is issued");
	if (n > 0 && ftruncate(s->fd, before.st_size) != 0) {
		(void)err_wrap(err, "and half a line stayed");
	}
	return false;
}

bool serials_add(struct serials *s, int64_t now, const struct issue_facts *facts, struct err *err)
{
	AUTO_BUF struct buf line = BUF(KIB(2));

	clock_add_rfc3339(&line, now);
	buf_addf(&line, " %s ",
		 (unsigned)facts->profile < COUNT(profile_names) ? profile_names[facts->profile]
								 : "?");
	buf_add_hex(&line, facts->serial, sizeof(facts->serial));
	buf_add_c(&line, ' ');
	clock_add_rfc3339(&line, facts->not_after);
	buf_add_c(&line, ' ');
	/* What the server chose may not begin a line of its own. */
	for (const char *p = facts->subject; *p; p++) {
		buf_add_c(&line, (unsigned char)*p < ' ' ? '?' : *p);
	}
	buf_add_c(&line, '\n');
	if (buf_failed(&line)) {
		return err_set(err, ERR_LIMIT, "the subject is too long");
	}
	pthread_mutex_lock(&s->lock);
	bool ok = append(s, buf_str(&line), err);
	pthread_mutex_unlock(&s->lock);
	return ok;
}
