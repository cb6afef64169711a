#include "cloud/directory/bindings.h"

#include "base/random.h"
#include "cloud/directory/bindings_priv.h"
#include "cloud/directory/directory_priv.h"
#include "crypto/seal.h"

bool directory_binding_create(struct store *s, const struct directory_actor *actor,
			      struct str subaccount, struct str name, unsigned roles, int64_t now,
			      struct directory_binding *out,
			      char secret[static DIRECTORY_SECRET_MAX], struct err *err)
{
	AUTO_BUF struct buf text = BUF_SECRET(DIRECTORY_SECRET_MAX);
	struct directory_binding made = {.created = now, .roles = roles & DIRECTORY_MEMBER_ALL};
	uint8_t bytes[32], hash[32];

	if (!directory_check_text("name", name, 1, sizeof(made.name), err)) {
		return false;
	}
	if (!directory_is_segment(name)) {
		return err_set(
			err, ERR_CONFIG,
			"name: may not hold '/' or '\\', be '.' or '..', begin or end blank");
	}
	if (!str_copy(subaccount, made.subaccount, sizeof(made.subaccount))) {
		return err_set(err, ERR_MISSING, "no such subaccount");
	}
	random_uuid(made.id);
	snprintf(made.name, sizeof(made.name), "%.*s", STR_ARGS(name));
	snprintf(made.client_id, sizeof(made.client_id), "sb-%s!drawbridge", made.id);
	snprintf(made.created_by, sizeof(made.created_by), "%.*s", STR_ARGS(actor->who));
	random_bytes(bytes, sizeof(bytes));
	buf_add_base64url(&text, bytes, sizeof(bytes));
	seal_wipe(bytes, sizeof(bytes));
	digest_sha256(buf_str(&text), hash);
	if (!directory_binding_insert(s, actor, &made, hash, err)) {
		return false;
	}
	snprintf(secret, DIRECTORY_SECRET_MAX, "%.*s", STR_ARGS(buf_str(&text)));
	*out = made;
	return true;
}

enum directory_client directory_binding_verify(struct store *s, struct str client_id,
					       struct str secret, struct directory_binding *out,
					       struct err *err)
{
	struct binding_secret found;
	uint8_t hash[32];

	digest_sha256(secret, hash);
	if (!directory_binding_secret(s, client_id, &found, err)) {
		if (err->kind != ERR_MISSING && err->kind != ERR_CONFIG) {
			return DIRECTORY_CLIENT_FAILED;
		}
		found = (struct binding_secret){0};
		random_bytes(found.hash, sizeof(found.hash)); /* equals nothing */
	}
	if (!equal_secret(hash, found.hash, sizeof(hash))) {
		err_set(err, ERR_DENIED, "unknown client or wrong secret");
		return DIRECTORY_CLIENT_WRONG;
	}
	if (found.locked) {
		err_set(err, ERR_DENIED, "the subaccount is locked");
		return DIRECTORY_CLIENT_LOCKED;
	}
	*out = found.binding;
	return DIRECTORY_CLIENT_OK;
}

enum directory_client directory_binding_of_client(struct store *s, struct str client_id,
						  struct directory_binding *out, struct err *err)
{
	struct binding_secret found;

	if (!directory_binding_secret(s, client_id, &found, err)) {
		return err->kind == ERR_MISSING || err->kind == ERR_CONFIG
			       ? DIRECTORY_CLIENT_WRONG
			       : DIRECTORY_CLIENT_FAILED;
	}
	if (found.locked) {
		err_set(err, ERR_DENIED, "the subaccount is locked");
		return DIRECTORY_CLIENT_LOCKED;
	}
	*out = found.binding;
	return DIRECTORY_CLIENT_OK;
}
