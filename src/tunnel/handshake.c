#include "tunnel/handshake.h"

#include <string.h>

#include "base/clock.h"
#include "tunnel/answer.h"

static const struct str PATH_PREFIX = STR("/ptth/subaccounts/");

enum {
	ANSWER_ARENA = 4 * 1024, /* first block; fields of the answer */
};

void ptth_add_authority(struct buf *out, const char *host, uint16_t port)
{
	buf_addf(out, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

void ptth_write_request(struct buf *out, const struct ptth_request *r)
{
	buf_addf(out, "GET %.*s%.*s HTTP/1.1\r\nHost: %.*s\r\n", STR_ARGS(PATH_PREFIX),
		 STR_ARGS(r->subaccount), STR_ARGS(r->host));
	buf_add_str(out, STR("Connection: upgrade\r\nUpgrade: ptth\r\nALPN: h2\r\n"));
	buf_addf(out, "Drawbridge-Protocol: %u\r\nDrawbridge-Instance: %.*s\r\n", r->protocol,
		 STR_ARGS(r->instance));
	if (r->run.len > 0) {
		buf_addf(out, "Drawbridge-Run: %.*s\r\n", STR_ARGS(r->run));
	}
	buf_add_str(out, STR("User-Agent: drawbridge-connector/" DRAWBRIDGE_VERSION "\r\n"));
	if (r->location_id.len > 0) {
		buf_add_str(out, STR("Drawbridge-Location-Id: "));
		buf_add_base64url(out, r->location_id.at, r->location_id.len);
		buf_add_str(out, STR("\r\n"));
	}
	buf_add_str(out, r->probe ? STR("Drawbridge-Probe: 1\r\n\r\n") : STR("\r\n"));
}

static bool lists(const struct http_head *head, struct str name, struct str wanted)
{
	const struct http_field *field = NULL;
	size_t at = 0;

	while ((field = http_find(head, name, &at)) != NULL) {
		struct str rest = field->value;
		struct str member;
		while (str_next_listed(&rest, &member)) {
			if (str_eq_nocase(member, wanted)) {
				return true;
			}
		}
	}
	return false;
}

static bool is_plain_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f) {
			return false;
		}
	}
	return str_is_utf8(s);
}

static bool read_location(struct str encoded, struct arena *arena, struct str *out, struct err *err)
{
	AUTO_BUF struct buf plain = BUF(PTTH_LOCATION_MAX);

	if (!buf_add_decoded_base64url(&plain, encoded) || buf_failed(&plain)) {
		return err_set(err, ERR_PROTOCOL,
			       "Drawbridge-Location-Id is no base64url of at most %d bytes",
			       PTTH_LOCATION_MAX);
	}
	if (!is_plain_text(buf_str(&plain))) {
		return err_set(err, ERR_PROTOCOL,
			       "Drawbridge-Location-Id holds control characters or no UTF-8");
	}
	if (plain.len == 0) {
		*out = STR("");
		return true;
	}
	*out = arena_str(arena, buf_str(&plain));
	return out->at != NULL || err_set(err, ERR_LIMIT, "the request is too large");
}

static bool read_numbers(const struct http_head *head, struct ptth_request *out, struct err *err)
{
	uint64_t protocol = 0;

	if (!str_to_u64(http_value(head, STR("Drawbridge-Protocol")), &protocol) || protocol == 0 ||
	    protocol > UINT16_MAX) {
		return err_set(err, ERR_PROTOCOL, "Drawbridge-Protocol is missing or no number");
	}
	out->protocol = (unsigned)protocol;
	out->run = http_value(head, STR("Drawbridge-Run"));
	if (!str_is_uuid(out->run)) {
		out->run = STR("");
	}
	out->probe = str_eq(http_value(head, STR("Drawbridge-Probe")), STR("1"));
	out->instance = http_value(head, STR("Drawbridge-Instance"));
	if (!str_is_uuid(out->instance)) {
		return err_set(err, ERR_PROTOCOL, "Drawbridge-Instance is missing or no UUID");
	}
	return true;
}

