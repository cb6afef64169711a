/* Roles of users in a tenant's keystore. */
#include "cloud/console/console_priv.h"

bool console_take_member_roles(struct http_call *call, const struct json *body, unsigned *roles)
{
	const struct json *list = json_get(body, "roles");
	unsigned all = 0;

	if (list == NULL) {
		return true;
	}
	if (!json_is_array(list)) {
		http_problem(call, 400, "\"roles\" must be a list of texts");
		return false;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		struct str name = STR_NONE;
		unsigned role =
			json_str(json_at(list, i), &name) ? directory_member_role_of(name) : 0;
		if (role == 0) {
			http_problem(call, 400,
				     "\"%.*s\" is no role: NodeManager.read, "
				     "NodeManager.deploysecuritycontent, "
				     "AuthGroup.IntegrationDeveloper, AuthGroup.ReadOnly or "
				     "AuthGroup.Administrator",
				     STR_ARGS(str_first(name, 100)));
			return false;
		}
		all |= role;
	}
	*roles = all;
	return true;
}

void console_key_member_roles(struct jsonw *w, unsigned roles)
{
	jsonw_key(w, "roles");
	jsonw_array(w);
	for (unsigned bit = 1; bit <= DIRECTORY_MEMBER_ALL; bit <<= 1) {
		if ((roles & bit) != 0) {
			jsonw_str(w, str_of(directory_member_role_name(bit)));
		}
	}
	jsonw_array_end(w);
}

static void write_member(struct jsonw *w, const struct directory_member *m)
{
	jsonw_object(w);
	jsonw_key_text(w, "user", m->user);
	console_key_member_roles(w, m->roles);
	jsonw_object_end(w);
}

static bool load(struct http_call *call, struct directory_member **rows, size_t *n)
{
	struct err err;

	if (!directory_member_list(console_store(call), str_of(console_caller(call)->subaccount),
				   rows, n, &err)) {
		http_problem_err(call, &err);
		return false;
	}
	return true;
}

void console_members_list(struct http_call *call)
{
	AUTO_FREE struct directory_member *rows = NULL;
	size_t n;

	if (!load(call, &rows, &n)) {
		return;
	}
	struct jsonw w = console_begin_list(call);
	for (size_t i = 0; i < n; i++) {
		write_member(&w, &rows[i]);
	}
	console_end_list(call, &w, NULL); /* all of them: there are few */
}

void console_member_show(struct http_call *call)
{
	AUTO_FREE struct directory_member *rows = NULL;
	size_t n;

	if (!load(call, &rows, &n)) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (str_eq(str_of(rows[i].user), http_param(call, "user"))) {
			struct jsonw w = jsonw_to(&call->out);
			write_member(&w, &rows[i]);
			http_answer_json(call, 200);
			return;
		}
	}
	http_problem(call, 404, "the user has no role in this tenant's keystore");
}

static bool set(struct http_call *call, unsigned roles)
{
	const struct directory_caller *caller = console_caller(call);
	struct err err = {0};
	bool ok = directory_member_set(console_store(call), &caller->actor,
				       str_of(caller->subaccount), http_param(call, "user"), roles,
				       &err);

	console_finish(call, ok, &err);
	return ok;
}

void console_member_set(struct http_call *call)
{
	struct directory_member m = {.roles = 0};
	const struct json *body;

	if (!http_json_object(call, &body) || !console_take_member_roles(call, body, &m.roles)) {
		return;
	}
	if (m.roles == 0) {
		http_problem(call, 400, "\"roles\" must name at least one; DELETE takes all away");
		return;
	}
	if (set(call, m.roles) && str_copy(http_param(call, "user"), m.user, sizeof(m.user))) {
		struct jsonw w = jsonw_to(&call->out);
		write_member(&w, &m);
		http_answer_json(call, 200);
	}
}

void console_member_remove(struct http_call *call)
{
	(void)set(call, 0);
}
