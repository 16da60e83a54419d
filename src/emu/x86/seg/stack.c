/* The stack: its width, its segment, its limit. */
#include "emu/x86/seg/stack.h"

#include <stddef.h>

#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/copy.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/seg/seg.h"

static uint64_t stack_mask(const struct cpu *c)
{
    if (c->mode & MODE_64)
        return UINT64_MAX;
    return c->mode & MODE_STACK32 ? UINT32_MAX : UINT16_MAX;
}

uint64_t stack_pointer(const struct cpu *c)
{
    return c->gpr[X86_RSP] & stack_mask(c);
}

void stack_commit(struct cpu *c, uint64_t sp)
{
    uint64_t mask = stack_mask(c);

    c->gpr[X86_RSP] = (c->gpr[X86_RSP] & ~mask & UINT32_MAX) | (sp & mask);
}

/* The linear address of [sp, sp + size) on the stack. Beyond the limit of SS it is #SS. */
static bool stack_linear(struct cpu *c, uint64_t sp, unsigned size, uint64_t *va)
{
    if (c->mode & MODE_64) {
        *va = sp;
        return true;
    }
    if (!(c->mode & MODE_FLAT) && !seg_within_limit(&c->seg[X86_SS], (uint32_t)sp, size))
        return cpu_refuse(c, CPU_SS, 0);
    *va = (uint32_t)(c->gpr[CPU_SS_BASE] + sp);
    return true;
}

/* After a failed access: a non-canonical stack address is #SS, not #GP. Always false. */
static bool stack_fault(struct cpu *c)
{
    if (c->fault.address_fault)
        c->fault.vector = CPU_SS;
    return false;
}

bool stack_push(struct cpu *c, uint64_t *sp, uint64_t value, unsigned size)
{
    uint64_t new = (*sp - size) & stack_mask(c);
    uint64_t va;

    if (!stack_linear(c, new, size, &va))
        return false;
    void *hit = mmu_write_hit(c, va, size);
    if (hit)
        copy_once(hit, &value, size);
    else if (!mmu_write_slow(c, va, &value, size))
        return stack_fault(c);
    *sp = new;
    return true;
}

/* The host address of the `size` bytes below sp if one write hit covers them all, else NULL. */
static uint8_t *stack_hit(struct cpu *c, uint64_t sp, unsigned size)
{
    uint64_t low = (sp - size) & stack_mask(c);
    uint64_t va;

    if (low > sp || !(c->mode & (MODE_64 | MODE_FLAT)) || !stack_linear(c, low, size, &va))
        return NULL;
    return mmu_write_hit(c, va, size);
}

bool stack_push_all(struct cpu *c, uint64_t *sp, const uint64_t *values, unsigned count,
                    unsigned size)
{
    uint8_t *hit = stack_hit(c, *sp, count * size);
    struct pieces to[STACK_PUSH_MAX];
    uint64_t at = *sp;
    uint64_t va;

    for (unsigned i = 0; i < count; i++) {
        at = (at - size) & stack_mask(c);
        if (hit)
            continue;
        if (!stack_linear(c, at, size, &va))
            return false;
        if (!mmu_write_begin(c, va, size, &to[i]))
            return stack_fault(c);
    }
    for (unsigned i = 0; i < count; i++) {
        if (hit)
            copy_once(hit + (count - 1 - i) * size, &values[i], size);
        else
            mmu_write_end(c, &to[i], &values[i]);
    }
    *sp = at;
    return true;
}

bool stack_pop(struct cpu *c, uint64_t *sp, uint64_t *value, unsigned size)
{
    const void *from;
    uint64_t va;

    if (!stack_linear(c, *sp, size, &va))
        return false;
    from = mmu_read_at(c, va, size);
    if (!from)
        return stack_fault(c);
    *value = 0;
    copy_once(value, from, size);
    *sp = (*sp + size) & stack_mask(c);
    return true;
}

bool stack_writable(struct cpu *c, uint64_t sp, unsigned size)
{
    uint64_t va;

    return stack_linear(c, sp & stack_mask(c), size, &va) &&
           (mmu_write_hit(c, va, size) || mmu_writable(c, va, size) || stack_fault(c));
}
