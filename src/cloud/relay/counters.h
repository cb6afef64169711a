#pragma once
/*
 * What the relay counts. Each worker has its own set and only its thread writes it (no atomics);
 * the sum is gathered by posts (relay.h). The list below is the documentation of /metrics.
 */
#include "base/buf.h"

/* clang-format off: name, type, help */
#define RELAY_COUNTERS(X)                                                                          \
	X(tunnels, gauge, "Tunnels that are up")                                                   \
	X(tunnels_opened_total, counter, "Tunnels that came up since the start")                   \
	X(tunnels_lost_total, counter, "Tunnels that ended without being drained")                 \
	X(tunnels_cut_total, counter, "Tunnels closed because the directory forbids them now")     \
	X(clients, gauge, "Connections of applications to the HTTP proxy")                         \
	X(clients_refused_total, counter, "Connections over WORKER_CLIENTS_MAX, closed at once")   \
	X(clients_moved_total, counter, "Connections moved to the worker that has the tunnel")     \
	X(requests_total, counter, "Requests of applications, refused ones included")              \
	X(requests_open, gauge, "Requests that have a stream in a tunnel")                         \
	X(requests_waiting, gauge, "Requests that wait for a tunnel or for room in one")           \
	X(requests_retried_total, counter, "Requests sent a second time, see the retry table")     \
	X(refused_bad_request_total, counter, "400, 413, 414, 431: what is no proper request")     \
	X(refused_method_total, counter, "405: https targets and CONNECT")                         \
	X(refused_slow_total, counter, "408: head or body did not come in time")                   \
	X(refused_token_total, counter, "407: no token, or one that is not good")                  \
	X(refused_locked_total, counter, "403: the subaccount is locked")                          \
	X(refused_certificate_total, counter,                                                      \
	  "403: a client certificate of another tenant than the token, or none where required")    \
	X(refused_no_tunnel_total, counter, "503: no connector for subaccount and location")       \
	X(refused_queue_total, counter,                                                            \
	  "503: the tenant's queue is full, or waiting took too long")                             \
	X(refused_cancels_total, counter, "429: the subaccount gave up too many requests")         \
	X(failed_in_tunnel_total, counter, "502: the tunnel or its stream ended before an answer") \
	X(broken_answers_total, counter, "Answers cut short because stream or tunnel ended")       \
	X(silent_answers_total, counter, "504: no byte of an answer came in time")                 \
	X(cancelled_total, counter, "Requests that the application gave up")                       \
	X(stalled_total, counter, "Answers given up because the application did not read them")    \
	X(tls_handshakes_total, counter, "TLS handshakes of applications that came to an end")     \
	X(tls_resumed_total, counter, "Those of them that took up a session of before")            \
	X(tls_certificates_total, counter, "Those of them with a client certificate")              \
	X(tls_failed_total, counter, "TLS handshakes of applications that failed")                 \
	X(tls_refused_total, counter, "Those of them for the client's certificate or name")        \
	X(tokens_verified_total, counter, "Tokens whose signature was checked")                    \
	X(tokens_cached, gauge, "Tokens known to be good")                                         \
	X(bytes_up_total, counter, "Body bytes from applications into tunnels")                    \
	X(bytes_down_total, counter, "Body bytes from tunnels to applications")
/* clang-format on */

struct relay_counters {
#define RELAY_COUNTER_FIELD(name, type, help) uint64_t name;
	RELAY_COUNTERS(RELAY_COUNTER_FIELD)
#undef RELAY_COUNTER_FIELD
};

void relay_counters_add(struct relay_counters *sum, const struct relay_counters *part);
/* The text form of Prometheus, each name with "drawbridge_relay_" before it. */
void relay_counters_write(const struct relay_counters *c, struct buf *out);
