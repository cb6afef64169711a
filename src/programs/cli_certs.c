/* What is more than one request: the list of all certificates, and the doctor. */
#include "base/clock.h"
#include "programs/cli.h"

/* ---- cert list ---- */

struct listing {
	struct jsonw w;
	msec_t within; /* 0: no limit */
	bool limited;
	size_t near; /* of those listed, worth an exit status */
};

static void add_remaining(struct jsonw *w, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	int64_t n = seconds < 0 ? -seconds : seconds;
	size_t i = 0;
	char text[64];

	while (i + 1 < COUNT(units) && n < 2 * units[i].seconds) {
		i++;
	}
	snprintf(text, sizeof(text), "%s%lld %s", seconds < 0 ? "over for " : "",
		 (long long)(n / units[i].seconds), units[i].name);
	jsonw_key_text(w, "remaining", text);
}

static void add_certificate(struct listing *l, const struct json *row)
{
	struct str key = STR_NONE, state = STR_NONE;
	const struct json *value = NULL;
	int64_t left = 0;
	void *iter = NULL;

	bool known =
		json_get_int(row, "remainingSeconds", &left) && json_get_str(row, "state", &state);
	if (!known || (l->limited && left > l->within / 1000)) {
		return;
	}
	l->near += l->limited || !str_eq(state, STR("valid"));
	jsonw_object(&l->w);
	while (json_next(row, &iter, &key, &value)) {
		AUTO_FREE char *name = str_dup(key);
		jsonw_key(&l->w, name);
		jsonw_tree(&l->w, value);
	}
	add_remaining(&l->w, left);
	jsonw_object_end(&l->w);
}

static bool add_pages(struct cli_run *run, struct listing *l, struct err *err)
{
	AUTO_BUF struct buf next = BUF(CLI_PATH_MAX / 2);

	for (int pages = 0; pages < CLI_PAGES_MAX; pages++) {
		AUTO(json_free) struct json *page = NULL;
		char url[CLI_PATH_MAX];
		struct str after = STR_NONE;
		snprintf(url, sizeof(url), "/api/drawbridge/v1/certificates%s%s",
			 next.len > 0 ? "?after=" : "", next.len > 0 ? next.at : "");
		if (!cli_call(&run->session, "GET", url, STR_NONE, &page, err)) {
			return false;
		}
		const struct json *items = json_get(page, "items");
		for (size_t i = 0; i < json_count(items); i++) {
			add_certificate(l, json_at(items, i));
		}
		if (!json_get_str(page, "next", &after)) {
			return true;
		}
		buf_reset(&next);
		cli_add_encoded(&next, after);
	}
	return err_set(err, ERR_LIMIT, "the list does not end");
}

static bool is_on(const struct cli_run *run, const char *name)
{
	const char *value = cli_value(run, name);

	return value != NULL && strcmp(value, "on") == 0;
}

bool cli_cert_list(struct cli_run *run, struct err *err)
{
	const char *within = cli_value(run, "expiring-within");
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	AUTO(json_free) struct json *json = NULL;
	struct listing l = {.w = jsonw_to(&text), .limited = within != NULL};

	if (l.limited && !clock_parse_duration(str_of(within), &l.within)) {
		return err_set(err, ERR_CONFIG, "--expiring-within is a time like 30d, not \"%s\"",
			       within);
	}
	jsonw_array(&l.w);
	if (!add_pages(run, &l, err)) {
		return false;
	}
	jsonw_array_end(&l.w);
	if (buf_failed(&text) || !json_parse(buf_str(&text), CLI_TEXT_MAX, &json, err)) {
		return err_set(err, ERR_LIMIT, "the list is too long");
	}
	cli_print(run, json);
	if (!is_on(run, "fail-on-expiry") || l.near == 0) {
		return true;
	}
	return err_set(err, ERR_DENIED, "%zu certificate%s %s%s", l.near, l.near == 1 ? "" : "s",
		       l.limited     ? "expired or expire within "
		       : l.near == 1 ? "needs to be looked after"
				     : "need to be looked after",
		       l.limited ? within : "");
}

/* ---- doctor ---- */

static struct str text_of(const struct json *object, const char *key)
{
	struct str text = STR("");

	return json_get_str(object, key, &text) ? text : STR("");
}

