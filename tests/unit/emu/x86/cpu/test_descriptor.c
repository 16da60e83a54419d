/* Segment descriptors: unpacking and limits. */
#include "emu/x86/cpu/descriptor.h"

#include <criterion/criterion.h>

Test(descriptor, unpacks_every_field)
{
    struct x86_segment s = seg_unpack(0x1b, UINT64_C(0x12d4f3a98765fedc));

    cr_assert_eq(s.selector, 0x1b);
    cr_assert_eq(s.base, 0x12a98765);
    cr_assert_eq(s.limit, 0x4fedcfff, "in pages");
    cr_assert_eq(s.access, 0xd0f3);
}

Test(descriptor, limit_in_bytes)
{
    struct x86_segment s = seg_unpack(8, UINT64_C(0x00049b000000fedc));

    cr_assert_eq(s.limit, 0x4fedc);
    cr_assert_eq(s.access, 0x009b);
}

Test(descriptor, flat_segment_is_four_gib)
{
    struct x86_segment s = seg_flat(0x23, X86_ACCESS_DATA32);

    cr_assert_eq(s.base, 0);
    cr_assert_eq(s.limit, 0xffffffff);
    cr_assert_eq(s.selector, 0x23);
    cr_assert_eq(s.access, X86_ACCESS_DATA32);
}

static const struct x86_segment up = { .limit = 0xfff, .access = SEG_P | SEG_S | SEG_WRITABLE };
static const struct x86_segment down = { .limit = 0xfff,
                                         .access = SEG_P | SEG_S | SEG_WRITABLE | SEG_CONFORMING };

Test(descriptor, access_ends_at_the_limit)
{
    cr_assert(seg_within_limit(&up, 0, 1));
    cr_assert(seg_within_limit(&up, 0xff8, 8));
    cr_assert(!seg_within_limit(&up, 0xff9, 8));
    cr_assert(!seg_within_limit(&up, 0x1000, 1));
    cr_assert(!seg_within_limit(&up, 0xffffffff, 2), "it does not wrap");
    cr_assert(seg_within_limit(&up, 0xfff, 0));
}

Test(descriptor, expand_down_begins_behind_the_limit)
{
    struct x86_segment big = down;

    cr_assert(!seg_within_limit(&down, 0xfff, 1));
    cr_assert(seg_within_limit(&down, 0x1000, 1));
    cr_assert(seg_within_limit(&down, 0xffff, 1));
    cr_assert(!seg_within_limit(&down, 0xffff, 2), "64 KiB without D/B");
    big.access |= SEG_DB;
    cr_assert(seg_within_limit(&big, 0xffff, 2));
    cr_assert(seg_within_limit(&big, 0xffffffff, 1));
    cr_assert(!seg_within_limit(&big, 0xffffffff, 2));
}

Test(descriptor, conforming_code_does_not_expand_down)
{
    struct x86_segment code = down;

    code.access |= SEG_CODE;
    cr_assert(seg_within_limit(&code, 0xfff, 1));
    cr_assert(!seg_within_limit(&code, 0x1000, 1));
}

Test(descriptor, null_segment_holds_nothing)
{
    struct x86_segment null = { .limit = 0xffffffff };

    cr_assert(!seg_within_limit(&null, 0, 1));
}
