/* Flat segments: the registers and the table agree. */
#include "core/x86/boot/gdt.h"

#include <criterion/criterion.h>

#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "lib/x86/image.h"

static void setup(uint16_t code_access, struct vcpu_regs *regs, uint64_t table[6])
{
    struct mem m = image_memory(1 << 20, false);

    cr_assert(gdt_setup(&m, code_access, regs));
    cr_assert_eq(regs->gdt.base, LAYOUT_GDT);
    cr_assert_eq(regs->gdt.limit, 6 * 8 - 1);
    cr_assert(mem_read(&m, LAYOUT_GDT, table, 6 * 8));
    mem_finish(&m);
}

Test(gdt, flat_32_bit)
{
    struct vcpu_regs regs = { 0 };
    uint64_t table[6];

    setup(X86_ACCESS_CODE32, &regs, table);
    cr_expect_eq(table[0], 0);
    cr_expect_eq(table[1], 0);
    cr_expect_eq(table[2], 0x00cf9b000000ffff);
    cr_expect_eq(table[3], 0x00cf93000000ffff);
    cr_expect_eq(table[4], 0x00008b0000000067);
    cr_expect_eq(table[5], 0);
    cr_expect_eq(regs.seg[X86_CS].selector, 0x10);
    cr_expect_eq(regs.seg[X86_CS].access, X86_ACCESS_CODE32);
    cr_expect_eq(regs.seg[X86_CS].limit, UINT32_MAX);
    for (unsigned i = 0; i < X86_SEGS; i++) {
        cr_expect_eq(regs.seg[i].base, 0);
        cr_expect(i == X86_CS ||
                  (regs.seg[i].selector == 0x18 && regs.seg[i].access == X86_ACCESS_DATA32 &&
                   regs.seg[i].limit == UINT32_MAX));
    }
    cr_expect_eq(regs.tr.access, X86_ACCESS_TSS);
    cr_expect_eq(regs.tr.limit, 0x67);
    cr_expect_eq(regs.idt.limit, 0);
}

Test(gdt, long_mode_differs_in_the_code_segment)
{
    struct vcpu_regs regs = { 0 };
    uint64_t table[6];

    setup(X86_ACCESS_CODE64, &regs, table);
    cr_expect_eq(table[2], 0x00af9b000000ffff);
    cr_expect_eq(table[3], 0x00cf93000000ffff);
    cr_expect_eq(regs.seg[X86_CS].access, X86_ACCESS_CODE64);
}

Test(gdt, no_memory_no_table)
{
    struct mem none = { .fd = -1 };
    struct vcpu_regs regs = { 0 };

    cr_expect_not(gdt_setup(&none, X86_ACCESS_CODE32, &regs));
}
