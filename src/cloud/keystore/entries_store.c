/* Reading: lists, one entry, its content. A place is a moment of a keystore; see keystore.h. */
#include "cloud/keystore/keystore_priv.h"

enum {
	TEXTS_MAX = 256 * 1024 * 1024, /* of one list: 10,000 entries with the longest names */
};

struct keystore_list *keystore_list_new(void)
{
	struct keystore_list *l = NEW(struct keystore_list);

	l->texts = arena_new(KIB(4), TEXTS_MAX);
	return l;
}

void keystore_list_free(struct keystore_list *l)
{
	if (l == NULL) {
		return;
	}
	arena_free(l->texts);
	free(l->entries);
	free(l);
}

size_t keystore_list_count(const struct keystore_list *l)
{
	return l->n;
}

const struct keystore_entry *keystore_list_at(const struct keystore_list *l, size_t i)
{
	return &l->entries[i];
}

/* "AB:CD:…" */
void keystore_print_text(const uint8_t *bytes, size_t n, char *into)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		*into++ = digits[bytes[i] >> 4];
		*into++ = digits[bytes[i] & 15];
		*into++ = ':';
	}
	into[-1] = '\0';
}

const char *keystore_print(const struct keystore_entry *e, enum keystore_print which,
			   char into[static KEYSTORE_PRINT_TEXT])
{
	size_t before = which == KEYSTORE_SHA1     ? 0
			: which == KEYSTORE_SHA256 ? KEYSTORE_SHA1
						   : KEYSTORE_SHA1 + KEYSTORE_SHA256;

	into[0] = '\0';
	if (e->prints != NULL) {
		keystore_print_text(e->prints + before, which, into);
	}
	return into;
}

/* ---- rows ---- */

enum {
	N_TEXTS = 7,
};

/* The longest that each may be; what a database has beyond is cut, as a draft would have it. */
static const struct {
	int column;
	size_t max;
} text_columns[N_TEXTS] = {{1, KEYSTORE_ALIAS_MAX - 1},
			   {5, DIRECTORY_NAME_MAX - 1},
			   {6, DIRECTORY_NAME_MAX - 1},
			   {9, 15},
			   {10, 63},
			   {11, 63},
			   {12, 271}};

static const char **text_of(struct keystore_entry *e, int i)
{
	const char **const all[N_TEXTS] = {&e->alias, &e->created_by, &e->modified_by, &e->key_type,
					   &e->curve, &e->signature,  &e->serial};

	return all[i];
}

static char *put(char *at, const void *bytes, size_t len)
{
	if (len > 0) {
		memcpy(at, bytes, len);
	}
	return at + len;
}

/* One piece of memory for all that an entry points to. */
static bool keep(struct keystore_list *l, struct keystore_entry *e, const struct str *texts,
		 struct err *err)
{
	size_t len = (e->prints != NULL ? KEYSTORE_PRINTS : 0) + e->subject.len + e->issuer.len;

	for (int i = 0; i < N_TEXTS; i++) {
		len += texts[i].len + 1;
	}
	char *at = arena_get(l->texts, len);
	if (at == NULL) {
		return err_set(err, ERR_LIMIT, "the texts of the entries take more than %d bytes",
			       (int)TEXTS_MAX);
	}
	for (int i = 0; i < N_TEXTS; i++) {
		*text_of(e, i) = at;
		at = put(at, texts[i].at, texts[i].len);
		*at++ = '\0';
	}
	const struct str subject = e->subject, issuer = e->issuer;
	e->subject = str_make(at, subject.len);
	at = put(at, subject.at, subject.len);
	e->issuer = str_make(at, issuer.len);
	at = put(at, issuer.at, issuer.len);
	if (e->prints != NULL) {
		const uint8_t *prints = e->prints;
		e->prints = (const uint8_t *)at;
		(void)put(at, prints, KEYSTORE_PRINTS);
	}
	return true;
}

bool keystore_list_keep(struct keystore_list *l, struct keystore_entry *e, struct err *err)
{
	struct str texts[N_TEXTS];

	for (int i = 0; i < N_TEXTS; i++) {
		texts[i] = str_of(*text_of(e, i));
	}
	return keep(l, e, texts, err);
}

