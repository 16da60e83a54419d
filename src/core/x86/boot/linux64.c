/*
 * Linux, 64-bit: the processor starts in long mode with the first 4 GiB mapped one to one. RSI
 * points to the zero page (struct boot_params), which holds everything else.
 */
#include "core/x86/boot/linux64.h"

#include <asm/bootparam.h>
#include <assert.h>

#include "core/base/units.h"
#include "core/x86/bits.h"
#include "core/x86/boot/e820.h"
#include "core/x86/boot/gdt.h"
#include "core/x86/boot/initrd.h"
#include "core/x86/image/bzimage.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"

#define PD_SHIFT 21 /* what one page directory entry maps: 2 MiB */
#define PD_PAGES 4u /* 1 GiB each */
#define ENTRIES  (PAGE_4K / sizeof(uint64_t))

#define LOADER_UNKNOWN 0xffu
#define BOOT_FLAG      0xaa55u

static_assert(sizeof(struct boot_params) == PAGE_4K, "the zero page is a page");
static_assert(E820_ENTRIES_MAX <= E820_MAX_ENTRIES_ZEROPAGE, "the map fits the zero page");
static_assert(LAYOUT_PD + PD_PAGES * PAGE_4K <= LAYOUT_CMDLINE, "no overlap");
static_assert(LAYOUT_BOOT_STACK >= LAYOUT_ZERO_PAGE + PAGE_4K && LAYOUT_BOOT_STACK < LAYOUT_PML4,
              "no overlap");

/* For a kernel that came as a bare ELF file, which has no setup header of its own: the least that
 * Linux looks at. */
static const struct setup_header bare_header = {
    .boot_flag = BOOT_FLAG,
    .header = BZIMAGE_MAGIC,
    .version = BZIMAGE_PROTOCOL_MIN,
    .loadflags = LOADED_HIGH,
    .kernel_alignment = 16u << 20,
};

static bool linux64_write_page_tables(const struct mem *m)
{
    uint64_t *pml4 = mem_at(m, LAYOUT_PML4, PAGE_4K);
    uint64_t *pdpt = mem_at(m, LAYOUT_PDPT, PAGE_4K);
    uint64_t *pd = mem_at(m, LAYOUT_PD, PD_PAGES * PAGE_4K);

    if (!pml4 || !pdpt || !pd)
        return false;
    pml4[0] = LAYOUT_PDPT | X86_PTE_P | X86_PTE_RW;
    for (uint64_t i = 0; i < PD_PAGES; i++)
        pdpt[i] = (LAYOUT_PD + i * PAGE_4K) | X86_PTE_P | X86_PTE_RW;
    for (uint64_t i = 0; i < PD_PAGES * ENTRIES; i++)
        pd[i] = i << PD_SHIFT | X86_PTE_P | X86_PTE_RW | X86_PTE_PS;
    return true;
}

static bool linux64_write_zero_page(const struct mem *m, const struct kernel *k,
                                    const struct initrd *initrd, const struct e820 *map)
{
    struct boot_params p = {
        .hdr = k->header.header == BZIMAGE_MAGIC ? k->header : bare_header,
        .acpi_rsdp_addr = LAYOUT_RSDP,
        .ext_ramdisk_image = (uint32_t)(initrd->gpa >> 32),
        .ext_ramdisk_size = (uint32_t)(initrd->size >> 32),
        .e820_entries = (uint8_t)map->count,
    };

    p.hdr.type_of_loader = LOADER_UNKNOWN;
    p.hdr.cmd_line_ptr = LAYOUT_CMDLINE;
    p.hdr.ramdisk_image = (uint32_t)initrd->gpa;
    p.hdr.ramdisk_size = (uint32_t)initrd->size;
    for (unsigned i = 0; i < map->count; i++)
        p.e820_table[i] = (struct boot_e820_entry){
            .addr = map->entries[i].addr,
            .size = map->entries[i].size,
            .type = map->entries[i].type,
        };
    return mem_write(m, LAYOUT_ZERO_PAGE, &p, sizeof(p));
}

bool linux64_setup(const struct mem *m, const struct kernel *k, const struct initrd *initrd,
                   const struct e820 *map, struct vcpu_regs *regs)
{
    regs->rip = k->entry;
    regs->rflags = X86_RFLAGS_R1;
    regs->gpr[X86_RSI] = LAYOUT_ZERO_PAGE;
    regs->gpr[X86_RSP] = LAYOUT_BOOT_STACK;
    regs->gpr[X86_RBP] = LAYOUT_BOOT_STACK;
    regs->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG;
    regs->cr3 = LAYOUT_PML4;
    regs->cr4 = X86_CR4_PAE;
    regs->efer = X86_EFER_LME | X86_EFER_LMA;
    return gdt_setup(m, X86_ACCESS_CODE64, regs) && linux64_write_page_tables(m) &&
           linux64_write_zero_page(m, k, initrd, map);
}
