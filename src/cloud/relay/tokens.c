#include "cloud/relay/tokens.h"

#include "base/json.h"
#include "crypto/seal.h"

struct known {
	uint8_t hash[32];
	unsigned long long number; /* of the snapshot under which it was verified; 0: empty */
	struct token_facts facts;
};

/* The hash of a token that was good a moment ago: hashing 1 KiB would cost more than all the rest
 * of a request. Good ones only, so a stranger cannot push them out. */
struct recent {
	struct buf token;
	uint8_t hash[32];
};

struct tokens {
	struct recent recent[TOKENS_RECENT];
	struct known *known; /* TOKENS_MAX, in groups of TOKENS_WAYS */
	size_t n;
	uint64_t verified;
	unsigned turn; /* which way of a full group makes room */
	struct buf claims;
};

enum {
	CLAIMS_MAX = JOSE_TOKEN_MAX,
};

struct tokens *tokens_new(void)
{
	struct tokens *t = NEW(struct tokens);

	t->known = NEW_ARRAY(struct known, TOKENS_MAX);
	t->claims = BUF_SECRET(CLAIMS_MAX);
	for (size_t i = 0; i < TOKENS_RECENT; i++) {
		t->recent[i].token = BUF_SECRET(JOSE_TOKEN_MAX);
	}
	return t;
}

void tokens_free(struct tokens *t)
{
	if (t != NULL) {
		buf_fini(&t->claims);
		for (size_t i = 0; i < TOKENS_RECENT; i++) {
			buf_fini(&t->recent[i].token);
		}
		free(t->known);
		free(t);
	}
}

size_t tokens_known(const struct tokens *t)
{
	return t->n;
}

uint64_t tokens_verified(const struct tokens *t)
{
	return t->verified;
}

static struct known *group_of(struct tokens *t, const uint8_t hash[static 32])
{
	size_t group = ((size_t)hash[0] << 8 | hash[1]) % (TOKENS_MAX / TOKENS_WAYS);
	return &t->known[group * TOKENS_WAYS];
}

static struct known *find(struct tokens *t, const uint8_t hash[static 32])
{
	struct known *group = group_of(t, hash);

	for (size_t i = 0; i < TOKENS_WAYS; i++) {
		if (group[i].number != 0 && equal_secret(group[i].hash, hash, 32)) {
			return &group[i];
		}
	}
	return NULL;
}

static void forget(struct tokens *t, struct known *k)
{
	*k = (struct known){.number = 0};
	t->n--;
}

static struct known *make_room(struct tokens *t, const uint8_t hash[static 32])
{
	struct known *group = group_of(t, hash);

	for (size_t i = 0; i < TOKENS_WAYS; i++) {
		if (group[i].number == 0) {
			t->n++;
			return &group[i];
		}
	}
	return &group[t->turn++ % TOKENS_WAYS];
}

/* `aud`, `iss` and the like are the token server's; these three are what the relay lives by. */
static bool read_claims(struct str text, struct token_facts *out, struct err *err)
{
	AUTO(json_free) struct json *claims = NULL;
	struct str zid, client;
	struct err why;

	if (!json_parse(text, CLAIMS_MAX, &claims, &why)) {
		return err_set(err, ERR_DENIED, "the token's claims are no JSON");
	}
	if (!json_get_str(claims, "zid", &zid) || !str_copy(zid, out->subaccount, DIRECTORY_UUID)) {
		return err_set(err, ERR_DENIED, "the token names no tenant (claim zid)");
	}
	if (!json_get_str(claims, "client_id", &client) ||
	    !str_copy(client, out->client_id, sizeof(out->client_id))) {
		return err_set(err, ERR_DENIED, "the token names no client (claim client_id)");
	}
	if (!json_get_int(claims, "exp", &out->expires)) {
		return err_set(err, ERR_DENIED, "the token has no end (claim exp)");
	}
	return true;
}

