/*
 * exceptions.def, which lists the exceptions of system instructions and descriptor loads, compared
 * with the decoder's table and with the tests below this folder. Here are also the tests that many
 * of its rows share: each of them tries every instruction whose row names it.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/table.h"
#include "lib/x86/emu_rig.h"

#define COLUMNS 16u
#define NO      "no: "

enum form { FORM_, FORM_SEG, FORM_CR, FORM_DR };

static const char *const column_names[COLUMNS] = {
    "#DE", "#DB", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF",
    "#TS", "#NP", "#SS", "#GP", "#PF", "#MF", "#AC", "#XM",
};

enum column { UD = 5, SS = 10, GP = 11, PF = 12, AC = 14 };

#define WORD(word, text) static const char WORD_##word[] = text;
#include "unit/emu/x86/exceptions.def"
#undef WORD

#define CELLS(de, db, bp, of, br, ud, nm, df, ts, np, ss, gp, pf, mf, ac, xm)                      \
    {                                                                                              \
        WORD_##de, WORD_##db, WORD_##bp, WORD_##of, WORD_##br, WORD_##ud, WORD_##nm, WORD_##df,    \
            WORD_##ts, WORD_##np, WORD_##ss, WORD_##gp, WORD_##pf, WORD_##mf, WORD_##ac, WORD_##xm \
    }

static const struct exceptions {
    uint16_t mnemonic;
    enum form form;
    const char *cell[COLUMNS];
} exceptions[] = {
#define ROW(name, which, ...) { MN_##name, FORM_##which, CELLS(__VA_ARGS__) },
#include "unit/emu/x86/exceptions.def"
#undef ROW
};

#define EXCEPTIONS (sizeof(exceptions) / sizeof(exceptions[0]))

static enum form form_of(const struct table_row *row)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned file = operand_kinds[row->operand[i]].file;

        if (row->mnemonic == MN_MOV && file == FILE_CR)
            return FORM_CR;
        if (row->mnemonic == MN_MOV && file == FILE_DR)
            return FORM_DR;
        if (i == 0 && file == FILE_SEG && (row->mnemonic == MN_MOV || row->mnemonic == MN_POP))
            return FORM_SEG;
    }
    return FORM_;
}

/* Transfers that change more than rip. */
static bool is_far(const struct table_row *row)
{
    switch (row->mnemonic) {
    case MN_JMPF:
    case MN_CALLF:
    case MN_RETF:
    case MN_IRET:
    case MN_INT:
    case MN_INT1:
    case MN_INT3:
    case MN_INTO:
    case MN_SYSCALL:
    case MN_SYSRET:
    case MN_SYSENTER:
    case MN_SYSEXIT:
        return true;
    default:
        return false;
    }
}

static bool is_concerned(const struct table_row *row)
{
    return row->class == CLASS_SYSTEM || row->priv != PRIV_ || form_of(row) != FORM_ || is_far(row);
}

static const struct exceptions *exceptions_of(const struct table_row *row)
{
    for (unsigned i = 0; i < EXCEPTIONS; i++)
        if (exceptions[i].mnemonic == row->mnemonic && exceptions[i].form == form_of(row))
            return &exceptions[i];
    return NULL;
}

Test(exceptions, every_instruction_has_a_row)
{
    bool used[EXCEPTIONS] = { false };

    for (unsigned n = 1; n < table_count; n++) {
        const struct table_row *row = &table_rows[n];
        const struct exceptions *e = exceptions_of(row);

        if (!is_concerned(row))
            continue;
        cr_expect(e, "no row for %s, opcode %02x", table_name((enum mnemonic)row->mnemonic),
                  row->opcode);
        if (e)
            used[e - exceptions] = true;
    }
    for (unsigned i = 0; i < EXCEPTIONS; i++)
        cr_expect(used[i], "%s: no instruction has this row",
                  table_name((enum mnemonic)exceptions[i].mnemonic));
}

