#pragma once
/*
 * A refusal in HTTP/1.1 as a person should read it: what a relay says in problem+json, or what a
 * corporate proxy says in the middle of a page of HTML.
 */
#include "http/h1_engine.h"

/*
 * Reads one whole answer (1xx before it are skipped) that starts at `in`; *used counts head and
 * body. The strings of *head point into `in`, its fields live in `arena`. `text` gets the problem's
 * detail, or the visible text of the page, cut to `size`. A 2xx to `method` CONNECT and a 101 have
 * no body. With H1_MORE head->status is set once the head was there.
 */
enum h1_outcome answer_read(struct str in, size_t max, struct str method, struct arena *arena,
			    struct http_head *head, char *text, size_t size, size_t *used,
			    struct err *err);
/* The detail of a problem+json body, else its visible text; `into` is empty for an empty body. */
void answer_text_of_body(struct str body, char *into, size_t size);
/* What a browser would show of `html`, in one line: no tags, styles or scripts, spaces collapsed,
 * control characters gone. Never cuts a UTF-8 sequence. */
void answer_text_of_html(struct str html, char *into, size_t size);
