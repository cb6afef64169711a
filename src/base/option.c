#include "base/option.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	FILE_MAX_BYTES = 1 << 20, /* a settings file; more is a wrong path, not a settings file */
	NAME_MAX_BYTES = 128,
};

/* Largest first, the last one is 1. */
struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit size_units[] = {
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
static const struct unit time_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit plain_unit[] = {{"", 1}};

static const struct option *find(const struct option *table, struct str key)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		if (str_eq(str_of(o->key), key)) {
			return o;
		}
	}
	return NULL;
}

static bool read_bool(struct str value, bool *out)
{
	static const char yes[][5] = {"on", "true", "yes"};
	static const char no[][6] = {"off", "false", "no"};
	for (size_t i = 0; i < COUNT(yes); i++) {
		if (str_eq(value, str_of(yes[i])) || str_eq(value, str_of(no[i]))) {
			*out = str_eq(value, str_of(yes[i]));
			return true;
		}
	}
	return false;
}

static bool read_bytes(struct str value, int64_t *out)
{
	uint64_t n = 0;
	for (size_t i = 0; i < COUNT(size_units); i++) {
		struct str unit = str_of(size_units[i].name);
		if (str_ends(value, unit)) {
			return str_to_u64(str_first(value, value.len - unit.len), &n) &&
			       !__builtin_mul_overflow(n, size_units[i].factor, out);
		}
	}
	return false;
}

static bool read_count(struct str value, int64_t *out)
{
	uint64_t n = 0;
	if (!str_to_u64(value, &n) || n > INT64_MAX) {
		return false;
	}
	*out = (int64_t)n;
	return true;
}

static bool read_number(const struct option *o, struct str value, int64_t *out)
{
	switch (o->type) {
	case OPTION_BYTES:
		return read_bytes(value, out);
	case OPTION_MSEC:
		return clock_parse_duration(value, out);
	case OPTION_PORT:
	case OPTION_COUNT:
		return read_count(value, out);
	case OPTION_BOOL:
	case OPTION_TEXT:
		break;
	}
	return false;
}

static const char *form_of(enum option_type type)
{
	switch (type) {
	case OPTION_BOOL:
		return "on or off";
	case OPTION_TEXT:
		return "a text";
	case OPTION_PORT:
		return "a port, 0 to 65535";
	case OPTION_COUNT:
		return "a plain number";
	case OPTION_BYTES:
		return "a number with its unit: 512B, 64KiB, 16MiB, 1GiB";
	case OPTION_MSEC:
		return "a number with its unit: 250ms, 30s, 10min, 12h, 365d";
	}
	return "";
}

static int64_t most_of(const struct option *o)
{
	int64_t most = o->type == OPTION_PORT    ? UINT16_MAX
		       : o->type == OPTION_COUNT ? UINT32_MAX
						 : INT64_MAX;
	return o->most != 0 && o->most < most ? o->most : most;
}

static bool fits(const struct option *o, int64_t n)
{
	return n >= o->least && n <= most_of(o);
}

/* In the largest unit that it is a whole number of, as a user would write it. */
static void write_number(const struct option *o, int64_t n, struct buf *out)
{
	const struct unit *u = o->type == OPTION_BYTES  ? size_units
			       : o->type == OPTION_MSEC ? time_units
							: plain_unit;
	while (u->factor > 1 && (n == 0 || n % u->factor != 0)) {
		u++;
	}
	buf_addf(out, "%lld%s", (long long)(n / u->factor), u->name);
}

/* "from 1h to 3650d" for a message. */
static void write_bounds(const struct option *o, struct buf *out)
{
	int64_t most = most_of(o);

	buf_add_str(out, STR("from "));
	write_number(o, o->least, out);
	if (most < INT64_MAX) {
		buf_add_str(out, STR(" to "));
		write_number(o, most, out);
	} else {
		buf_add_str(out, STR(" on"));
	}
}

static void store_number(const struct option *o, void *field, int64_t n)
{
	if (o->type == OPTION_PORT) {
		*(uint16_t *)field = (uint16_t)n;
	} else if (o->type == OPTION_COUNT) {
		*(uint32_t *)field = (uint32_t)n;
	} else if (o->type == OPTION_BYTES) {
		*(size_t *)field = (size_t)n;
	} else {
		*(msec_t *)field = n;
	}
}

static bool set(const struct option *o, void *object, struct str value, struct err *err)
{
	void *field = (char *)object + o->offset;
	AUTO_BUF struct buf bounds = BUF(128);
	int64_t n = 0;
	if (o->type == OPTION_TEXT) {
		char **text = field;
		free(*text);
		*text = value.len ? str_dup(value) : NULL;
		return true;
	}
	if (o->type == OPTION_BOOL) {
		if (read_bool(value, field)) {
			return true;
		}
	} else if (read_number(o, value, &n)) {
		if (!fits(o, n)) {
			write_bounds(o, &bounds);
			return err_set(err, ERR_CONFIG, "%s: %.*s is out of bounds, it goes %.*s",
				       o->key, STR_ARGS(str_first(value, 40)),
				       STR_ARGS(buf_str(&bounds)));
		}
		store_number(o, field, n);
		return true;
	}
	/* the value is not repeated: it may be a password that slipped into the wrong row */
	return err_set(err, ERR_CONFIG, "%s needs %s", o->key, form_of(o->type));
}

