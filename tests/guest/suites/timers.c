/*
 * The local APIC's timer in its three modes (SDM 3A, 11.5.4).
 *
 * No guest reports how long anything takes. It waits for an interrupt that must come; it knows that
 * an interrupt does not come by another one that it started later and that did.
 */
#include <stddef.h>

#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/suite.h"

__asm__(".set TIMER_MASKED, 0x10000\n"
        ".set TIMER_PERIODIC, 0x20000\n"
        ".set TIMER_DEADLINE, 0x40000\n"
        ".set DIVIDE_BY_1, 0xb\n"
        /* The time-stamp counter in %rax; changes %rdx. */
        ".macro tsc\n"
        "  rdtsc\n"
        "  shl $32, %rdx\n"
        "  or %rdx, %rax\n"
        ".endm\n"
        /* deadline_write stores %rax in IA32_TSC_DEADLINE, deadline_read loads it. */
        ".macro deadline_write\n"
        "  mov %rax, %rdx\n"
        "  shr $32, %rdx\n"
        "  mov $0x6e0, %ecx\n"
        "  wrmsr\n"
        ".endm\n"
        ".macro deadline_read\n"
        "  mov $0x6e0, %ecx\n"
        "  rdmsr\n"
        "  shl $32, %rdx\n"
        "  or %rdx, %rax\n"
        ".endm\n");

/* %ebx counts interrupts at vector 0x51, %ebp those at 0x52. */
#define BEGIN              \
    "  apic_start\n"       \
    "  handle 0x51, 10f\n" \
    "  handle 0x52, 11f\n" \
    "  xor %ebx, %ebx\n"   \
    "  xor %ebp, %ebp\n"   \
    "  apic_put APIC_DIVIDE, DIVIDE_BY_1\n"

#define END        \
    "  finish\n"   \
    "10:\n"        \
    "  inc %ebx\n" \
    "  eoi\n"      \
    "  iretq\n"    \
    "11:\n"        \
    "  inc %ebp\n" \
    "  eoi\n"      \
    "  iretq\n"

GUEST(one_shot, BEGIN "  apic_put APIC_LVT_TIMER, 0x51\n"
                      "  apic_put APIC_INITIAL, 200000\n"
                      "  await %ebx, 1\n"
                      "  note_apic APIC_CURRENT\n"
                      "  note_apic APIC_INITIAL\n"
                      "  apic_put APIC_INITIAL, 0x7fffffff\n" /* stopped at once */
                      "  apic_put APIC_INITIAL, 0\n"
                      "  note_apic APIC_CURRENT\n"
                      "  apic_put APIC_LVT_TIMER, 0x52\n"
                      "  apic_put APIC_INITIAL, 200000\n"
                      "  await %ebp, 1\n"
                      "  note %rbx\n" END);

/* A period is long enough for a slow host to get something else done within it. */
GUEST(periodic, BEGIN "  apic_put APIC_LVT_TIMER, TIMER_PERIODIC | 0x51\n"
                      "  apic_put APIC_INITIAL, 5000000\n"
                      "  await %ebx, 3\n"
                      "  note_apic APIC_INITIAL\n"
                      "1:\n"
                      "  apic_read APIC_CURRENT\n" /* 0 between one period and the next */
                      "  test %eax, %eax\n"
                      "  jz 1b\n"
                      "  xor %esi, %esi\n"
                      "  cmp $5000000, %eax\n"
                      "  setbe %sil\n"
                      "  note %rsi\n"
                      "  apic_put APIC_INITIAL, 0\n"
                      "  open\n" /* takes the last one, if it was on its way */
                      "  note_apic APIC_CURRENT\n"
                      "  mov %ebx, %esi\n"
                      "  apic_put APIC_LVT_TIMER, 0x52\n"
                      "  apic_put APIC_INITIAL, 10000000\n"
                      "  await %ebp, 1\n"
                      "  sub %esi, %ebx\n"
                      "  note %rbx\n" END);

