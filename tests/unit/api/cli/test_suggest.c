#include "api/cli/suggest.h"

#include <criterion/criterion.h>
#include <stddef.h>

static const char *nearest(const char *word)
{
    static const char *const known[] = { "--kernel", "--initrd", "--mem", "--vcpus", "--help" };
    struct suggest s = { .word = word };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        suggest_offer(&s, known[i]);
    return s.best;
}

Test(suggest, counts_edits)
{
    cr_assert_eq(suggest_distance("", ""), 0);
    cr_assert_eq(suggest_distance("mem", "mem"), 0);
    cr_assert_eq(suggest_distance("", "mem"), 3);
    cr_assert_eq(suggest_distance("mem", ""), 3);
    cr_assert_eq(suggest_distance("mm", "mem"), 1, "put in");
    cr_assert_eq(suggest_distance("meem", "mem"), 1, "left out");
    cr_assert_eq(suggest_distance("men", "mem"), 1, "replaced");
    cr_assert_eq(suggest_distance("vcpsu", "vcpus"), 1, "swapped");
    cr_assert_eq(suggest_distance("kitten", "sitting"), 3);
}

Test(suggest, is_symmetric)
{
    cr_assert_eq(suggest_distance("--kernle", "--initrd"),
                 suggest_distance("--initrd", "--kernle"));
}

Test(suggest, bounds_long_words)
{
    const char *a = "0123456789012345678901234567890123456789";
    const char *b = "0123456789012345678901234567890x";

    cr_assert_eq(suggest_distance(a, b), 1, "only the first 32 characters count");
}

Test(suggest, finds_the_slip)
{
    cr_assert_str_eq(nearest("--kernle"), "--kernel");
    cr_assert_str_eq(nearest("--vcpu"), "--vcpus");
    cr_assert_str_eq(nearest("--memory"), "--mem");
    cr_assert_str_eq(nearest("-mem"), "--mem");
    cr_assert_str_eq(nearest("--intird"), "--initrd");
}

Test(suggest, keeps_quiet_about_other_words)
{
    cr_assert_null(nearest("--frobnicate"));
    cr_assert_null(nearest("x"));
    cr_assert_null(nearest(""));
    cr_assert_null(nearest("--kernel--kernel--kernel--kernel--kernel"), "nobody's slip");
}

Test(suggest, prefers_the_nearest_and_then_the_first)
{
    struct suggest s = { .word = "none" };

    suggest_offer(&s, "nine");
    suggest_offer(&s, "nose");
    cr_assert_str_eq(s.best, "nine");
    suggest_offer(&s, "none");
    cr_assert_str_eq(s.best, "none");
    cr_assert_eq(s.distance, 0);
}
