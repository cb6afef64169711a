#include "keyd/serve.h"

#include <pthread.h>

#include "base/log.h"
#include "keys/entries.h"
#include "net/packet.h"

enum {
	ANSWER_KEPT = KIB(16), /* an answer buffer that grew beyond it is given back */
};

struct server {
	struct dispatch dispatch; /* a copy, with a stage of its own */
	int fd;
	msec_t idle; /* the socket's time limit now; 0: none */
	pthread_t thread;
};

static bool serve_one(struct server *s, struct buf *request, struct buf *answer, struct err *err)
{
	size_t len = 0;

	msec_t idle = stage_is_used(s->dispatch.stage) ? KEYS_STAGE_IDLE_MS : 0;
	if (idle != s->idle && !packet_set_timeout(s->fd, idle, err)) {
		return false;
	}
	s->idle = idle;
	buf_reset(request);
	char *room = buf_reserve(request, request->max);
	enum packet_outcome outcome =
		packet_receive(s->fd, room, request->max, &len, NULL, 0, NULL, err);
	if (outcome == PACKET_TIMEOUT) {
		log_warning("an upload was forgotten: nobody asked for it",
			    LOG_INT("seconds", KEYS_STAGE_IDLE_MS / 1000));
		stage_clear(s->dispatch.stage);
		return true;
	}
	if (outcome != PACKET_OK) {
		if (outcome == PACKET_TOO_LONG) {
			log_warning("a request is longer than allowed: its socket is closed",
				    LOG_INT("max_bytes", KEYS_MESSAGE_MAX));
		}
		return false;
	}
	buf_commit(request, len);
	if (!dispatch(&s->dispatch, buf_str(request), answer)) {
		log_warning("a request was malformed", LOG_INT("bytes", len));
	}
	outcome = packet_send(s->fd, buf_str(answer), NULL, 0, err);
	if (answer->cap > ANSWER_KEPT) {
		buf_fini(answer);
	}
	buf_reset(answer);
	return outcome == PACKET_OK;
}

static void *run(void *user)
{
	struct server *s = user;
	AUTO_BUF struct buf request = BUF_SECRET(KEYS_MESSAGE_MAX);
	AUTO_BUF struct buf answer = BUF_SECRET(KEYS_MESSAGE_MAX);
	struct err err;

	s->dispatch.stage = stage_new(s->dispatch.nursery, s->fd);
	while (serve_one(s, &request, &answer, &err)) {
	}
	stage_free(s->dispatch.stage);
	close_fd(s->fd);
	return NULL;
}

bool serve(const struct dispatch *d, const int *fds, size_t n, struct err *err)
{
	AUTO_FREE struct server *servers = NEW_ARRAY(struct server, n);
	size_t started = 0;

	while (started < n) {
		struct server *s = &servers[started];
		s->dispatch = *d;
		s->fd = fds[started];
		if (pthread_create(&s->thread, NULL, run, s) != 0) {
			break;
		}
		started++;
	}
	for (size_t i = started; i < n; i++) {
		close_fd(fds[i]);
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(servers[i].thread, NULL);
	}
	return started == n || err_set(err, ERR_SYSTEM, "cannot start a thread for each socket");
}
