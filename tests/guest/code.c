/* Code that changes under the processor that runs it, by its own hand or another's. */
#include "guest/suite.h"

#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"

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
                      "  note %rdx\n"
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
                      "  note %rdx\n"
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
    static const struct long64_left expected[] = {
        { "sum of the next instruction's", 500500 },
        { "sum of a routine's", 500500 },
    };

    LONG64_LOAD(1, self_modifying);
    long64_run();
    LONG64_LEFT(expected);
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

const struct guest_test code_tests[] = {
    { "self-modifying code", self_modifying, "emu" },
    { "cross-modifying code", cross_modifying, NULL },
    { NULL, NULL, NULL },
};
