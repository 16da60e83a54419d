/* Emitting: bytes, displacements, moves, the end of the room. */
#include "emu/x86/native/emit.h"

#include <criterion/criterion.h>

static void expect(const struct emit *e, const void *bytes, unsigned len)
{
    cr_assert_eq(e->len, len);
    cr_assert_arr_eq(e->code, bytes, len);
    cr_assert(!e->full);
}

#define EXPECT(e, ...) \
    expect((e), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

Test(emit, bytes_follow_each_other)
{
    struct emit e = { .len = 0 };

    emit_byte(&e, 0x90);
    emit_bytes(&e, "\x0f\x0b", 2);
    emit_byte(&e, 0x1c3);
    EXPECT(&e, 0x90, 0x0f, 0x0b, 0xc3);
}

Test(emit, small_displacements_take_a_byte)
{
    struct emit e = { .len = 0 };

    emit_base_disp(&e, 3, 7, 0);
    emit_base_disp(&e, 9, 7, 127);
    emit_base_disp(&e, 0, 15, -128);
    EXPECT(&e, 0x5f, 0x00, 0x4f, 0x7f, 0x47, 0x80);
}

Test(emit, others_take_four)
{
    struct emit e = { .len = 0 };

    emit_base_disp(&e, 0, 7, 128);
    emit_base_disp(&e, 8, 7, -129);
    EXPECT(&e, 0x87, 0x80, 0, 0, 0, 0x87, 0x7f, 0xff, 0xff, 0xff);
}

Test(emit, moves_name_all_sixteen_registers)
{
    struct emit e = { .len = 0 };

    emit_move64(&e, 0x8b, 0, 7, 8);  /* mov 8(%rdi),%rax */
    emit_move64(&e, 0x89, 10, 7, 8); /* mov %r10,8(%rdi) */
    emit_move64(&e, 0x8b, 1, 11, 0); /* mov (%r11),%rcx */
    EXPECT(&e, 0x48, 0x8b, 0x47, 0x08, 0x4c, 0x89, 0x57, 0x08, 0x49, 0x8b, 0x4b, 0x00);
}

Test(emit, what_does_not_fit_is_dropped_whole)
{
    struct emit e = { .len = EMIT_MAX - 1 };

    emit_bytes(&e, "\x01\x02", 2);
    cr_assert(e.full);
    cr_assert_eq(e.len, EMIT_MAX - 1);
    emit_byte(&e, 0xcc);
    cr_assert_eq(e.len, EMIT_MAX);
    cr_assert(e.full, "and it is not forgotten");
}