/* The sources of all tests below this folder, as one text. */
static char *sources_read(void)
{
    glob_t found;
    size_t len = 0;
    char *all = malloc(1);

    cr_assert_eq(glob(TESTS_HERE "/*/*.c", 0, NULL, &found), 0, "%s", TESTS_HERE);
    cr_assert_eq(glob(TESTS_HERE "/*.c", GLOB_APPEND, NULL, &found), 0, "%s", TESTS_HERE);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "r");
        size_t got;

        cr_assert(file, "%s", found.gl_pathv[i]);
        do {
            all = realloc(all, len + 65537);
            got = fread(all + len, 1, 65536, file);
            len += got;
        } while (got > 0);
        (void)fclose(file);
    }
    globfree(&found);
    all[len] = '\0';
    return all;
}

static bool is_test(const char *sources, const char *name)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "\nTest(%s)", name);
    return strstr(sources, text) != NULL;
}

Test(exceptions, every_cell_names_a_test_or_says_why_not)
{
    char *sources = sources_read();

    for (unsigned i = 0; i < EXCEPTIONS; i++) {
        for (unsigned n = 0; n < COLUMNS; n++) {
            const char *cell = exceptions[i].cell[n];
            bool why = strncmp(cell, NO, strlen(NO)) == 0 && cell[strlen(NO)];

            cr_expect(why || is_test(sources, cell), "%s, %s: \"%s\" is no test",
                      table_name((enum mnemonic)exceptions[i].mnemonic), column_names[n], cell);
        }
    }
    free(sources);
}

/* The tests that rows share. */

static struct emu_rig rig;
static struct cpu *c;

#define NOWHERE  UINT64_C(0x800000000000)
#define UNMAPPED UINT64_C(0x400000)
#define BEYOND   UINT64_C(0x100000) /* behind the segment limit, outside 64-bit mode */
#define ODD      UINT64_C(0x6001)

/* The register that addresses the operand; RBP makes the segment SS. */
enum via { BY_RBX = 3, BY_RBP = 5 };

struct code {
    uint8_t byte[20];
    unsigned len;
};

static void put(struct code *code, unsigned byte)
{
    code->byte[code->len++] = (uint8_t)byte;
}

static bool asks_for(const struct table_row *row, unsigned bit)
{
    return (row->when >> 16 & bit) && (row->when & bit);
}

static bool has_memory(const struct table_row *row)
{
    for (unsigned i = 0; i < TABLE_OPERANDS; i++)
        if (operand_kinds[row->operand[i]].place == PLACE_RM)
            return !asks_for(row, WHEN_MOD3) && !(row->attr & ATTR_REGS);
    return false;
}

/* JMP with an immediate target, which has no operand in memory: the cells of JMP are for the other
 * form. */
static bool is_direct_jump(const struct table_row *row)
{
    return row->mnemonic == MN_JMPF && !has_memory(row);
}

/* An instruction of the row, with a memory operand if it can have one. */
static struct code encode(const struct table_row *row, bool lock, enum via via)
{
    const uint8_t far[] = { 0, 0x90, 0, 0, c->cpl == 3 ? EMU_RIG_USER32 | 3 : EMU_RIG_CODE32, 0 };
    unsigned reg = row->when >> 16 & WHEN_REG ? row->when & WHEN_REG : 0;
    unsigned rm = row->when >> 4 & 7u;
    struct code code = { .len = 0 };

    if (lock)
        put(&code, 0xf0);
    if (asks_for(row, WHEN_66))
        put(&code, 0x66);
    if (asks_for(row, WHEN_F2))
        put(&code, 0xf2);
    if (asks_for(row, WHEN_F3))
        put(&code, 0xf3);
    if (asks_for(row, WHEN_W))
        put(&code, 0x48);
    if (row->map != MAP_ONE)
        put(&code, 0x0f);
    if (row->map == MAP_0F38)
        put(&code, 0x38);
    put(&code, row->opcode);
    if (row->needs & NEEDS_MODRM) {
        put(&code, has_memory(row) ? 0x40u | reg << 3 | via : 0xc0u | reg << 3 | rm);
        if (has_memory(row))
            put(&code, 0);
    }
    for (unsigned i = 0; i < sizeof(far); i++)
        put(&code, (row->needs & NEEDS_IMM) == IMM_far ? far[i] : 0);
    return code;
}

static bool only_outside_64_bit_mode(const struct table_row *row)
{
    return (row->when >> 16 & WHEN_64) && !(row->when & WHEN_64);
}

