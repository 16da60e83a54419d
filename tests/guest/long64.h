#ifndef TESTS_GUEST_LONG64_H
#define TESTS_GUEST_LONG64_H
/*
 * Guests in 64-bit mode, ring 0, with paging, an IDT and a TSS.
 *
 * A guest is written as assembly, a GUEST in the file that tests it, and copied to LONG64_CODE. The
 * first MiB is mapped to itself in 4 KiB pages of the supervisor's; the same memory is the user's
 * at LONG64_USER above. Every vector has a gate to one handler, which writes down what the
 * processor told it:
 *
 *   an exception (below 32) goes on at %r15 in ring 0, with the stack %r13;
 *   an interrupt is acknowledged and returned from.
 *
 * `try INSTRUCTION` sets %r15 to what follows it; `note VALUE` leaves one; `finish` is the triple
 * fault each guest ends with.
 */
#include <stdint.h>

#include "core/x86/regs.h"

#define LONG64_RAM    (8u << 20)
#define LONG64_PT     0x4000u /* of the first 2 MiB; LONG64_PD has the next in 2 MiB pages */
#define LONG64_PD     0x3000u
#define LONG64_GDT    0x6000u
#define LONG64_IDT    0x7000u
#define LONG64_TSS    0x8000u
#define LONG64_CODE   0x20000u
#define LONG64_LOG    0x30000u /* how many records, then from the next 64 bytes on, they */
#define LONG64_X2APIC 0x30008u /* not 0: the local APIC is in x2APIC mode */
#define LONG64_ENTRY  0x30010u /* where other processors go once they are here (processors.h) */
#define LONG64_VALUES 0x31000u /* 64-bit words a guest leaves */
#define LONG64_STACK  0x48000u
#define LONG64_IST    0x50000u /* the seventh's top; each has a page */
#define LONG64_PAGES  0x80000u /* for tests that change the mapping */
#define LONG64_USER   0x100000u
#define LONG64_LARGE  0x200000u /* a 2 MiB page */

/* Selectors. */
#define LONG64_KCODE  0x08
#define LONG64_KDATA  0x10
#define LONG64_UDATA  0x23
#define LONG64_UCODE  0x2b
#define LONG64_TR     0x30
#define LONG64_ABSENT 0x40 /* a data segment that is not present */
#define LONG64_SHORT  0x48 /* a TSS that ends before its IST */

#define LONG64_PRESENT 0x1u
#define LONG64_WRITE   0x2u
#define LONG64_ANYONE  0x4u
#define LONG64_A       0x20u
#define LONG64_D       0x40u
#define LONG64_2M      0x80u
#define LONG64_NX      (1ull << 63)

/* What the handler saw. */
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
        /* Leaves the next value; %rdi, which starts at LONG64_VALUES, says where. */
        ".macro note value:vararg\n"
        "  mov \\value, %rax\n"
        "  stosq\n"
        ".endm\n"
        /* Sends a vector to that label of the guest's. */
        ".macro handle vector, label\n"
        "  lea \\label(%rip), %eax\n"
        "  mov %ax, 0x7000 + 16 * \\vector\n"
        "  shr $16, %eax\n"
        "  mov %ax, 0x7006 + 16 * \\vector\n"
        ".endm\n"
        /* To that label in ring 3, which sees the code and a stack of its own above. */
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

/* Everything above in a fresh machine's memory, the guest at its place and its registers set. */
#define LONG64_LOAD(vcpus, name) \
    long64_load(vcpus, guest_##name, (uint64_t)(guest_##name##_end - guest_##name))
void long64_load(unsigned vcpus, const uint8_t *code, uint64_t len);

/* Changes before the guest runs: a page's entry, an interrupt's stack, a register. */
void long64_page(uint32_t address, uint64_t entry);
uint64_t long64_entry(uint32_t address);
void long64_large(uint32_t address, uint64_t entry);
uint64_t long64_large_entry(uint32_t address);
void long64_gate(unsigned vector, uint64_t clear, uint64_t set);
void long64_ist(unsigned vector, unsigned ist);

/* Runs processor 0 until it ends itself, the others beside it until then. */
void long64_run(void);

/* The values a guest is to leave, no more and no fewer, and what is reported of each. */
struct long64_left {
    const char *what;
    uint64_t value;
};

/* CHECKs that these are the values, and reports them. */
void long64_check_left(const struct long64_left *expected, unsigned count);
#define LONG64_LEFT(expected) long64_check_left(expected, sizeof(expected) / sizeof((expected)[0]))

/* The records it is to leave, in order, and what is reported of each. */
struct long64_expected {
    const char *what;
    uint64_t vector, error, cr2;
};

/* CHECKs that these are the records, and reports all the handler saw. */
void long64_check(const struct long64_expected *expected, unsigned count);
#define LONG64_CHECK(expected) long64_check(expected, sizeof(expected) / sizeof((expected)[0]))

#endif
