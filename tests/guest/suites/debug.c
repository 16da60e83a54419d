/*
 * Debug exceptions in 64-bit mode: single steps, and the instructions that hold them back (SDM 3A,
 * 6.8.3; 3B, 18.3).
 *
 * The handler notes its return address, less the label in %rbx, and DR6, and clears DR6.
 */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"

/* The handlers that BEGIN sets for #DB and #BP; they end a guest. */
#define HANDLERS                \
    "10:\n"                     \
    "  push %rax\n"             \
    "  mov 8(%rsp), %rax\n"     \
    "  sub %rbx, %rax\n"        \
    "  stosq\n"                 \
    "  note %dr6\n"             \
    "  mov $0xffff0ff0, %eax\n" \
    "  mov %rax, %dr6\n"        \
    "  pop %rax\n"              \
    "  iretq\n"                 \
    "11:\n"                     \
    "  push %rax\n"             \
    "  note $0xb3\n"            \
    "  pop %rax\n"              \
    "  iretq\n"

#define BEGIN           \
    "  handle 1, 10f\n" \
    "  handle 3, 11f\n" \
    "  lea 1f(%rip), %rbx\n"

__asm__(".macro trap_flag_on\n"
        "  pushf\n"
        "  orl $0x100, (%rsp)\n"
        "  popf\n"
        ".endm\n"
        ".macro trap_flag_off\n"
        "  pushf\n"
        "  andl $~0x100, (%rsp)\n"
        "  popf\n"
        ".endm\n");

GUEST(stack_switch, BEGIN "  mov $0x10, %ecx\n"
                          "  push %rcx\n"
                          "  trap_flag_on\n"
                          "1:\n"
                          "  mov %ecx, %ss\n"
                          "  nop\n"
                          "  nop\n"
                          "  mov (%rsp), %ss\n"
                          "  int3\n"
                          "  nop\n"
                          "  trap_flag_off\n"
                          "  finish\n" HANDLERS);

GUEST(shadows, BEGIN "  mov $0x10, %ecx\n"
                     "  trap_flag_on\n"
                     "1:\n"
                     "  mov %ecx, %ss\n"
                     "  mov %ecx, %ss\n"
                     "  nop\n"
                     "  sti\n"
                     "  cli\n"
                     "  trap_flag_off\n"
                     "  finish\n" HANDLERS);

#define STEP 0xffff4ff0

static void stack_switch_run(void)
{
    static const struct long64_left expected[] = {
        { "after MOV SS and NOP", 3 },
        { "DR6", STEP },
        { "after NOP", 4 },
        { "DR6", STEP },
        { "INT3 after MOV SS", 0xb3 },
        { "after the NOP after INT3", 9 },
        { "DR6", STEP },
        { "after PUSHF", 10 },
        { "DR6", STEP },
        { "after AND", 17 },
        { "DR6", STEP },
        { "after POPF", 18 },
        { "DR6", STEP },
    };

    LONG64_LOAD(1, stack_switch);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

/* Of two loads of SS in a row only the first has to hold a debug exception back, and STI holds back
 * interrupts only. Not for KVM: the bed's interpreter has one mechanism for all of these. */
static void shadows_run(void)
{
    static const struct long64_left expected[] = {
        { "after the second of two MOV SS", 4 },
        { "DR6", STEP },
        { "after NOP", 5 },
        { "DR6", STEP },
        { "after STI", 6 },
        { "DR6", STEP },
        { "after CLI", 7 },
        { "DR6", STEP },
        { "after PUSHF", 8 },
        { "DR6", STEP },
        { "after AND", 15 },
        { "DR6", STEP },
        { "after POPF", 16 },
        { "DR6", STEP },
    };

    LONG64_LOAD(1, shadows);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

const struct guest_test debug_tests[] = {
    { "single steps and loads of SS", stack_switch_run, NULL },
    { "single steps after two loads of SS, and after STI", shadows_run, "emu" },
    { NULL, NULL, NULL },
};
