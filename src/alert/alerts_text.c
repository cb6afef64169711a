#include "alert/alerts_text.h"

#include "base/clock.h"

enum {
	SUBJECT_MAX = 150, /* bytes of a mail's subject */
};

void alert_add_span(struct buf *out, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	int64_t n = seconds < 0 ? -seconds : seconds;
	size_t i = 0;

	while (i + 1 < COUNT(units) && n < 2 * units[i].seconds) {
		i++;
	}
	n /= units[i].seconds;
	buf_addf(out, "%lld %s%s", (long long)n, units[i].name, n == 1 ? "" : "s");
}

static void add_end(struct buf *out, const struct alert_row *row)
{
	buf_add_str(out, STR(", on "));
	clock_add_rfc3339(out, row->not_after);
}

void alert_add_sentence(struct buf *out, const struct alert_row *row, int64_t now)
{
	buf_add_str(out, str_of(row->label));
	switch (row->memory.state) {
	case ALERT_FINE:
		buf_add_str(out, STR(": solved"));
		if (row->not_after > now) {
			buf_add_str(out, STR(", valid until "));
			clock_add_rfc3339(out, row->not_after);
		} else {
			buf_add_str(out, STR(", it is not in use any more"));
		}
		return;
	case ALERT_NOT_YET_VALID:
		buf_add_str(out, STR(" is not yet valid: is this machine's clock right?"));
		break;
	case ALERT_EXPIRED:
		buf_add_str(out, STR(" expired "));
		alert_add_span(out, now - row->not_after);
		buf_add_str(out, STR(" ago"));
		add_end(out, row);
		break;
	case ALERT_RENEWAL_FAILING:
		buf_addf(out, " could not renew itself (%s) and expires in ", row->renewal_error);
		alert_add_span(out, row->not_after - now);
		add_end(out, row);
		break;
	case ALERT_EXPIRING:
		buf_add_str(out, STR(" expires in "));
		alert_add_span(out, row->not_after - now);
		add_end(out, row);
		break;
	}
	if (row->next_step[0] != '\0') {
		buf_addf(out, ". Next step: %s", row->next_step);
	}
}

const char *alert_severity(const struct alert_row *row)
{
	switch (row->memory.state) {
	case ALERT_FINE:
		return "info";
	case ALERT_EXPIRING:
		return row->memory.threshold_s > 0 && row->memory.threshold_s <= 7 * 86400
			       ? "error"
			       : "warning";
	case ALERT_RENEWAL_FAILING:
		return "warning";
	case ALERT_NOT_YET_VALID:
	case ALERT_EXPIRED:
		return "error";
	}
	return "error";
}

void alert_write_members(struct jsonw *w, const struct alert_row *row, int64_t now)
{
	AUTO_BUF struct buf sentence = BUF(KIB(4));
	bool solved = row->memory.state == ALERT_FINE;

	alert_add_sentence(&sentence, row, now);
	jsonw_key_text(w, "severity", alert_severity(row));
	jsonw_key_text(w, "state", solved ? "solved" : alert_state_name(row->memory.state));
	jsonw_key_str(w, "message", buf_str(&sentence));
	jsonw_key_text(w, "source", row->source);
	jsonw_key_text(w, "name", row->name);
	jsonw_key_text(w, "label", row->label);
	jsonw_key_text(w, "subaccount", row->subaccount);
	jsonw_key_text(w, "subject", row->subject);
	jsonw_key_text(w, "serialNumber", row->serial);
	jsonw_key_time(w, "notAfter", row->not_after);
	jsonw_key_int(w, "remainingSeconds", row->not_after != 0 ? row->not_after - now : 0);
	jsonw_key_int(w, "thresholdSeconds", row->memory.threshold_s);
	jsonw_key_time(w, "since", row->memory.since);
	jsonw_key_time(w, "lastMessage", row->memory.told);
	jsonw_key_time(w, "solved", solved ? row->memory.solved : 0);
	jsonw_key_text(w, "nextStep", row->next_step);
}

/* ---- mail ---- */

static const char *event_of(enum alert_act act)
{
	switch (act) {
	case ALERT_DO_RAISE:
		return "raised";
	case ALERT_DO_REPEAT:
		return "repeated";
	case ALERT_DO_SOLVE:
		return "solved";
	case ALERT_DO_NOTHING:
		break;
	}
	return "none";
}