static void segments(uint16_t code, uint16_t data, unsigned cpl)
{
    unsigned ring = cpl << 5;

    for (unsigned i = 0; i < X86_SEGS; i++)
        c->seg[i] =
            (struct x86_segment){ 0, 0xffffffff, data, (uint16_t)(X86_ACCESS_DATA32 | ring) };
    c->seg[X86_CS] =
        (struct x86_segment){ 0, 0xffffffff, code, (uint16_t)(X86_ACCESS_CODE32 | ring) };
    c->cpl = (uint8_t)cpl;
}

/* Makes a processor at this level, in 64-bit mode if the instruction exists there. */
static void begin(const struct table_row *row, unsigned cpl)
{
    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    c = rig.cpu;
    *emu_rig_entry(&rig, 0, 2) |= X86_PTE_US;
    if (cpl == 3)
        emu_rig_user(&rig);
    if (only_outside_64_bit_mode(row))
        segments(cpl == 3 ? EMU_RIG_USER32 | 3 : EMU_RIG_CODE32,
                 cpl == 3 ? EMU_RIG_USERDS | 3 : EMU_RIG_DATA, cpl);
    cpu_rflags_set(c, 2);
    emu_rig_update(&rig);
}

static void point_at(uint64_t where)
{
    static const unsigned pointers[] = { X86_RBX, X86_RBP, X86_RSP, X86_RSI, X86_RDI };

    for (unsigned i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
        c->gpr[pointers[i]] = where;
}

static void expect(const struct table_row *row, struct code code, enum cpu_vector vector)
{
    const char *name = table_name((enum mnemonic)row->mnemonic);
    bool done;

    emu_rig_write(&rig, EMU_RIG_CODE, code.byte, code.len);
    c->rip = EMU_RIG_CODE;
    done = emu_rig_step(&rig);
    cr_expect(!done, "%s %02x raises nothing", name, row->opcode);
    if (!done)
        cr_expect(c->fault.vector == vector && (vector == CPU_PF || c->fault.error == 0),
                  "%s %02x raises %u(%#x)", name, row->opcode, c->fault.vector, c->fault.error);
    emu_rig_finish(&rig);
}

/* The next row after n whose cell is this; 0: no more. */
static unsigned next_row(unsigned n, enum column column, const char *cell)
{
    while (++n < table_count) {
        const struct table_row *row = &table_rows[n];
        const struct exceptions *e = is_concerned(row) ? exceptions_of(row) : NULL;

        if (e && e->cell[column] == cell)
            return n;
    }
    return 0;
}

Test(exceptions, lock_is_undefined)
{
    for (unsigned n = 0; (n = next_row(n, UD, WORD_lock)) != 0;) {
        begin(&table_rows[n], 0);
        expect(&table_rows[n], encode(&table_rows[n], true, BY_RBX), CPU_UD);
    }
}

Test(exceptions, what_is_not_offered_is_undefined)
{
    for (unsigned n = 0; (n = next_row(n, UD, WORD_offered)) != 0;) {
        begin(&table_rows[n], 0);
        point_at(0x6000);
        expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_UD);
    }
}

Test(exceptions, users_have_no_access_flag)
{
    for (unsigned n = 0; (n = next_row(n, UD, WORD_user)) != 0;) {
        begin(&table_rows[n], 3);
        expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_UD);
    }
}

Test(exceptions, levels_are_judged)
{
    for (unsigned n = 0; (n = next_row(n, GP, WORD_ring)) != 0;) {
        begin(&table_rows[n], 3);
        c->cr4 |= X86_CR4_TSD | X86_CR4_UMIP;
        point_at(0x6000);
        c->sysenter_cs = EMU_RIG_CODE64;
        expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_GP);
    }
}

Test(exceptions, memory_that_is_not_mapped)
{
    for (unsigned n = 0; (n = next_row(n, PF, WORD_page)) != 0;) {
        if (is_direct_jump(&table_rows[n]))
            continue;
        begin(&table_rows[n], 0);
        point_at(UNMAPPED);
        expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_PF);
    }
}

