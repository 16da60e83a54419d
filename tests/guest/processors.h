#ifndef TESTS_GUEST_PROCESSORS_H
#define TESTS_GUEST_PROCESSORS_H
/*
 * The other processors of a 64-bit guest (long64.h): how they start, and what they share.
 *
 * After INIT and a start-up IPI for page PROCESSORS_START or the next one, a processor goes from
 * real mode to 64-bit mode and to the label that others_to named, with
 *
 *   %r12  its APIC id        %ebp  CR0 as it began
 *   %rsp  a stack of its own %rsi  CS as it began
 *
 * Counters are 64-bit words: for each thing that is counted a row of four, one for each processor.
 */
#include "guest/apic.h"

#define PROCESSORS_START 0x9000u /* and a copy in the next page */

extern const uint8_t processors_start[], processors_start_end[];

__asm__(".set ICR_LOGICAL, 0x800\n"
        ".set ICR_LOWEST, 0x100\n"
        ".set ICR_INIT, 0x500\n"
        ".set ICR_STARTUP, 0x600\n"
        ".set ICR_ASSERT, 0x4000\n"
        ".set ICR_ALL, 0x80000\n"
        ".set ICR_OTHERS, 0xc0000\n"
        ".set COUNTERS, 0x32000\n"
        ".set READY, 0x33000\n" /* how many have executed `ready` */

        ".macro others_to label\n"
        "  lea \\label(%rip), %rax\n"
        "  mov %rax, 0x30010\n" /* LONG64_ENTRY */
        ".endm\n"
        /* Starts all others at that label, and waits until `count` have executed `ready`. */
        ".macro others_begin label, count\n"
        "  others_to \\label\n"
        "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_INIT\n"
        "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 9\n"
        "  await_word READY, \\count\n"
        ".endm\n"
        ".macro ready\n"
        "  lock incq READY\n"
        ".endm\n"
        /* Waits until a word that others write is at least `value`. */
        ".macro await_word address, value\n"
        "776:\n"
        "  pause\n"
        "  cmpq $\\value, \\address\n"
        "  jb 776b\n"
        ".endm\n"
        ".macro count row\n"
        "  lock incq COUNTERS + 32 * \\row(, %r12, 8)\n"
        ".endm\n"
        ".macro await_count row, id, value\n"
        "  await_word COUNTERS+32*\\row+8*\\id, \\value\n"
        ".endm\n"
        /* A row's four counters as one value: processor 0's is the lowest byte. */
        ".macro note_row row\n"
        "  mov COUNTERS + 32 * \\row + 24, %eax\n"
        "  shl $8, %eax\n"
        "  or COUNTERS + 32 * \\row + 16, %eax\n"
        "  shl $8, %eax\n"
        "  or COUNTERS + 32 * \\row + 8, %eax\n"
        "  shl $8, %eax\n"
        "  or COUNTERS + 32 * \\row, %eax\n"
        "  stosq\n"
        ".endm\n"
        /* A handler that only counts its interrupt. */
        ".macro count_and_end row\n"
        "  count \\row\n"
        "  eoi\n"
        "  iretq\n"
        ".endm\n");

#endif
