/* LOCK and the host: which of its locked instructions run on the guest's memory itself. */
#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/build.h"
#include "emu/x86/decode.h"
#include "emu/x86/machine.h"
#include "emu/x86/mmu.h"
#include "lib/x86/processor.h"

#define LINE   (PROCESSOR_DATA + 0x400u)
#define UNUSED 0xeeu /* the bounce buffer */
#define BEFORE 0x5au

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(native, .init = start, .fini = finish);

/* An instruction on [rdi] that locks the bus. */
struct locked {
    uint8_t bytes[16];
    unsigned len;
    unsigned size;
};

static bool names_a_bit(const struct table_row *row)
{
    return row->operand[1] == OPERAND_Gv &&
           (row->mnemonic == MN_BTS || row->mnemonic == MN_BTR || row->mnemonic == MN_BTC);
}

/* The decoder says whether there is one. A bit's number would move its operand. */
static bool encode(struct locked *l, bool lock, unsigned prefix, bool escape, unsigned opcode,
                   unsigned reg)
{
    const struct table_row *row;
    struct insn insn;
    unsigned n = 0;

    memset(l, 0, sizeof(*l));
    if (prefix == 0x66)
        l->bytes[n++] = 0x66;
    if (lock)
        l->bytes[n++] = 0xf0;
    if (prefix == 0x48)
        l->bytes[n++] = 0x48;
    if (escape)
        l->bytes[n++] = 0x0f;
    l->bytes[n++] = (uint8_t)opcode;
    l->bytes[n++] = (uint8_t)(reg << 3 | X86_RDI);
    if (decode(&insn, l->bytes, sizeof(l->bytes), DECODE_64) != DECODE_OK ||
        !(insn.flags & INSN_MEM) || insn.base != X86_RDI || insn.index != INSN_NONE || insn.disp)
        return false;
    row = &table_rows[insn.row];
    l->len = insn.len;
    l->size = operand_bytes(
        &insn,
        row->operand[row->mnemonic == MN_XCHG && operand_kinds[row->operand[0]].place != PLACE_RM]);
    if ((row->attr & ATTR_ALIGN) || l->size < 2 || (names_a_bit(row) && reg == X86_RDI))
        return false;
    return (insn.flags & INSN_LOCK) || (!lock && row->mnemonic == MN_XCHG);
}

/* Runs it there; whether it worked on a copy. */
static bool is_copied(const struct locked *l, uint32_t at)
{
    uint8_t *operand = p.data + (at - PROCESSOR_DATA);
    bool copied = false;

    for (unsigned n = 0; n < 16; n++)
        p.cpu->gpr[n] = 0;
    p.cpu->gpr[X86_RDI] = at;
    memset(operand, BEFORE, l->size);
    memset(p.cpu->bounce, UNUSED, sizeof(p.cpu->bounce));
    cr_assert(mmu_write_slow(p.cpu, at, operand, 1)); /* the translation is there */
    cr_assert_eq(processor_step(&p, l->bytes, l->len), PROCESSOR_OK, "%02x %02x %02x %02x",
                 l->bytes[0], l->bytes[1], l->bytes[2], l->bytes[3]);
    for (unsigned i = 0; i < l->size; i++)
        copied = copied || p.cpu->bounce[i] != UNUSED;
    if (copied)
        cr_assert_eq(memcmp(p.cpu->bounce, operand, l->size), 0);
    return copied;
}

static void expect(const struct locked *l)
{
    for (uint32_t at = LINE - l->size; at <= LINE; at++)
        cr_assert_eq(is_copied(l, at), at > LINE - l->size && at < LINE,
                     "%02x %02x %02x %02x, %u bytes at %#x", l->bytes[0], l->bytes[1], l->bytes[2],
                     l->bytes[3], l->size, at);
}

/* Across cache lines the host's would lock its bus; on the copy, which is aligned, it cannot. */
Test(native, no_locked_operand_is_in_two_cache_lines)
{
    static const unsigned prefixes[] = { 0, 0x66, 0x48 };
    struct locked l;
    unsigned forms = 0;

    for (unsigned i = 0; i < 3; i++)
        for (unsigned opcode = 0; opcode < 0x400; opcode++)
            for (unsigned reg = 0; reg < 8; reg++)
                if (encode(&l, opcode & 0x200, prefixes[i], opcode & 0x100, opcode & 0xff, reg)) {
                    expect(&l);
                    forms++;
                }
    cr_assert_gt(forms, 300, "%u", forms);
}

/* The copy's owner has the machine to itself until it is written back. */
Test(native, the_copy_is_worked_on_alone)
{
    void *at = mmu_locked_slow(p.cpu, LINE - 2, 4);

    cr_assert_eq(at, p.cpu->bounce);
    cr_assert_eq(p.cpu->emu->exclusive, p.cpu);
    mmu_locked_end(p.cpu, at);
    cr_assert_null(p.cpu->emu->exclusive);
    at = mmu_locked_slow(p.cpu, LINE - 4, 4);
    cr_assert_eq(at, p.data + (LINE - 4 - PROCESSOR_DATA));
    cr_assert_null(p.cpu->emu->exclusive);
    mmu_locked_end(p.cpu, at);
}
