/*
 * Transitions between rings and between modes: SYSCALL and SYSRET with their effect on RFLAGS,
 * IRET, and compatibility mode.
 *
 * Ring 3 executes the same code as ring 0, LONG64_USER higher (long64.h). What Intel's and AMD's
 * processors do differently is left out: SYSCALL in compatibility mode, SYSENTER in IA-32e mode.
 */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"

/* Sets STAR, LSTAR and FMASK. */
__asm__(".macro system_calls_to label, mask\n"
        "  msr_put 0xc0000081, 0x00180008, 0\n"
        "  msr_put 0xc0000084, 0, \\mask\n"
        "  mov $0xc0000082, %ecx\n"
        "  lea \\label(%rip), %rax\n"
        "  xor %edx, %edx\n"
        "  wrmsr\n"
        ".endm\n"
        /* Executes SYSRET, of the size that `insn` says, to a label in ring 3 with those RFLAGS. */
        ".macro system_return insn, label, flags\n"
        "  lea \\label + 0x100000(%rip), %rcx\n"
        "  mov $\\flags, %r11d\n"
        "  mov $0x148000, %esp\n"
        "  \\insn\n"
        ".endm\n"
        ".macro note_flags\n"
        "  pushf\n"
        "  pop %rax\n"
        "  stosq\n"
        ".endm\n"
        /* Like `user` and `try_user`, but for 32-bit code. */
        ".macro user32 label\n"
        "  push $0x23\n"
        "  push $0x148000\n"
        "  push $2\n"
        "  push $0x1b\n"
        "  lea \\label + 0x100000(%rip), %rax\n"
        "  push %rax\n"
        "  iretq\n"
        ".endm\n"
        ".macro user32_begin\n"
        "  lea 771f(%rip), %r15\n"
        "  user32 772f\n"
        ".code32\n"
        "772:\n"
        ".endm\n"
        ".macro user32_end\n"
        ".code64\n"
        "771:\n"
        ".endm\n"
        ".macro try_user32 insn:vararg\n"
        "  user32_begin\n"
        "  \\insn\n"
        "  user32_end\n"
        ".endm\n");

GUEST(system_calls, "  system_calls_to 2f, 0x400\n"
                    "  xor %ebx, %ebx\n"
                    "  user 1f\n"
                    "1:\n"
                    "  push $0x402\n" /* only DF: at SYSCALL the bed loses the arithmetic flags */
                    "  popf\n"
                    "  syscall\n"
                    "  pushf\n"
                    "  pop %rsi\n"
                    "  inc %ebx\n"
                    "  cmp $3, %ebx\n"
                    "  jb 1b\n"
                    "  lea 3f - 0x100000(%rip), %r15\n"
                    "  ud2\n"
                    "2:\n"
                    "  pushf\n"
                    "  pop %rbp\n"
                    "  mov %cs, %r8d\n"
                    "  mov %ss, %r9d\n"
                    "  sysretq\n"
                    "3:\n"
                    "  cld\n"
                    "  note %rbx\n"
                    "  note %rsi\n"
                    "  note %rbp\n"
                    "  note %r8\n"
                    "  note %r9\n"
                    "  finish\n");

/* SYSRET sets every flag that it may; SYSCALL saves them in %r11 and clears those in the mask. */
GUEST(call_flags, "  system_calls_to 2f, -1\n"
                  "  system_return sysretq, 1f, 0x247ed7\n"
                  "1:\n"
                  "  syscall\n"
                  "2:\n"
                  "  mov $0x48000, %esp\n"
                  "  note_flags\n"
                  "  note %r11\n"
                  "  lea 1b + 0x100002(%rip), %rax\n" /* the address after SYSCALL */
                  "  sub %rax, %rcx\n"
                  "  note %rcx\n"
                  "  system_calls_to 4f, 0\n"
                  "  system_return sysretq, 3f, 0x40002\n"
                  "3:\n"
                  "  syscall\n"
                  "4:\n"
                  "  mov $0x48000, %esp\n"
                  "  note_flags\n"
                  "  note %r11\n"
                  "  finish\n");

/* SYSCALL and SYSRET look at TF when they are done: a TF that the mask cleared does not trap, and
 * one that SYSRET sets traps before the user's next instruction. */
GUEST(single_steps, "  system_calls_to 2f, 0x100\n"
                    "  lea 3f(%rip), %r15\n"
                    "  user 1f\n"
                    "1:\n"
                    "  pushf\n"
                    "  orl $0x100, (%rsp)\n"
                    "  popf\n"
                    "  syscall\n"
                    "  ud2\n"
                    "2:\n"
                    "  nop\n"
                    "  mov %r11, %rbx\n"
                    "  sysretq\n"
                    "3:\n"
                    "  note %rbx\n"
                    "  system_calls_to 5f, 0\n" /* not masked: traps before the kernel's first */
                    "  lea 6f(%rip), %r15\n"
                    "  user 4f\n"
                    "4:\n"
                    "  pushf\n"
                    "  orl $0x100, (%rsp)\n"
                    "  popf\n"
                    "  syscall\n"
                    "5:\n"
                    "  ud2\n"
                    "6:\n"
                    "  lea 8f(%rip), %r15\n" /* set by IRET: traps after the user's first */
                    "  push $0x23\n"
                    "  push $0x148000\n"
                    "  push $0x102\n"
                    "  push $0x2b\n"
                    "  lea 7f + 0x100000(%rip), %rax\n"
                    "  push %rax\n"
                    "  iretq\n"
                    "7:\n"
                    "  nop\n"
                    "  ud2\n"
                    "8:\n"
                    "  finish\n");