static void print_step(struct buf *out, const struct json *step)
{
	struct str result = text_of(step, "result"), next = text_of(step, "nextStep");
	int64_t took = 0;

	if (str_eq(result, STR("not-reached")) || !json_get_int(step, "milliseconds", &took)) {
		return;
	}
	buf_addf(out, "  %-8.*s %-12.*s", STR_ARGS(result), STR_ARGS(text_of(step, "link")));
	cli_add_clean(out, text_of(step, "found"));
	buf_addf(out, " (%lld ms)\n", (long long)took);
	if (next.len > 0) {
		buf_add_str(out, STR("           next step: "));
		cli_add_clean(out, next);
		buf_add_c(out, '\n');
	}
}

static void print_report(struct buf *out, const struct json *report)
{
	const struct json *steps = json_get(report, "steps");
	struct str link = text_of(report, "brokenLink");

	cli_add_clean(out, text_of(report, "subaccount"));
	buf_add_c(out, '@');
	cli_add_clean(out, text_of(report, "regionHost"));
	buf_addf(out, link.len > 0 ? ": the link \"%.*s\" is broken\n" : ": every link holds%.*s\n",
		 STR_ARGS(link));
	for (size_t i = 0; i < json_count(steps); i++) {
		print_step(out, json_at(steps, i));
	}
}

struct round {
	struct jsonw w;
	struct buf text;
	size_t broken, n;
};

static bool examine(struct cli_run *run, const char *path, struct round *r, struct err *err)
{
	AUTO(json_free) struct json *report = NULL;
	bool healthy = false;

	if (!cli_call(&run->session, "POST", path, STR_NONE, &report, err)) {
		return false;
	}
	if (!json_get_bool(report, "healthy", &healthy)) {
		return err_set(err, ERR_PROTOCOL, "the diagnosis is not understood");
	}
	r->n++;
	r->broken += !healthy;
	jsonw_tree(&r->w, report);
	print_report(&r->text, report);
	return true;
}

static bool examine_all(struct cli_run *run, struct round *r, struct err *err)
{
	AUTO(json_free) struct json *list = NULL;

	if (!cli_call(&run->session, "GET", "/api/v1/configuration/subaccounts", STR_NONE, &list,
		      err)) {
		return false;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);
		buf_add_str(&path, STR("/api/drawbridge/v1/subaccounts/"));
		cli_add_encoded(&path, text_of(json_at(list, i), "regionHost"));
		buf_add_c(&path, '/');
		cli_add_encoded(&path, text_of(json_at(list, i), "subaccount"));
		buf_add_str(&path, STR("/diagnosis"));
		if (!examine(run, path.at, r, err)) {
			return false;
		}
	}
	return true;
}

static bool examine_some(struct cli_run *run, struct round *r, struct err *err)
{
	AUTO_BUF struct buf path = BUF(CLI_PATH_MAX - 1);

	if (cli_value(run, "SUBACCOUNT") == NULL) {
		return examine_all(run, r, err);
	}
	return cli_path(run, &path, err) && examine(run, path.at, r, err);
}

static void print_round(struct cli_run *run, struct round *r, const struct buf *json)
{
	if (cli_wants_json(&run->parsed->settings)) {
		buf_add_str(&run->out, buf_str(json));
		buf_add_c(&run->out, '\n');
	} else if (r->n == 0) {
		buf_add_str(&run->out, STR("the connector runs, and has no subaccount yet: add one "
					   "with drawbridge subaccount add\n"));
	} else {
		buf_add_str(&run->out, buf_str(&r->text));
	}
}

bool cli_doctor(struct cli_run *run, struct err *err)
{
	AUTO_BUF struct buf json = BUF(CLI_TEXT_MAX);
	struct round r = {.w = jsonw_to(&json), .text = BUF(CLI_TEXT_MAX)};

	jsonw_array(&r.w);
	bool ok = examine_some(run, &r, err);
	jsonw_array_end(&r.w);
	if (ok) {
		print_round(run, &r, &json);
	} else if (err->kind == ERR_NETWORK) {
		err_wrap(err,
			 "the connector's administration does not answer at %s: is it running?",
			 run->session.url);
	}
	buf_fini(&r.text);
	if (ok && r.broken > 0) {
		return err_set(err, ERR_DENIED, "%zu of %zu subaccount%s cannot be reached",
			       r.broken, r.n, r.n == 1 ? "" : "s");
	}
	return ok;
}
