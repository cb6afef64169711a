#include "base/defs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "unit/unit.h"

TEST(memory_is_zeroed_also_when_nothing_was_asked_for)
{
	AUTO_FREE unsigned char *bytes = must_alloc(100);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(bytes[i], 0);
	}
	AUTO_FREE void *none = must_alloc(0);
	assert_non_null(none);
}

TEST(taking_a_pointer_empties_its_owner)
{
	char *text = must_strdup("lowered");
	AUTO_FREE char *taken = TAKE(text);
	assert_null(text);
	assert_string_equal(taken, "lowered");
}

TEST(a_descriptor_closes_itself_and_errno_stays)
{
	int number = -1;
	{
		AUTO_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		number = fd;
		errno = EPIPE;
	}
	assert_int_equal(errno, EPIPE);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	close_fd(-1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(memory_is_zeroed_also_when_nothing_was_asked_for),
	cmocka_unit_test(taking_a_pointer_empties_its_owner),
	cmocka_unit_test(a_descriptor_closes_itself_and_errno_stays),
};
UNIT_MAIN(tests)
