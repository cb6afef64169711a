#pragma once
/*
 * Named points at which a test has a program die as by kill -9. Only in builds with
 * -Dcrash_points=true (debug builds have them); in a release CRASH_POINT() is nothing.
 *
 * A test writes "name" or "name 3" (the third time) into the file "crash-at" of the program's
 * folder. The process that comes to that point renames the file to "crash-was", so that it happens
 * once, adds the name and its id to "crash-hit" and is gone: no handler, no flush, no unlock.
 *
 * `grep -rn CRASH_POINT src` lists them; tests/system/crash.py arms them.
 */
#include "base/defs.h"

#ifdef DRAWBRIDGE_CRASH_POINTS
/* At the start, after the sandbox is closed; `folder` must be writable in it. */
void crash_points_in(const char *folder);
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
static inline void crash_points_in(const char *folder)
{
	(void)folder;
}
#define CRASH_POINT(name) ((void)0)
#endif
