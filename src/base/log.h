#pragma once
/*
 * Logs: a constant sentence and fields. To stderr, as text or JSON lines.
 *
 *     log_info("tunnel is up", LOG_STR("subaccount", id), LOG_INT("tunnels", n));
 *
 * Levels say who must act: error the operator, now; warning the operator, this week; info a change
 * of life (up, down, enrolled, renewed); debug us. Only the one who stops a failure logs it. Bytes
 * from a peer are escaped and cut to LOG_FIELD_MAX. A field never holds a secret.
 *
 * Threads: any; a line is written with one write(2).
 */
#include "base/err.h"
#include "base/str.h"

enum log_level {
	LOG_ERROR,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG,
};

enum {
	LOG_FIELD_MAX =
		512, /* bytes of one field's value; a peer cannot fill the disk with one line */
	LOG_FIELDS_MAX = 12,
};

struct log_field {
	const char *name;
	struct str text;
	int64_t number;
	bool is_number;
};

#define LOG_STR(field, s)      ((struct log_field){.name = (field), .text = (s)})
#define LOG_TEXT(field, chars) ((struct log_field){.name = (field), .text = str_of(chars)})
#define LOG_INT(field, n)                                                                          \
	((struct log_field){.name = (field), .number = (int64_t)(n), .is_number = true})
#define LOG_ERR(err) LOG_TEXT("err", (err)->text)

void log_setup(enum log_level level, bool json, const char *program);
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n);

#define LOG_AT(level, message, ...)                                                                \
	do {                                                                                       \
		if (log_wants(level)) {                                                            \
			const struct log_field fields_[] = {{.name = NULL}, ##__VA_ARGS__};        \
			log_write(level, message, fields_ + 1, COUNT(fields_) - 1);                \
		}                                                                                  \
	} while (0)
#define log_error(message, ...)   LOG_AT(LOG_ERROR, message, ##__VA_ARGS__)
#define log_warning(message, ...) LOG_AT(LOG_WARNING, message, ##__VA_ARGS__)
#define log_info(message, ...)    LOG_AT(LOG_INFO, message, ##__VA_ARGS__)
#define log_debug(message, ...)   LOG_AT(LOG_DEBUG, message, ##__VA_ARGS__)
