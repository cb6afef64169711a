/*
 * Paths: whatever is accepted must be the same when read again, and must hold nothing that a server
 * could take for another path.
 */
#include <assert.h>

#include "base/arena.h"
#include "base/err.h"
#include "connector/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_canonical(struct str path)
{
	char into[ACCESS_PATH_MAX];
	struct str again;
	struct err err;

	assert(path.len > 0 && path.at[0] == '/');
	assert(!str_contains(path, STR("//")) && !str_contains(path, STR("/../")));
	assert(!str_contains(path, STR("/./")) && !str_contains(path, STR("\\")));
	assert(!str_ends(path, STR("/..")) && !str_ends(path, STR("/.")));
	assert(access_path_read(path, into, &again, &err));
	assert(str_eq(path, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *into = must_alloc(len + 1);
	struct arena *arena = arena_new(1024, 1 << 20);
	struct str path;
	struct err err;

	if (access_path_read(str_make(bytes, len), into, &path, &err)) {
		check_canonical(path);
	}
	if (access_path_of_resource(str_make(bytes, len), arena, &path, &err)) {
		check_canonical(path);
	}
	arena_free(arena);
	free(into);
	return 0;
}
