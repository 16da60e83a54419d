/* Debug registers and breakpoints. */
#include "emu/x86/cpu/debug.h"

#include "core/base/units.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/tlb.h"

#define BREAKPOINTS 4u

#define DR7_ENABLED  UINT64_C(0xff) /* two bits each: local, global */
#define DR7_GD       UINT64_C(0x2000)
#define DR7_FIXED    UINT64_C(0x400)
#define DR7_WRITABLE UINT64_C(0xffff23ff)
#define DR6_MET      UINT64_C(0xf)
#define DR6_BD       UINT64_C(0x2000)
#define DR6_FIXED    UINT64_C(0xffff0ff0)
#define DR6_WRITABLE UINT64_C(0xe00f)

/* The R/W field of DR7. */
enum kind {
    KIND_CODE,
    KIND_WRITE,
    KIND_PORT,
    KIND_ACCESS,
};

#define KINDS_DATA (1u << KIND_WRITE | 1u << KIND_ACCESS)

/* The addresses that one enabled breakpoint covers. */
struct range {
    uint64_t first;
    unsigned size;
};

/* Gets the range of breakpoint n. False: it is not enabled, or of none of these kinds. */
static bool debug_breakpoint(const struct cpu *c, unsigned n, unsigned kinds, struct range *r)
{
    static const uint8_t sizes[] = { 1, 2, 8, 4 };
    unsigned says = (unsigned)(c->dr[7] >> (16 + 4 * n) & 0xf);
    enum kind kind = (enum kind)(says & 3u);

    if (!(c->dr[7] >> (2 * n) & 3u) || !(kinds >> kind & 1u))
        return false;
    r->size = kind == KIND_CODE ? 1 : sizes[says >> 2];
    r->first = c->dr[n] & ~(uint64_t)(r->size - 1);
    return true;
}

static bool debug_overlaps(const struct range *r, uint64_t at, unsigned size)
{
    return at - r->first < r->size || r->first - at < size;
}

/* Notes every breakpoint of these kinds that the access overlaps. */
static void debug_meet(struct cpu *c, uint64_t at, unsigned size, unsigned kinds)
{
    struct range r;

    for (unsigned n = 0; n < BREAKPOINTS; n++)
        if (debug_breakpoint(c, n, kinds, &r) && debug_overlaps(&r, at, size))
            c->debug_met |= (uint16_t)(1u << n);
}

bool debug_may_begin(struct cpu *c)
{
    uint64_t linear = c->gpr[CPU_CS_BASE] + c->rip;
    uint16_t owed = c->debug_met; /* met by MOV SS, for the #DB after this instruction */

    c->debug_met = 0;
    debug_meet(c, c->efer & X86_EFER_LMA ? linear : (uint32_t)linear, 1, 1u << KIND_CODE);
    if (!c->debug_met) {
        c->debug_met = owed;
        return true;
    }
    c->debug_met |= owed;
    debug_trap(c);
    return false;
}

void debug_access(struct cpu *c, uint64_t linear, unsigned size, bool write)
{
    debug_meet(c, linear, size, write ? KINDS_DATA : 1u << KIND_ACCESS);
}

void debug_port(struct cpu *c, uint16_t port, unsigned size)
{
    if (c->cr4 & X86_CR4_DE)
        debug_meet(c, port, size, 1u << KIND_PORT);
}

bool debug_watches_page(const struct cpu *c, uint64_t linear)
{
    struct range r;

    for (unsigned n = 0; n < BREAKPOINTS; n++)
        if (debug_breakpoint(c, n, KINDS_DATA, &r) && r.first / PAGE_4K == linear / PAGE_4K)
            return true;
    return false;
}

void debug_trap(struct cpu *c)
{
    c->dr[6] = (c->dr[6] & ~DR6_MET) | c->debug_met;
    c->dr[7] &= ~DR7_GD;
    c->debug_met = 0;
    cpu_fault(c, CPU_DB);
}

/* Replaces DR4 and DR5 by DR6 and DR7, whose aliases they are unless CR4.DE is set. False: the
 * fault is recorded, which is #UD for DR4 and DR5 if CR4.DE is set, and #DB for any register if
 * DR7.GD is. */
static bool debug_register_number(struct cpu *c, unsigned *number)
{
    if (*number == 4 || *number == 5) {
        if (c->cr4 & X86_CR4_DE)
            return cpu_refuse(c, CPU_UD, 0);
        *number += 2;
    }
    if (c->dr[7] & DR7_GD) {
        c->dr[6] |= DR6_BD;
        c->dr[7] &= ~DR7_GD;
        cpu_fault(c, CPU_DB);
        return false;
    }
    return true;
}

bool debug_read(struct cpu *c, unsigned number, uint64_t *value)
{
    if (!debug_register_number(c, &number))
        return false;
    *value = c->dr[number];
    return true;
}

/* To be called when a breakpoint changes: pages that are watched now must leave the tables. */
static void debug_watch_update(struct cpu *c)
{
    if (c->dr[7] & DR7_ENABLED)
        c->alone |= CPU_ALONE_WATCHED;
    else
        c->alone &= (uint8_t)~CPU_ALONE_WATCHED;
    tlbs_flush(c->tlbs, true);
}

bool debug_write(struct cpu *c, unsigned number, uint64_t value)
{
    uint64_t enabled = c->dr[7] & DR7_ENABLED;

    if (!debug_register_number(c, &number))
        return false;
    if (number >= 6 && value >> 32)
        return cpu_refuse(c, CPU_GP, 0);
    if (number == 6)
        value = (value & DR6_WRITABLE) | DR6_FIXED;
    if (number == 7)
        value = (value & DR7_WRITABLE) | DR7_FIXED;
    c->dr[number] = value;
    if (number != 6 && ((enabled | c->dr[7]) & DR7_ENABLED))
        debug_watch_update(c);
    return true;
}
