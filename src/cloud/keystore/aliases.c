/* Aliases: what one may be, how they compare, and which are the provider's (spec/keystore.md 0). */
#include "cloud/keystore/keystore_priv.h"

/* C0, DEL and C1 (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F). */
static bool is_control(struct str character)
{
	unsigned char first = (unsigned char)character.at[0];

	if (character.len == 1) {
		return first < 0x20 || first == 0x7f;
	}
	return character.len == 2 && first == 0xc2 && (unsigned char)character.at[1] < 0xa0;
}

bool keystore_alias_check(struct str alias, struct err *err)
{
	size_t characters = 0;

	if (alias.len == 0) {
		return err_set(err, ERR_CONFIG, "the alias is empty");
	}
	for (struct str rest = alias; rest.len > 0; characters++) {
		size_t len = str_utf8_length(rest);
		if (len == 0) {
			return err_set(err, ERR_CONFIG,
				       "the alias contains invalid characters: it is not UTF-8");
		}
		if (is_control(str_first(rest, len))) {
			return err_set(
				err, ERR_CONFIG,
				"the alias contains invalid characters: a control character");
		}
		rest = str_skip(rest, len);
	}
	if (characters > KEYSTORE_ALIAS_CHARS) {
		return err_set(err, ERR_CONFIG, "the alias has more than %d characters",
			       (int)KEYSTORE_ALIAS_CHARS);
	}
	return true;
}

void keystore_alias_fold(struct str alias, struct buf *out)
{
	for (size_t i = 0; i < alias.len; i++) {
		char c = alias.at[i];
		buf_add_c(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
}

bool keystore_alias_fits(const char *alias, struct str fold, struct err *err)
{
	AUTO_BUF struct buf own = BUF(KEYSTORE_ALIAS_MAX);

	keystore_alias_fold(str_of(alias), &own);
	return (own.len == fold.len && (fold.len == 0 || str_eq(buf_str(&own), fold))) ||
	       err_set(err, ERR_STORE,
		       "the life row of alias \"%.100s\" was changed: restore a backup, with mode "
		       "replace",
		       alias);
}

bool keystore_alias_is_reserved(const struct keystore *k, struct str alias)
{
	struct str rest = str_of(k->reserved), pattern;

	while (str_next_listed(&rest, &pattern)) {
		if (str_ends(pattern, STR("*"))
			    ? str_starts_nocase(alias, str_first(pattern, pattern.len - 1))
			    : str_eq_nocase(alias, pattern)) {
			return true;
		}
	}
	return false;
}
