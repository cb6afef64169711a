/*
 * The real drawbridge-keyd under the real monitor: it is killed with -9 fifty times while threads
 * sign, and not one signature may fail; so is the master key changed five times. Started once as
 * the test, and by the monitor as the server.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keys/entries.h"
#include "keys/master.h"
#include "keys/monitor.h"

enum {
	KILLS = 50,
	THREADS = 4,
	BETWEEN = 20, /* signatures between two kills, at least */
	ROTATIONS = 5,
	ROTATED_MS = 30000,
};

struct signers;

struct signer {
	struct signers *all;
	pthread_t thread;
	atomic_uint signed_;
};

struct signers {
	struct key *key;
	struct signer each[THREADS];
	atomic_bool stop;
	atomic_uint lost;
	atomic_llong longest; /* ms of one signature */
};

static void *sign(void *user)
{
	struct signer *me = user;
	struct signers *s = me->all;

	while (!atomic_load(&s->stop)) {
		AUTO_BUF struct buf signature = BUF(KEY_SIGNATURE_MAX);
		struct err err;
		msec_t start = clock_now();
		if (key_sign(s->key, KEY_ECDSA_SHA256, STR("message"), &signature, &err)) {
			atomic_fetch_add(&me->signed_, 1);
		} else {
			(void)fprintf(stderr, "lost: %s\n", err.text);
			atomic_fetch_add(&s->lost, 1);
		}
		msec_t took = clock_now() - start;
		if (took > atomic_load(&s->longest)) {
			atomic_store(&s->longest, took);
		}
	}
	return NULL;
}

/*
 * Until each thread has signed again: a call is repeated once only, so that a request which kills
 * keyd is not sent for ever, and two kills under one call would rightly lose it.
 */
static void let_all_sign(struct signers *s)
{
	for (int i = 0; i < THREADS; i++) {
		unsigned start = atomic_load(&s->each[i].signed_);
		while (atomic_load(&s->each[i].signed_) - start < BETWEEN &&
		       atomic_load(&s->lost) == 0) {
			usleep(1000);
		}
	}
}

static bool kill_fifty_times(struct keys_client *c, struct signers *s, struct err *err)
{
	for (int i = 0; i < KILLS; i++) {
		uint32_t pid;
		let_all_sign(s);
		if (!keys_ping(c, &pid, err)) {
			return false;
		}
		(void)kill((pid_t)pid, SIGKILL);
	}
	let_all_sign(s);
	return true;
}

/* SIGHUP to the monitor, until another keyd answers. */
static bool hang_up(struct keys_client *c, struct err *err)
{
	uint32_t before, now;
	msec_t until = clock_now() + ROTATED_MS;

	if (!keys_ping(c, &before, err)) {
		return false;
	}
	(void)kill(getppid(), SIGHUP);
	do {
		usleep(2000);
		if (!keys_ping(c, &now, err)) {
			return false;
		}
	} while (now == before && clock_now() < until);
	return now != before || err_set(err, ERR_SYSTEM, "no keyd for the new master key came");
}

/* Each time what is sealed is sealed again, and signs all the while. */
static bool rotate_five_times(struct keys_client *c, struct signers *s, struct buf *sealed,
			      struct err *err)
{
	const char *key = getenv("SURVIVAL_KEY");
	bool again;

	for (int i = 0; i < ROTATIONS; i++) {
		AUTO_BUF struct buf anew = BUF(KEYS_SEALED_MAX), none = BUF(KEYS_SEALED_MAX);
		let_all_sign(s);
		if (!master_prepend(key, err) || !hang_up(c, err) ||
		    !keys_reseal_key(c, buf_str(sealed), &anew, &again, err)) {
			return false;
		}
		if (!again || !keys_reseal_key(c, buf_str(&anew), &none, &again, err) || again) {
			return err_set(err, ERR_SYSTEM, "it is not sealed under the new key");
		}
		buf_reset(sealed);
		buf_add_str(sealed, buf_str(&anew));
	}
	let_all_sign(s);
	return true;
}

