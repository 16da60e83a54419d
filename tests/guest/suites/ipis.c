/* Interprocessor interrupts: INIT and start-up, and which processors each destination reaches
 * (SDM 3A, 9.4 and 11.6). */
#include <stddef.h>

#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"
#include "guest/suite.h"

/* Processor 1 is started three times: from reset, out of a loop, and out of a HLT with interrupts
 * disabled. Each time it leaves the CS and CR0 that it began with in the first two counters. */
GUEST(start_up, "  apic_start\n"
                "  handle 2, 11f\n"
                "  handle 0x41, 12f\n"
                "  xor %r12d, %r12d\n"
                "  others_begin 2f, 1\n"
                "  note COUNTERS\n" /* CS and CR0 it began with */
                "  note COUNTERS + 8\n"
                /* A start-up while it runs, and a level de-assert of INIT, change nothing. */
                "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 10\n"
                "  apic_send 0x8000 | ICR_INIT, 1\n"
                "  apic_send ICR_ASSERT | 0x41, 1\n"
                "  await_count 2, 1, 1\n"
                "  note READY\n"
                "  others_to 3f\n"
                "  apic_send ICR_ASSERT | ICR_INIT, 1\n"
                "  apic_send ICR_ASSERT | ICR_STARTUP | 10, 1\n"
                "  await_word READY, 2\n"
                "  note COUNTERS\n"
                "  note COUNTERS + 8\n"
                "  others_to 4f\n"
                "  apic_send ICR_ASSERT | ICR_INIT, 1\n"
                "  apic_send ICR_ASSERT | ICR_STARTUP | 9, 1\n"
                "  await_word READY, 3\n"
                "  note COUNTERS\n"
                "  xor %ebx, %ebx\n"
                "5:\n" /* an NMI does end such a HLT; the first may come before it */
                "  inc %ebx\n"
                "  apic_send ICR_ASSERT | ICR_NMI, 1\n"
                "6:\n"
                "  pause\n"
                "  cmp %rbx, COUNTERS + 32 * 3 + 8\n"
                "  jb 6b\n"
                "  cmpq $0, COUNTERS + 32 * 4 + 8\n"
                "  je 5b\n"
                "  note_row 4\n"
                "  note READY\n"
                "  finish\n"
                "1:\n" /* leaves CS and CR0 */
                "  mov %rsi, COUNTERS\n"
                "  mov %rbp, COUNTERS + 8\n"
                "  ready\n"
                "  ret\n"
                "2:\n" /* the first time: takes interrupts in a loop */
                "  apic_start\n"
                "  call 1b\n"
                "  sti\n"
                "  jmp .\n"
                "3:\n" /* the second: halts */
                "  call 1b\n"
                "  cli\n"
                "  hlt\n"
                "  ud2\n"
                "4:\n" /* the third: likewise, until the NMI */
                "  call 1b\n"
                "  hlt\n"
                "  count 4\n"
                "7:\n"
                "  hlt\n"
                "  jmp 7b\n"
                "11:\n"
                "  count 3\n"
                "  iretq\n"
                "12:\n"
                "  count_and_end 2\n");

/* Counters: rows 0 to 8 for vectors 0x40 to 0x48, row 9 for NMIs, row 10 for vector 0x31, which is
 * sent last and, with the lowest priority, taken last. */
GUEST(destinations, "  apic_start\n"
                    "  handle 0x40, 40f\n"
                    "  handle 0x41, 41f\n"
                    "  handle 0x42, 42f\n"
                    "  handle 0x43, 43f\n"
                    "  handle 0x44, 44f\n"
                    "  handle 0x45, 45f\n"
                    "  handle 0x46, 46f\n"
                    "  handle 0x47, 47f\n"
                    "  handle 0x48, 48f\n"
                    "  handle 2, 49f\n"
                    "  handle 0x31, 31f\n"
                    "  xor %r12d, %r12d\n"
                    "  call 2f\n"
                    "  others_begin 1f, 4\n"
                    "  apic_send ICR_ASSERT | 0x40, 2\n"
                    "  apic_send ICR_OTHERS | ICR_ASSERT | 0x41\n"
                    "  apic_send ICR_ALL | ICR_ASSERT | 0x42\n"
                    "  apic_send ICR_ASSERT | 0x43, -1\n"
                    "  apic_send ICR_LOGICAL | ICR_ASSERT | 0x44, 0xa\n"
                    "  apic_send ICR_LOGICAL | ICR_ASSERT | 0x45, 0x10\n"
                    "  apic_send ICR_ASSERT | 0x46, 9\n"
                    "  apic_send ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT | 0x47, 0xe\n"
                    "  apic_send ICR_SELF | ICR_ASSERT | 0x48\n"
                    "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_NMI\n"
                    "  apic_send ICR_ALL | ICR_ASSERT | 0x31\n"
                    "  open\n"
                    "  await_count 10, 0, 1\n"
                    "  await_count 10, 1, 1\n"
                    "  await_count 10, 2, 1\n"
                    "  await_count 10, 3, 1\n"
                    "  await_count 9, 1, 1\n"
                    "  await_count 9, 2, 1\n"
                    "  await_count 9, 3, 1\n"
                    "  note_row 0\n"
                    "  note_row 1\n"
                    "  note_row 2\n"
                    "  note_row 3\n"
                    "  note_row 4\n"
                    "  note_row 5\n"
                    "  note_row 6\n"
                    /* One of the processors, whichever it was. */
                    "  mov COUNTERS + 32 * 7, %rax\n"
                    "  add COUNTERS + 32 * 7 + 8, %rax\n"
                    "  add COUNTERS + 32 * 7 + 16, %rax\n"
                    "  add COUNTERS + 32 * 7 + 24, %rax\n"
                    "  stosq\n"
                    "  note_row 8\n"
                    "  note_row 9\n"
                    "  finish\n"
                    "1:\n"
                    "  apic_start\n"
                    "  call 2f\n"
                    "3:\n"
                    "  sti\n"
                    "  hlt\n"
                    "  jmp 3b\n"
                    "2:\n" /* sets a logical id of its own; in x2APIC mode it is fixed */
                    "  testb $1, 0x30008\n"
                    "  jnz 4f\n"
                    "  mov %r12d, %ecx\n"
                    "  mov $0x1000000, %eax\n"
                    "  shl %cl, %eax\n"
                    "  apic_write APIC_LDR\n"
                    "4:\n"
                    "  ready\n"
                    "  ret\n"
                    "40:\n"
                    "  count_and_end 0\n"
                    "41:\n"
                    "  count_and_end 1\n"
                    "42:\n"
                    "  count_and_end 2\n"
                    "43:\n"
                    "  count_and_end 3\n"
                    "44:\n"
                    "  count_and_end 4\n"
                    "45:\n"
                    "  count_and_end 5\n"
                    "46:\n"
                    "  count_and_end 6\n"
                    "47:\n"
                    "  count_and_end 7\n"
                    "48:\n"
                    "  count_and_end 8\n"
                    "49:\n"
                    "  count 9\n"
                    "  iretq\n"
                    "31:\n"
                    "  count_and_end 10\n");

