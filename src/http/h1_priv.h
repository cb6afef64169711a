#pragma once
/* What the files of h1_engine share. Included by h1_*.c only. */
#include "http/h1_engine.h"

enum h1_line {
	H1_LINE_OK,
	H1_LINE_MORE,
	H1_LINE_LONG,    /* more than `max` bytes before the CRLF */
	H1_LINE_BARE_LF, /* LF without its CR */
};

/* The line that begins at `in`: *line is without its CRLF, *used counts it. */
enum h1_line h1_take_line(struct str in, size_t max, struct str *line, size_t *used);
/*
 * One field line without its CRLF: name ":" OWS value OWS (RFC 9112, 5). NULL when fine; else what
 * is wrong with it, in a few words.
 */
const char *h1_parse_field(struct str line, struct http_field *out);