bool keystore_list_add(struct keystore_list *l, struct stmt *st, struct err *err)
{
	if (l->n == l->room) {
		l->room = l->room == 0 ? 4 : l->room * 2;
		l->entries = must_realloc(l->entries, l->room * sizeof(*l->entries));
	}
	struct keystore_entry *e = &l->entries[l->n];
	struct str texts[N_TEXTS], prints = stmt_col_text(st, 19);
	*e = (struct keystore_entry){
		.version = stmt_col_int(st, 0),
		.owner = stmt_col_int(st, 2) == KEYS_OWNER_PROVIDER ? KEYS_OWNER_PROVIDER
								    : KEYS_OWNER_TENANT,
		.kind = stmt_col_int(st, 3) == KEYS_ENTRY_KEY_PAIR ? KEYS_ENTRY_KEY_PAIR
								   : KEYS_ENTRY_CERTIFICATE,
		.flags = (uint8_t)stmt_col_int(st, 4),
		.created = stmt_col_int(st, 7),
		.modified = stmt_col_int(st, 8),
		.key_size = (uint32_t)stmt_col_int(st, 13),
		.x509_version = (uint32_t)stmt_col_int(st, 14),
		.not_before = stmt_col_int(st, 15),
		.not_after = stmt_col_int(st, 16),
		.subject = stmt_col_text(st, 17),
		.issuer = stmt_col_text(st, 18),
		.prints = prints.len == KEYSTORE_PRINTS ? (const uint8_t *)prints.at : NULL,
		.chain_length = (uint32_t)stmt_col_int(st, 20),
		.bytes = (uint32_t)stmt_col_int(st, 21)};
	for (int i = 0; i < N_TEXTS; i++) {
		texts[i] =
			str_first(stmt_col_text(st, text_columns[i].column), text_columns[i].max);
	}
	if (!keep(l, e, texts, err)) {
		return false;
	}
	l->n++;
	return true;
}

bool keystore_read_version(struct db *db, int64_t version, struct keystore_list *l, struct err *err)
{
	struct stmt *st;

	if (!db_prepare(db, "SELECT " KEYSTORE_COLUMNS " FROM entry_version v WHERE v.id = $1", &st,
			err)) {
		return false;
	}
	stmt_int(st, 1, version);
	enum store_outcome outcome = stmt_step(st, err);
	bool ok = outcome == STORE_ROW && keystore_list_add(l, st, err);
	stmt_reset(st);
	return outcome == STORE_DONE ? err_set(err, ERR_STORE, "an entry's version is missing")
				     : ok;
}

/* ---- places ---- */

struct reading {
	struct keystore *k;
	const struct keystore_place *place;
	const struct keystore_filter *filter; /* NULL: all */
	struct buf fold;                      /* of the one wanted alias, or of filter->after */
	bool one;
	struct keystore_list *list;
	/* where it is */
	struct keystore_row row;
	bool exists, now, tenant_only;
	int64_t generation;
	struct keystore_pin pin; /* of the backup */
};

static bool find_backup(struct db *db, struct reading *r, struct err *err)
{
	bool found;

	r->tenant_only = true;
	if (!keystore_pin_read(db, r->row.id, 0, &r->pin, &found, err)) {
		return false;
	}
	r->exists = found || r->place->generation != 0;
	r->generation = r->place->generation != 0 ? r->place->generation : r->pin.generation;
	return true;
}

/* Fills in where to look; r->exists is false for an empty place. */
static bool find_place(struct db *db, struct reading *r, struct err *err)
{
	struct str name = str_of(r->place->name);
	bool found;

	r->exists = r->now = r->tenant_only = false;
	if (str_eq(name, STR(KEYSTORE_RENEWAL)) || str_eq(name, STR(KEYSTORE_HISTORY))) {
		return true;
	}
	bool backup = str_eq(name, STR(KEYSTORE_BACKUP));
	if (!backup && !str_eq(name, STR(KEYSTORE_SYSTEM))) {
		return err_set(err, ERR_MISSING, "there is no keystore \"%.*s\"", STR_ARGS(name));
	}
	if (!keystore_read_row(db, r->place->tenant, &r->row, &found, err)) {
		return false;
	}
	if (r->place->generation < 0 || r->place->generation > r->row.generation) {
		return err_set(err, ERR_MISSING,
			       "there is no generation %lld: the current one is %lld",
			       (long long)r->place->generation, (long long)r->row.generation);
	}
	if (backup) {
		return !found || find_backup(db, r, err);
	}
	r->exists = true;
	r->now = r->place->generation == 0 || r->place->generation == r->row.generation;
	r->generation = r->now ? r->row.generation : r->place->generation;
	return true;
}

static bool contains_nocase(struct str text, struct str part)
{
	for (size_t i = 0; i + part.len <= text.len; i++) {
		if (str_eq_nocase(str_first(str_skip(text, i), part.len), part)) {
			return true;
		}
	}
	return false;
}

