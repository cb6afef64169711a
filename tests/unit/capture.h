#pragma once
/* What a piece of code writes to stderr: the log. */
#include <unistd.h>

#include "base/defs.h"
#include "unit/unit.h"

/* Runs a piece of code with stderr in a pipe and leaves what it wrote in `line`. */
#define CAPTURE(line, code)                                                                        \
	do {                                                                                       \
		int ends_[2];                                                                      \
		assert_int_equal(pipe(ends_), 0);                                                  \
		int saved_ = dup(STDERR_FILENO);                                                   \
		dup2(ends_[1], STDERR_FILENO);                                                     \
		code;                                                                              \
		dup2(saved_, STDERR_FILENO);                                                       \
		close_fd(saved_);                                                                  \
		close_fd(ends_[1]);                                                                \
		ssize_t got_ = read(ends_[0], line, sizeof(line) - 1);                             \
		line[got_ > 0 ? got_ : 0] = '\0';                                                  \
		close_fd(ends_[0]);                                                                \
	} while (0)
