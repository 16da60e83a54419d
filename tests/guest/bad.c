/*
 * What no sane program does: opcodes that do not exist, operands and code half on a page that is
 * not there, tables and pages where there is no memory. Each gets what hardware would give it.
 */
#include "guest/suite.h"

#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"

#define LAST    0x81000 /* a page that is there... */
#define ABSENT  0x82000 /* ...before one that is not */
#define NOWHERE 0x40000000u
#define OUTSIDE 0x600000 /* a large page, or a table, at NOWHERE */

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

/* Not for KVM: below the bed's, this one stores. */
GUEST(hole, "  try .byte 0xc6, 0x48, 0x00, 0x00\n"
            "  finish\n");

GUEST(too_long, "  try .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66\n"
                "  .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90\n"
                "771:\n"
                "  finish\n");

/* Code runs into the absent page: inside an instruction, and right behind one. Then the operands
 * do: nothing of a store may be done. */
GUEST(across, "  movl $0x90909090, 0x81ffc\n"
              "  movb $0xb8, 0x81ffe\n" /* mov of four bytes to eax */
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

/* What reads and writes faults as a write, and a wide store is done whole or not. Not for KVM:
 * below the bed's, the read comes first, and the store by halves. */
GUEST(modified, "  movq $0, 0x81ff8\n"
                "  try addq $1, 0x81ffd\n"
                "  try cmpxchg8b 0x81ffb\n"
                "  try lock incl 0x81ffe\n"
                "  pcmpeqd %xmm0, %xmm0\n"
                "  try movups %xmm0, 0x81ff1\n"
                "  mov 0x81ff8, %rax\n"
                "  note %rax\n"
                "  finish\n");

GUEST(repeated, "  mov %rdi, %rbp\n" /* where values go */
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

/* Loads give all ones, stores go nowhere; so do pushes, and an interrupt's frame. */
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
                 "  mov %rax, %cr3\n" /* the last it can do */
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
    static const struct long64_expected expected[] = { { "code across", 14, 0x10, ABSENT },
                                                       { "code behind", 14, 0x10, ABSENT },
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
                                               { "where", ABSENT },
                                               { "words left", 2 },
                                               { "the last that came", 0x7777777777777777 } };

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

/* What is no RAM reads as all ones: present, with reserved bits set. Not for KVM, which cannot walk
 * such a table and ends the machine. */
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
    long64_check_left(NULL, 0); /* what came after the CR3 write never did */
    machine_finish();
}

const struct guest_test bad_tests[] = {
    { "undefined opcodes", undefined_run, NULL },
    { "a hole in an opcode's group", hole_run, "emu" },
    { "an instruction of 16 bytes", too_long_run, NULL },
    { "across the last page", across_run, NULL },
    { "operands across it, whole or not", modified_run, "emu" },
    { "repetitions that end at a fault", repeated_run, NULL },
    { "pages where no memory is", no_memory_run, NULL },
    { "tables where no memory is", no_tables_run, "emu" },
    { NULL, NULL, NULL },
};