/* Logical ids in the cluster model: two clusters of two processors, addressed together and one by
 * one. Not in x2APIC mode, where the ids are fixed and the first sixteen are one cluster. */
GUEST(clusters, "  apic_start\n"
                "  handle 0x40, 40f\n"
                "  handle 0x41, 41f\n"
                "  handle 0x42, 42f\n"
                "  handle 0x31, 31f\n"
                "  xor %r12d, %r12d\n"
                "  call 2f\n"
                "  others_begin 1f, 4\n"
                "  apic_send ICR_LOGICAL | ICR_ASSERT | 0x40, 0x13\n"
                "  apic_send ICR_LOGICAL | ICR_ASSERT | 0x41, 0x02\n"
                "  apic_send ICR_LOGICAL | ICR_ASSERT | 0x42, 0x2f\n"
                "  apic_send ICR_ALL | ICR_ASSERT | 0x31\n"
                "  open\n"
                "  await_count 3, 0, 1\n"
                "  await_count 3, 1, 1\n"
                "  await_count 3, 2, 1\n"
                "  await_count 3, 3, 1\n"
                "  note_row 0\n"
                "  note_row 1\n"
                "  note_row 2\n"
                "  finish\n"
                "1:\n"
                "  apic_start\n"
                "  call 2f\n"
                "3:\n"
                "  sti\n"
                "  hlt\n"
                "  jmp 3b\n"
                "2:\n"
                "  apic_put APIC_DFR, 0x0fffffff\n"
                "  mov %r12d, %ecx\n" /* bits 7 to 4: id / 2, below it: 1 << id % 2 */
                "  and $1, %ecx\n"
                "  mov $0x1000000, %eax\n"
                "  shl %cl, %eax\n"
                "  mov %r12d, %ecx\n"
                "  shr $1, %ecx\n"
                "  shl $28, %ecx\n"
                "  or %ecx, %eax\n"
                "  apic_write APIC_LDR\n"
                "  ready\n"
                "  ret\n"
                "40:\n"
                "  count_and_end 0\n"
                "41:\n"
                "  count_and_end 1\n"
                "42:\n"
                "  count_and_end 2\n"
                "31:\n"
                "  count_and_end 3\n");

static void start_up_run(void)
{
    static const struct long64_left expected[] = {
        { "CS", 0x900 },
        { "CR0", 0x60000010 },
        { "starts, after a start-up sent while it ran", 1 },
        { "CS out of a loop", 0xa00 },
        { "CR0 out of a loop", 0x10 },
        { "CS out of a halt", 0x900 },
        { "halts that an NMI ended", 0x100 },
        { "starts", 3 },
    };

    APIC_IN_BOTH_MODES(start_up, expected, .vcpus = 2);
}

static void destinations_run(void)
{
    static const struct long64_left expected[] = {
        { "to 2", 0x00010000 },
        { "to all but self", 0x01010100 },
        { "to all", 0x01010101 },
        { "to the broadcast id", 0x01010101 },
        { "to a logical mask", 0x01000100 },
        { "to a logical id that nobody has", 0 },
        { "to an id that nobody has", 0 },
        { "to the lowest priority of three, in all", 1 },
        { "to self", 1 },
        { "NMI to all but self", 0x01010100 },
    };

    APIC_IN_BOTH_MODES(destinations, expected, .vcpus = 4);
}

static void clusters_run(void)
{
    static const struct long64_left expected[] = {
        { "to both processors of a cluster", 0x01010000 },
        { "to one of a cluster", 0x00000100 },
        { "to a cluster that nobody is in", 0 },
    };

    LONG64_LOAD(4, clusters);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

const struct guest_test ipi_tests[] = {
    { "INIT and start-up", start_up_run, NULL },
    { "destinations of interrupts", destinations_run, NULL },
    { "logical clusters", clusters_run, NULL },
    { NULL, NULL, NULL },
};
