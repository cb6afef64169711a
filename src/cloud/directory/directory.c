#include "cloud/directory/directory_priv.h"

size_t directory_limit(size_t asked)
{
	return asked == 0 || asked > DIRECTORY_PAGE_MAX ? DIRECTORY_PAGE_MAX : asked;
}

bool directory_check_text(const char *what, struct str value, size_t least, size_t size,
			  struct err *err)
{
	if (value.len < least) {
		return err_set(err, ERR_CONFIG, "%s: at least %zu bytes are needed", what, least);
	}
	if (value.len >= size) {
		return err_set(err, ERR_CONFIG, "%s: longer than %zu bytes", what, size - 1);
	}
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.at[i] < 0x20 || value.at[i] == 0x7f) {
			return err_set(err, ERR_CONFIG, "%s: holds a control character", what);
		}
	}
	return str_is_utf8(value) || err_set(err, ERR_CONFIG, "%s: is not UTF-8", what);
}

bool directory_is_segment(struct str s)
{
	return str_find(s, '/') == s.len && str_find(s, '\\') == s.len && !str_eq(s, STR(".")) &&
	       !str_eq(s, STR("..")) && s.len > 0 && s.at[0] != ' ' && s.at[s.len - 1] != ' ';
}

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool directory_is_label(struct str s)
{
	if (s.len == 0 || s.len >= DIRECTORY_LABEL_MAX || s.at[0] == '-' ||
	    s.at[s.len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_label_char(s.at[i])) {
			return false;
		}
	}
	return true;
}

bool directory_is_host(struct str s)
{
	struct str rest = s, label;

	if (s.len == 0 || s.len >= DIRECTORY_HOST_MAX) {
		return false;
	}
	while (str_next(&rest, '.', &label)) {
		if (!directory_is_label(label)) {
			return false;
		}
	}
	return true;
}

void directory_record(struct change *c, const struct directory_record *r)
{
	change_record(c, &(struct change_audit){
				 .who = r->actor->who,
				 .from = r->actor->from,
				 .tenant = r->tenant,
				 .what = str_of(r->what),
				 .object = r->object,
				 .before = r->before != NULL ? buf_str(r->before) : STR_NONE,
				 .after = r->after != NULL ? buf_str(r->after) : STR_NONE,
			 });
}
