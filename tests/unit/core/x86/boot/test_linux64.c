/* The 64-bit Linux protocol: zero page, page tables, registers. */
#include "core/x86/boot/linux64.h"

#include <asm/bootparam.h>
#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/boot/e820.h"
#include "core/x86/boot/initrd.h"
#include "core/x86/image/bzimage.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "lib/x86/image.h"

static struct mem setup(const struct kernel *k, const struct initrd *initrd,
                        struct boot_params *zero_page, struct vcpu_regs *regs)
{
    struct mem m = image_memory(32 << 20, false);
    struct e820 map;

    *regs = (struct vcpu_regs){ 0 };
    e820_build(&map, &m);
    cr_assert(linux64_setup(&m, k, initrd, &map, regs));
    cr_assert(mem_read(&m, LAYOUT_ZERO_PAGE, zero_page, sizeof(*zero_page)));
    return m;
}

Test(linux64, a_bare_kernel_gets_a_header)
{
    const struct kernel k = { .protocol = BOOT_LINUX64, .entry = 0x1000000 };
    const struct initrd initrd = { .gpa = 0x1800000, .size = 0x12345 };
    struct boot_params p;
    struct vcpu_regs regs;
    struct mem m = setup(&k, &initrd, &p, &regs);

    cr_expect_eq(p.hdr.boot_flag, 0xaa55);
    cr_expect_eq(p.hdr.header, 0x53726448);
    cr_expect_eq(p.hdr.type_of_loader, 0xff);
    cr_expect_neq(p.hdr.kernel_alignment, 0);
    cr_expect_eq(p.hdr.cmd_line_ptr, LAYOUT_CMDLINE);
    cr_expect_eq(p.hdr.ramdisk_image, 0x1800000);
    cr_expect_eq(p.hdr.ramdisk_size, 0x12345);
    cr_expect_eq(p.ext_ramdisk_image | p.ext_ramdisk_size, 0);
    cr_expect_eq(p.acpi_rsdp_addr, LAYOUT_RSDP);
    cr_expect_eq(p.sentinel, 0, "or Linux wipes what it cannot trust");
    cr_expect_eq(p.e820_entries, 3);
    cr_expect_eq(p.e820_table[1].addr, LAYOUT_LOW_RAM_END);
    cr_expect_eq(p.e820_table[1].type, E820_RESERVED);
    cr_expect_eq(p.e820_table[2].addr, 0x100000);
    cr_expect_eq(p.e820_table[2].size, 31 << 20);
    mem_finish(&m);
}

Test(linux64, a_bzimage_keeps_its_own_header)
{
    const struct kernel k = {
        .protocol = BOOT_LINUX64,
        .header = { .header = BZIMAGE_MAGIC, .version = 0x020f, .init_size = 0x1234000 },
    };
    struct boot_params p;
    struct vcpu_regs regs;
    struct mem m = setup(&k, &(struct initrd){ 0 }, &p, &regs);

    cr_expect_eq(p.hdr.version, 0x020f);
    cr_expect_eq(p.hdr.init_size, 0x1234000);
    cr_expect_eq(p.hdr.type_of_loader, 0xff);
    cr_expect_eq(p.hdr.cmd_line_ptr, LAYOUT_CMDLINE);
    cr_expect_eq(p.hdr.ramdisk_image | p.hdr.ramdisk_size, 0);
    mem_finish(&m);
}

Test(linux64, an_initrd_above_4g_uses_the_extended_fields)
{
    const struct kernel k = { .protocol = BOOT_LINUX64 };
    const struct initrd initrd = { .gpa = 0x123456789000, .size = 0x200000001 };
    struct boot_params p;
    struct vcpu_regs regs;
    struct mem m = setup(&k, &initrd, &p, &regs);

    cr_expect_eq(p.ext_ramdisk_image, 0x1234);
    cr_expect_eq(p.hdr.ramdisk_image, 0x56789000);
    cr_expect_eq(p.ext_ramdisk_size, 2);
    cr_expect_eq(p.hdr.ramdisk_size, 1);
    mem_finish(&m);
}

Test(linux64, starts_in_long_mode)
{
    const struct kernel k = { .protocol = BOOT_LINUX64, .entry = 0x1000000 };
    struct boot_params p;
    struct vcpu_regs regs;
    struct mem m = setup(&k, &(struct initrd){ 0 }, &p, &regs);

    cr_expect_eq(regs.rip, 0x1000000);
    cr_expect_eq(regs.rflags, 2);
    cr_expect_eq(regs.gpr[X86_RSI], LAYOUT_ZERO_PAGE);
    cr_expect_eq(regs.gpr[X86_RSP], LAYOUT_BOOT_STACK);
    cr_expect_eq(regs.cr0, 0x80000011);
    cr_expect_eq(regs.cr3, LAYOUT_PML4);
    cr_expect_eq(regs.cr4, 0x20);
    cr_expect_eq(regs.efer, 0x500);
    cr_expect_eq(regs.seg[X86_CS].access, X86_ACCESS_CODE64);
    cr_expect_eq(regs.seg[X86_CS].selector, 0x10);
    cr_expect_eq(regs.seg[X86_SS].selector, 0x18);
    mem_finish(&m);
}

static uint64_t entry_of(const struct mem *m, gpa_t table, uint64_t address, unsigned shift)
{
    uint64_t entry = 0;

    cr_assert(mem_read(m, table + (address >> shift & 511) * 8, &entry, sizeof(entry)));
    cr_assert_eq(entry & 3, 3, "present and writable");
    return entry;
}

/* Walks as the processor does (SDM 3A, 4.5.4). */
Test(linux64, the_first_4_gib_are_mapped_one_to_one)
{
    const struct kernel k = { .protocol = BOOT_LINUX64 };
    struct boot_params p;
    struct vcpu_regs regs;
    struct mem m = setup(&k, &(struct initrd){ 0 }, &p, &regs);

    for (uint64_t at = 0; at < 4ull << 30; at += 2 << 20) {
        gpa_t pdpt = entry_of(&m, regs.cr3, at, 39) & ~0xfffull;
        gpa_t pd = entry_of(&m, pdpt, at, 30) & ~0xfffull;
        uint64_t page = entry_of(&m, pd, at, 21);
        cr_assert_eq(page, at | 0x83);
    }
    mem_finish(&m);
}

Test(linux64, no_memory_no_zero_page)
{
    struct mem none = { .fd = -1 };
    struct kernel k = { 0 };
    struct vcpu_regs regs = { 0 };
    struct e820 map = { 0 };

    cr_expect_not(linux64_setup(&none, &k, &(struct initrd){ 0 }, &map, &regs));
}
