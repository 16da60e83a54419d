#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H
/*
 * What went wrong, as a sentence for the operator.
 *
 * A function that can fail because of the operator or the host takes a `struct err *` last, returns
 * a negative errno and leaves one sentence that says what, where and what to do. Callers on the way
 * up put their context in front with err_wrap; the end of the line is the command's message or the
 * API's reply. The caller owns the struct; every function here accepts NULL for it.
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
