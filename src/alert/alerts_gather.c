/* What the sources know now: gathered for a look, for the list of certificates, for /metrics. */
#include "alert/alerts_priv.h"

#include "base/log.h"

enum {
	ARENA_FIRST = 64 * 1024,
	ARENA_MAX = 64 * 1024 * 1024,
};

/* A name that was cut within a letter would make the numbers of all unreadable. */
static const char *keep(struct alert_found *f, const char *text)
{
	char *copy = arena_text(f->arena, str_of(text));

	f->full |= copy == NULL;
	if (copy == NULL) {
		return "";
	}
	alert_keep_text(text, copy, strlen(text) + 1);
	return copy;
}

static void take(const struct alert_certificate *c, void *user)
{
	struct alert_found *f = user;

	if (f->full || f->n == ALERT_CERTIFICATES_MAX) {
		f->full = true;
		return;
	}
	if (f->n == f->room) {
		f->room = f->room == 0 ? 64 : f->room * 2;
		f->rows = must_realloc(f->rows, f->room * sizeof(*f->rows));
	}
	struct alert_certificate *row = &f->rows[f->n++];
	*row = *c;
	row->name = keep(f, c->name);
	row->label = keep(f, c->label);
	row->subaccount = keep(f, c->subaccount);
	row->subject = keep(f, c->subject);
	row->issuer = keep(f, c->issuer);
	row->serial = keep(f, c->serial);
	row->renewal_error = c->renewal_error != NULL ? keep(f, c->renewal_error) : NULL;
	row->next_step = keep(f, c->next_step);
	if (f->full) {
		f->n--;
	}
}

void alerts_gather(struct alerts *a, struct alert_found *out)
{
	struct alert_source sources[ALERT_SOURCES_MAX];
	struct err err;

	*out = (struct alert_found){.arena = arena_new(ARENA_FIRST, ARENA_MAX)};
	pthread_mutex_lock(&a->lock);
	memcpy(sources, a->sources, sizeof(sources));
	size_t n = a->n_sources;
	pthread_mutex_unlock(&a->lock);
	for (size_t i = 0; i < n; i++) {
		if (!sources[i].each(sources[i].user, take, out, &err)) {
			out->source_failed[i] = true;
			log_error("certificates could not be read",
				  LOG_TEXT("source", sources[i].name), LOG_ERR(&err));
		}
	}
	if (out->full) {
		log_error("there are more certificates than alerts look at",
			  LOG_INT("max", ALERT_CERTIFICATES_MAX));
	}
}

void alert_found_fini(struct alert_found *f)
{
	free(f->rows);
	arena_free(f->arena);
}

/* By end, then by key: the order of the list's cursors. */
static int by_end(const void *a, const void *b)
{
	const struct alert_certificate *x = a, *y = b;
	char x_key[ALERT_KEY_MAX], y_key[ALERT_KEY_MAX];

	if (x->not_after != y->not_after) {
		return x->not_after < y->not_after ? -1 : 1;
	}
	alert_key(x, x_key, sizeof(x_key));
	alert_key(y, y_key, sizeof(y_key));
	return strcmp(x_key, y_key);
}

void alert_found_sort(struct alert_found *f)
{
	if (f->n > 0) {
		qsort(f->rows, f->n, sizeof(*f->rows), by_end);
	}
}

/* ---- metrics ---- */

/* A label's value in the text form of Prometheus. */
static void add_label(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\') {
			buf_add_c(out, '\\');
		}
		buf_add_c(out, (unsigned char)*value < ' ' ? ' ' : *value);
	}
	buf_add_c(out, '"');
}

static void write_certificate(struct buf *out, const struct alert_certificate *c, int64_t now)
{
	buf_add_str(out, STR("drawbridge_certificate_expiry_seconds{"));
	add_label(out, "source", c->source);
	buf_add_c(out, ',');
	add_label(out, "name", c->name);
	buf_addf(out, "} %lld\n", (long long)(c->not_after - now));
}

static void write_metrics(struct buf *out, const struct alert_found *f,
			  const struct alert_policy *policy, int64_t now)
{
	size_t states[ALERT_EXPIRED + 1] = {0};

	buf_add_str(out, STR("# HELP drawbridge_certificate_expiry_seconds Remaining life of the "
			     "certificates that end first\n"
			     "# TYPE drawbridge_certificate_expiry_seconds gauge\n"));
	for (size_t i = 0; i < f->n; i++) {
		if (i < ALERT_METRICS_MAX) {
			write_certificate(out, &f->rows[i], now);
		}
		states[alert_judge(&f->rows[i], policy, now).state]++;
	}
	buf_addf(out,
		 "# HELP drawbridge_certificates Certificates that are known\n"
		 "# TYPE drawbridge_certificates gauge\ndrawbridge_certificates %zu\n"
		 "# HELP drawbridge_alerts Certificates that are worth an alert\n"
		 "# TYPE drawbridge_alerts gauge\n",
		 f->n);
	for (int s = ALERT_EXPIRING; s <= ALERT_EXPIRED; s++) {
		buf_addf(out, "drawbridge_alerts{state=\"%s\"} %zu\n",
			 alert_state_name((enum alert_state)s), states[s]);
	}
}

void alerts_note_metrics(struct alerts *a, const struct alert_found *found,
			 const struct alert_policy *policy, int64_t now)
{
	struct buf text = BUF(KIB(256));

	write_metrics(&text, found, policy, now);
	pthread_mutex_lock(&a->lock);
	struct buf old = a->metrics;
	a->metrics = text;
	pthread_mutex_unlock(&a->lock);
	buf_fini(&old);
}

void alerts_write_metrics(struct alerts *a, struct buf *out)
{
	pthread_mutex_lock(&a->lock);
	buf_add_str(out, buf_str(&a->metrics));
	pthread_mutex_unlock(&a->lock);
}
