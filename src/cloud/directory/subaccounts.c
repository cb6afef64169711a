#include "cloud/directory/subaccounts.h"

#include "base/random.h"
#include "cloud/directory/directory_priv.h"
#include "cloud/directory/subaccounts_priv.h"

/* "Plant Hamburg 2" is "plant-hamburg-2"; empty when nothing is left. */
void directory_make_label(struct str name, char out[static DIRECTORY_LABEL_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < name.len && n < DIRECTORY_LABEL_MAX - 1; i++) {
		char c = name.at[i];
		c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (plain) {
			out[n++] = c;
		} else if (n > 0 && out[n - 1] != '-') {
			out[n++] = '-';
		}
	}
	while (n > 0 && out[n - 1] == '-') {
		n--;
	}
	out[n] = 0;
}

static bool check_subdomain(const struct directory_subaccount *s, struct err *err)
{
	struct str label = str_of(s->subdomain);

	if (!directory_is_label(label)) {
		return err_set(err, ERR_CONFIG,
			       "subdomain: lower-case letters, digits and hyphens, up to 63, are "
			       "possible, not \"%s\"",
			       s->subdomain);
	}
	if (str_is_uuid(label) && !str_eq(label, str_of(s->id))) {
		return err_set(err, ERR_CONFIG, "subdomain: may not be the id of something else");
	}
	return true;
}

bool directory_check_subaccount(const struct directory_subaccount *s, struct err *err)
{
	return directory_check_text("display name", str_of(s->display_name), 1,
				    sizeof(s->display_name), err) &&
	       directory_check_text("description", str_of(s->description), 0,
				    sizeof(s->description), err) &&
	       check_subdomain(s, err);
}

/* Fills the id; refuses what is no UUID or no host. */
static bool prepare(struct directory_subaccount *want, struct err *err)
{
	if (want->id[0] == 0) {
		random_uuid(want->id);
	}
	if (!str_is_uuid(str_of(want->id))) {
		return err_set(err, ERR_CONFIG, "id: \"%s\" is not a UUID", want->id);
	}
	for (char *c = want->id; *c != 0; c++) {
		*c = *c >= 'A' && *c <= 'F' ? (char)(*c - 'A' + 'a') : *c;
	}
	return directory_is_host(str_of(want->region_host)) ||
	       err_set(err, ERR_CONFIG, "region host: \"%s\" is not a lower-case host name",
		       want->region_host);
}

bool directory_subaccount_create(struct store *s, const struct directory_actor *actor,
				 struct directory_subaccount *want, struct str owner,
				 struct err *err)
{
	struct directory_subaccount made = *want;

	if (!prepare(&made, err)) {
		return false;
	}
	bool derived = made.subdomain[0] == 0;
	if (derived) {
		directory_make_label(str_of(made.display_name), made.subdomain);
	}
	if (made.subdomain[0] == 0 || (derived && str_is_uuid(str_of(made.subdomain)))) {
		(void)!str_copy(str_of(made.id), made.subdomain, sizeof(made.subdomain));
	}
	if (!directory_check_subaccount(&made, err)) {
		return false;
	}
	if (!directory_subaccount_insert(s, actor, &made, derived, owner, err)) {
		return false;
	}
	*want = made;
	return true;
}
