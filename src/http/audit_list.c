#include "http/audit_list.h"

#include "base/clock.h"
#include "store/audit.h"

struct listing {
	struct jsonw w;
	size_t n, limit;
	struct buf next; /* of the last entry */
};

static void write_entry(struct jsonw *w, const struct audit_entry *e)
{
	AUTO_BUF struct buf at = BUF(64);
	struct str node;
	bool exports = store_is_exports(e->node, &node);

	clock_add_rfc3339_ms(&at, e->at_ms);
	jsonw_object(w);
	jsonw_key_int(w, "n", e->n);
	if (node.len > 0) {
		jsonw_key_str(w, "node", node);
		jsonw_key_text(w, "chain", exports ? "exports" : "denied");
	}
	jsonw_key_str(w, "at", buf_str(&at));
	jsonw_key_str(w, "who", e->audit.who);
	jsonw_key_str(w, "from", e->audit.from);
	jsonw_key_str(w, "tenant", e->audit.tenant);
	jsonw_key_str(w, "what", e->audit.what);
	jsonw_key_str(w, "object", e->audit.object);
	jsonw_key_str(w, "before", e->audit.before);
	jsonw_key_str(w, "after", e->audit.after);
	jsonw_object_end(w);
}

static void on_change(const struct audit_entry *e, void *user)
{
	struct listing *l = user;

	write_entry(&l->w, e);
	l->n++;
	buf_reset(&l->next);
	buf_addf(&l->next, "%lld", (long long)e->n);
}

static void on_denied(const struct audit_entry *e, void *user)
{
	struct listing *l = user;

	write_entry(&l->w, e);
	l->n++;
	buf_reset(&l->next);
	buf_addf(&l->next, "%lld.%lld.%.*s", (long long)e->at_ms, (long long)e->n,
		 STR_ARGS(e->node));
}

/* False: answered. */
static bool begin(struct http_call *call, struct listing *l)
{
	struct str limit = http_query(call, "limit");
	uint64_t n = AUDIT_PAGE_USUAL;

	if (limit.at != NULL && (!str_to_u64(limit, &n) || n < 1 || n > AUDIT_PAGE_MAX)) {
		http_problem(call, 400, "limit must be a number from 1 to %d", AUDIT_PAGE_MAX);
		return false;
	}
	*l = (struct listing){.w = jsonw_to(&call->out), .limit = n, .next = BUF(KIB(1))};
	jsonw_object(&l->w);
	jsonw_key(&l->w, "items");
	jsonw_array(&l->w);
	return true;
}

static void end(struct http_call *call, struct listing *l, bool ok, const struct err *err)
{
	if (!ok) {
		buf_reset(&call->out);
		http_problem_err(call, err);
	} else {
		jsonw_array_end(&l->w);
		jsonw_key(&l->w, "next");
		if (l->n == l->limit) {
			jsonw_str(&l->w, buf_str(&l->next));
		} else {
			jsonw_null(&l->w);
		}
		jsonw_object_end(&l->w);
		http_answer_json(call, 200);
	}
	buf_fini(&l->next);
}

void http_audit_list(struct http_call *call, struct store *s)
{
	struct str after = http_query(call, "after");
	uint64_t before = INT64_MAX;
	struct listing l;
	struct err err = {0};

	if (after.at != NULL && (!str_to_u64(after, &before) || before > INT64_MAX)) {
		http_problem(call, 400, "after must be the number of an entry");
		return;
	}
	if (begin(call, &l)) {
		end(call, &l, store_audit_each(s, (int64_t)before, l.limit, on_change, &l, &err),
		    &err);
	}
}

/* "{ms}.{n}.{node}", as on_denied() writes it. */
static bool read_place(struct str text, struct audit_place *out)
{
	struct str at = STR_NONE, n = STR_NONE;
	uint64_t at_ms, number;

	if (!str_next(&text, '.', &at) || !str_next(&text, '.', &n) || text.len == 0 ||
	    !str_to_u64(at, &at_ms) || !str_to_u64(n, &number) || at_ms > INT64_MAX ||
	    number > INT64_MAX) {
		return false;
	}
	*out = (struct audit_place){(int64_t)at_ms, text, (int64_t)number};
	return true;
}

void http_denied_list(struct http_call *call, struct store *s)
{
	struct str after = http_query(call, "after");
	struct audit_place place;
	struct listing l;
	struct err err = {0};

	if (after.at != NULL && !read_place(after, &place)) {
		http_problem(call, 400, "after must be the \"next\" of another page");
		return;
	}
	if (begin(call, &l)) {
		end(call, &l,
		    store_denied_each(s, after.at != NULL ? &place : NULL, l.limit, on_denied, &l,
				      &err),
		    &err);
	}
}