/* Once only the newest key is left, what was sealed again opens and what was not does not. */
static bool forgets_the_old(struct keys_client *c, struct str old, struct str sealed,
			    struct err *err)
{
	AUTO_BUF struct buf none = BUF(KEYS_SEALED_MAX);
	bool again;

	if (!master_keep_first(getenv("SURVIVAL_KEY"), err) || !hang_up(c, err) ||
	    !keys_reseal_key(c, sealed, &none, &again, err)) {
		return false;
	}
	return !keys_reseal_key(c, old, &none, &again, err) ||
	       err_set(err, ERR_SYSTEM, "a lost master key still opens");
}

static bool survives(struct err *err)
{
	struct keys_client *c;
	struct signers s = {0};
	unsigned total = 0;
	AUTO_BUF struct buf sealed = BUF(KEYS_SEALED_MAX), spki = BUF(KEY_SPKI_MAX);

	if (!keys_client_new(monitor_control_fd(), &c, err) ||
	    !keys_generate(c, KEYS_CLASS_TOKEN, KEY_KIND_P256, &sealed, &spki, err) ||
	    !keys_open(c, buf_str(&sealed), buf_str(&spki), KEYS_FOR_TOKEN, &s.key, err)) {
		return false;
	}
	for (int i = 0; i < THREADS; i++) {
		s.each[i].all = &s;
		(void)pthread_create(&s.each[i].thread, NULL, sign, &s.each[i]);
	}
	AUTO_BUF struct buf newest = BUF(KEYS_SEALED_MAX);
	buf_add_str(&newest, buf_str(&sealed));
	bool ok = kill_fifty_times(c, &s, err) && rotate_five_times(c, &s, &newest, err);
	atomic_store(&s.stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(s.each[i].thread, NULL);
		total += atomic_load(&s.each[i].signed_);
	}
	ok = ok && forgets_the_old(c, buf_str(&sealed), buf_str(&newest), err);
	struct keys_counters counters = keys_count(c);
	printf("%u signed, %u lost, %llu repeated, %llu sets replaced, longest %lld ms\n", total,
	       atomic_load(&s.lost), (unsigned long long)counters.repeated,
	       (unsigned long long)counters.replaced, (long long)atomic_load(&s.longest));
	(void)fflush(stdout);
	key_free(s.key);
	keys_client_free(c);
	return ok &&
	       (atomic_load(&s.lost) == 0 || err_set(err, ERR_SYSTEM, "signatures were lost"));
}

int main(int argc, char **argv)
{
	char state[64] = "/tmp/keyd-survival-XXXXXX", key[96], path[128];
	struct err err;

	log_setup(LOG_ERROR, false, "keyd_survival");
	if (argc == 2 && strcmp(argv[1], "server") == 0) {
		(void)signal(SIGHUP, SIG_IGN);
		bool ok = survives(&err);
		if (!ok) {
			log_error("failed", LOG_ERR(&err));
		}
		return ok ? 0 : 2;
	}
	if (argc != 3 || !mkdtemp(state)) {
		return 1;
	}
	(void)snprintf(key, sizeof(key), "%s.key", state);
	(void)setenv("SURVIVAL_KEY", key, 1);
	char *server[] = {argv[0], argv[2], NULL};
	const struct monitor_settings settings = {.keyd_path = argv[1],
						  .master_key_path = key,
						  .state_dir = state,
						  .classes = 1U << KEYS_CLASS_TOKEN,
						  .server_argv = server,
						  .log_level = LOG_ERROR};
	/* Fifty lines of "killed" are what is meant to happen. */
	if (!freopen("/dev/null", "w", stderr)) {
		return 1;
	}
	int status = monitor_run(&settings);
	static const char *const files[] = {"keyd/check",      "keyd/serials", "keyd/anchor",
					    "keyd/anchor.key", "keyd",         ""};
	for (size_t i = 0; i < COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", state, files[i]);
		(void)remove(path);
	}
	(void)remove(key);
	return status;
}
