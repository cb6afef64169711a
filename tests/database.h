#pragma once
/*
 * The same test on both databases.
 *
 *     static const struct CMUnitTest tests[] = { ON_BOTH(a_row_is_found_again), … };
 *     return cmocka_run_group_tests(tests, databases_start, databases_stop);
 *
 * Each run gets a fresh, empty database as its state: a `struct database *`. The PostgreSQL server
 * is a real one, started once per test program by tests/postgres-server; if it does not start, the
 * group fails.
 */
#include "store/store.h"

struct database {
	char url[400];
	char path[300];      /* SQLite: the file; "" on PostgreSQL */
	struct store *store; /* opened, 8 connections; a test may close it and set it to NULL */
};

int databases_start(void **state);
int databases_stop(void **state);
int database_on_sqlite(void **state);
int database_on_postgresql(void **state);
int database_end(void **state);

#define ON_SQLITE(test)                                                                            \
	{                                                                                          \
		#test " [SQLite]", test, database_on_sqlite, database_end, NULL                    \
	}
#define ON_POSTGRESQL(test)                                                                        \
	{                                                                                          \
		#test " [PostgreSQL]", test, database_on_postgresql, database_end, NULL            \
	}
#define ON_BOTH(test) ON_SQLITE(test), ON_POSTGRESQL(test)

void database_open(struct database *d); /* after a test closed it */
/* SQL of a test, past store's own interface: tampering, looking, killing connections. */
void database_sql(struct database *d, const char *sql);
