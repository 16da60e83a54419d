/* Breakpoints in the debug registers (SDM 3B, 18.2 and 18.3). */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"

__asm__(".macro watch number, address, dr7\n"
        "  mov $\\address, %eax\n"
        "  mov %rax, %dr\\number\n"
        "  mov $\\dr7, %eax\n"
        "  mov %rax, %dr7\n"
        ".endm\n"
        /* Notes which conditions DR6 reports (B0 to B3, BD, BS, BT), then clears DR6. */
        ".macro note_met\n"
        "  mov %dr6, %rax\n"
        "  and $0xe00f, %eax\n"
        "  stosq\n"
        "  xor %eax, %eax\n"
        "  mov %rax, %dr6\n"
        ".endm\n"
        ".macro step_on\n"
        "  pushf\n"
        "  orl $0x100, (%rsp)\n"
        "  popf\n"
        ".endm\n"
        /* Where the exception handler goes on, with TF clear (vectors.c). */
        ".macro go_on_at label\n"
        "  lea \\label(%rip), %r15\n"
        ".endm\n");

/* A breakpoint on code is met before the instruction. RF lets the instruction through once; the
 * next time the breakpoint is met again. */
GUEST(code, "  lea 1f(%rip), %rax\n"
            "  mov %rax, %dr0\n"
            "  mov $1, %eax\n" /* DR0 */
            "  mov %rax, %dr7\n"
            "  xor %ebx, %ebx\n"
            "  go_on_at 2f\n"
            "  jmp 1f\n"
            "  nop\n"
            "1:\n"
            "  inc %ebx\n"
            "  jmp 4f\n"
            "2:\n"
            "  note %rbx\n" /* 0: not executed yet */
            "  note_met\n"
            "  mov %rsp, %rcx\n"
            "  push $0x10\n"
            "  push %rcx\n"
            "  push $0x10002\n" /* RF */
            "  push $8\n"
            "  lea 1b(%rip), %rax\n"
            "  push %rax\n"
            "  go_on_at 3f\n"
            "  iretq\n"
            "3:\n" /* the second time, after the jump back at 4 */
            "  note %rbx\n"
            "  note_met\n"
            "  xor %eax, %eax\n"
            "  mov %rax, %dr7\n"
            "  jmp 1b\n"
            "4:\n"
            "  cmp $1, %ebx\n"
            "  je 1b\n"
            "  note %rbx\n"
            "  finish\n");

/* A breakpoint on data is met after an instruction that accessed any of its bytes. */
GUEST(data, "  watch 1, 0x40004, 0x00d00004\n" /* 4 bytes written */
            "  mov $0x40000, %ebp\n"
            "  try movl $1, 4(%rbp)\n"
            "  note_met\n"
            "  try mov 4(%rbp), %eax\n" /* not met */
            "  try movl $1, 8(%rbp)\n"  /* not met */
            "  try movw $1, 3(%rbp)\n"
            "  note_met\n"
            "  try movq $1, (%rbp)\n"
            "  note_met\n"
            "  try incb 7(%rbp)\n"
            "  note_met\n"
            "  watch 1, 0x40008, 0x00f00004\n" /* 4 bytes read or written */
            "  try mov 11(%rbp), %al\n"
            "  note_met\n"
            "  try lock cmpxchg %ecx, 8(%rbp)\n"
            "  note_met\n"
            "  try movups 1(%rbp), %xmm0\n"
            "  note_met\n"
            "  try mov 12(%rbp), %al\n"        /* not met */
            "  watch 2, 0x47ff8, 0x09000030\n" /* the stack's top, 8 bytes, written */
            "  try push %rax\n"
            "  note_met\n"
            "  pop %rax\n"
            "  xor %eax, %eax\n"
            "  mov %rax, %dr7\n"
            "  try movl $1, 8(%rbp)\n" /* not met */
            "  note_met\n"
            "  finish\n");

/* In a repeated string instruction, a breakpoint on data and a single step come between two
 * elements. */
GUEST(strings, "  mov $0x40000, %ebp\n"
               "  watch 0, 0x40003, 0x00010001\n"
               "  mov %rdi, %rbx\n"
               "  mov %ebp, %edi\n"
               "  mov $8, %ecx\n"
               "  try rep stosb\n"
               "  mov %rbx, %rdi\n"
               "  note_met\n"
               "  note %rcx\n"
               "  xor %eax, %eax\n"
               "  mov %rax, %dr7\n"
               "  mov %rdi, %rbx\n"
               "  mov %ebp, %edi\n"
               "  mov $8, %ecx\n"
               "  go_on_at 1f\n"
               "  step_on\n"
               "  rep stosb\n"
               "1:\n"
               "  mov %rbx, %rdi\n"
               "  note_met\n"
               "  note %rcx\n"
               "  finish\n");

