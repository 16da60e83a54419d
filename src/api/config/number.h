#ifndef API_CONFIG_NUMBER_H
#define API_CONFIG_NUMBER_H
/*
 * Numbers and memory sizes as people write them. Pure.
 */
#include <stdint.h>

struct err;

/* Decimal digits and nothing else. -EINVAL: not a number; -ERANGE: over 64 bits. */
int number_parse(const char *text, uint64_t *out);

/* "256M", "1G", "4096K" in either case; a bare number is MiB. Zero is a size. */
int size_parse(const char *text, uint64_t *bytes, struct err *e);

struct size_text {
    char text[32];
};

/* The same way round: the largest unit that loses nothing, "1G", "1536M", "33 bytes". */
struct size_text size_format(uint64_t bytes);

#endif
