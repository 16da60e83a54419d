/* The block cache: what is looked up, what a store drops, what is decoded each time. */
#include "emu/x86/block.h"

#include <criterion/criterion.h>

#include "core/base/units.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/code_cache.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/op.h"
#include "lib/x86/emu_rig.h"

static struct emu_rig r;
static struct cpu *c;

static void start(void)
{
    emu_rig_init(&r, 1);
    emu_rig_long_mode(&r);
    c = r.cpu;
}

static void finish(void)
{
    emu_rig_finish(&r);
}

TestSuite(block, .init = start, .fini = finish);

static void put(uint64_t at, const uint8_t *bytes, size_t len)
{
    emu_rig_write(&r, at, bytes, len);
}

#define PUT(at, ...) put(at, (uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static const struct block *at(uint64_t rip)
{
    c->rip = rip;
    return block_at(c, c->mode);
}

/* A store of the guest's own. */
static void guest_writes(uint64_t va, uint8_t value)
{
    cr_assert(mmu_write(c, va, &value, 1));
}

Test(block, one_address_has_one_block)
{
    const struct block *block;

    PUT(EMU_RIG_CODE, 0x90, 0x90, 0xeb, 0xfe); /* nop; nop; jmp . */
    block = at(EMU_RIG_CODE);
    cr_assert_eq(block->pc, EMU_RIG_CODE);
    cr_assert_eq(block->count, 3);
    cr_assert_eq(block->len, 4);
    cr_assert_eq(at(EMU_RIG_CODE), block);
    cr_assert_neq(at(EMU_RIG_CODE + 1), block, "from its middle it is another block");
    cr_assert_eq(at(EMU_RIG_CODE), block);
}

Test(block, a_mode_has_blocks_of_its_own)
{
    const struct block *block, *step;

    PUT(EMU_RIG_CODE, 0x90, 0x90, 0xeb, 0xfe);
    block = at(EMU_RIG_CODE);
    step = block_at(c, c->mode | MODE_STEP);
    cr_assert_neq(step, block);
    cr_assert_eq(step->count, 1);
    cr_assert_eq(block_at(c, c->mode | MODE_STEP), step);
    cr_assert_eq(at(EMU_RIG_CODE), block);
}

Test(block, two_addresses_of_one_page_share_its_blocks)
{
    const struct block *block;

    PUT(EMU_RIG_CODE, 0xeb, 0xfe);
    emu_rig_map(&r, 0x40000000, EMU_RIG_CODE, X86_PTE_P);
    block = at(EMU_RIG_CODE);
    cr_assert_eq(at(0x40000000), block);
}

Test(block, an_address_mapped_anew_is_looked_up_anew)
{
    const struct block *block;

    PUT(EMU_RIG_CODE, 0xeb, 0xfe);
    emu_rig_map(&r, 0x40000000, EMU_RIG_CODE, X86_PTE_P);
    block = at(0x40000000);
    emu_rig_map(&r, 0x40000000, EMU_RIG_CODE + PAGE_4K, X86_PTE_P);
    cr_assert_neq(at(0x40000000), block);
    cr_assert_eq(at(EMU_RIG_CODE), block, "and what is cached stays");
}

Test(block, forgotten_addresses_find_their_blocks_again)
{
    const struct block *block;

    PUT(EMU_RIG_CODE, 0xeb, 0xfe);
    block = at(EMU_RIG_CODE);
    block_code_ops.forget_addresses(c);
    cr_assert_eq(at(EMU_RIG_CODE), block);
}

Test(block, a_store_to_its_code_drops_it)
{
    const struct block *block, *other;

    PUT(EMU_RIG_CODE, 0x90, 0xeb, 0xfe);
    PUT(EMU_RIG_CODE + 0x100, 0xeb, 0xfe);
    block = at(EMU_RIG_CODE);
    other = at(EMU_RIG_CODE + 0x100);
    cr_assert(code_page_held(r.emu, EMU_RIG_CODE));
    guest_writes(EMU_RIG_CODE + 3, 0x90);
    cr_assert_eq(at(EMU_RIG_CODE), block, "behind its last byte");
    guest_writes(EMU_RIG_CODE + 2, 0xfd);
    for (unsigned i = 0; i < block->op_count; i++)
        cr_assert_eq(block->ops[i].run, op_stale, "a processor that runs it leaves at the next op");
    cr_assert_neq(at(EMU_RIG_CODE), block);
    cr_assert_eq(at(EMU_RIG_CODE + 0x100), other);
}

