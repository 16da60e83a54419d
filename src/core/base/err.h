#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H
/*
 * What went wrong, as a sentence for the operator.
 *
 * A function that can fail because of the operator or the host takes a `struct err *` as its last
 * argument. When it fails it returns a negative errno and leaves one sentence that says what went
 * wrong, where, and what to do. Its callers put their context in front of that with err_wrap; at
 * the top it becomes the command's message or the API's reply. The caller owns the struct; every
 * function here accepts NULL for it.
 *
 * This room is what every other room may stand on: errors, the clock, a lock, counters, the
 * timeline, snapshot records, and I/O on streams that does not sleep, or only up to a deadline. It
 * must not know any other room.
 */

struct err {
    char text[512]; /* NUL-terminated, one sentence, no newline; longer text is cut */
};

/* Writes the sentence and returns -code, so that a failure is one line: return err_set(e, EINVAL,
 * "..."). code > 0. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with code = errno, and appends ": " and what errno means. Returns -errno. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the sentence and returns ret unchanged. */
int err_wrap(struct err *e, int ret, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