static bool is_wanted(struct stmt *st, struct str text)
{
	return text.len == 0 || contains_nocase(stmt_col_text(st, 1), text) ||
	       contains_nocase(stmt_col_text(st, 17), text) ||
	       contains_nocase(stmt_col_text(st, 18), text);
}

#define LIST_FROM                                                                                  \
	"SELECT " KEYSTORE_COLUMNS                                                                 \
	" FROM entry_life l JOIN entry_version v ON v.id = l.version WHERE l.keystore = $1"
#define LIST_WHICH " AND l.alias_fold > $2 AND l.not_after < $3 ORDER BY l.alias_fold LIMIT $4"

static bool prepare_list(struct db *db, struct reading *r, struct stmt **st, struct err *err)
{
	const char *now = LIST_FROM " AND l.to_gen = " KEYSTORE_NOW LIST_WHICH;
	const char *then =
		LIST_FROM " AND l.from_gen <= $5 AND l.to_gen > $5 AND l.owner <= $6" LIST_WHICH;
	const char *one_now =
		LIST_FROM " AND l.to_gen = " KEYSTORE_NOW " AND l.alias_fold = $2 LIMIT 1";
	const char *one_then = LIST_FROM " AND l.from_gen <= $3 AND l.to_gen > $3 AND l.owner <= $4"
					 " AND l.alias_fold = $2 LIMIT 1";
	const struct keystore_filter *f = r->filter;
	bool early = f != NULL && f->limit != 0 && f->text.len == 0;
	const char *sql = r->one ? (r->now ? one_now : one_then) : (r->now ? now : then);

	if (!db_prepare(db, sql, st, err)) {
		return false;
	}
	stmt_int(*st, 1, r->row.id);
	stmt_blob(*st, 2, r->fold.len == 0 ? STR("") : buf_str(&r->fold));
	if (!r->one) {
		stmt_int(*st, 3,
			 f != NULL && f->expires_before != 0 ? f->expires_before : INT64_MAX);
		stmt_int(*st, 4, early ? (int64_t)f->limit : INT32_MAX);
	}
	if (!r->now) {
		int at = r->one ? 3 : 5;
		stmt_int(*st, at, r->generation);
		stmt_int(*st, at + 1, r->tenant_only ? KEYS_OWNER_TENANT : KEYS_OWNER_PROVIDER);
	}
	return true;
}

static bool read_list(struct db *db, void *user, struct err *err)
{
	struct reading *r = user;
	const struct keystore_filter *f = r->filter;
	struct str text = f == NULL ? STR_NONE : f->text;
	enum store_outcome outcome = STORE_DONE;
	struct stmt *st;

	keystore_list_free(r->list); /* of a try before */
	r->list = keystore_list_new();
	if (!find_place(db, r, err)) {
		return false;
	}
	if (!r->exists) {
		return true;
	}
	if (!prepare_list(db, r, &st, err)) {
		return false;
	}
	while ((f == NULL || f->limit == 0 || r->list->n < f->limit) &&
	       (outcome = stmt_step(st, err)) == STORE_ROW) {
		if (is_wanted(st, text) && !keystore_list_add(r->list, st, err)) {
			outcome = STORE_FAILED;
			break;
		}
	}
	stmt_reset(st);
	if (outcome != STORE_FAILED && r->one && r->list->n > 0) {
		return keystore_alias_fits(r->list->entries[0].alias,
					   r->fold.len == 0 ? STR("") : buf_str(&r->fold), err);
	}
	return outcome != STORE_FAILED;
}

static bool read_place(struct keystore *k, struct reading *r, struct keystore_list **out,
		       struct err *err)
{
	r->k = k;
	bool ok = store_read(k->store, read_list, r, err);
	buf_fini(&r->fold);
	if (!ok) {
		keystore_list_free(r->list);
		return false;
	}
	*out = r->list;
	return true;
}

bool keystore_list(struct keystore *k, const struct keystore_place *place,
		   const struct keystore_filter *filter, struct keystore_list **out,
		   struct err *err)
{
	struct reading r = {.place = place, .filter = filter, .fold = BUF(KIB(4))};

	if (filter != NULL) {
		keystore_alias_fold(filter->after, &r.fold);
	}
	return read_place(k, &r, out, err);
}

bool keystore_find(struct keystore *k, const struct keystore_place *place, struct str alias,
		   struct keystore_list **out, struct err *err)
{
	struct reading r = {.place = place, .one = true, .fold = BUF(KIB(4))};
	struct keystore_list *found;

