/*
 * What no sane program does: undefined opcodes, operands and code that run into an absent page,
 * page tables and pages outside RAM. Each must end as it does on hardware.
 */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"

#define ABSENT  0x82000     /* a page that is not present; the one before it is */
#define NOWHERE 0x40000000u /* a physical address outside RAM */
#define OUTSIDE 0x600000    /* mapped to NOWHERE, as a large page or by a page table there */

GUEST(undefined, "  try .byte 0x0f, 0x0b\n"                   /* ud2 */
                 "  try .byte 0x0f, 0xb9, 0xc0\n"             /* ud1 */
                 "  try .byte 0x0f, 0xff, 0xc0\n"             /* ud0 */
                 "  try .byte 0x0f, 0x04\n"                   /* no such opcode */
                 "  try .byte 0x0f, 0x24, 0xc0\n"             /* mov from a test register */
                 "  try .byte 0x0f, 0x20, 0xc8\n"             /* mov from CR1 */
                 "  try .byte 0x8e, 0xc8\n"                   /* mov to CS */
                 "  try .byte 0xf0, 0x90\n"                   /* lock nop */
                 "  try .byte 0xf0, 0x01, 0xc0\n"             /* lock add of registers */
                 "  try .byte 0x0f, 0xc7, 0x08 + 0xc0\n"      /* cmpxchg8b of a register */
                 "  try .byte 0xc5, 0xf8, 0x58, 0xc1\n"       /* vaddps without OSXSAVE */
                 "  try .byte 0x66, 0xc5, 0xf8, 0x58, 0xc1\n" /* 66 before VEX */
                 "  try .byte 0x0f, 0x01, 0xd0\n"             /* xgetbv without OSXSAVE */
                 "  try .byte 0x0f, 0xaa\n"                   /* rsm */
                 "  try .byte 0xea, 0, 0, 0, 0, 0, 0\n"       /* jmp far, of other modes */
                 "  finish\n");

/* Not for KVM: the bed's interpreter executes it as a store. */
GUEST(hole, "  try .byte 0xc6, 0x48, 0x00, 0x00\n"
            "  finish\n");

GUEST(too_long, "  try .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66\n"
                "  .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90\n"
                "771:\n"
                "  finish\n");

/* Code runs into the absent page, in the middle of an instruction and right after one; then
 * operands do. A store that faults must not have written any of its bytes. */
GUEST(across, "  movl $0x90909090, 0x81ffc\n"
              "  movb $0xb8, 0x81ffe\n" /* mov $imm32, %eax */
              "  mov $0x81ffc, %ebx\n"
              "  try call *%rbx\n"
              "  movb $0x90, 0x81ffe\n"
              "  try call *%rbx\n"
              "  mov $0x5555555555555555, %rcx\n"
              "  mov %rcx, 0x81ff8\n"
              "  try mov 0x81ffc, %rax\n"
              "  xor %eax, %eax\n"
              "  try mov %rax, 0x81ffc\n"
              "  mov 0x81ff8, %rax\n"
              "  note %rax\n"
              "  finish\n");

/* An instruction that reads and writes its operand faults as a write, and a wide store happens
 * whole or not at all. Not for KVM: the bed's interpreter reads first, and stores in halves. */
GUEST(modified, "  movq $0, 0x81ff8\n"
                "  try addq $1, 0x81ffd\n"
                "  try cmpxchg8b 0x81ffb\n"
                "  try lock incl 0x81ffe\n"
                "  pcmpeqd %xmm0, %xmm0\n"
                "  try movups %xmm0, 0x81ff1\n"
                "  mov 0x81ff8, %rax\n"
                "  note %rax\n"
                "  finish\n");

GUEST(repeated, "  mov %rdi, %rbp\n" /* where `note` stores */
                "  mov $0x81ff0, %edi\n"
                "  mov $0x100, %ecx\n"
                "  mov $0x77, %eax\n"
                "  try rep stosb\n"
                "  mov %rdi, %rbx\n"
                "  mov %rbp, %rdi\n"
                "  note %rcx\n"
                "  note %rbx\n"
                "  mov %rdi, %rbp\n"
                "  mov $0x81ff0, %esi\n"
                "  mov $0x84000, %edi\n"
                "  mov $4, %ecx\n"
                "  try rep movsq\n"
                "  mov %rbp, %rdi\n"
                "  note %rcx\n"
                "  note 0x84008\n"
                "  finish\n");

/* Outside RAM loads give all ones, and stores go nowhere, pushes included. */
GUEST(no_memory, "  mov 0x600010, %rax\n"
                 "  note %rax\n"
                 "  movq $0, 0x600010\n"
                 "  lock incl 0x600010\n"
                 "  mov 0x600010, %rax\n"
                 "  note %rax\n"
                 "  movups 0x600ff8, %xmm0\n"
                 "  movups %xmm0, 0x84000\n"
                 "  mov 0x84008, %rax\n"
                 "  note %rax\n"
                 "  mov $0x600020, %esp\n"
                 "  push $1\n"
                 "  pop %rax\n"
                 "  note %rax\n"
                 "  mov %r13, %rsp\n"
                 "  finish\n");

