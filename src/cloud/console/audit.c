/* The audit log, newest first. */
#include "store/audit.h"
#include "base/clock.h"
#include "cloud/console/console_priv.h"

static void write_entry(struct jsonw *w, const struct audit_entry *e)
{
	AUTO_BUF struct buf at = BUF(64);

	clock_add_rfc3339_ms(&at, e->at_ms);
	jsonw_object(w);
	jsonw_key_int(w, "n", e->n);
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

struct listing {
	struct jsonw w;
	int64_t last;
	size_t n;
};

static void on_entry(const struct audit_entry *e, void *user)
{
	struct listing *l = user;

	write_entry(&l->w, e);
	l->last = e->n;
	l->n++;
}

void console_audit(struct http_call *call)
{
	struct console_page page;
	uint64_t before = INT64_MAX;
	struct err err;
	char next[24];

	if (!console_read_page(call, &page)) {
		return;
	}
	if (page.after.at != NULL && (!str_to_u64(page.after, &before) || before > INT64_MAX)) {
		http_problem(call, 400, "after must be the number of an entry");
		return;
	}
	struct listing l = {.w = console_begin_list(call)};
	if (!store_audit_each(console_store(call), (int64_t)before, page.limit, on_entry, &l,
			      &err)) {
		http_problem_err(call, &err);
		return;
	}
	snprintf(next, sizeof(next), "%lld", (long long)l.last);
	console_end_list(call, &l.w, l.n == page.limit ? next : NULL);
}
