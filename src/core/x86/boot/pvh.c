/*
 * PVH: the processor starts in 32-bit protected mode without paging, on flat segments. EBX points
 * to the start info, which points to everything else.
 */
#include "core/x86/boot/pvh.h"

#include <assert.h>

#include "core/x86/bits.h"
#include "core/x86/boot/e820.h"
#include "core/x86/boot/gdt.h"
#include "core/x86/boot/initrd.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"

#define START_MAGIC   0x336ec578u /* "xEn3" with bit 7 of the E set */
#define START_VERSION 1u

struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr; /* from version 1 */
    uint32_t memmap_entries;
    uint32_t reserved;
};

struct modlist_entry {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};

struct memmap_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type; /* enum e820_type */
    uint32_t reserved;
};

static_assert(sizeof(struct start_info) == 56, "wire size");
static_assert(sizeof(struct modlist_entry) == 32, "wire size");
static_assert(sizeof(struct memmap_entry) == 24, "wire size");
static_assert(LAYOUT_PVH_INFO + sizeof(struct start_info) <= LAYOUT_PVH_MODULES, "no overlap");
static_assert(LAYOUT_PVH_MODULES + sizeof(struct modlist_entry) <= LAYOUT_ZERO_PAGE, "no overlap");

static bool pvh_write_memmap(const struct mem *m, const struct e820 *map)
{
    struct memmap_entry entries[E820_ENTRIES_MAX];

    for (unsigned i = 0; i < map->count; i++)
        entries[i] = (struct memmap_entry){
            .addr = map->entries[i].addr,
            .size = map->entries[i].size,
            .type = map->entries[i].type,
        };
    return mem_write(m, LAYOUT_ZERO_PAGE, entries, map->count * sizeof(entries[0]));
}

bool pvh_setup(const struct mem *m, const struct kernel *k, const struct initrd *initrd,
               const struct e820 *map, struct vcpu_regs *regs)
{
    const struct modlist_entry module = { .paddr = initrd->gpa, .size = initrd->size };
    const struct start_info info = {
        .magic = START_MAGIC,
        .version = START_VERSION,
        .nr_modules = initrd->size > 0 ? 1 : 0,
        .modlist_paddr = initrd->size > 0 ? LAYOUT_PVH_MODULES : 0,
        .cmdline_paddr = LAYOUT_CMDLINE,
        .rsdp_paddr = LAYOUT_RSDP,
        .memmap_paddr = LAYOUT_ZERO_PAGE,
        .memmap_entries = map->count,
    };

    regs->rip = k->entry;
    regs->rflags = X86_RFLAGS_R1;
    regs->gpr[X86_RBX] = LAYOUT_PVH_INFO;
    regs->cr0 = X86_CR0_PE | X86_CR0_ET;
    return gdt_setup(m, X86_ACCESS_CODE32, regs) &&
           mem_write(m, LAYOUT_PVH_MODULES, &module, sizeof(module)) && pvh_write_memmap(m, map) &&
           mem_write(m, LAYOUT_PVH_INFO, &info, sizeof(info));
}
