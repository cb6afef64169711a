#include "net/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "unit/unit.h"

TEST(a_state_arrives_at_the_socket_that_systemd_named)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/notify-test-XXXXXX", text[64] = {0};

	assert_non_null(mkdtemp(folder));
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", folder);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", at.sun_path, 1), 0);
	notify_send("READY=1");
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
	assert_string_equal(text, "READY=1");
	unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1");
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
	close_fd(fd);
	(void)remove(at.sun_path);
	(void)remove(folder);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_state_arrives_at_the_socket_that_systemd_named),
};
UNIT_MAIN(tests)
