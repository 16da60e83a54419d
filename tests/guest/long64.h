#ifndef TESTS_GUEST_LONG64_H
#define TESTS_GUEST_LONG64_H
/*
 * Guests in 64-bit mode, ring 0, with paging, an IDT and a TSS.
 *
 * A guest is written in assembly, as a GUEST in the file that tests it, and copied to LONG64_CODE.
 * The first MiB is mapped one to one in 4 KiB supervisor pages; ring 3 has the same memory
 * LONG64_USER higher. The gates of all vectors lead to one handler (vectors.c), which records what
 * the processor pushed, and then
 *
 *   for an exception (a vector below 32) goes on at %r15 in ring 0, with the stack %r13;
 *   for an interrupt signals EOI and returns.
 *
 * `try INSTRUCTION` sets %r15 to the address after the instruction; `note VALUE` leaves a value;
 * `finish` is the triple fault with which every guest ends.
 */
#include <stdint.h>

#include "core/x86/regs.h"

#define LONG64_RAM    (8u << 20)
#define LONG64_PT     0x4000u /* maps the first 2 MiB; LONG64_PD maps the rest in 2 MiB pages */
#define LONG64_PD     0x3000u
#define LONG64_GDT    0x6000u
#define LONG64_IDT    0x7000u
#define LONG64_TSS    0x8000u
#define LONG64_CODE   0x20000u
#define LONG64_LOG    0x30000u /* the number of records; they follow from 64 bytes on */
#define LONG64_X2APIC 0x30008u /* not 0: the guest runs its local APIC in x2APIC mode */
#define LONG64_ENTRY  0x30010u /* where other processors go on in 64-bit mode (processors.h) */
#define LONG64_VALUES 0x31000u /* the 64-bit values that a guest leaves */
#define LONG64_STACK  0x48000u
#define LONG64_IST    0x50000u /* the top of the seventh interrupt stack; each is a page */
#define LONG64_USER   0x100000u
#define LONG64_LARGE  0x200000u /* a 2 MiB page */

/* Selectors. */
#define LONG64_KCODE  0x08
#define LONG64_KDATA  0x10
#define LONG64_UDATA  0x23
#define LONG64_UCODE  0x2b
#define LONG64_TR     0x30
#define LONG64_ABSENT 0x40 /* a data segment that is not present */
#define LONG64_SHORT  0x48 /* a TSS whose limit is before its IST */

#define LONG64_PRESENT 0x1u
#define LONG64_WRITE   0x2u
#define LONG64_ANYONE  0x4u
#define LONG64_A       0x20u
#define LONG64_D       0x40u
#define LONG64_2M      0x80u
#define LONG64_NX      (1ull << 63)

/* What the handler records. */
struct long64_record {
    uint64_t vector, error, rip, cs, rflags, rsp, ss, cr2;
};

__asm__(".macro try insn:vararg\n"
        "  lea 771f(%rip), %r15\n"
        "  \\insn\n"
        "771:\n"
        ".endm\n"
        ".macro finish\n"
        "  push $0\n"
        "  push $0\n"
        "  lidt (%rsp)\n"
        "  ud2\n"
        ".endm\n"
        ".macro msr_put msr, high, low\n"
        "  mov $\\msr, %ecx\n"
        "  mov $\\high, %edx\n"
        "  mov $\\low, %eax\n"
        "  wrmsr\n"
        ".endm\n"
        /* Leaves a value at %rdi, which starts at LONG64_VALUES, and advances it. */
        ".macro note value:vararg\n"
        "  mov \\value, %rax\n"
        "  stosq\n"
        ".endm\n"
        /* Points a vector's gate to a label of the guest. */
        ".macro handle vector, label\n"
        "  lea \\label(%rip), %eax\n"
        "  mov %ax, 0x7000 + 16 * \\vector\n"
        "  shr $16, %eax\n"
        "  mov %ax, 0x7006 + 16 * \\vector\n"
        ".endm\n"
        /* Goes on at a label in ring 3, LONG64_USER higher, on a stack there. */
        ".macro user label\n"
        "  push $0x23\n"
        "  push $0x148000\n"
        "  push $2\n"
        "  push $0x2b\n"
        "  lea \\label + 0x100000(%rip), %rax\n"
        "  push %rax\n"
        "  iretq\n"
        ".endm\n"
        ".macro try_user insn:vararg\n"
        "  lea 771f(%rip), %r15\n"
        "  user 772f\n"
        "772:\n"
        "  \\insn\n"
        "771:\n"
        ".endm\n");

#define GUEST(name, text)                                      \
    extern const uint8_t guest_##name[], guest_##name##_end[]; \
    __asm__(".pushsection .rodata\n"                           \
            ".globl guest_" #name ", guest_" #name "_end\n"    \
            "guest_" #name ":\n" text "guest_" #name "_end:\n" \
            ".popsection\n")

/* Makes a machine with all of the above in its memory, the guest's code in its place, and processor
 * 0's registers set. machine_finish ends it. */
#define LONG64_LOAD(vcpus, name) \
    long64_load(vcpus, guest_##name, (uint64_t)(guest_##name##_end - guest_##name))
void long64_load(unsigned vcpus, const uint8_t *code, uint64_t len);

/* Sets and returns the page-table entry of an address in the first 2 MiB. */
void long64_page(uint32_t address, uint64_t entry);
uint64_t long64_entry(uint32_t address);

/* Sets and returns the entry of the 2 MiB page, or page table, that holds an address. */
void long64_large(uint32_t address, uint64_t entry);
uint64_t long64_large_entry(uint32_t address);

/* Clears and then sets bits of a gate's first eight bytes; gives a vector an interrupt stack. */
void long64_gate(unsigned vector, uint64_t clear, uint64_t set);
void long64_ist(unsigned vector, unsigned ist);

/* Runs processor 0 until it ends itself, and the others beside it until then. */
void long64_run(void);

/* A value that a guest must leave, and the words under which it is reported. */
struct long64_left {
    const char *what;
    uint64_t value;
};

/* Reports the values and CHECKs that they are these, no more and no fewer. */
void long64_check_left(const struct long64_left *expected, unsigned count);
#define LONG64_LEFT(expected) long64_check_left(expected, sizeof(expected) / sizeof((expected)[0]))

/* A record that the handler must leave, and the words under which it is reported. */
struct long64_expected {
    const char *what;
    uint64_t vector, error, cr2;
};

/* Reports the records and CHECKs that they are these, in order, no more and no fewer. */
void long64_check(const struct long64_expected *expected, unsigned count);
#define LONG64_CHECK(expected) long64_check(expected, sizeof(expected) / sizeof((expected)[0]))

#endif