GUEST(deadline, BEGIN "  apic_put APIC_LVT_TIMER, TIMER_DEADLINE | 0x51\n"
                      "  tsc\n"
                      "  mov $0x10000000000, %rsi\n" /* minutes away */
                      "  add %rsi, %rax\n"
                      "  mov %rax, %rsi\n"
                      "  deadline_write\n"
                      "  deadline_read\n"
                      "  sub %rsi, %rax\n" /* while armed it reads as written */
                      "  stosq\n"
                      "  note_apic APIC_CURRENT\n"
                      "  apic_put APIC_INITIAL, 1000\n" /* ignored */
                      "  note_apic APIC_INITIAL\n"
                      "  xor %eax, %eax\n"
                      "  deadline_write\n"
                      "  deadline_read\n"
                      "  stosq\n"
                      "  tsc\n"
                      "  add $200000, %rax\n"
                      "  deadline_write\n"
                      "  await %ebx, 1\n"
                      "  deadline_read\n"
                      "  stosq\n"
                      "  mov $1, %eax\n" /* long past */
                      "  deadline_write\n"
                      "  await %ebx, 2\n"
                      "  deadline_read\n"
                      "  stosq\n"
                      "  mov %rsi, %rax\n"
                      "  deadline_write\n"
                      "  apic_put APIC_LVT_TIMER, 0x52\n" /* leaving the mode disarms it */
                      "  deadline_read\n"
                      "  stosq\n"
                      "  mov $1, %eax\n"
                      "  deadline_write\n" /* ignored in this mode */
                      "  deadline_read\n"
                      "  stosq\n"
                      "  apic_put APIC_INITIAL, 200000\n"
                      "  await %ebp, 1\n"
                      "  note %rbx\n" END);

/* A masked timer counts all the same, and a count that ends while it is masked interrupts nobody.
 * The guest begins a long count before it clears the mask: KVM's current count may read 0 a moment
 * before the timer expires. */
GUEST(masked_timer, BEGIN "  apic_put APIC_LVT_TIMER, TIMER_MASKED | 0x51\n"
                          "  apic_put APIC_INITIAL, 200000\n"
                          "1:\n"
                          "  pause\n"
                          "  apic_read APIC_CURRENT\n"
                          "  test %eax, %eax\n"
                          "  jnz 1b\n"
                          "  open\n"
                          "  note %rbx\n"
                          "  apic_put APIC_INITIAL, 0x7fffffff\n"
                          "  apic_put APIC_LVT_TIMER, 0x51\n"
                          "  apic_put APIC_INITIAL, 200000\n"
                          "  await %ebx, 1\n"
                          "  apic_put APIC_LVT_TIMER, 0x52\n"
                          "  apic_put APIC_INITIAL, 200000\n"
                          "  await %ebp, 1\n"
                          "  note %rbx\n"
                          "  apic_put APIC_LVT_TIMER, TIMER_MASKED | TIMER_DEADLINE | 0x51\n"
                          "  mov $1, %eax\n"
                          "  deadline_write\n"
                          "  open\n"
                          "  note %rbx\n" END);

/* In a thousand reads the current count never rises, and the last is below the first. */
GUEST(counting, BEGIN "  apic_put APIC_LVT_TIMER, TIMER_MASKED | 0x51\n"
                      "  mov $-1, %eax\n"
                      "  apic_write APIC_INITIAL\n"
                      "  apic_read APIC_CURRENT\n"
                      "  mov %eax, %esi\n"
                      "  mov %eax, %r8d\n"
                      "  mov $1000, %r9d\n"
                      "1:\n"
                      "  apic_read APIC_CURRENT\n"
                      "  cmp %esi, %eax\n"
                      "  seta %cl\n"
                      "  movzbl %cl, %ecx\n"
                      "  add %ecx, %ebx\n"
                      "  mov %eax, %esi\n"
                      "  dec %r9d\n"
                      "  jnz 1b\n"
                      "  note %rbx\n"
                      "  cmp %r8d, %esi\n"
                      "  setb %bpl\n"
                      "  note %rbp\n" END);

/*
 * For all eight divisors, counts times divisor for each tick of the time-stamp counter are the same
 * to an eighth. Now and then the host does something else between two reads: then the guest begins
 * again, 199 times at most.
 */
