#ifndef API_RUN_ESCAPE_H
#define API_RUN_ESCAPE_H
/*
 * The keys that are mote's and not the guest's: Ctrl-A and one more. Pure.
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

/* Zeroed at first. Kept between reads: the two keys of a pair come one by one. */
struct escape {
    bool prefixed; /* the last byte was the prefix */
};

/* Takes typed bytes and leaves what the guest gets in `to`, which has room for len + 1 bytes; *out
 * is their number. Ctrl-A c stands for Ctrl-A; a pair that means nothing goes to the guest as it
 * is. Stops behind the first command. Returns how many bytes it took. */
size_t escape_filter(struct escape *s, const uint8_t *typed, size_t len, uint8_t *to, size_t *out,
                     enum escape_command *command);

/* The keys, for people. */
extern const char escape_help[];

#endif