/* Printable ASCII: a header field holds nothing else, and no line break from a certificate. */
static void add_subject(struct buf *out, struct str text)
{
	struct str cut = str_first(text, SUBJECT_MAX);

	for (size_t i = 0; i < cut.len; i++) {
		char c = cut.at[i];
		buf_add_c(out, c >= ' ' && c < 0x7f ? c : '?');
	}
}

static void write_subject(struct buf *out, const struct alert_news *news)
{
	AUTO_BUF struct buf text = BUF(KIB(4));
	size_t solved = 0;

	for (size_t i = 0; i < news->n; i++) {
		solved += news->rows[i].act == ALERT_DO_SOLVE;
	}
	if (news->n == 1) {
		const struct alert_row *row = &news->rows[0].row;
		buf_addf(&text, "[Drawbridge] %s: %s",
			 solved ? "solved" : alert_state_name(row->memory.state), row->label);
	} else {
		buf_addf(&text, "[Drawbridge] %zu certificate alerts, %zu solved", news->n - solved,
			 solved);
	}
	buf_add_str(out, STR("Subject: "));
	add_subject(out, buf_str(&text));
	buf_add_str(out, STR("\r\n"));
}

/* One line of the body: no control characters, and short enough (RFC 5322, 2.1.1). */
static void add_line(struct buf *out, const char *before, struct str text)
{
	AUTO_BUF struct buf line = BUF(KIB(4));
	size_t used;

	buf_add_str(&line, str_of(before));
	for (; text.len > 0 && line.len < 900; text = str_skip(text, used)) {
		used = str_utf8_length(text);
		if (used == 0 || (unsigned char)text.at[0] < ' ' || text.at[0] == 0x7f) {
			buf_add_c(&line, '?');
			used = used == 0 ? 1 : used;
		} else {
			buf_add(&line, text.at, used);
		}
	}
	buf_add_str(out, buf_str(&line));
	buf_add_str(out, STR("\r\n"));
}

static void write_one(struct buf *out, const struct alert_message *m, int64_t now)
{
	AUTO_BUF struct buf sentence = BUF(KIB(4));

	alert_add_sentence(&sentence, &m->row, now);
	add_line(out, m->act == ALERT_DO_REPEAT ? "* (again) " : "* ", buf_str(&sentence));
	add_line(out, "  subject: ", str_of(m->row.subject));
	add_line(out, "  serial number: ", str_of(m->row.serial));
	add_line(out, "  source: ", str_of(m->row.key));
	buf_add_str(out, STR("\r\n"));
}

void alert_write_mail(struct buf *out, const struct alert_news *news, const char *from,
		      const char *const *to, size_t n_to, const char *id)
{
	AUTO_BUF struct buf date = BUF(64);
	struct str host = str_skip(str_of(from), str_find_last(str_of(from), '@') + 1);

	clock_add_http_date(&date, news->now);
	buf_addf(out, "From: Drawbridge <%s>\r\nTo: ", from);
	for (size_t i = 0; i < n_to; i++) {
		buf_addf(out, "%s%s", i > 0 ? ",\r\n " : "", to[i]);
	}
	/* RFC 5322, 3.3: a zone by its number */
	buf_addf(out, "\r\nDate: %.*s+0000\r\nMessage-ID: <%s@%.*s>\r\n",
		 STR_ARGS(str_first(buf_str(&date), date.len > 3 ? date.len - 3 : 0)), id,
		 STR_ARGS(host));
	write_subject(out, news);
	buf_add_str(out, STR("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
			     "Content-Type: text/plain; charset=utf-8\r\n"
			     "Content-Transfer-Encoding: 8bit\r\n\r\n"));
	add_line(out, "From ", str_of(news->origin));
	buf_add_str(out, STR("\r\n"));
	for (size_t i = 0; i < news->n; i++) {
		write_one(out, &news->rows[i], news->now);
	}
	buf_add_str(out, STR("All of them: drawbridge alerts; every certificate: drawbridge cert "
			     "list\r\n"));
}

void alert_write_webhook(struct buf *out, const struct alert_news *news)
{
	struct jsonw w = jsonw_to(out);

	jsonw_object(&w);
	jsonw_key_text(&w, "origin", news->origin);
	jsonw_key_time(&w, "at", news->now);
	jsonw_key(&w, "alerts");
	jsonw_array(&w);
	for (size_t i = 0; i < news->n; i++) {
		jsonw_object(&w);
		jsonw_key_text(&w, "event", event_of(news->rows[i].act));
		alert_write_members(&w, &news->rows[i].row, news->now);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}
