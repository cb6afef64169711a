#include "http/multipart.h"

/* Cuts `s` at `mark`: what is before it, and *s is what is behind. False: there is none. */
static bool cut(struct str *s, struct str mark, struct str *before)
{
	const char *at = s->len > 0 ? memmem(s->at, s->len, mark.at, mark.len) : NULL;

	if (at == NULL) {
		return false;
	}
	*before = str_first(*s, (size_t)(at - s->at));
	*s = str_skip(*s, before->len + mark.len);
	return true;
}

/* Up to the next `;` outside quotes, trimmed; false at the end. */
static bool next_parameter(struct str *rest, struct str *part)
{
	bool quoted = false;
	size_t i = 0;

	if (rest->at == NULL) {
		return false;
	}
	for (; i < rest->len && (quoted || rest->at[i] != ';'); i++) {
		if (quoted && rest->at[i] == '\\' && i + 1 < rest->len) {
			i++;
		} else if (rest->at[i] == '"') {
			quoted = !quoted;
		}
	}
	*part = str_trim(str_first(*rest, i));
	*rest = i < rest->len ? str_skip(*rest, i + 1) : STR_NONE;
	return true;
}

static struct str unquoted(struct str value)
{
	bool quoted = value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"';

	return quoted ? str_first(str_skip(value, 1), value.len - 2) : value;
}

/* Of `form-data; name="x"`; at == NULL: not there. */
static struct str parameter(struct str header, const char *name)
{
	struct str rest = header, part;

	while (next_parameter(&rest, &part)) {
		size_t equals = str_find(part, '=');
		if (equals < part.len && str_eq_nocase(str_first(part, equals), str_of(name))) {
			return unquoted(str_skip(part, equals + 1));
		}
	}
	return STR_NONE;
}

bool multipart_is(struct str content_type)
{
	return str_starts_nocase(content_type, STR("multipart/form-data"));
}

bool multipart_open(struct multipart *m, struct str content_type, struct str body, struct err *err)
{
	struct str boundary = parameter(content_type, "boundary"), before;

	*m = (struct multipart){.rest = body};
	if (!multipart_is(content_type) || boundary.len == 0 ||
	    boundary.len > MULTIPART_BOUNDARY_MAX) {
		return err_set(err, ERR_CONFIG, "the body's type names no boundary");
	}
	snprintf(m->between, sizeof m->between, "\r\n--%.*s", STR_ARGS(boundary));
	struct str first = str_skip(str_of(m->between), 2);
	if (str_starts(m->rest, first)) {
		m->rest = str_skip(m->rest, first.len);
		return true;
	}
	return cut(&m->rest, str_of(m->between), &before) ||
	       err_set(err, ERR_CONFIG, "the body does not have the boundary that its type names");
}

static void read_head(struct str head, struct multipart_part *out)
{
	struct str line;

	while (head.len > 0) {
		if (!cut(&head, STR("\r\n"), &line)) {
			line = head;
			head = STR_NONE;
		}
		size_t colon = str_find(line, ':');
		struct str name = str_first(line, colon),
			   value = str_trim(str_skip(line, colon + 1));
		if (str_eq_nocase(name, STR("Content-Disposition"))) {
			out->name = parameter(value, "name");
			out->filename = parameter(value, "filename");
		} else if (str_eq_nocase(name, STR("Content-Type"))) {
			out->content_type = value;
		}
	}
}

enum multipart_outcome multipart_next(struct multipart *m, struct multipart_part *out,
				      struct err *err)
{
	struct str padding, head = STR(""), part;

	if (str_starts(m->rest, STR("--"))) {
		return MULTIPART_END;
	}
	if (++m->n > MULTIPART_PARTS_MAX) {
		err_set(err, ERR_LIMIT, "the body has more than %d parts", MULTIPART_PARTS_MAX);
		return MULTIPART_BROKEN;
	}
	if (!cut(&m->rest, STR("\r\n"), &padding) || str_trim(padding).len > 0 ||
	    !cut(&m->rest, str_of(m->between), &part)) {
		err_set(err, ERR_CONFIG, "the body ends in the middle of a part");
		return MULTIPART_BROKEN;
	}
	if (str_starts(part, STR("\r\n"))) { /* no head at all */
		part = str_skip(part, 2);
	} else if (!cut(&part, STR("\r\n\r\n"), &head) || head.len > MULTIPART_HEAD_MAX) {
		err_set(err, ERR_CONFIG, "a part of the body has no head, or one that is too long");
		return MULTIPART_BROKEN;
	}
	*out = (struct multipart_part){.content = part};
	read_head(head, out);
	return MULTIPART_PART;
}

bool multipart_find(struct str content_type, struct str body, const char *name, struct str *content,
		    bool *found, struct err *err)
{
	struct multipart m;
	struct multipart_part part;
	enum multipart_outcome o = MULTIPART_BROKEN;

	*found = false;
	if (!multipart_open(&m, content_type, body, err)) {
		return false;
	}
	while ((o = multipart_next(&m, &part, err)) == MULTIPART_PART) {
		if (!*found && str_eq(part.name, str_of(name))) {
			*content = part.content;
			*found = true;
		}
	}
	return o == MULTIPART_END;
}
