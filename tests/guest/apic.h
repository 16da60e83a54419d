#ifndef TESTS_GUEST_APIC_H
#define TESTS_GUEST_APIC_H
/*
 * Assembler macros with which 64-bit guests (long64.h) use their local APIC.
 *
 * The macros access the APIC through its window in xAPIC mode and through MSRs in x2APIC mode, so
 * that a guest can be written once; APIC_IN_BOTH_MODES runs it in each mode. Every macro may change
 * %rax, %rcx and %rdx, and no other register.
 */
#include <stdint.h>

#include "guest/long64.h"

__asm__(".set APIC_ID, 0x20\n"
        ".set APIC_VERSION, 0x30\n"
        ".set APIC_TPR, 0x80\n"
        ".set APIC_PPR, 0xa0\n"
        ".set APIC_EOI, 0xb0\n"
        ".set APIC_LDR, 0xd0\n"
        ".set APIC_DFR, 0xe0\n"
        ".set APIC_SVR, 0xf0\n"
        ".set APIC_ISR, 0x100\n"
        ".set APIC_TMR, 0x180\n"
        ".set APIC_IRR, 0x200\n"
        ".set APIC_ESR, 0x280\n"
        ".set APIC_ICR, 0x300\n"
        ".set APIC_ICR_HIGH, 0x310\n"
        ".set APIC_LVT_TIMER, 0x320\n"
        ".set APIC_LVT_LINT1, 0x360\n"
        ".set APIC_LVT_ERROR, 0x370\n"
        ".set APIC_INITIAL, 0x380\n"
        ".set APIC_CURRENT, 0x390\n"
        ".set APIC_DIVIDE, 0x3e0\n"
        ".set ICR_NMI, 0x400\n"
        ".set ICR_SELF, 0x40000\n"

        /* apic_write stores %eax in a register, apic_read loads it. 0x30008 is LONG64_X2APIC. */
        ".macro apic_write register\n"
        "  testb $1, 0x30008\n"
        "  jnz 773f\n"
        "  movabs %eax, 0xfee00000 + \\register\n"
        "  jmp 774f\n"
        "773:\n"
        "  xor %edx, %edx\n"
        "  mov $0x800 + (\\register) / 16, %ecx\n"
        "  wrmsr\n"
        "774:\n"
        ".endm\n"
        ".macro apic_read register\n"
        "  testb $1, 0x30008\n"
        "  jnz 773f\n"
        "  movabs 0xfee00000 + \\register, %eax\n"
        "  jmp 774f\n"
        "773:\n"
        "  mov $0x800 + (\\register) / 16, %ecx\n"
        "  rdmsr\n"
        "774:\n"
        ".endm\n"
        ".macro apic_put register, value\n"
        "  mov $\\value, %eax\n"
        "  apic_write \\register\n"
        ".endm\n"
        ".macro note_apic register\n"
        "  apic_read \\register\n"
        "  mov %eax, %eax\n"
        "  stosq\n"
        ".endm\n"
        ".macro eoi\n"
        "  apic_put APIC_EOI, 0\n"
        ".endm\n"

        /* apic_enter switches to the mode under test; apic_start also enables the APIC in SVR. */
        ".macro apic_enter\n"
        "  testb $1, 0x30008\n"
        "  jz 775f\n"
        "  mov $0x1b, %ecx\n"
        "  rdmsr\n"
        "  or $0x400, %eax\n"
        "  wrmsr\n"
        "775:\n"
        ".endm\n"
        ".macro apic_start\n"
        "  apic_enter\n"
        "  apic_put APIC_SVR, 0x1ff\n"
        ".endm\n"

        /* Writes an interrupt command; `to` is its destination unless it has a shorthand. */
        ".macro apic_send command, to=0\n"
        "  mov $\\command, %eax\n"
        "  testb $1, 0x30008\n"
        "  jnz 773f\n"
        "  mov $(\\to & 0xff) << 24, %eax\n"
        "  movabs %eax, 0xfee00310\n"
        "  mov $\\command, %eax\n"
        "  movabs %eax, 0xfee00300\n"
        "  jmp 774f\n"
        "773:\n"
        "  mov $\\to, %edx\n"
        "  mov $0x830, %ecx\n"
        "  wrmsr\n"
        "774:\n"
        ".endm\n"
        ".macro apic_self vector\n"
        "  apic_send ICR_SELF | \\vector\n"
        ".endm\n"

        /* Enables interrupts briefly: the processor takes those that are pending and have priority
         * enough. */
        ".macro open\n"
        "  sti\n"
        "  nop\n"
        "  nop\n"
        "  cli\n"
        ".endm\n"

        /* Waits, with interrupts enabled, until their handlers have brought a register to at least
         * `value`. HLT would not do: the bed's interpreter may take an interrupt between STI and
         * HLT, and then nothing ends the HLT. */
        ".macro await register, value\n"
        "776:\n"
        "  cmp $\\value, \\register\n"
        "  jae 777f\n"
        "  sti\n"
        "  pause\n"
        "  cli\n"
        "  jmp 776b\n"
        "777:\n"
        ".endm\n");

/* A guest to run in xAPIC mode and again in x2APIC mode, and the values it must leave in each. */
struct apic_guest {
    const uint8_t *code, *end;
    unsigned vcpus;       /* 0 means 1 */
    void (*init)(void);   /* called before it runs, or NULL */
    void (*finish)(void); /* called before its machine is destroyed, or NULL */
    const struct long64_left *expected;
    unsigned count;
};

void apic_in_both_modes(const struct apic_guest *g);

/* Runs the GUEST of this name, which must leave the values `left` (a struct long64_left array).
 * Further members of struct apic_guest may follow. */
#define APIC_IN_BOTH_MODES(name, left, ...)                                                   \
    apic_in_both_modes(&(const struct apic_guest){ .code = guest_##name,                      \
                                                   .end = guest_##name##_end,                 \
                                                   .expected = (left),                        \
                                                   .count = sizeof(left) / sizeof((left)[0]), \
                                                   __VA_ARGS__ })

#endif
