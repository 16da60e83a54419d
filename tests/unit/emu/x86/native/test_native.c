/* What the host's instructions do to the guest's memory: locked ones run on it only within one
 * cache line, and none goes beyond its operand. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/units.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/build.h"
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

/* Encodes one; false if the decoder knows no such instruction, or if rdi would be the number of a
 * bit too, which moves the operand. */
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

/* Runs it at this address. Returns whether it worked on a copy. */
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

/* In two cache lines the host's instruction would lock its bus; on the copy, which is aligned, it
 * does not. */
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

/* The size of its operand if it is an instruction on [rdi] that the host runs, otherwise 0. */
static unsigned operand_size(const uint8_t *bytes, enum decode_mode mode, unsigned *len)
{
    const struct table_row *row;
    struct insn insn;
    unsigned size = 0;

    if (decode(&insn, bytes, DECODE_BYTES_MAX, mode) != DECODE_OK || !(insn.flags & INSN_MEM) ||
        insn.base != X86_RDI || insn.index != INSN_NONE || insn.disp)
        return 0;
    row = &table_rows[insn.row];
    *len = insn.len;
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if (operand_kinds[row->operand[i]].place == PLACE_RM)
            size = operand_bytes(&insn, row->operand[i]);
    switch (row->class) {
    case CLASS_ALU:
    case CLASS_MOV:
    case CLASS_GPR:
    case CLASS_X87:
    case CLASS_MMX:
    case CLASS_SSE:
    case CLASS_AVX:
        return size <= sizeof(p.cpu->bounce) ? size : 0;
    default:
        return 0;
    }
}

/* Runs it on an operand at the very end of memory, which is all ones: no divisor is 0, no exception
 * unmasked. */
static unsigned run_at_end(const uint8_t *bytes, enum decode_mode mode)
{
    unsigned len, size = operand_size(bytes, mode, &len);
    uint8_t *operand = p.data + (PROCESSOR_HOLE - PROCESSOR_DATA) - size;

    if (!size)
        return 0;
    for (unsigned n = 0; n < 16; n++)
        p.cpu->gpr[n] = 0;
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - size;
    memset(operand, 0xff, size);
    cr_assert(mmu_write_slow(p.cpu, PROCESSOR_HOLE - size, operand, 1));
    (void)processor_step(&p, bytes, len); /* a fault is fine, of the guest's */
    return 1;
}

static unsigned run_legacy(enum decode_mode mode)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf2, 0xf3 };
    static const uint8_t escapes[][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };
    unsigned runs = 0;

    for (unsigned i = 0; i < 1u << 17; i++) {
        unsigned opcode = i & 0xff, reg = i >> 8 & 7, prefix = i >> 11 & 3, map = i >> 13 & 3;
        uint8_t bytes[DECODE_BYTES_MAX] = { 0 };
        unsigned n = 0;

        if (i >> 16 && mode != DECODE_64)
            break;
        if (prefix)
            bytes[n++] = prefixes[prefix];
        if (i >> 16)
            bytes[n++] = 0x48; /* REX.W */
        for (unsigned e = 0; e < 2 && escapes[map][e]; e++)
            bytes[n++] = escapes[map][e];
        bytes[n++] = (uint8_t)opcode;
        bytes[n] = (uint8_t)(reg << 3 | X86_RDI);
        runs += run_at_end(bytes, mode);
    }
    return runs;
}

/* All values of the third VEX byte: W, L, pp, and vvvv with or without a register. */
static unsigned run_vex(enum decode_mode mode)
{
    unsigned runs = 0;

    for (unsigned i = 0; i < 3u << 16; i++) {
        unsigned opcode = i & 0xff, reg = i >> 8 & 7, third = i >> 11 & 0x1f, map = i >> 16;
        uint8_t w_vvvv = (uint8_t)((third & 0x10) << 3 | (third & 8 ? 0x70 : 0x78));
        const uint8_t bytes[DECODE_BYTES_MAX] = {
            0xc4,
            (uint8_t)(0xe0 | (map + 1)),
            (uint8_t)(w_vvvv | (third & 7)),
            (uint8_t)opcode,
            (uint8_t)(reg << 3 | X86_RDI),
        };

        runs += run_at_end(bytes, mode);
    }
    return runs;
}

/* Behind the operand is memory that the host faults on, which ends the test. */
static void run_all(unsigned bits, enum decode_mode mode)
{
    uint8_t *hole;

    processor_finish(&p);
    processor_init(&p, bits);
    hole = p.data + (PROCESSOR_HOLE - PROCESSOR_DATA);
    cr_assert_eq(mprotect(hole, PAGE_4K, PROT_NONE), 0);
    cr_assert_gt(run_legacy(mode), 5000);
    (void)run_vex(mode);
    cr_assert_eq(mprotect(hole, PAGE_4K, PROT_READ | PROT_WRITE), 0);
}

Test(native, nothing_goes_beyond_its_operand_in_64_bit_mode)
{
    run_all(64, DECODE_64);
}

Test(native, nothing_goes_beyond_its_operand_in_32_bit_mode)
{
    run_all(32, DECODE_32);
}
