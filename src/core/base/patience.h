#ifndef CORE_BASE_PATIENCE_H
#define CORE_BASE_PATIENCE_H
/*
 * Writing to a descriptor that perhaps nobody reads, with a limit to the wait, without an event
 * loop, and without changing the descriptor, which others may share.
 *
 * Async-signal-safe. The limits do not hold for regular files and block devices: a write to one may
 * wait for the disk.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes what fd takes now. Returns the number of bytes or -errno; -EAGAIN: it takes nothing. */
int patience_try(int fd, const char *text, size_t len);

/* Waits until fd may take more. false: until_ns (core/base/clock.h) came first, or poll failed. */
bool patience_wait(int fd, uint64_t until_ns);

/* Writes all of the text. false: a write failed, or some of the text was left at until_ns. */
bool patience_write(int fd, const char *text, size_t len, uint64_t until_ns);

/* The same to stderr, for what mote has to tell its operator at the end. */
void patience_say(const char *text, uint64_t until_ns);

#endif
