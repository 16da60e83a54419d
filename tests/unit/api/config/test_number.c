#include "api/config/number.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/units.h"

Test(number, takes_digits)
{
    uint64_t n = 7;

    cr_assert_eq(number_parse("0", &n), 0);
    cr_assert_eq(n, 0);
    cr_assert_eq(number_parse("0032", &n), 0);
    cr_assert_eq(n, 32);
    cr_assert_eq(number_parse("18446744073709551615", &n), 0);
    cr_assert_eq(n, UINT64_MAX);
}

Test(number, takes_nothing_else)
{
    static const char *const wrong[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1.5", "1e3", "one" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t n = 7;
        cr_assert_eq(number_parse(wrong[i], &n), -EINVAL, "'%s'", wrong[i]);
        cr_assert_eq(n, 7, "'%s' changed the number", wrong[i]);
    }
}

Test(number, does_not_wrap)
{
    uint64_t n = 7;

    cr_assert_eq(number_parse("18446744073709551616", &n), -ERANGE);
    cr_assert_eq(number_parse("99999999999999999999999999", &n), -ERANGE);
    cr_assert_eq(n, 7);
}

Test(size, has_units)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } right[] = {
        { "256", 256 * MIB },
        { "256M", 256 * MIB },
        { "256m", 256 * MIB },
        { "1G", GIB },
        { "4g", 4 * GIB },
        { "4096K", 4 * MIB },
        { "4k", 4 * KIB },
        { "0", 0 },
        { "0G", 0 },
        { "1M", MIB },
        { "17179869183G", 17179869183 * GIB },
    };

    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        uint64_t bytes = 7;
        cr_assert_eq(size_parse(right[i].text, &bytes, NULL), 0, "%s", right[i].text);
        cr_assert_eq(bytes, right[i].bytes, "%s is %" PRIu64, right[i].text, bytes);
    }
}

Test(size, refuses_what_is_none)
{
    static const char *const wrong[] = { "",     "M",   "-1M",   "1 M",  "1T", "1MB",
                                         "1.5G", "1M1", "0x10M", "much", "1b" };
    struct err e;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t bytes = 7;
        e.text[0] = '\0';
        cr_assert_eq(size_parse(wrong[i], &bytes, &e), -EINVAL, "'%s'", wrong[i]);
        cr_assert(strstr(e.text, "is not a size"), "%s", e.text);
        cr_assert_eq(bytes, 7);
    }
}

Test(size, refuses_what_does_not_fit_64_bits)
{
    static const char *const wrong[] = { "18446744073709551616", "17592186044416", "17179869184G",
                                         "18014398509481984K" };
    struct err e;
    uint64_t bytes = 7;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_eq(size_parse(wrong[i], &bytes, &e), -ERANGE, "%s", wrong[i]);
        cr_assert(strstr(e.text, wrong[i]), "%s", e.text);
    }
    cr_assert_eq(bytes, 7);
}

Test(size, is_written_in_the_largest_unit_that_loses_nothing)
{
    cr_assert_str_eq(size_format(GIB).text, "1G");
    cr_assert_str_eq(size_format(1536 * MIB).text, "1536M");
    cr_assert_str_eq(size_format(4 * KIB).text, "4K");
    cr_assert_str_eq(size_format(GIB + KIB).text, "1048577K");
    cr_assert_str_eq(size_format(33).text, "33 bytes");
    cr_assert_str_eq(size_format(0).text, "0 bytes");
    cr_assert_str_eq(size_format(UINT64_MAX).text, "18446744073709551615 bytes");
}