GUEST(refused, "  system_calls_to 1f, 0\n"
               "  try_user sysretq\n"
               "1:\n"
               "  mov $0xc0000080, %ecx\n"
               "  rdmsr\n"
               "  and $~1, %eax\n" /* EFER.SCE */
               "  wrmsr\n"
               "  try syscall\n"
               "  try_user syscall\n"
               "  try sysretq\n"
               "  finish\n");

/* SYSRET to 32-bit code ignores the upper half of %rcx. */
GUEST(sysret_32, "  system_calls_to 1f, 0\n"
                 "1:\n"
                 "  lea 3f(%rip), %r15\n"
                 "  lea 2f + 0x100000(%rip), %rcx\n"
                 "  bts $45, %rcx\n"
                 "  mov $0xc7, %r11d\n"
                 "  mov $0x148000, %esp\n"
                 "  mov $0x12345678, %eax\n"
                 "  sysretl\n"
                 ".code32\n"
                 "2:\n"
                 "  inc %eax\n" /* in 64-bit mode this byte is a REX prefix */
                 "  inc %eax\n"
                 "  ud2\n"
                 ".code64\n"
                 "3:\n"
                 "  stosq\n"
                 "  finish\n");

GUEST(compatibility, "  try_user32 ud2\n"
                     "  try_user32 aam $0\n"
                     "  user32_begin\n"
                     "  mov $0x7fffffff, %eax\n"
                     "  inc %eax\n"
                     "  into\n"
                     "  user32_end\n"
                     "  user32_begin\n"
                     "  push $7\n"
                     "  push $5\n"
                     "  mov $8, %eax\n"
                     "  bound %eax, (%esp)\n"
                     "  user32_end\n"
                     "  try_user32 int3\n"
                     "  try_user32 mov %cr0, %eax\n"
                     "  try_user32 mov %ss:0x84000, %eax\n"
                     "  user32_begin\n"
                     "  int $0x80\n" /* comes back */
                     "  hlt\n"
                     "  user32_end\n"
                     "  lea 2f(%rip), %r15\n"
                     "  user32 1f\n"
                     ".code32\n"
                     "1:\n"
                     "  xor %eax, %eax\n"
                     "  dec %eax\n"
                     "  push %eax\n" /* 4 bytes */
                     "  mov %esp, %ebx\n"
                     "  mov $0x23, %ecx\n"
                     "  mov %ecx, %ds\n"
                     "  call 3f\n"
                     "3:\n"
                     "  pop %ecx\n"
                     "  lea 4f - 3b(%ecx), %ecx\n"
                     "  push $0x2b\n"
                     "  push %ecx\n"
                     "  lret\n" /* to 64-bit code in the same ring */
                     ".code64\n"
                     "4:\n"
                     "  mov %cs, %ebp\n"
                     "  movabs $0x123456789abcdef0, %rax\n"
                     "  ud2\n"
                     "2:\n"
                     "  stosq\n"
                     "  note %rbx\n"
                     "  note %rbp\n"
                     "  finish\n");

/* Frames that IRET refuses. */
__asm__(".macro try_iret ss, rsp, flags, cs, rip\n"
        "  mov $\\ss, %eax\n"
        "  push %rax\n"
        "  movabs $\\rsp, %rax\n"
        "  push %rax\n"
        "  push $\\flags\n"
        "  push $\\cs\n"
        "  movabs $\\rip, %rax\n"
        "  push %rax\n"
        "  try iretq\n"
        "  mov $0x48000, %esp\n"
        ".endm\n");

GUEST(returns_refused, "  try_iret 0x23, 0x148000, 2, 0x58, 0x120000\n" /* beyond the GDT */
                       "  try_iret 0x23, 0x148000, 2, 0, 0x120000\n"
                       "  try_iret 0x23, 0x148000, 2, 0x10, 0x120000\n" /* data */
                       "  try_iret 0x23, 0x148000, 2, 0x28, 0x120000\n" /* RPL is not DPL */
                       "  try_iret 0, 0x148000, 2, 0x2b, 0x120000\n"    /* null, in ring 3 */
                       "  try_iret 0x10, 0x148000, 2, 0x2b, 0x120000\n"
                       "  try_iret 0x43, 0x148000, 2, 0x2b, 0x120000\n"
                       "  pushf\n"
                       "  orl $0x4000, (%rsp)\n" /* NT */
                       "  popf\n"
                       "  try iretq\n"
                       "  finish\n");

