/*
 * Numbers and memory sizes as people write them.
 *
 * strtoull will not do: it accepts a sign, leading white space and trailing garbage, and turns "-1"
 * into the largest number there is.
 */
#include "api/config/number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stddef.h>

#include "core/base/err.h"

static const struct unit {
    char upper, lower;
    unsigned shift;
} units[] = { { 'G', 'g', 30 }, { 'M', 'm', 20 }, { 'K', 'k', 10 } };

#define UNITS      (sizeof(units) / sizeof(units[0]))
#define BARE_SHIFT 20u

/* Reads the leading digits; *end is the first character after them. */
static int digits_parse(const char *text, uint64_t *out, const char **end)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return -ERANGE;
    }
    if (at == text)
        return -EINVAL;
    *out = value;
    *end = at;
    return 0;
}

int number_parse(const char *text, uint64_t *out)
{
    const char *end;
    uint64_t value;
    int ret = digits_parse(text, &value, &end);

    if (ret < 0)
        return ret;
    if (*end != '\0')
        return -EINVAL;
    *out = value;
    return 0;
}

/* By how many bits the suffix shifts the number; -1 if it is not a suffix. */
static int suffix_shift(const char *suffix)
{
    if (suffix[0] == '\0')
        return BARE_SHIFT;
    if (suffix[1] != '\0')
        return -1;
    for (size_t i = 0; i < UNITS; i++) {
        if (suffix[0] == units[i].upper || suffix[0] == units[i].lower)
            return (int)units[i].shift;
    }
    return -1;
}

int size_parse(const char *text, uint64_t *bytes, struct err *e)
{
    const char *suffix = "";
    uint64_t value = 0;
    int ret = digits_parse(text, &value, &suffix);
    int shift = ret < 0 ? 0 : suffix_shift(suffix);

    if (ret == -EINVAL || shift < 0)
        return err_set(e, EINVAL,
                       "'%.40s' is not a size: write a number of MiB, or one with K, M or G, like "
                       "256M",
                       text);
    if (ret == -ERANGE || value > UINT64_MAX >> shift)
        return err_set(e, ERANGE, "'%.40s' is more bytes than a 64-bit number holds", text);
    *bytes = value << shift;
    return 0;
}

struct size_text size_format(uint64_t bytes)
{
    struct size_text s;

    for (size_t i = 0; i < UNITS; i++) {
        uint64_t unit = 1ull << units[i].shift;
        if (bytes >= unit && bytes % unit == 0) {
            (void)snprintf(s.text, sizeof(s.text), "%" PRIu64 "%c", bytes / unit, units[i].upper);
            return s;
        }
    }
    (void)snprintf(s.text, sizeof(s.text), "%" PRIu64 " bytes", bytes);
    return s;
}
