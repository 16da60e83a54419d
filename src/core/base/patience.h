#ifndef CORE_BASE_PATIENCE_H
#define CORE_BASE_PATIENCE_H
/*
 * Writing to a descriptor that perhaps nobody reads, without an event loop and without changing the
 * descriptor, which others may share.
 *
 * Async-signal-safe. A regular file is written as ever: there the disk may be waited for.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What it takes now: bytes, or -errno; -EAGAIN: nothing. */
int patience_try(int fd, const char *text, size_t len);

/* Until it may take more. false: it was until_ns (core/base/clock.h) first. */
bool patience_wait(int fd, uint64_t until_ns);

/* All of it. false: it failed, or there was still more at until_ns. */
bool patience_write(int fd, const char *text, size_t len, uint64_t until_ns);

/* The same to stderr: what mote has to say to its operator at the end. */
void patience_say(const char *text, uint64_t until_ns);

#endif
