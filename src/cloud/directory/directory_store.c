/* The directory's tables, and the lock that several of its stores take. */
#include "cloud/directory/directory_priv.h"

const struct migration directory_migrations[] = {
	{1,
	 "CREATE TABLE subaccount (id {text} PRIMARY KEY, region_host {text} NOT NULL,"
	 " display_name {text} NOT NULL, subdomain {text} NOT NULL UNIQUE,"
	 " description {text} NOT NULL, locked {bool} NOT NULL, renewal_allowed {bool} NOT NULL,"
	 " created {int} NOT NULL, version {int} NOT NULL) {strict};\n"
	 "CREATE TABLE person (name {text} PRIMARY KEY, display_name {text} NOT NULL,"
	 " password {text} NOT NULL, roles {int} NOT NULL, locked {bool} NOT NULL,"
	 " must_change {bool} NOT NULL, created {int} NOT NULL,"
	 " version {int} NOT NULL) {strict};\n"
	 "CREATE TABLE login_failure (name {blob} PRIMARY KEY, failures {int} NOT NULL,"
	 " wait_until {int} NOT NULL, at {int} NOT NULL) {strict};\n"
	 "CREATE TABLE owner (subaccount {text} NOT NULL"
	 " REFERENCES subaccount (id) ON DELETE CASCADE,"
	 " name {text} NOT NULL REFERENCES person (name) ON DELETE CASCADE,"
	 " PRIMARY KEY (subaccount, name)) {strict};\n"
	 "CREATE INDEX owner_by_name ON owner (name);\n"
	 "CREATE TABLE connector (subaccount {text} NOT NULL"
	 " REFERENCES subaccount (id) ON DELETE CASCADE, instance {text} NOT NULL,"
	 " location {text} NOT NULL, version {text} NOT NULL, address {text} NOT NULL,"
	 " first_seen {int} NOT NULL, last_seen {int} NOT NULL, disconnected {bool} NOT NULL,"
	 " PRIMARY KEY (subaccount, instance)) {strict};\n"
	 "CREATE TABLE certificate (n {serial}, serial {text} NOT NULL UNIQUE,"
	 " subaccount {text} NOT NULL REFERENCES subaccount (id) ON DELETE CASCADE,"
	 " instance {text} NOT NULL, spki {blob} NOT NULL, not_before {int} NOT NULL,"
	 " not_after {int} NOT NULL, issued {int} NOT NULL, confirmed {int} NOT NULL,"
	 " supersede_at {int} NOT NULL, superseded_by {text} NOT NULL, revoked {int} NOT NULL,"
	 " issued_to {text} NOT NULL) {strict};\n"
	 "CREATE INDEX certificate_of ON certificate (subaccount, instance, n);\n"
	 "CREATE TABLE authdata (hash {blob} PRIMARY KEY, subaccount {text} NOT NULL"
	 " REFERENCES subaccount (id) ON DELETE CASCADE, expires {int} NOT NULL, spki {blob},"
	 " creator {text} NOT NULL) {strict};\n"
	 "CREATE TABLE location_claim (subaccount {text} NOT NULL"
	 " REFERENCES subaccount (id) ON DELETE CASCADE, location {text} NOT NULL,"
	 " instance {text} NOT NULL, node {text} NOT NULL, until_ms {int} NOT NULL,"
	 " PRIMARY KEY (subaccount, location)) {strict};\n"
	 "CREATE TABLE location_tunnels (subaccount {text} NOT NULL"
	 " REFERENCES subaccount (id) ON DELETE CASCADE, location {text} NOT NULL,"
	 " instance {text} NOT NULL, node {text} NOT NULL, tunnels {int} NOT NULL,"
	 " until_ms {int} NOT NULL, PRIMARY KEY (subaccount, location, instance, node)) {strict};\n"
	 "CREATE TABLE binding (id {text} PRIMARY KEY, subaccount {text} NOT NULL"
	 " REFERENCES subaccount (id) ON DELETE CASCADE, name {text} NOT NULL,"
	 " client_id {text} NOT NULL UNIQUE, secret {blob} NOT NULL, created_by {text} NOT NULL,"
	 " created {int} NOT NULL, UNIQUE (subaccount, name)) {strict};\n"
	 "CREATE TABLE setting (name {text} PRIMARY KEY, value {text} NOT NULL) {strict}"},
	{2, "CREATE TABLE member (subaccount {text} NOT NULL"
	    " REFERENCES subaccount (id) ON DELETE CASCADE,"
	    " name {text} NOT NULL REFERENCES person (name) ON DELETE CASCADE,"
	    " roles {int} NOT NULL, PRIMARY KEY (subaccount, name)) {strict};\n"
	    "CREATE INDEX member_by_name ON member (name);\n"
	    "ALTER TABLE binding ADD COLUMN roles {int} NOT NULL DEFAULT 0"},
	{0, NULL},
};

bool directory_lock_subaccount(struct db *db, struct str subaccount, bool *found, struct err *err)
{
	struct query q = {.sql = "UPDATE subaccount SET version = version WHERE id = $1",
			  .params = {QUERY_TEXT(subaccount)},
			  .n_params = 1};
	int64_t changed;

	if (!query_run(db, &q, &changed, err)) {
		return false;
	}
	*found = changed == 1;
	return true;
}