/* In 64-bit mode at an address that is not canonical, outside it beyond the segment limit. */
static void point_nowhere(const struct table_row *row)
{
    if (!only_outside_64_bit_mode(row)) {
        point_at(NOWHERE + 0x1000);
        return;
    }
    for (unsigned i = 0; i < X86_SEGS; i++)
        if (i != X86_CS)
            c->seg[i].limit = BEYOND - 1;
    point_at(BEYOND + 0x1000);
    emu_rig_update(&rig);
}

Test(exceptions, stacks_that_are_nowhere)
{
    for (unsigned n = 0; (n = next_row(n, SS, WORD_stack)) != 0;) {
        const struct table_row *row = &table_rows[n];

        if (is_direct_jump(row))
            continue;
        begin(row, 0);
        point_nowhere(row);
        expect(row, encode(row, false, BY_RBP), CPU_SS);
    }
}

Test(exceptions, addresses_that_are_nowhere)
{
    for (unsigned n = 0; (n = next_row(n, GP, WORD_where)) != 0;) {
        begin(&table_rows[n], 0);
        point_nowhere(&table_rows[n]);
        expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_GP);
    }
}

/* Strings of bytes are always aligned. */
static bool has_alignment(const struct table_row *row)
{
    if (row->mnemonic == MN_INS || row->mnemonic == MN_OUTS)
        return row->opcode & 1u;
    return !is_direct_jump(row);
}

Test(exceptions, alignment_counts_for_the_user)
{
    for (unsigned n = 0; (n = next_row(n, AC, WORD_odd)) != 0;) {
        const struct table_row *row = &table_rows[n];

        if (!has_alignment(row))
            continue;
        begin(row, 3);
        c->cr0 |= X86_CR0_AM;
        cpu_rflags_set(c, X86_RFLAGS_R1 | X86_RFLAGS_AC | X86_RFLAGS_IOPL);
        point_at(ODD);
        emu_rig_update(&rig);
        expect(row, encode(row, false, BY_RBX), CPU_AC);
    }
}

/* At both levels: #UD for the missing feature comes before #GP for the level. */
Test(exceptions, extended_registers_are_undefined_without_osxsave)
{
    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
        for (unsigned n = 0; (n = next_row(n, UD, WORD_osxsave)) != 0;) {
            begin(&table_rows[n], cpl);
            c->cr4 &= ~X86_CR4_OSXSAVE;
            emu_rig_update(&rig);
            expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_UD);
        }
    }
}

Test(exceptions, extended_registers_have_numbers)
{
    for (unsigned n = 0; (n = next_row(n, GP, WORD_xcr)) != 0;) {
        begin(&table_rows[n], 0);
        c->gpr[X86_RCX] = 2;
        expect(&table_rows[n], encode(&table_rows[n], false, BY_RBX), CPU_GP);
    }
}

/* The row's instruction with RAX as its operand. */
static struct code base_of(const struct table_row *row)
{
    const unsigned reg = row->when & WHEN_REG;

    return (struct code){ { 0xf3, 0x48, 0x0f, 0xae, (uint8_t)(0xc0u | reg << 3) }, 5 };
}

Test(exceptions, bases_are_undefined_without_fsgsbase)
{
    for (unsigned n = 0; (n = next_row(n, UD, WORD_fsgsbase)) != 0;) {
        begin(&table_rows[n], 0);
        c->cr4 &= ~X86_CR4_FSGSBASE;
        expect(&table_rows[n], base_of(&table_rows[n]), CPU_UD);
    }
}

Test(exceptions, bases_are_addresses)
{
    for (unsigned n = 0; (n = next_row(n, GP, WORD_base)) != 0;) {
        begin(&table_rows[n], 0);
        c->gpr[X86_RAX] = NOWHERE;
        expect(&table_rows[n], base_of(&table_rows[n]), CPU_GP);
    }
}

/* CR1 and CR5 to CR7, at every level. */
Test(exceptions, registers_that_do_not_exist)
{
    static const uint8_t numbers[] = { 1, 5, 6, 7 };

    for (unsigned n = 0; (n = next_row(n, UD, WORD_number)) != 0;) {
        for (unsigned i = 0; i < sizeof(numbers); i++) {
            struct code code = { { 0x0f, table_rows[n].opcode, 0xc0u | numbers[i] << 3 }, 3 };

            begin(&table_rows[n], i & 1u ? 3 : 0);
            expect(&table_rows[n], code, CPU_UD);
        }
    }
}
