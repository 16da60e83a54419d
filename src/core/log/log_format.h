#ifndef CORE_LOG_LOG_FORMAT_H
#define CORE_LOG_LOG_FORMAT_H
/* The form of a log line: its head, and what is kept out of it. Any thread. */
#include <stddef.h>

#define LOG_ID_LEN 64 /* of an instance's id, the most that is shown */

/* As much of it as fits, NUL at the end included; returns the length. errno may change. */
size_t log_head(char *to, size_t size, const char *id, const char *level);

/* `to` has room for four times len. Returns the length. Async-signal-safe. */
size_t log_escape(char *to, const char *from, size_t len);

#endif
