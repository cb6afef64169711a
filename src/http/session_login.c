/* Who failed to log in lately, by user and by address; pauses grow with each failure. */
#include "base/map.h"
#include "http/session_priv.h"

enum {
	KEY_MAX = 200, /* bytes; a longer name shares its entry with others that begin so */
};

struct failures {
	struct failures *next, *prev; /* from the one that failed last */
	unsigned n;
	msec_t last;
	size_t key_len;
	char key[KEY_MAX];
};

struct logins {
	struct map *by_key;
	struct failures *newest, *oldest;
};

struct logins *logins_new(void)
{
	struct logins *l = NEW(struct logins);
	l->by_key = map_new();
	return l;
}

static void unlink_entry(struct logins *l, struct failures *f)
{
	*(f->prev ? &f->prev->next : &l->newest) = f->next;
	*(f->next ? &f->next->prev : &l->oldest) = f->prev;
	f->next = f->prev = NULL;
}

static void push_newest(struct logins *l, struct failures *f)
{
	f->next = l->newest;
	*(l->newest ? &l->newest->prev : &l->oldest) = f;
	l->newest = f;
}

static void forget(struct logins *l, struct failures *f)
{
	if (f != NULL) {
		unlink_entry(l, f);
		map_remove(l->by_key, str_make(f->key, f->key_len));
		free(f);
	}
}

void logins_free(struct logins *l)
{
	if (l == NULL) {
		return;
	}
	while (l->newest != NULL) {
		forget(l, l->newest);
	}
	map_free(l->by_key);
	free(l);
}

/* "u" and the user's name, or "a" and the address without its port. */
static struct str user_key(struct str user, char into[static KEY_MAX])
{
	struct str name = str_first(user, KEY_MAX - 1);
	into[0] = 'u';
	if (name.len) {
		memcpy(into + 1, name.at, name.len);
	}
	return str_make(into, name.len + 1);
}

static struct str address_key(const struct address *from, char into[static KEY_MAX])
{
	into[0] = 'a';
	into[1] = '\0';
	if (from->len) {
		address_format(from, into + 1, KEY_MAX - 1);
	}
	struct str key = str_of(into);
	return str_first(key, str_find_last(key, ':'));
}

static msec_t pause_of(const struct failures *f, msec_t most, msec_t now)
{
	if (f == NULL || f->n < LOGIN_FREE_TRIES || now - f->last > LOGIN_FORGET_MS) {
		return 0;
	}
	unsigned doublings = f->n - LOGIN_FREE_TRIES;
	msec_t pause = doublings > 20 ? most : (msec_t)LOGIN_PAUSE_FIRST_MS << doublings;
	msec_t until = f->last + (pause < most ? pause : most);
	return until > now ? until - now : 0;
}

msec_t logins_pause(struct logins *l, struct str user, const struct address *from, msec_t now)
{
	char key[KEY_MAX];
	msec_t a = pause_of(map_get(l->by_key, user_key(user, key)), LOGIN_PAUSE_USER_MAX_MS, now);
	msec_t b = pause_of(map_get(l->by_key, address_key(from, key)), LOGIN_PAUSE_ADDRESS_MAX_MS,
			    now);
	return a > b ? a : b;
}

static void note_failure(struct logins *l, struct str key, msec_t now)
{
	struct failures *f = map_get(l->by_key, key);
	if (f != NULL) {
		f->n = now - f->last > LOGIN_FORGET_MS ? 0 : f->n;
		unlink_entry(l, f);
	} else {
		if (map_count(l->by_key) >= LOGINS_MAX) {
			forget(l, l->oldest);
		}
		f = NEW(struct failures);
		memcpy(f->key, key.at, key.len);
		f->key_len = key.len;
		map_put(l->by_key, str_make(f->key, f->key_len), f);
	}
	f->n++;
	f->last = now;
	push_newest(l, f);
}

/* The user's own failures are forgotten, those of others from the same address are not. */
static void forgive(struct logins *l, struct failures *user, struct failures *address)
{
	unsigned own = user ? user->n : 0;

	if (address != NULL && address->n <= own) {
		forget(l, address);
	} else if (address != NULL) {
		address->n -= own;
	}
	forget(l, user);
}

void logins_note(struct logins *l, struct str user, const struct address *from, bool good,
		 msec_t now)
{
	char by_user[KEY_MAX], by_address[KEY_MAX];
	struct str user_at = user_key(user, by_user);
	struct str address_at = address_key(from, by_address);

	if (good) {
		forgive(l, map_get(l->by_key, user_at), map_get(l->by_key, address_at));
	} else {
		note_failure(l, user_at, now);
		note_failure(l, address_at, now);
	}
}
