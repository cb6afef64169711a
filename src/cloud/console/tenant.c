/*
 * Whose keystore a request of /api/v1 means (DESIGN 8): the first label of Host, /t/{sa}/, the
 * token's tenant, or the only one that the user is a member of. Two ways that disagree are refused.
 */
#include "cloud/console/console_priv.h"

#define WAYS                                                                                       \
	"by the host name {subdomain or id}.{this host}, by /t/{subdomain or id}/api/v1, or by a " \
	"token"

/* The label before one of our own names in Host; nothing when Host is one of them. */
static struct str host_label(const struct http_call *call)
{
	struct str host = call->head->authority, label = STR_NONE, name = STR_NONE;
	AUTO_BUF struct buf names = BUF(CONSOLE_NAMES_MAX);

	host = str_first(host, str_find_last(host, ':'));
	console_add_names(console_of(call), &names);
	struct str rest = buf_str(&names);
	while (str_next_listed(&rest, &name)) {
		if (str_eq_nocase(host, name)) {
			return STR_NONE;
		}
		if (host.len > name.len + 1 && host.at[host.len - name.len - 1] == '.' &&
		    str_eq_nocase(str_skip(host, host.len - name.len), name)) {
			label = str_first(host, host.len - name.len - 1);
		}
	}
	return label.len > 0 && str_find(label, '.') == label.len ? label : STR_NONE;
}

/* Whether the caller may learn that a subaccount exists or not. */
static bool sees_all(const struct directory_caller *c)
{
	return c->user.roles != 0;
}

static bool refuse_unknown(struct http_call *call, const struct directory_caller *c)
{
	if (sees_all(c)) {
		http_problem(call, 404, "no such subaccount");
		return false;
	}
	console_note_denied(call, c->actor.who, "unknown tenant");
	http_problem(call, 403, "%s has no role in this tenant's keystore", c->user.name);
	return false;
}

/* One way that was used; it must agree with those before. */
static bool take(struct http_call *call, struct directory_caller *c, struct str named)
{
	struct directory_subaccount sa;
	char folded[DIRECTORY_LABEL_MAX] = "";
	struct err err;

	if (named.len == 0) {
		return true;
	}
	/* subdomains and ids are stored in lower case; host names have no case. One that is too
	 * long is nobody's */
	(void)!str_copy(named, folded, sizeof(folded));
	for (char *at = folded; *at != 0; at++) {
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
	}
	if (!directory_subaccount_resolve(console_store(call), str_of(folded), &sa, &err)) {
		if (err.kind != ERR_MISSING && err.kind != ERR_CONFIG) {
			http_problem_err(call, &err);
			return false;
		}
		return refuse_unknown(call, c);
	}
	if (c->subaccount[0] != 0 && strcmp(c->subaccount, sa.id) != 0) {
		http_problem(call, 400,
			     "host name, path and token of this request name different tenants");
		return false;
	}
	memcpy(c->subaccount, sa.id, sizeof(c->subaccount));
	return true;
}

/* Who sees all subaccounts means the only one that there is. */
static bool only_one_there_is(struct http_call *call, struct directory_caller *c, struct err *err)
{
	AUTO_FREE struct directory_subaccount *rows = NULL;
	size_t n;

	if (!directory_subaccount_list(console_store(call), STR(""), STR(""), 2, &rows, &n, err)) {
		return false;
	}
	if (n != 1) {
		return err_set(err, ERR_MISSING, "there is not exactly one subaccount");
	}
	memcpy(c->subaccount, rows[0].id, sizeof(c->subaccount));
	return true;
}

static bool find_only(struct http_call *call, struct directory_caller *c)
{
	struct err err;
	bool found = directory_member_only(console_store(call), str_of(c->user.name), c->subaccount,
					   &err);

	if (!found && err.kind == ERR_MISSING && sees_all(c)) {
		found = only_one_there_is(call, c, &err);
	}
	if (found) {
		return true;
	}
	if (err.kind != ERR_MISSING) {
		http_problem_err(call, &err);
		return false;
	}
	http_problem(call, 400, "which tenant? Name it " WAYS);
	return false;
}

bool console_find_tenant(struct http_call *call, struct directory_caller *c)
{
	return take(call, c, http_param(call, "sa")) && take(call, c, host_label(call)) &&
	       (c->subaccount[0] != 0 || find_only(call, c));
}