void options_init(const struct option *table, void *object)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		struct err err = {0};
		bool good = o->initial == NULL || set(o, object, str_of(o->initial), &err);
		assert(good && "a default in the table of options does not parse");
		(void)good;
	}
}

void options_fini(const struct option *table, void *object)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		char **text = (char **)(void *)((char *)object + o->offset);
		if (o->type == OPTION_TEXT) {
			free(TAKE(*text));
		}
	}
}

bool options_set(const struct option *table, void *object, struct str key, struct str value,
		 struct err *err)
{
	const struct option *o = find(table, key);
	if (o == NULL) {
		return err_set(err, ERR_CONFIG, "there is no setting %.*s: see --help",
			       STR_ARGS(str_first(key, 80)));
	}
	return set(o, object, value, err);
}

static bool read_whole(const char *path, struct buf *into, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_errno(err, errno == ENOENT ? ERR_MISSING : ERR_CONFIG, "%s", path);
	}
	for (;;) {
		char *room = buf_reserve(into, 4096);
		if (room == NULL) {
			return err_set(err, ERR_CONFIG, "%s is longer than a settings file may be",
				       path);
		}
		ssize_t got = read(fd, room, 4096);
		if (got < 0) {
			return err_errno(err, ERR_CONFIG, "%s", path);
		}
		if (got == 0) {
			return true;
		}
		buf_commit(into, (size_t)got);
	}
}

static bool read_line(const struct option *table, void *object, struct str line, struct err *err)
{
	line = str_trim(str_ends(line, STR("\r")) ? str_first(line, line.len - 1) : line);
	if (line.len == 0 || line.at[0] == '#') {
		return true;
	}
	size_t at = str_find(line, '=');
	if (at == line.len) {
		return err_set(err, ERR_CONFIG, "a line is \"key = value\" or starts with #");
	}
	return options_set(table, object, str_trim(str_first(line, at)),
			   str_trim(str_skip(line, at + 1)), err);
}

bool options_read_file(const struct option *table, void *object, const char *path, struct err *err)
{
	AUTO_BUF struct buf text = BUF_SECRET(FILE_MAX_BYTES);
	if (!read_whole(path, &text, err)) {
		return false;
	}
	struct str rest = buf_str(&text);
	struct str line = STR_NONE;
	for (int number = 1; str_next(&rest, '\n', &line); number++) {
		if (!read_line(table, object, line, err)) {
			return err_wrap(err, "%s:%d", path, number);
		}
	}
	return true;
}

/* "relay.host" as "DRAWBRIDGE_RELAY_HOST". */
static void environment_name(const char *key, char into[static NAME_MAX_BYTES])
{
	snprintf(into, NAME_MAX_BYTES, "DRAWBRIDGE_%s", key);
	for (char *c = into; *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z') {
			*c = (char)(*c - 'a' + 'A');
		} else if (*c == '.' || *c == '-') {
			*c = '_';
		}
	}
}

bool options_read_environment(const struct option *table, void *object, struct err *err)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		char name[NAME_MAX_BYTES];
		environment_name(o->key, name);
		const char *value = getenv(name);
		if (value != NULL && !set(o, object, str_of(value), err)) {
			return err_wrap(err, "environment variable %s", name);
		}
	}
	return true;
}

static bool is_word_for(const char *key, struct str word)
{
	if (strlen(key) != word.len) {
		return false;
	}
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] != (key[i] == '.' || key[i] == '_' ? '-' : key[i])) {
			return false;
		}
	}
	return true;
}

static const struct option *find_word(const struct option *table, struct str word)
{
	for (const struct option *o = table; o->key != NULL; o++) {
		if (is_word_for(o->key, word)) {
			return o;
		}
	}
	return NULL;
}

/* One option of the command line; *used grows by the words that it takes. */
static bool read_word(const struct option *table, void *object, const char *word, const char *next,
		      int *used, struct err *err)
{
	struct str rest = str_skip(str_of(word), 2);
	struct str name = STR_NONE;
	str_next(&rest, '=', &name);
	const struct option *o = find_word(table, name);
	if (o == NULL) {
		return err_set(err, ERR_CONFIG, "there is no option --%.*s: see --help",
			       STR_ARGS(str_first(name, 80)));
	}
	struct str value = rest;
	*used += 1;
	if (rest.at == NULL && o->type == OPTION_BOOL) {
		value = STR("on");
	} else if (rest.at == NULL) {
		if (next == NULL) {
			return err_set(err, ERR_CONFIG, "--%.*s needs a value", STR_ARGS(name));
		}
		value = str_of(next);
		*used += 1;
	}
	if (!set(o, object, value, err)) {
		return err_wrap(err, "--%.*s", STR_ARGS(name));
	}
	return true;
}

bool options_read_words(const struct option *table, void *object, int n, char **words, int *used,
			struct err *err)
{
	int at = 0;
	while (at < n && str_starts(str_of(words[at]), STR("--"))) {
		if (words[at][2] == '\0') {
			at++;
			break;
		}
		if (!read_word(table, object, words[at], at + 1 < n ? words[at + 1] : NULL, &at,
			       err)) {
			return false;
		}
	}
	*used = at;
	return true;
}