GUEST(no_tables, "  try mov 0x600010, %rax\n"
                 "  try mov %rax, 0x600010\n"
                 "  mov $0x600000, %ecx\n"
                 "  try jmp *%rcx\n"
                 "  mov $0x40000000, %eax\n"
                 "  mov %rax, %cr3\n" /* nothing after this can be fetched */
                 "  note %rax\n"
                 "  finish\n");

static void undefined_run(void)
{
    static const struct long64_expected expected[] = {
        { "UD2", 6, 0, 0 },
        { "UD1", 6, 0, 0 },
        { "UD0", 6, 0, 0 },
        { "0F 04", 6, 0, 0 },
        { "test register", 6, 0, 0 },
        { "CR1", 6, 0, 0 },
        { "MOV to CS", 6, 0, 0 },
        { "LOCK NOP", 6, 0, 0 },
        { "LOCK ADD of registers", 6, 0, 0 },
        { "CMPXCHG8B of a register", 6, 0, 0 },
        { "VADDPS without OSXSAVE", 6, 0, 0 },
        { "66 before VEX", 6, 0, 0 },
        { "XGETBV without OSXSAVE", 6, 0, 0 },
        { "RSM", 6, 0, 0 },
        { "JMP far", 6, 0, 0 },
    };

    LONG64_LOAD(1, undefined);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void hole_run(void)
{
    static const struct long64_expected expected[] = { { "C6 /1", 6, 0, 0 } };

    LONG64_LOAD(1, hole);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void too_long_run(void)
{
    static const struct long64_expected expected[] = { { "16 bytes", 13, 0, 0 } };

    LONG64_LOAD(1, too_long);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void across_run(void)
{
    static const struct long64_expected expected[] = { { "code across pages", 14, 0x10, ABSENT },
                                                       { "code after the page", 14, 0x10, ABSENT },
                                                       { "load", 14, 0, ABSENT },
                                                       { "store", 14, 2, ABSENT } };
    static const struct long64_left left[] = { { "what was there", 0x5555555555555555 } };

    LONG64_LOAD(1, across);
    long64_page(ABSENT, 0);
    long64_run();
    LONG64_CHECK(expected);
    LONG64_LEFT(left);
    machine_finish();
}

static void modified_run(void)
{
    static const struct long64_expected expected[] = { { "ADD", 14, 2, ABSENT },
                                                       { "CMPXCHG8B", 14, 2, ABSENT },
                                                       { "LOCK INC", 14, 2, ABSENT },
                                                       { "MOVUPS", 14, 2, ABSENT } };
    static const struct long64_left left[] = { { "what was there", 0 } };

    LONG64_LOAD(1, modified);
    long64_page(ABSENT, 0);
    long64_run();
    LONG64_CHECK(expected);
    LONG64_LEFT(left);
    machine_finish();
}

static void repeated_run(void)
{
    static const struct long64_expected expected[] = { { "REP STOSB", 14, 2, ABSENT },
                                                       { "REP MOVSQ", 14, 0, ABSENT } };
    static const struct long64_left left[] = { { "bytes left", 0xf0 },
                                               { "RDI", ABSENT },
                                               { "words left", 2 },
                                               { "the last word copied", 0x7777777777777777 } };

    LONG64_LOAD(1, repeated);
    long64_page(ABSENT, 0);
    long64_run();
    LONG64_CHECK(expected);
    LONG64_LEFT(left);
    machine_finish();
}

static void no_memory_run(void)
{
    const uint64_t ones = UINT64_MAX;
    const struct long64_left left[] = {
        { "load", ones }, { "load after store", ones }, { "16 bytes", ones }, { "pop", ones }
    };

    LONG64_LOAD(1, no_memory);
    long64_large(OUTSIDE, NOWHERE | LONG64_PRESENT | LONG64_WRITE | LONG64_2M);
    long64_run();
    LONG64_LEFT(left);
    machine_finish();
}

/* A page table outside RAM reads as all ones: its entries are present and have reserved bits set.
 * Not for KVM, which cannot walk such a table and ends the machine. */
static void no_tables_run(void)
{
    static const struct long64_expected expected[] = {
        { "load", 14, 9, OUTSIDE + 0x10 },
        { "store", 14, 0xb, OUTSIDE + 0x10 },
        { "fetch", 14, 0x19, OUTSIDE },
    };

    LONG64_LOAD(1, no_tables);
    long64_large(OUTSIDE, NOWHERE | LONG64_PRESENT | LONG64_WRITE | LONG64_ANYONE);
    long64_run();
    LONG64_CHECK(expected);
    long64_check_left(NULL, 0); /* the `note` after the write of CR3 was never executed */
    machine_finish();
}

const struct guest_test bad_tests[] = {
    { "undefined opcodes", undefined_run, NULL },
    { "undefined opcode in a group", hole_run, "emu" },
    { "an instruction of 16 bytes", too_long_run, NULL },
    { "code and operands that run into an absent page", across_run, NULL },
    { "wide operands that run into one, whole or not at all", modified_run, "emu" },
    { "repetitions that end at a fault", repeated_run, NULL },
    { "pages outside RAM", no_memory_run, NULL },
    { "page tables outside RAM", no_tables_run, "emu" },
    { NULL, NULL, NULL },
};
