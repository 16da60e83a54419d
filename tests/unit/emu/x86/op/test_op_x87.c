#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/cpu/fpu.h"
#include "lib/x86/processor.h"

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
    p.cpu->gpr[X86_RDI] = PROCESSOR_DATA;
    memset(p.data, 0xcc, 256);
    cr_assert_eq(STEP(&p, 0xdb, 0xe3), PROCESSOR_OK); /* fninit */
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(op_x87, .init = start, .fini = finish);

#define FLD1         STEP(&p, 0xd9, 0xe8)
#define FNSTENV      STEP(&p, 0xd9, 0x37)
#define FLDENV       STEP(&p, 0xd9, 0x27)
#define FNSAVE       STEP(&p, 0xdd, 0x37)
#define FRSTOR       STEP(&p, 0xdd, 0x27)
#define FNSTENV_WORD STEP(&p, 0x66, 0xd9, 0x37)
#define FLDENV_WORD  STEP(&p, 0x66, 0xd9, 0x27)
#define FNSAVE_WORD  STEP(&p, 0x66, 0xdd, 0x37)
#define FRSTOR_WORD  STEP(&p, 0x66, 0xdd, 0x27)

static struct fpu_image *fx(void)
{
    return (struct fpu_image *)p.cpu->fx;
}

static uint32_t dword(unsigned i)
{
    uint32_t value;

    memcpy(&value, p.data + i * 4, sizeof(value));
    return value;
}

static uint16_t word(unsigned i)
{
    uint16_t value;

    memcpy(&value, p.data + i * 2, sizeof(value));
    return value;
}

/* 1.0 and 0.0 on the stack, an unusual control word, and an operand the host could remember. */
static void fill_stack(void)
{
    static const uint16_t fcw = 0x0e7f;

    memcpy(p.data + 512, &fcw, sizeof(fcw));
    cr_assert_eq(STEP(&p, 0xd9, 0xaf, 0x00, 0x02, 0x00, 0x00), PROCESSOR_OK); /* fldcw [rdi+512] */
    cr_assert_eq(FLD1, PROCESSOR_OK);
    memset(p.data + 520, 0, 8);
    cr_assert_eq(STEP(&p, 0xdd, 0x87, 0x08, 0x02, 0x00, 0x00), PROCESSOR_OK); /* fld [rdi+520] */
}

Test(op_x87, fnstenv_stores_28_bytes_and_no_address)
{
    fill_stack();
    cr_assert_eq(FNSTENV, PROCESSOR_OK);
    cr_assert_eq(dword(0), 0xffff0e7f);
    cr_assert_eq(dword(1), 0xffff3000, "two registers below the top of an empty stack");
    cr_assert_eq(dword(2), 0xffff1fff, "a zero and a valid number");
    cr_assert_eq(dword(3), 0);
    cr_assert_eq(dword(4), 0);
    cr_assert_eq(dword(5), 0);
    cr_assert_eq(dword(6), 0xffff0000);
    cr_assert_eq(p.data[28], 0xcc);
    cr_assert_eq(fx()->fcw, 0x0e7f);
}

Test(op_x87, a_word_sized_environment_has_14_bytes)
{
    fill_stack();
    cr_assert_eq(FNSTENV_WORD, PROCESSOR_OK);
    cr_assert_eq(word(0), 0x0e7f);
    cr_assert_eq(word(1), 0x3000);
    cr_assert_eq(word(2), 0x1fff);
    for (unsigned i = 3; i < 7; i++)
        cr_assert_eq(word(i), 0);
    cr_assert_eq(p.data[14], 0xcc);
    cr_assert_eq(STEP(&p, 0xdb, 0xe3), PROCESSOR_OK);
    cr_assert_eq(FLDENV_WORD, PROCESSOR_OK);
    cr_assert_eq(fx()->fcw, 0x0e7f);
    cr_assert_eq(fx()->fsw, 0x3000);
    cr_assert_eq(fx()->ftw, 0xc0);
}

/* FNSTENV then masks all exceptions; FLDENV brings the old masks back. */
Test(op_x87, fldenv_undoes_what_fnstenv_masked)
{
    fx()->fcw = 0x0340;
    cr_assert_eq(FNSTENV, PROCESSOR_OK);
    cr_assert_eq(dword(0), 0xffff0340);
    cr_assert_eq(fx()->fcw, 0x037f);
    cr_assert_eq(FLDENV, PROCESSOR_OK);
    cr_assert_eq(fx()->fcw, 0x0340);
}

