#include "cloud/ca/est_body.h"

/* The base64 between the two lines of a PEM request. */
static bool cut_armour(struct str *text, struct err *err)
{
	static const char *const labels[] = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"};

	if (!str_starts(*text, STR("-----BEGIN "))) {
		return true;
	}
	for (size_t i = 0; i < COUNT(labels); i++) {
		char begin[64], end[64];
		snprintf(begin, sizeof begin, "-----BEGIN %s-----", labels[i]);
		snprintf(end, sizeof end, "-----END %s-----", labels[i]);
		struct str last = str_trim(*text);
		while (last.len > 0 &&
		       (last.at[last.len - 1] == '\n' || last.at[last.len - 1] == '\r')) {
			last.len--;
		}
		if (str_starts(last, str_of(begin)) && str_ends(last, str_of(end)) &&
		    last.len >= strlen(begin) + strlen(end)) {
			*text = str_first(str_skip(last, strlen(begin)),
					  last.len - strlen(begin) - strlen(end));
			return true;
		}
	}
	return err_set(err, ERR_CONFIG, "the body is PEM, but no certificate request");
}

bool est_read_csr(struct str body, struct csr_facts *out, struct err *err)
{
	AUTO_BUF struct buf der = BUF(EST_BODY_MAX);

	if (body.len == 0 || body.len > EST_BODY_MAX) {
		return err_set(err, ERR_CONFIG, "the body is empty or longer than %d bytes",
			       EST_BODY_MAX);
	}
	if (body.at[0] == 0x30) { /* a SEQUENCE; no base64 of a DER request starts with "0" */
		return csr_read(body, out, err);
	}
	if (!cut_armour(&body, err)) {
		return false;
	}
	if (!buf_add_decoded_base64(&der, body)) {
		return err_set(err, ERR_CONFIG, "the body is not base64 (RFC 8951, 3)");
	}
	return csr_read(buf_str(&der), out, err);
}

void est_write(struct buf *out, struct str der)
{
	for (size_t at = 0; at < der.len; at += 48) {
		struct str line = str_first(str_skip(der, at), 48);
		buf_add_base64(out, line.at, line.len);
		buf_add_str(out, STR("\r\n"));
	}
}