bool ptth_read_request(const struct http_head *head, struct arena *arena, struct ptth_request *out,
		       struct err *err)
{
	struct ptth_request r = {.subaccount = str_skip(head->path, PATH_PREFIX.len),
				 .host = head->authority};

	if (!str_eq(head->method, STR("GET"))) {
		return err_set(err, ERR_PROTOCOL, "a tunnel is opened with GET");
	}
	if (!str_starts(head->path, PATH_PREFIX) || !str_is_uuid(r.subaccount)) {
		return err_set(err, ERR_PROTOCOL, "the path is not %.*s{UUID}",
			       STR_ARGS(PATH_PREFIX));
	}
	if (!lists(head, STR("Connection"), STR("upgrade")) ||
	    !lists(head, STR("Upgrade"), STR("ptth"))) {
		return err_set(err, ERR_PROTOCOL,
			       "Connection: upgrade and Upgrade: ptth are missing; a proxy that "
			       "opens TLS may have removed them");
	}
	if (!lists(head, STR("ALPN"), STR("h2"))) {
		return err_set(err, ERR_PROTOCOL, "ALPN does not list h2");
	}
	if (!read_numbers(head, &r, err) ||
	    !read_location(http_value(head, STR("Drawbridge-Location-Id")), arena, &r.location_id,
			   err)) {
		return false;
	}
	*out = r;
	return true;
}

size_t ptth_welcome_fields(unsigned tunnels, struct str owners, struct arena *arena,
			   struct http_field *fields)
{
	size_t n = 0;
	char *number = arena_printf(arena, "%u", tunnels);

	fields[n++] = (struct http_field){.name = STR("Upgrade"), .value = STR("ptth")};
	fields[n++] = (struct http_field){.name = STR("ALPN"), .value = STR("h2")};
	if (number != NULL) {
		fields[n++] = (struct http_field){.name = STR("Drawbridge-Tunnels"),
						  .value = str_of(number)};
	}
	if (owners.len > 0) {
		fields[n++] =
			(struct http_field){.name = STR("Drawbridge-Owners"), .value = owners};
	}
	return n;
}

static void read_facts(const struct http_head *head, struct ptth_answer *out)
{
	uint64_t number = 0;

	if (str_to_u64(http_value(head, STR("Drawbridge-Tunnels")), &number) && number > 0) {
		out->tunnels = number < PTTH_TUNNELS_MAX ? (unsigned)number : PTTH_TUNNELS_MAX;
	}
	if (str_to_u64(http_value(head, STR("Retry-After")), &number)) {
		out->retry_after_s = number < INT32_MAX ? (int64_t)number : INT32_MAX;
	}
	if (!clock_parse_http_date(http_value(head, STR("Date")), &out->date)) {
		out->date = 0;
	}
	answer_text_of_html(http_value(head, STR("Drawbridge-Owners")), out->owners,
			    sizeof(out->owners));
	answer_text_of_html(http_value(head, STR("Drawbridge-Refusal")), out->refusal,
			    sizeof(out->refusal));
}

enum h1_outcome ptth_read_answer(struct str in, struct ptth_answer *out, size_t *used,
				 struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(ANSWER_ARENA, KIB(128));
	struct http_head head = {0};

	*out = (struct ptth_answer){.tunnels = 1, .retry_after_s = -1};
	enum h1_outcome outcome = answer_read(in, PTTH_ANSWER_MAX, STR("GET"), arena, &head,
					      out->detail, sizeof(out->detail), used, err);
	if (outcome == H1_BAD || head.status == 0) {
		return outcome;
	}
	out->status = head.status;
	read_facts(&head, out);
	if (head.status == 101 &&
	    (!lists(&head, STR("Upgrade"), STR("ptth")) || !lists(&head, STR("ALPN"), STR("h2")))) {
		(void)err_set(err, ERR_PROTOCOL,
			      "101 without Upgrade: ptth and ALPN: h2: this is no relay");
		return H1_BAD;
	}
	return outcome;
}