Test(op_x87, fnsave_initializes_and_frstor_brings_back)
{
    uint8_t before[160];

    fill_stack();
    memcpy(before, fx(), sizeof(before));
    cr_assert_eq(FNSAVE, PROCESSOR_OK);
    cr_assert_eq(fx()->fcw, FPU_FCW_RESET);
    cr_assert_eq(fx()->ftw, 0);
    cr_assert_arr_eq(p.data + 28, before + 32, 10, "ST0");
    cr_assert_arr_eq(p.data + 38, before + 48, 10, "ST1");
    cr_assert_eq(dword(3), 0);
    cr_assert_eq(dword(5), 0);
    cr_assert_eq(p.data[108], 0xcc);
    cr_assert_eq(FRSTOR, PROCESSOR_OK);
    cr_assert_arr_eq(fx(), before, sizeof(before));
}

Test(op_x87, a_word_sized_state_has_94_bytes)
{
    uint8_t before[160];

    fill_stack();
    memcpy(before, fx(), sizeof(before));
    cr_assert_eq(FNSAVE_WORD, PROCESSOR_OK);
    cr_assert_arr_eq(p.data + 14, before + 32, 10);
    cr_assert_eq(p.data[94], 0xcc);
    cr_assert_eq(FLD1, PROCESSOR_OK);
    cr_assert_eq(FRSTOR_WORD, PROCESSOR_OK);
    cr_assert_arr_eq(fx(), before, sizeof(before));
}

/* The environment goes across the page boundary: nothing may be lost when half of it faults. */
Test(op_x87, a_store_that_faults_leaves_the_state)
{
    uint8_t before[160];

    fill_stack();
    fx()->fcw = 0x0e40;
    memcpy(before, fx(), sizeof(before));
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - 10;
    cr_assert_eq(FNSTENV, CPU_PF);
    cr_assert_eq(p.cpu->fault.address, PROCESSOR_HOLE);
    cr_assert_arr_eq(fx(), before, sizeof(before));
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - 90;
    cr_assert_eq(FNSAVE, CPU_PF);
    cr_assert_arr_eq(fx(), before, sizeof(before));
    cr_assert_eq(FRSTOR, CPU_PF);
    cr_assert_eq(FNSAVE_WORD, CPU_PF);
    p.cpu->gpr[X86_RDI] = PROCESSOR_HOLE - 27;
    cr_assert_eq(FLDENV, CPU_PF);
    cr_assert_arr_eq(fx(), before, sizeof(before));
}

/* Invalid operation, unmasked and flagged. */
static void make_pending(void)
{
    fx()->fcw = 0x037e;
    fx()->fsw = 0x8081;
}

Test(op_x87, loading_waits_for_a_pending_exception_and_storing_does_not)
{
    make_pending();
    cr_assert_eq(FLDENV, CPU_MF);
    cr_assert_eq(FRSTOR, CPU_MF);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
    cr_assert_eq(fx()->fsw, 0x8081);
    cr_assert_eq(FNSTENV, PROCESSOR_OK);
    cr_assert_eq(dword(1), 0xffff8081);
    make_pending();
    cr_assert_eq(FNSAVE, PROCESSOR_OK);
    cr_assert_eq(dword(1), 0xffff8081);
    cr_assert_eq(fx()->fsw, 0);
}

/* An exception that comes with a loaded environment is the next instruction's. */
Test(op_x87, a_loaded_exception_is_pending)
{
    make_pending();
    cr_assert_eq(FNSTENV, PROCESSOR_OK);
    cr_assert_eq(FLDENV, PROCESSOR_OK);
    cr_assert_eq(FLD1, CPU_MF);
    cr_assert_eq(STEP(&p, 0xdb, 0xe2), PROCESSOR_OK); /* fnclex */
    cr_assert_eq(FLD1, PROCESSOR_OK);
}

Test(op_x87, needs_the_unit)
{
    p.cpu->cr0 |= 8; /* TS */
    cr_assert_eq(FNSTENV, CPU_NM);
    cr_assert_eq(FLDENV, CPU_NM);
    cr_assert_eq(FNSAVE, CPU_NM);
    cr_assert_eq(FRSTOR, CPU_NM);
}
