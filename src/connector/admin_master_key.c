/* The master key: what is sealed under an older one, and sealing it again. */
#include "connector/admin_priv.h"

static void hand_on(struct http_call *call, bool change)
{
	const struct admin_settings *s = &admin_of(call)->settings;
	const struct state_actor actor = admin_actor(call);

	if (s->master_key == NULL) {
		admin_error(call, 503, "there is no key process here");
		return;
	}
	s->master_key(call, change, &actor, s->user);
}

static void show(struct http_call *call)
{
	hand_on(call, false);
}

static void reseal(struct http_call *call)
{
	hand_on(call, true);
}

#define PATH "/api/drawbridge/v1/master-key"

const struct http_route admin_master_key_routes[] = {
	{"GET", PATH, show, ADMIN_LOGIN,
	 "How much is sealed, how much under an older master key, and the run of sealing it again",
	 NULL, "application/json", 0},
	{"POST", PATH, reseal, ADMIN_LOGIN,
	 "Starts to seal again what is sealed under an older one; answers 202, GET shows how far "
	 "it is",
	 NULL, "application/json", 0},
	{0},
};