GUEST(divided, BEGIN "  lea 4f(%rip), %rsi\n"
                     "  xor %r9d, %r9d\n"
                     "1:\n"
                     "  movzbl (%rsi, %r9), %eax\n" /* every value the register may have */
                     "  apic_write APIC_DIVIDE\n"
                     "  note_apic APIC_DIVIDE\n"
                     "  inc %r9d\n"
                     "  cmp $8, %r9d\n"
                     "  jb 1b\n"
                     "  mov $200, %r14d\n"
                     "2:\n"
                     "  dec %r14d\n"
                     "  jz 3f\n"
                     "  xor %r9d, %r9d\n"
                     "  call 5f\n"
                     "  mov %rax, %r12\n" /* not divided */
                     "20:\n"
                     "  inc %r9d\n"
                     "  cmp $8, %r9d\n"
                     "  je 3f\n"
                     "  call 5f\n"
                     "  sub %r12, %rax\n"
                     "  mov %rax, %rcx\n"
                     "  neg %rcx\n"
                     "  cmovns %rcx, %rax\n"
                     "  shl $3, %rax\n"
                     "  cmp %r12, %rax\n"
                     "  jbe 20b\n"
                     "  jmp 2b\n"
                     "3:\n"
                     "  note %r9\n"
                     "  finish\n"
                     "4:\n"
                     "  .byte 0xb, 0, 1, 2, 3, 8, 9, 0xa\n"
                     "5:\n" /* measures the divisor 1 << %r9; the result is in %rax */
                     "  movzbl (%rsi, %r9), %eax\n"
                     "  apic_write APIC_DIVIDE\n"
                     "  mov $-1, %eax\n"
                     "  apic_write APIC_INITIAL\n"
                     "  tsc\n"
                     "  mov %rax, %r10\n"
                     "  apic_read APIC_CURRENT\n"
                     "  mov %eax, %r11d\n"
                     "6:\n"
                     "  pause\n"
                     "  tsc\n"
                     "  sub %r10, %rax\n"
                     "  cmp $2000000, %rax\n"
                     "  jb 6b\n"
                     "  apic_read APIC_CURRENT\n"
                     "  sub %eax, %r11d\n"
                     "  tsc\n"
                     "  sub %r10, %rax\n"
                     "  mov %rax, %rbx\n"
                     "  mov %r11d, %eax\n"
                     "  lea 10(%r9), %ecx\n"
                     "  shl %cl, %rax\n"
                     "  xor %edx, %edx\n"
                     "  div %rbx\n"
                     "  ret\n"
                     "10:\n"
                     "11:\n");

static void one_shot_run(void)
{
    static const struct long64_left expected[] = {
        { "current count when it came", 0 },
        { "initial count", 200000 },
        { "current count when stopped", 0 },
        { "interrupts of the first when the last came", 1 },
    };

    APIC_IN_BOTH_MODES(one_shot, expected);
}

static void periodic_run(void)
{
    static const struct long64_left expected[] = {
        { "initial count", 5000000 },
        { "current count within it", 1 },
        { "current count when stopped", 0 },
        { "interrupts after that", 0 },
    };

    APIC_IN_BOTH_MODES(periodic, expected);
}

static void deadline_run(void)
{
    static const struct long64_left expected[] = {
        { "armed, less what was written", 0 },
        { "current count", 0 },
        { "initial count, written in this mode", 0 },
        { "disarmed", 0 },
        { "when it came", 0 },
        { "when one in the past came", 0 },
        { "in one-shot mode", 0 },
        { "written in one-shot mode", 0 },
        { "interrupts", 2 },
    };

    APIC_IN_BOTH_MODES(deadline, expected);
}

static void masked_run(void)
{
    static const struct long64_left expected[] = {
        { "interrupts while masked", 0 },
        { "interrupts when unmasked", 1 },
        { "interrupts after a masked deadline", 1 },
    };

    APIC_IN_BOTH_MODES(masked_timer, expected);
}

static void counting_run(void)
{
    static const struct long64_left expected[] = {
        { "rises", 0 },
        { "falls", 1 },
    };

    APIC_IN_BOTH_MODES(counting, expected);
}

static void divided_run(void)
{
    static const struct long64_left expected[] = {
        { "by 1", 0xb }, { "by 2", 0 },     { "by 4", 1 },
        { "by 8", 2 },   { "by 16", 3 },    { "by 32", 8 },
        { "by 64", 9 },  { "by 128", 0xa }, { "divisors that agree", 8 },
    };

    APIC_IN_BOTH_MODES(divided, expected);
}

const struct guest_test timer_tests[] = {
    { "timer, one-shot", one_shot_run, NULL },
    { "timer, periodic", periodic_run, NULL },
    { "timer, TSC-deadline", deadline_run, NULL },
    { "timer, masked", masked_run, NULL },
    { "timer, counting", counting_run, NULL },
    { "timer, divided", divided_run, NULL },
    { NULL, NULL, NULL },
};
