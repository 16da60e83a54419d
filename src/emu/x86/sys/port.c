/* Port permissions, and breakpoints on ports. */
#include "emu/x86/sys/port.h"

#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/debug.h"
#include "emu/x86/mem/mmu.h"

#define TSS_IO_MAP_BASE 102u

static bool port_permitted(struct cpu *c, uint16_t port, unsigned size)
{
    uint16_t base, bits;

    if (c->cpl <= (c->rflags >> 12 & 3u) || !(c->cr0 & X86_CR0_PE))
        return true;
    if (c->tr.limit >= TSS_IO_MAP_BASE + 1) {
        if (!mmu_system_read(c, c->tr.base + TSS_IO_MAP_BASE, &base, sizeof(base)))
            return false;
        if ((uint32_t)base + port / 8 + 1 <= c->tr.limit) {
            if (!mmu_system_read(c, c->tr.base + base + port / 8, &bits, sizeof(bits)))
                return false;
            if ((bits >> port % 8 & ((1u << size) - 1)) == 0)
                return true;
        }
    }
    return cpu_refuse(c, CPU_GP, 0);
}

bool port_allowed(struct cpu *c, uint16_t port, unsigned size)
{
    if (!port_permitted(c, port, size))
        return false;
    if (c->alone & CPU_ALONE_WATCHED)
        debug_port(c, port, size);
    return true;
}