/* A breakpoint on ports is met only while CR4.DE is set. */
GUEST(ports, "  watch 3, 0x102, 0x20000040\n"
             "  mov $0x100, %edx\n"
             "  try outl %eax, %dx\n"
             "  note_met\n"
             "  mov %cr4, %rax\n"
             "  or $8, %rax\n"
             "  mov %rax, %cr4\n"
             "  try outl %eax, %dx\n"
             "  note_met\n"
             "  try outw %ax, %dx\n"
             "  note_met\n"
             "  mov $0x102, %edx\n"
             "  try inb %dx, %al\n"
             "  note_met\n"
             "  finish\n");

/* While DR7.GD is set, any access to a debug register raises #DB. */
GUEST(guarded, "  mov $0x2000, %eax\n" /* GD */
               "  mov %rax, %dr7\n"
               "  try mov %dr0, %rax\n"
               "  note_met\n"
               "  mov %dr7, %rax\n"
               "  note %rax\n"
               "  finish\n");

/* A breakpoint on data that MOV SS meets is held back until after the next instruction. Where that
 * is a software interrupt, it comes before the handler's first instruction. */
GUEST(held_breakpoints, "  movl $0x10, 0x40000\n"
                        "  mov $0x40000, %ebp\n"
                        "  watch 0, 0x40000, 0x000f0001\n"
                        "  go_on_at 1f\n"
                        "  mov (%rbp), %ss\n"
                        "  nop\n"
                        "  nop\n"
                        "1:\n"
                        "  note_met\n"
                        "  go_on_at 2f\n"
                        "  mov (%rbp), %ss\n"
                        "  int3\n"
                        "2:\n"
                        "  note_met\n"
                        "  finish\n");

static void code_run(void)
{
    static const struct long64_left left[] = {
        { "counted at the first", 0 },
        { "met", 1 },
        { "counted at the second", 1 },
        { "met", 1 },
        { "counted", 2 },
    };
    static const struct long64_expected expected[] = {
        { "before the instruction", 1, 0, 0 },
        { "and again", 1, 0, 0 },
    };

    LONG64_LOAD(1, code);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void data_run(void)
{
    static const struct long64_left left[] = {
        { "met", 2 }, { "met", 2 }, { "met", 2 }, { "met", 2 }, { "met", 2 },
        { "met", 2 }, { "met", 2 }, { "met", 4 }, { "met", 0 },
    };
    static const struct long64_expected expected[] = {
        { "written", 1, 0, 0 },        { "overlapped", 1, 0, 0 }, { "covered", 1, 0, 0 },
        { "modified", 1, 0, 0 },       { "read", 1, 0, 0 },       { "locked", 1, 0, 0 },
        { "a vector's end", 1, 0, 0 }, { "pushed", 1, 0, 0 },
    };

    LONG64_LOAD(1, data);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void strings_run(void)
{
    static const struct long64_left left[] = {
        { "met", 1 },
        { "elements to go", 4 },
        { "stepped", 0x4000 },
        { "elements to go", 7 },
    };
    static const struct long64_expected expected[] = {
        { "a watched element", 1, 0, 0 },
        { "a step of one element", 1, 0, 0 },
    };

    LONG64_LOAD(1, strings);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void ports_run(void)
{
    static const struct long64_left left[] = {
        { "without CR4.DE", 0 }, { "with", 8 }, { "beside it", 0 }, { "read", 8 }
    };
    static const struct long64_expected expected[] = {
        { "written", 1, 0, 0 },
        { "read", 1, 0, 0 },
    };

    LONG64_LOAD(1, ports);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void guarded_run(void)
{
    static const struct long64_left left[] = { { "met", 0x2000 }, { "DR7", 0x400 } };
    static const struct long64_expected expected[] = { { "MOV from DR0", 1, 0, 0 } };

    LONG64_LOAD(1, guarded);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void held_breakpoints_run(void)
{
    static const struct long64_left left[] = { { "met", 1 }, { "met", 1 } };
    static const struct long64_expected expected[] = {
        { "after the next instruction", 1, 0, 0 },
        { "before the handler of INT3", 1, 0, 0 },
    };

    LONG64_LOAD(1, held_breakpoints);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

/* KVM on the bed's AMD processor supports neither breakpoints on ports nor DR7.GD, and the bed's
 * interpreter does not hold a breakpoint back after MOV SS. */
const struct guest_test breakpoint_tests[] = {
    { "breakpoints on code", code_run, NULL },
    { "breakpoints on data", data_run, NULL },
    { "breakpoints in string instructions", strings_run, NULL },
    { "breakpoints on ports", ports_run, "emu" },
    { "general detect", guarded_run, "emu" },
    { "breakpoints that MOV SS met", held_breakpoints_run, "emu" },
    { NULL, NULL, NULL },
};