Test(block, a_page_without_blocks_is_let_go)
{
    PUT(EMU_RIG_CODE, 0xeb, 0xfe);
    (void)at(EMU_RIG_CODE);
    guest_writes(EMU_RIG_CODE, 0x90);
    cr_assert_not(code_page_held(r.emu, EMU_RIG_CODE));
    (void)at(EMU_RIG_CODE);
    cr_assert(code_page_held(r.emu, EMU_RIG_CODE));
    block_code_ops.drop_all(c);
    cr_assert_not(code_page_held(r.emu, EMU_RIG_CODE));
}

Test(block, a_drop_takes_every_page_it_touches)
{
    PUT(EMU_RIG_CODE, 0xeb, 0xfe);
    PUT(EMU_RIG_CODE + PAGE_4K, 0xeb, 0xfe);
    (void)at(EMU_RIG_CODE);
    (void)at(EMU_RIG_CODE + PAGE_4K);
    block_code_ops.drop(c, EMU_RIG_CODE + 1, PAGE_4K);
    cr_assert_not(code_page_held(r.emu, EMU_RIG_CODE));
    cr_assert_not(code_page_held(r.emu, EMU_RIG_CODE + PAGE_4K));
}

Test(block, a_block_ends_where_its_page_does)
{
    const struct block *block;

    PUT(EMU_RIG_CODE + PAGE_4K - 3, 0x90, 0x90, 0x90, 0x90);
    block = at(EMU_RIG_CODE + PAGE_4K - 3);
    cr_assert_eq(block->count, 3);
    cr_assert_eq(block->len, 3);
}

/* The second page may be another one each time. */
Test(block, an_instruction_over_two_pages_is_decoded_each_time)
{
    const uint64_t last = EMU_RIG_CODE + PAGE_4K - 1;

    PUT(last, 0xb0, 0x11, 0xeb, 0xfe); /* mov al, 0x11 */
    cr_assert_eq(at(last)->count, 1);
    cr_assert_eq(at(last)->len, 2);
    cr_assert_eq(at(last)->ops[0].imm, 0x11);
    PUT(last + 1, 0x22);
    cr_assert_eq(at(last)->ops[0].imm, 0x22);
}

Test(block, code_on_a_page_that_is_absent_faults)
{
    emu_rig_map(&r, EMU_RIG_CODE + PAGE_4K, 0, 0);
    emu_rig_map(&r, 0x40000000, EMU_RIG_CODE, X86_PTE_P);
    emu_rig_map(&r, 0x40001000, 0, 0);
    cr_assert_null(at(0x40001000));
    cr_assert(c->fault.vector == CPU_PF && c->fault.address == 0x40001000);
    PUT(EMU_RIG_CODE + PAGE_4K - 1, 0xb0);
    cr_assert_null(at(0x40000fff), "its second byte");
    cr_assert(c->fault.vector == CPU_PF && c->fault.address == 0x40001000);
}

Test(block, a_page_where_no_memory_is_holds_no_blocks)
{
    const struct block *block;

    emu_rig_map(&r, 0x40000000, 0xd0000000, X86_PTE_P);
    block = at(0x40000000); /* ff ff: undefined */
    cr_assert_eq(block->count, 1);
    cr_assert_eq(at(0x40000000), block, "all such blocks share one place");
    emu_rig_map(&r, 0x40001000, 0xd0001000, X86_PTE_P);
    cr_assert_eq(at(0x40001000), block);
}

Test(block, a_full_cache_begins_anew)
{
    const uint64_t first = 0x10000, end = 0xc0000;

    memset(emu_rig_at(&r, first), 0x90, end - first + PAGE_4K);
    for (uint64_t rip = first; rip < end; rip += 64)
        cr_assert_eq(at(rip)->count, rip % PAGE_4K > PAGE_4K - 64 ? PAGE_4K - rip % PAGE_4K : 64);
    cr_assert_not(code_page_held(r.emu, first), "dropped with all the others");
    cr_assert(code_page_held(r.emu, end - PAGE_4K));
    cr_assert_eq(at(first)->pc, first);
}

Test(block, destroying_none_is_nothing)
{
    block_cache_destroy(NULL);
}