GUEST(not_canonical, "  try_iret 0x23, 0x148000, 2, 0x2b, 0x800000000000\n"
                     "  system_calls_to 1f, 0\n"
                     "1:\n"
                     "  movabs $0x800000000000, %rcx\n"
                     "  mov $2, %r11d\n"
                     "  try sysretq\n"
                     "  finish\n");

static void system_calls_run(void)
{
    static const struct long64_left left[] = {
        { "system calls", 3 },  { "RFLAGS after SYSRET", 0x402 }, { "RFLAGS after SYSCALL", 2 },
        { "CS", LONG64_KCODE }, { "SS", LONG64_KDATA },
    };
    static const struct long64_expected expected[] = { { "after SYSRET", 6, 0, 0 } };

    LONG64_LOAD(1, system_calls);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void call_flags_run(void)
{
    static const struct long64_left expected[] = {
        { "RFLAGS, all masked", 2 },
        { "R11", 0x247ed7 },
        { "RCX, less the address after SYSCALL", 0 },
        { "RFLAGS, none masked", 0x40002 },
        { "R11", 0x40002 },
    };

    LONG64_LOAD(1, call_flags);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void single_steps_run(void)
{
    static const struct long64_left left[] = { { "R11 of the masked one", 0x102 } };
    static const struct long64_expected expected[] = {
        { "after SYSRET", 1, 0, 0 },
        { "after SYSCALL, TF not masked", 1, 0, 0 },
        { "after the first instruction after IRET", 1, 0, 0 },
    };

    LONG64_LOAD(1, single_steps);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void refused_run(void)
{
    static const struct long64_expected expected[] = {
        { "SYSRET in ring 3", 13, 0, 0 },
        { "SYSCALL without EFER.SCE", 6, 0, 0 },
        { "SYSCALL in ring 3 without EFER.SCE", 6, 0, 0 },
        { "SYSRET without EFER.SCE", 6, 0, 0 },
    };

    LONG64_LOAD(1, refused);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void sysret_32_run(void)
{
    static const struct long64_left left[] = { { "EAX, two more", 0x1234567a } };
    static const struct long64_expected expected[] = { { "#UD", 6, 0, 0 } };

    LONG64_LOAD(1, sysret_32);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void compatibility_run(void)
{
    static const struct long64_left left[] = {
        { "RAX of 64-bit code", 0x123456789abcdef0 },
        { "ESP after a push", 0x147ffc },
        { "CS after a far return", 0x2b },
    };
    static const struct long64_expected expected[] = {
        { "#UD", 6, 0, 0 },
        { "#DE by AAM", 0, 0, 0 },
        { "#OF by INTO", 4, 0, 0 },
        { "#BR", 5, 0, 0 },
        { "#BP", 3, 0, 0 },
        { "#GP control register", 13, 0, 0 },
        { "#PF", 14, 5, 0x84000 },
        { "INT 0x80", 0x80, 0, 0 },
        { "#GP privileged, after INT 0x80", 13, 0, 0 },
        { "#UD in 64-bit code", 6, 0, 0 },
    };

    LONG64_LOAD(1, compatibility);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void returns_refused_run(void)
{
    static const struct long64_expected expected[] = {
        { "CS beyond the GDT", 13, 0x58, 0 },    { "CS null", 13, 0, 0 },
        { "CS of data", 13, 0x10, 0 },           { "CS with the kernel's RPL", 13, 0x28, 0 },
        { "SS null for ring 3", 13, 0, 0 },      { "SS of ring 0 for ring 3", 13, 0x10, 0 },
        { "SS of ring 0, absent", 13, 0x40, 0 }, { "nested task", 13, 0, 0 },
    };

    LONG64_LOAD(1, returns_refused);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

/* Not for KVM: in the bed's interpreter IRET enters ring 3 before it faults. SYSRET does so on
 * AMD's processors, and where the software CPU shows AMD's vendor string: ring 3 then takes the
 * fault. */
static void not_canonical_run(void)
{
    static const struct long64_expected expected[] = {
        { "#GP at IRET", 13, 0, 0 },
        { "#GP at SYSRET", 13, 0, 0 },
    };

    LONG64_LOAD(1, not_canonical);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

const struct guest_test ring_tests[] = {
    { "SYSCALL and SYSRET", system_calls_run, NULL },
    { "RFLAGS of SYSCALL and SYSRET", call_flags_run, NULL },
    { "single steps through SYSCALL and SYSRET", single_steps_run, NULL },
    { "SYSCALL and SYSRET refused", refused_run, NULL },
    { "SYSRET to 32-bit code", sysret_32_run, NULL },
    { "compatibility mode", compatibility_run, NULL },
    { "IRET refused", returns_refused_run, NULL },
    { "returns to a non-canonical address", not_canonical_run, "emu" },
    { NULL, NULL, NULL },
};
