#ifndef API_RUN_ESCAPE_H
#define API_RUN_ESCAPE_H
/*
 * The key pairs that are meant for mote and not for the guest: Ctrl-A and one more key. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESCAPE_PREFIX 0x01 /* Ctrl-A */

enum escape_command {
    ESCAPE_NONE,
    ESCAPE_QUIT, /* x */
    ESCAPE_HELP, /* h */
};

/* Zeroed at first. Kept between reads, because the two keys of a pair may come one by one. */
struct escape {
    bool prefixed; /* the last byte was the prefix */
};

/* Filters typed bytes. Puts those for the guest into `to`, which has room for len + 1 bytes, and
 * their number into *out. Ctrl-A c sends the guest one Ctrl-A; a pair without a meaning goes to the
 * guest unchanged. Stops after the first command. Returns how many typed bytes it took. */
size_t escape_filter(struct escape *s, const uint8_t *typed, size_t len, uint8_t *to, size_t *out,
                     enum escape_command *command);

/* The key pairs, explained to the operator in one line. */
extern const char escape_help[];

#endif
