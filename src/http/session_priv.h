#pragma once
/* The throttle's table, which session.c owns and locks. */
#include "http/session.h"

struct logins;

struct logins *logins_new(void);
void logins_free(struct logins *l);
msec_t logins_pause(struct logins *l, struct str user, const struct address *from, msec_t now);
void logins_note(struct logins *l, struct str user, const struct address *from, bool good,
		 msec_t now);
