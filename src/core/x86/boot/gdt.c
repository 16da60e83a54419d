/*
 * Flat segments.
 *
 * The guest loads a table of its own within its first instructions. Until then the processor uses
 * the hidden parts of the segment registers; the table in memory is for a guest that reloads a
 * selector or takes an exception before that.
 */
#include "core/x86/boot/gdt.h"

#include <string.h>

#include "core/x86/layout.h"
#include "core/x86/regs.h"

#define ACCESS_G  0x8000u /* granularity, in the layout of struct x86_segment */
#define TSS_LIMIT 0x67u

/* SDM 3A, figure 3-8. */
static uint64_t gdt_descriptor(const struct x86_segment *s)
{
    uint64_t limit = s->access & ACCESS_G ? s->limit >> 12 : s->limit;

    return (limit & 0xffff) | (s->base & 0xffffff) << 16 | (uint64_t)(s->access & 0xf0ff) << 40 |
           (limit >> 16 & 0xf) << 48 | (s->base >> 24 & 0xff) << 56;
}

bool gdt_setup(const struct mem *m, uint16_t code_access, struct vcpu_regs *regs)
{
    const struct x86_segment data = { 0, UINT32_MAX, GDT_DATA, X86_ACCESS_DATA32 };
    const struct x86_segment code = { 0, UINT32_MAX, GDT_CODE, code_access };
    /* A long-mode task descriptor takes two slots; the upper half of base 0 is 0. */
    uint64_t table[GDT_TSS / 8 + 2] = { 0 };

    for (unsigned i = 0; i < X86_SEGS; i++)
        regs->seg[i] = data;
    regs->seg[X86_CS] = code;
    regs->tr = (struct x86_segment){ 0, TSS_LIMIT, GDT_TSS, X86_ACCESS_TSS };
    regs->gdt = (struct x86_table){ LAYOUT_GDT, sizeof(table) - 1 };
    regs->idt = (struct x86_table){ 0, 0 };

    table[GDT_CODE / 8] = gdt_descriptor(&code);
    table[GDT_DATA / 8] = gdt_descriptor(&data);
    table[GDT_TSS / 8] = gdt_descriptor(&regs->tr);
    return mem_write(m, LAYOUT_GDT, table, sizeof(table));
}
