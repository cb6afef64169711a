#include "database.h"

/* cmocka wants these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CONNECTIONS = 8,
};

static struct {
	pid_t pid;
	int stdin_fd;
	char dir[200];
	unsigned databases;
} server = {.stdin_fd = -1};

int databases_start(void **state)
{
	int in[2], out[2];

	(void)state;
	if (pipe(in) != 0 || pipe(out) != 0) {
		return -1;
	}
	server.pid = fork();
	if (server.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int fd = 3; fd < 20; fd++) {
			close(fd); /* the pipes' other names too: it waits for their end */
		}
		execl(TEST_SOURCE_DIR "/postgres-server", "postgres-server", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server.stdin_fd = in[1];
	size_t len = 0;
	ssize_t got;
	while (len < sizeof(server.dir) - 1 &&
	       (got = read(out[0], server.dir + len, sizeof(server.dir) - 1 - len)) > 0) {
		len += (size_t)got;
	}
	close(out[0]);
	server.dir[strcspn(server.dir, "\n")] = 0;
	return server.dir[0] == '/' ? 0 : -1;
}

int databases_stop(void **state)
{
	int status;

	(void)state;
	close(server.stdin_fd);
	return waitpid(server.pid, &status, 0) == server.pid ? 0 : -1;
}

static void server_sql(const char *database, const char *sql)
{
	char url[300];

	snprintf(url, sizeof(url), "host=%s user=test dbname=%s", server.dir, database);
	PGconn *c = PQconnectdb(url);
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
		fail_msg("%s: %s", sql, PQerrorMessage(c));
	}
	PQclear(r);
	PQfinish(c);
}

void database_sql(struct database *d, const char *sql)
{
	char name[32];

	if (d->path[0] == 0) {
		snprintf(name, sizeof(name), "t%u", server.databases);
		server_sql(name, sql);
		return;
	}
	sqlite3 *db;
	assert_int_equal(SQLITE_OK, sqlite3_open(d->path, &db));
	sqlite3_busy_timeout(db, 10000);
	char *why = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
		fail_msg("%s: %s", sql, why);
	}
	sqlite3_close(db);
}

void database_open(struct database *d)
{
	struct err err;

	if (!store_open(d->url, CONNECTIONS, &d->store, &err)) {
		fail_msg("%s", err.text);
	}
}

int database_on_sqlite(void **state)
{
	struct database *d = NEW(struct database);
	char dir[] = "/tmp/drawbridge-test.XXXXXX";

	if (mkdtemp(dir) == NULL) {
		return -1;
	}
	snprintf(d->path, sizeof(d->path), "%s/state.db", dir);
	snprintf(d->url, sizeof(d->url), "sqlite:%s", d->path);
	database_open(d);
	*state = d;
	return 0;
}

int database_on_postgresql(void **state)
{
	struct database *d = NEW(struct database);
	char sql[64];

	snprintf(sql, sizeof(sql), "CREATE DATABASE t%u", ++server.databases);
	server_sql("postgres", sql);
	snprintf(d->url, sizeof(d->url), "postgresql:///t%u?host=%s&user=test", server.databases,
		 server.dir);
	database_open(d);
	*state = d;
	return 0;
}

int database_end(void **state)
{
	struct database *d = *state;

	store_close(d->store);
	if (d->path[0] != 0) {
		char command[340];
		*strrchr(d->path, '/') = 0;
		snprintf(command, sizeof(command), "rm -rf '%s'", d->path);
		if (system(command) != 0) {
			return -1;
		}
	}
	free(d);
	return 0;
}
