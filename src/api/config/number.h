#ifndef API_CONFIG_NUMBER_H
#define API_CONFIG_NUMBER_H
/*
 * Numbers and memory sizes as people write them. Pure.
 */
#include <stdint.h>

struct err;

/* Takes decimal digits and nothing else. -EINVAL: not a number; -ERANGE: more than 64 bits. */
int number_parse(const char *text, uint64_t *out);

/* Takes "256M", "1G" or "4096K", in upper or lower case; a number without a suffix is in MiB. Zero
 * is allowed. */
int size_parse(const char *text, uint64_t *bytes, struct err *e);

struct size_text {
    char text[32];
};

/* Writes a size in the largest unit that loses nothing: "1G", "1536M", "33 bytes". */
struct size_text size_format(uint64_t bytes);

#endif