	keystore_alias_fold(alias, &r.fold);
	if (!read_place(k, &r, &found, err)) {
		return false;
	}
	if (found->n == 0) {
		keystore_list_free(found);
		return err_set(err, ERR_MISSING, "there is no alias \"%.*s\" in keystore \"%s\"",
			       (int)(alias.len < 250 ? alias.len : 250), alias.at ? alias.at : "",
			       place->name);
	}
	*out = found;
	return true;
}

/* ---- the head ---- */

struct heading {
	struct reading place;
	int64_t now;
	struct keystore_head *out;
};

enum {
	DAY_MS = 86400 * 1000,
};

struct sums {
	int64_t entries, bytes, tenant, expired, critical, warning, notice;
};

static void read_sums(struct stmt *st, void *row)
{
	struct sums *s = row;

	s->entries = stmt_col_int(st, 0);
	s->bytes = stmt_col_int(st, 1);
	s->tenant = stmt_col_int(st, 2);
	s->expired = stmt_col_int(st, 3);
	s->critical = stmt_col_int(st, 4);
	s->warning = stmt_col_int(st, 5);
	s->notice = stmt_col_int(st, 6);
}

#define SUMS                                                                                       \
	"SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT), COUNT(CASE WHEN owner = 1"      \
	" THEN 1 END), COUNT(CASE WHEN not_after < $2 THEN 1 END),"                                \
	" COUNT(CASE WHEN not_after >= $2 AND not_after <= $3 THEN 1 END),"                        \
	" COUNT(CASE WHEN not_after > $3 AND not_after <= $4 THEN 1 END),"                         \
	" COUNT(CASE WHEN not_after > $4 AND not_after <= $5 THEN 1 END) FROM entry_life"          \
	" WHERE keystore = $1"

static bool read_head_sums(struct db *db, const struct heading *h, struct sums *sums,
			   struct err *err)
{
	const struct reading *r = &h->place;
	const int64_t day = DAY_MS;
	struct query q = {
		.sql = r->now ? SUMS " AND to_gen = " KEYSTORE_NOW
			      : SUMS " AND from_gen <= $6 AND to_gen > $6 AND owner <= $7",
		.params = {QUERY_INT(r->row.id), QUERY_INT(h->now), QUERY_INT(h->now + 14 * day),
			   QUERY_INT(h->now + 30 * day), QUERY_INT(h->now + 60 * day),
			   QUERY_INT(r->generation),
			   QUERY_INT(r->tenant_only ? KEYS_OWNER_TENANT : KEYS_OWNER_PROVIDER)},
		.n_params = r->now ? 5 : 7,
		.read = read_sums,
		.row_bytes = sizeof(*sums)};
	bool found;

	return query_row(db, &q, sums, &found, err);
}

static bool read_head(struct db *db, void *user, struct err *err)
{
	struct heading *h = user;
	struct keystore_head *out = h->out;
	struct keystore_generation_row row = {0};
	struct sums s = {0};
	bool found;

	*out = (struct keystore_head){0};
	if (!find_place(db, &h->place, err)) {
		return false;
	}
	if (!h->place.exists) {
		return true;
	}
	if (!keystore_read_generation(db, h->place.row.id, h->place.generation, &row, &found,
				      err) ||
	    !read_head_sums(db, h, &s, err)) {
		return false;
	}
	*out = (struct keystore_head){.exists = true,
				      .generation = h->place.generation,
				      .entries = s.entries,
				      .bytes = s.bytes,
				      .tenant_entries = s.tenant,
				      .modified = row.at,
				      .expired = s.expired,
				      .critical = s.critical,
				      .warning = s.warning,
				      .notice = s.notice,
				      .restored_from = h->place.now ? row.safety : 0,
				      .requires_certificate = (h->place.row.settings &
							       KEYSTORE_REQUIRES_CERTIFICATE) != 0};
	bool pinned = h->place.tenant_only && h->place.place->generation == 0;
	(void)snprintf(out->modified_by, sizeof(out->modified_by), "%s",
		       pinned ? h->place.pin.by : row.by);
	out->modified = pinned ? h->place.pin.at : row.at;
	return true;
}

bool keystore_head(struct keystore *k, const struct keystore_place *place, int64_t now,
		   struct keystore_head *out, struct err *err)
{
	struct heading h = {.place = {.k = k, .place = place}, .now = now, .out = out};

	return store_read(k->store, read_head, &h, err);
}