static bool judge(struct token_facts *f, const struct directory_snapshot *snap, struct err *err)
{
	const char *owner = directory_snapshot_binding(snap, str_of(f->client_id));

	if (owner == NULL) {
		return err_set(err, ERR_DENIED,
			       "the token's client \"%s\" is not known here (any more)",
			       f->client_id);
	}
	const struct directory_subaccount *sa =
		directory_snapshot_subaccount(snap, str_of(f->subaccount));
	if (sa == NULL) {
		return err_set(err, ERR_DENIED, "the token's subaccount %s is not known here",
			       f->subaccount);
	}
	/* A client speaks for its own tenant, whatever else a token server may have signed. */
	if (strcmp(owner, f->subaccount) != 0) {
		return err_set(err, ERR_DENIED,
			       "the token's client \"%s\" is not one of subaccount %s",
			       f->client_id, f->subaccount);
	}
	f->locked = sa->locked;
	return true;
}

static bool verify(struct tokens *t, struct str token, const struct directory_snapshot *snap,
		   struct token_facts *out, struct err *err)
{
	const struct jose_keys *keys = snap ? directory_snapshot_keys(snap) : NULL;

	if (keys == NULL) {
		return err_set(err, ERR_DENIED, "no keys of a token server are known yet");
	}
	t->verified++;
	buf_reset(&t->claims);
	return jose_verify(keys, token, &t->claims, err) &&
	       read_claims(buf_str(&t->claims), out, err) && judge(out, snap, err);
}

/* By the end of the signature, which nobody chooses. */
static struct recent *recent_of(struct tokens *t, struct str token)
{
	uint64_t end = 0;

	if (token.len >= sizeof(end)) {
		memcpy(&end, token.at + token.len - sizeof(end), sizeof(end));
	}
	return &t->recent[(end * 0x9e3779b97f4a7c15U >> 32) % TOKENS_RECENT];
}

static void remember(struct recent *r, struct str token, const uint8_t hash[static 32])
{
	buf_reset(&r->token);
	buf_add_str(&r->token, token);
	memcpy(r->hash, hash, sizeof(r->hash));
}

bool tokens_check(struct tokens *t, struct str token, const struct directory_snapshot *snap,
		  unsigned long long number, int64_t now, const struct token_facts **out,
		  struct err *err)
{
	uint8_t hash[32];
	struct token_facts fresh = {.expires = 0};

	if (token.len > JOSE_TOKEN_MAX) {
		return err_set(err, ERR_DENIED, "a token of more than %d bytes",
			       (int)JOSE_TOKEN_MAX);
	}
	struct recent *r = recent_of(t, token);
	/* Not in constant time: to come here one must know the end of a good signature. */
	bool is_recent = token.len > 0 && str_eq(buf_str(&r->token), token);
	if (is_recent) {
		memcpy(hash, r->hash, sizeof(hash));
	} else {
		digest_sha256(token, hash);
	}
	struct known *k = find(t, hash);
	if (k != NULL && (k->number != number || now >= k->facts.expires)) {
		forget(t, k);
		k = NULL;
	}
	if (k == NULL) {
		if (!verify(t, token, snap, &fresh, err)) {
			return false;
		}
		if (now >= fresh.expires) {
			return err_set(err, ERR_DENIED, "the token expired %lld s ago",
				       (long long)(now - fresh.expires));
		}
		k = make_room(t, hash);
		memcpy(k->hash, hash, sizeof(hash));
		k->number = number;
		k->facts = fresh;
	}
	if (!is_recent) {
		remember(r, token, hash);
	}
	*out = &k->facts;
	return true;
}

bool tokens_from_field(struct str value, struct buf *room, struct str *token)
{
	size_t space = str_find(value, ' ');
	struct str scheme = str_first(value, space), rest = str_trim(str_skip(value, space));

	if (str_eq_nocase(scheme, STR("Bearer"))) {
		*token = rest;
		return rest.len > 0;
	}
	buf_reset(room);
	if (!str_eq_nocase(scheme, STR("Basic")) || !buf_add_decoded_base64(room, rest)) {
		return false;
	}
	struct str user = buf_str(room);
	*token = str_first(user, str_find(user, ':'));
	return token->len > 0 && token->len + 1 == user.len; /* an empty password */
}
