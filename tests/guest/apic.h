#ifndef TESTS_GUEST_APIC_H
#define TESTS_GUEST_APIC_H
/*
 * The local APIC in the words of 64-bit guests (long64.h).
 *
 * A guest reaches its local APIC by the same lines in xAPIC mode, through the window, and in x2APIC
 * mode, through MSRs; APIC_IN_BOTH_MODES runs it in each. All macros here change %rax, %rcx and
 * %rdx and nothing else.
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

        /* %eax to a register, and back. 0x30008 is LONG64_X2APIC. */
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

        /* In the mode that the run is about, and switched on. */
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

        /* An interrupt command to a destination, or with a shorthand. */
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

        /* Lets in what is pending and may come in. */
        ".macro open\n"
        "  sti\n"
        "  nop\n"
        "  nop\n"
        "  cli\n"
        ".endm\n"

        /* Until interrupts have made that register so much. Not by HLT: the interpreter below the
         * bed's may let one in between STI and HLT, and then nothing ends it. */
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

/* A guest to run in xAPIC mode and again in x2APIC mode, and what it is to leave in each. */
struct apic_guest {
    const uint8_t *code, *end;
    unsigned vcpus;       /* 0: one */
    void (*init)(void);   /* before it runs, or NULL */
    void (*finish)(void); /* before its machine goes, or NULL */
    const struct long64_left *expected;
    unsigned count;
};

void apic_in_both_modes(const struct apic_guest *g);

/* By name; what is not as usual follows. */
#define APIC_IN_BOTH_MODES(name, left, ...)                                                   \
    apic_in_both_modes(&(const struct apic_guest){ .code = guest_##name,                      \
                                                   .end = guest_##name##_end,                 \
                                                   .expected = (left),                        \
                                                   .count = sizeof(left) / sizeof((left)[0]), \
                                                   __VA_ARGS__ })

#endif
