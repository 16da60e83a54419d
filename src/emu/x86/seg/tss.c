/* The task state segment. */
#include "emu/x86/seg/tss.h"

#include <stddef.h>
#include <string.h>

#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/seg.h"

static bool tss_is_16bit(const struct cpu *c)
{
    return (SEG_TYPE(c->tr.access) & ~SEG_BUSY) == SEG_TYPE_TSS16;
}

/* Reads bytes of the segment. #TS if they are beyond its limit. */
static bool tss_read(struct cpu *c, unsigned offset, void *to, unsigned size)
{
    if (offset + size - 1 > c->tr.limit)
        return cpu_refuse(c, CPU_TS, c->tr.selector & ~3u);
    return mmu_system_read(c, c->tr.base + offset, to, size);
}

/* RSP0 to RSP2 begin at 4, IST1 to IST7 at 36. */
bool tss_stack_long(struct cpu *c, unsigned ist, unsigned cpl, uint64_t *rsp)
{
    if (!tss_read(c, ist ? 36 + (ist - 1) * 8 : 4 + cpl * 8, rsp, sizeof(*rsp)))
        return false;
    return mmu_is_canonical(*rsp) || cpu_refuse(c, CPU_SS, 0);
}

/* A 32-bit segment has ESP0 at 4 and SS0 at 8; a 16-bit one has SP0 at 2 and SS0 at 4. */
bool tss_stack(struct cpu *c, unsigned cpl, struct x86_segment *ss, uint64_t *sp)
{
    unsigned size = tss_is_16bit(c) ? 2 : 4;
    uint8_t entry[6];
    uint16_t selector;

    if (!tss_read(c, size + cpl * 2 * size, entry, size + 2))
        return false;
    *sp = 0;
    memcpy(sp, entry, size);
    memcpy(&selector, entry + size, sizeof(selector));
    return seg_stack(c, selector, cpl, CPU_TS, ss);
}

bool tss_stack_fault(struct cpu *c, const struct x86_segment *ss)
{
    if (c->fault.vector == CPU_SS)
        c->fault.error = ss->selector & ~3u;
    return false;
}

bool tss_return(struct cpu *c)
{
    struct x86_segment s;
    uint16_t link;
    uint64_t raw;

    if (!tss_read(c, 0, &link, sizeof(link)))
        return false;
    if (link & SELECTOR_LDT)
        return cpu_refuse(c, CPU_TS, link & ~3u);
    if (!seg_descriptor(c, link, CPU_TS, &raw))
        return false;
    s = seg_unpack(link, raw);
    if ((s.access & SEG_S) || (SEG_TYPE(s.access) != SEG_TYPE_TSS_BUSY &&
                               SEG_TYPE(s.access) != (SEG_TYPE_TSS16 | SEG_BUSY)))
        return cpu_refuse(c, CPU_TS, link & ~3u);
    if (!(s.access & SEG_P))
        return cpu_refuse(c, CPU_NP, link & ~3u);
    return cpu_unable(c, "a task switch by IRET");
}
