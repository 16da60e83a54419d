/* PVH: the start info as the ABI has it, byte for byte, and the registers. */
#include "core/x86/boot/pvh.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/boot/e820.h"
#include "core/x86/boot/initrd.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "lib/x86/image.h"

static const struct kernel kernel = { .protocol = BOOT_PVH, .entry = 0x1000850 };

static uint32_t u32_at(const struct mem *m, gpa_t gpa)
{
    uint32_t v = 0;

    cr_assert(mem_read(m, gpa, &v, sizeof(v)));
    return v;
}

static uint64_t u64_at(const struct mem *m, gpa_t gpa)
{
    uint64_t v = 0;

    cr_assert(mem_read(m, gpa, &v, sizeof(v)));
    return v;
}

static struct mem setup(const struct initrd *initrd, struct vcpu_regs *regs)
{
    struct mem m = image_memory(32 << 20, false);
    struct e820 map;

    *regs = (struct vcpu_regs){ 0 };
    e820_build(&map, &m);
    cr_assert(pvh_setup(&m, &kernel, initrd, &map, regs));
    return m;
}

Test(pvh, start_info_points_to_everything)
{
    const struct initrd initrd = { .gpa = 0x1800000, .size = 0x12345 };
    struct vcpu_regs regs;
    struct mem m = setup(&initrd, &regs);
    gpa_t info = LAYOUT_PVH_INFO;

    cr_expect_eq(u32_at(&m, info + 0), 0x336ec578);
    cr_expect_eq(u32_at(&m, info + 4), 1);
    cr_expect_eq(u32_at(&m, info + 8), 0);
    cr_expect_eq(u32_at(&m, info + 12), 1);
    cr_expect_eq(u64_at(&m, info + 16), LAYOUT_PVH_MODULES);
    cr_expect_eq(u64_at(&m, info + 24), LAYOUT_CMDLINE);
    cr_expect_eq(u64_at(&m, info + 32), LAYOUT_RSDP);
    cr_expect_eq(u32_at(&m, info + 48), 3);
    cr_expect_eq(u64_at(&m, LAYOUT_PVH_MODULES), 0x1800000);
    cr_expect_eq(u64_at(&m, LAYOUT_PVH_MODULES + 8), 0x12345);

    gpa_t map = u64_at(&m, info + 40);
    cr_expect_eq(u64_at(&m, map + 24), LAYOUT_LOW_RAM_END);
    cr_expect_eq(u32_at(&m, map + 24 + 16), E820_RESERVED);
    cr_expect_eq(u64_at(&m, map + 48), 0x100000);
    cr_expect_eq(u64_at(&m, map + 48 + 8), 31 << 20);
    cr_expect_eq(u32_at(&m, map + 48 + 16), E820_RAM);
    mem_finish(&m);
}

Test(pvh, without_an_initrd_there_is_no_module)
{
    struct vcpu_regs regs;
    struct mem m = setup(&(struct initrd){ 0 }, &regs);

    cr_expect_eq(u32_at(&m, LAYOUT_PVH_INFO + 12), 0);
    cr_expect_eq(u64_at(&m, LAYOUT_PVH_INFO + 16), 0);
    mem_finish(&m);
}

Test(pvh, starts_in_protected_mode_without_paging)
{
    struct vcpu_regs regs;
    struct mem m = setup(&(struct initrd){ 0 }, &regs);

    cr_expect_eq(regs.rip, 0x1000850);
    cr_expect_eq(regs.rflags, 2);
    cr_expect_eq(regs.gpr[X86_RBX], LAYOUT_PVH_INFO);
    cr_expect_eq(regs.cr0, 0x11);
    cr_expect_eq(regs.cr3 | regs.cr4 | regs.efer, 0);
    cr_expect_eq(regs.seg[X86_CS].access, X86_ACCESS_CODE32);
    cr_expect_eq(regs.seg[X86_DS].access, X86_ACCESS_DATA32);
    cr_expect_eq(regs.tr.access, X86_ACCESS_TSS);
    mem_finish(&m);
}

Test(pvh, no_memory_no_start_info)
{
    struct mem none = { .fd = -1 };
    struct vcpu_regs regs = { 0 };
    struct e820 map = { 0 };

    cr_expect_not(pvh_setup(&none, &kernel, &(struct initrd){ 0 }, &map, &regs));
}
