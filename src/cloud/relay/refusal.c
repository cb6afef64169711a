/* The relay's own answers to applications: a status, a short text that names cause and next step.
 */
#include <stdarg.h>

#include "cloud/relay/front_priv.h"

enum {
	TEXT_MAX = 1024,
};

static void count(struct relay_counters *c, unsigned status)
{
	switch (status) {
	case 405:
		c->refused_method_total++;
		break;
	case 407:
		c->refused_token_total++;
		break;
	case 408:
		c->refused_slow_total++;
		break;
	case 429:
		c->refused_cancels_total++;
		break;
	case 502:
		c->failed_in_tunnel_total++;
		break;
	case 403:
	case 503:
	case 504:
		break; /* by the caller */
	default:
		c->refused_bad_request_total++;
		break;
	}
}

static void write_answer(struct front *f, unsigned status, struct str text, bool keep)
{
	char seconds[24];
	struct http_field fields[5];
	struct http_head head = {.status = status,
				 .minor = 1,
				 .fields = fields,
				 .body = HTTP_BODY_LENGTH,
				 .content_length = text.len};

	fields[head.n_fields++] = (struct http_field){.name = STR("Content-Type"),
						      .value = STR("text/plain; charset=utf-8")};
	fields[head.n_fields++] =
		(struct http_field){.name = STR("Server"), .value = STR("Drawbridge relay")};
	if (status == 407) {
		fields[head.n_fields++] = (struct http_field){
			.name = STR("Proxy-Authenticate"),
			.value = STR("Bearer realm=\"Drawbridge\", charset=\"UTF-8\"")};
	}
	if (status == 405) {
		fields[head.n_fields++] = (struct http_field){
			.name = STR("Allow"),
			.value = STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")};
	}
	if (status == 503) {
		fields[head.n_fields++] =
			(struct http_field){.name = STR("Retry-After"), .value = STR("2")};
	}
	if (status == 429) {
		msec_t wait = cancels_wait(f->worker->cancels, front_subaccount(f),
					   loop_now(f->worker->loop));
		snprintf(seconds, sizeof(seconds), "%lld", (long long)wait / 1000 + 1);
		fields[head.n_fields++] =
			(struct http_field){.name = STR("Retry-After"), .value = str_of(seconds)};
	}
	buf_reset(&f->worker->room);
	h1_write_response(&f->worker->room, &head, keep);
	if (!f->is_head) {
		buf_add_str(&f->worker->room, text);
	}
	stream_write(f->stream, buf_str(&f->worker->room));
}

void front_refuse(struct front *f, unsigned status, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text) - 1, fmt, args);
	va_end(args);
	size_t n = len < 0 ? 0 : (size_t)len < sizeof(text) - 1 ? (size_t)len : sizeof(text) - 2;
	text[n++] = '\n';
	count(&f->worker->counters, status);
	/* A body that nobody reads would be taken for the next request. */
	f->keep_alive = f->keep_alive && f->request_done;
	write_answer(f, status, str_make(text, n), f->keep_alive);
	front_next_request(f);
}

void front_refuse_closing(struct front *f)
{
	f->keep_alive = false;
	front_refuse(f, 503, "This relay is being shut down: send the request again.");
}

void front_refuse_no_tunnel(struct front *f)
{
	struct str key = str_of(f->key);
	size_t slash = str_find(key, '/');
	struct str subaccount = str_first(key, slash), location = str_skip(key, slash + 1);

	f->worker->counters.refused_no_tunnel_total++;
	if (location.len > 0) {
		front_refuse(f, 503,
			     "There is no connector connected for subaccount %.*s and location ID "
			     "\"%.*s\". Connect one with this location ID, or correct the header "
			     "SAP-Connectivity-SCC-Location_ID of the request.",
			     STR_ARGS(subaccount), STR_ARGS(location));
	} else {
		front_refuse(
			f, 503,
			"There is no connector connected for subaccount %.*s and the default "
			"location (no location ID). Connect the subaccount in the connector; if "
			"the connector has a location ID, name it in the header "
			"SAP-Connectivity-SCC-Location_ID.",
			STR_ARGS(subaccount));
	}
}
