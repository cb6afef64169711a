#include "cloud/relay/cancels.h"

#include "base/map.h"
#include "cloud/directory/snapshot.h"

struct bucket {
	struct bucket *next;
	char id[DIRECTORY_UUID];
	msec_t empty_at; /* when all are forgotten; so it holds (empty_at - now) / cost of them */
};

struct cancels {
	struct map *by_id; /* id → struct bucket; subaccounts of good tokens only */
	struct bucket *all;
	msec_t swept;
};

struct cancels *cancels_new(void)
{
	struct cancels *c = NEW(struct cancels);

	c->by_id = map_new();
	return c;
}

void cancels_free(struct cancels *c)
{
	if (c == NULL) {
		return;
	}
	for (struct bucket *b = c->all; b != NULL;) {
		struct bucket *next = b->next;
		free(b);
		b = next;
	}
	map_free(c->by_id);
	free(c);
}

/* Empty ones are as good as none. */
static void sweep(struct cancels *c, msec_t now)
{
	if (now - c->swept < CANCELS_FULL_MS) {
		return;
	}
	c->swept = now;
	for (struct bucket **at = &c->all; *at != NULL;) {
		struct bucket *b = *at;
		if (b->empty_at > now) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		map_remove(c->by_id, str_of(b->id));
		free(b);
	}
}

static struct bucket *find_or_add(struct cancels *c, struct str subaccount)
{
	struct bucket *b = map_get(c->by_id, subaccount);

	if (b == NULL) {
		b = NEW(struct bucket);
		/* of a token that was checked: a UUID */
		snprintf(b->id, sizeof(b->id), "%.*s", STR_ARGS(subaccount));
		b->next = c->all;
		c->all = b;
		map_put(c->by_id, str_of(b->id), b);
	}
	return b;
}

void cancels_note(struct cancels *c, struct str subaccount, msec_t now)
{
	sweep(c, now);
	struct bucket *b = find_or_add(c, subaccount);
	msec_t from = b->empty_at > now ? b->empty_at : now;
	msec_t most = now + 2 * (msec_t)CANCELS_FULL_MS; /* a debt, but one with an end */

	b->empty_at = from + CANCELS_COST_MS < most ? from + CANCELS_COST_MS : most;
}

msec_t cancels_wait(const struct cancels *c, struct str subaccount, msec_t now)
{
	const struct bucket *b = map_get(c->by_id, subaccount);
	msec_t room_at = b != NULL ? b->empty_at + CANCELS_COST_MS - CANCELS_FULL_MS : now;

	return room_at > now ? room_at - now : 0;
}

size_t cancels_count(const struct cancels *c)
{
	return map_count(c->by_id);
}
