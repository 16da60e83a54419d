#ifndef CORE_LOG_LOG_FORMAT_H
#define CORE_LOG_LOG_FORMAT_H
/* The form of a log line: its head, and how its text is escaped. Any thread. */
#include <stddef.h>

#define LOG_ID_LEN 64 /* characters of an instance's id that a line shows */

/* Writes the head and a NUL. `size` must be at least 120 bytes. Returns the length without the NUL.
 * errno may change. */
size_t log_head(char *to, size_t size, const char *id, const char *level);

/* Copies the text, with every byte but printable ASCII as \xNN. `to` must have room for 4 * len.
 * Returns the length. Async-signal-safe. */
size_t log_escape(char *to, const char *from, size_t len);

#endif
