/* Code that changes under the processor that runs it, and rings entered through SYSCALL. */
#include "guest/suite.h"

#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"
#include "lib/check.h"

/* Each store goes to the immediate of the very next instruction, a thousand times over; then to a
 * routine in another page, called before and after. Not for KVM: below the bed's, not every store
 * is seen by the next instruction. */
GUEST(self_modifying, "  xor %edx, %edx\n"
                      "  mov $1000, %ecx\n"
                      "1:\n"
                      "  mov %ecx, 2f + 1(%rip)\n"
                      "2:\n"
                      "  mov $0x55555555, %eax\n"
                      "  add %rax, %rdx\n"
                      "  dec %ecx\n"
                      "  jnz 1b\n"
                      "  leave_value %rdx, 0\n"
                      "  xor %edx, %edx\n"
                      "  mov $0x84000, %ebx\n"
                      "  movb $0xb8, (%rbx)\n" /* mov to %eax */
                      "  movb $0xc3, 5(%rbx)\n"
                      "  mov $1000, %ecx\n"
                      "3:\n"
                      "  mov %ecx, 1(%rbx)\n"
                      "  call *%rbx\n"
                      "  add %rax, %rdx\n"
                      "  dec %ecx\n"
                      "  jnz 3b\n"
                      "  leave_value %rdx, 1\n"
                      "  finish\n");

GUEST(system_calls, "  mov $0xc0000081, %ecx\n" /* STAR */
                    "  mov $0x00180008, %edx\n"
                    "  xor %eax, %eax\n"
                    "  wrmsr\n"
                    "  inc %ecx\n" /* LSTAR */
                    "  lea 2f(%rip), %rax\n"
                    "  xor %edx, %edx\n"
                    "  wrmsr\n"
                    "  mov $0xc0000084, %ecx\n" /* FMASK */
                    "  mov $0x400, %eax\n"
                    "  wrmsr\n"
                    "  xor %ebx, %ebx\n"
                    "  user 1f\n"
                    "1:\n"
                    "  std\n"
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
                    "  pop %rdi\n"
                    "  mov %cs, %r8d\n"
                    "  mov %ss, %r9d\n"
                    "  sysretq\n"
                    "3:\n"
                    "  leave_value %rbx, 0\n"
                    "  leave_value %rsi, 1\n"
                    "  leave_value %rdi, 2\n"
                    "  leave_value %r8, 3\n"
                    "  leave_value %r9, 4\n"
                    "  finish\n");

/* The other processor calls a routine that this one changes before each call. Between being told
 * and the call it serializes, as the manual asks (SDM 3A, 8.1.3). */
GUEST(cross_modifying, "  apic_start\n"
                       "  mov $0x84000, %esi\n"
                       "  movl $0xb8, (%rsi)\n" /* mov to %eax */
                       "  movb $0xc3, 5(%rsi)\n"
                       "  xor %r12d, %r12d\n"
                       "  others_begin 3f, 1\n"
                       "  xor %ebx, %ebx\n"
                       "1:\n"
                       "  inc %ebx\n"
                       "  mov %ebx, 1(%rsi)\n"
                       "  mov %rbx, 0x33010\n"
                       "2:\n"
                       "  pause\n"
                       "  cmp %rbx, 0x33018\n"
                       "  jne 2b\n"
                       "  cmp $100, %ebx\n"
                       "  jb 1b\n"
                       "  note 0x33020\n"
                       "  finish\n"
                       "3:\n"
                       "  ready\n"
                       "  xor %ebp, %ebp\n"
                       "  mov $0x84000, %esi\n"
                       "4:\n"
                       "  inc %ebp\n"
                       "5:\n"
                       "  pause\n"
                       "  cmp %rbp, 0x33010\n"
                       "  jne 5b\n"
                       "  xor %eax, %eax\n"
                       "  cpuid\n"
                       "  call *%rsi\n"
                       "  add %rax, 0x33020\n"
                       "  mov %rbp, 0x33018\n"
                       "  jmp 4b\n");

static void self_modifying(void)
{
    LONG64_LOAD(1, self_modifying);
    long64_run();
    CHECK(long64_value(0) == 500500);
    CHECK(long64_value(1) == 500500);
    machine_finish();
}

static void cross_modifying(void)
{
    static const struct long64_left expected[] = { { "sum of what it returned", 5050 } };

    LONG64_LOAD(2, cross_modifying);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void system_calls(void)
{
    static const struct long64_expected expected[] = { { "after SYSRET", 6, 0, 0 } };

    LONG64_LOAD(1, system_calls);
    long64_run();
    LONG64_CHECK(expected);
    CHECK(long64_value(0) == 3);
    CHECK(long64_value(1) & 0x400);
    CHECK((long64_value(2) & 0x400) == 0); /* FMASK */
    CHECK(long64_value(3) == LONG64_KCODE && long64_value(4) == LONG64_KDATA);
    machine_finish();
}

const struct guest_test code_tests[] = {
    { "self-modifying code", self_modifying, "emu" },
    { "cross-modifying code", cross_modifying, NULL },
    { "SYSCALL and SYSRET", system_calls, NULL },
    { NULL, NULL, NULL },
};
