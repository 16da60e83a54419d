/*
 * SYSENTER and SYSEXIT in 32-bit protected mode, the only mode in which AMD's processors, or the
 * software CPU where it shows AMD's vendor string, have them (AMD APM 3).
 */
#include <stddef.h>

#include "core/x86/bits.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"

/* At places that the memory of the 64-bit guests (long64.h) leaves free. */
#define GDT 0xb000u
#define IDT 0xc000u

#define ERROR_GATE 13u

__asm__(".macro msr_put_32 msr, value\n"
        "  mov $\\msr, %ecx\n"
        "  xor %edx, %edx\n"
        "  mov \\value, %eax\n"
        "  wrmsr\n"
        ".endm\n"
        ".macro note_32 value:vararg\n"
        "  mov \\value, %eax\n"
        "  stosl\n"
        "  mov $0, %eax\n"
        "  stosl\n"
        ".endm\n"
        ".macro note_state\n"
        "  mov %esp, %ecx\n"
        "  pushf\n"
        "  pop %edx\n"
        "  note_32 %cs\n"
        "  note_32 %ss\n"
        "  note_32 %ecx\n"
        "  note_32 %edx\n"
        ".endm\n"
        /* Loads the address of a label; %ebx is where the guest begins. */
        ".macro address label, register\n"
        "  lea \\label - guest_fast_calls(%ebx), \\register\n"
        ".endm\n");

/* The handler of #GP notes the error code and goes on at %ebp. %esi counts entries to the user's
 * code. */
GUEST(fast_calls, ".code32\n"
                  "  mov $0x20000, %ebx\n"
                  "  address 9f, %eax\n"
                  "  mov %ax, 0xc000 + 8 * 13\n"
                  "  shr $16, %eax\n"
                  "  mov %ax, 0xc006 + 8 * 13\n"
                  "  msr_put_32 0x174, $0\n"
                  "  address 1f, %ebp\n"
                  "  sysenter\n"
                  "1:\n"
                  "  address 2f, %ebp\n"
                  "  sysexit\n"
                  "2:\n"
                  "  msr_put_32 0x174, $0x0b\n" /* the RPL is ignored */
                  "  msr_put_32 0x175, $0x7000\n"
                  "  address 4f, %eax\n"
                  "  msr_put_32 0x176, %eax\n"
                  "  xor %esi, %esi\n"
                  "  address 3f, %edx\n"
                  "  mov $0x6000, %ecx\n"
                  "  sysexit\n"
                  "3:\n" /* the user */
                  "  inc %esi\n"
                  "  stc\n"
                  "  note_state\n"
                  "  push $0x3203\n" /* ring 3 cannot change IF and IOPL */
                  "  popf\n"
                  "  sysenter\n"
                  "4:\n" /* the kernel */
                  "  note_state\n"
                  "  cmp $2, %esi\n"
                  "  je 5f\n"
                  "  push $0x203\n"
                  "  popf\n"
                  "  address 3b, %edx\n"
                  "  mov $0x5000, %ecx\n"
                  "  sysexit\n"
                  "5:\n"
                  "  push $0\n"
                  "  push $0\n"
                  "  lidt (%esp)\n"
                  "  ud2\n"
                  "9:\n"
                  "  pop %edx\n"
                  "  note_32 %edx\n"
                  "  mov $0x48000, %esp\n"
                  "  jmp *%ebp\n"
                  ".code64\n");

static void protected_mode(void)
{
    const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff,
                             0x00cff3000000ffff };
    const uint64_t gate = 0x00008e0000080000;
    struct vcpu_regs r = regs_now();

    put(GDT, gdt, sizeof(gdt));
    put(IDT + 8 * ERROR_GATE, &gate, sizeof(gate));
    r.cr0 = X86_CR0_PE | X86_CR0_ET;
    r.efer = 0;
    r.seg[X86_CS].access = X86_ACCESS_CODE32;
    r.gdt = (struct x86_table){ GDT, sizeof(gdt) - 1 };
    r.idt = (struct x86_table){ IDT, 8 * ERROR_GATE + 7 };
    start_at(&r);
}

static void fast_calls(void)
{
    static const struct long64_left expected[] = {
        { "#GP by SYSENTER without a segment", 0 },
        { "#GP by SYSEXIT without a segment", 0 },
        { "user's CS", 0x1b },
        { "user's SS", 0x23 },
        { "user's ESP", 0x6000 },
        { "user's EFLAGS", 0x3 },
        { "kernel's CS", 0x08 },
        { "kernel's SS", 0x10 },
        { "kernel's ESP", 0x7000 },
        { "kernel's EFLAGS", 0x3 },
        { "user's CS", 0x1b },
        { "user's SS", 0x23 },
        { "user's ESP", 0x5000 },
        { "user's EFLAGS", 0x203 },
        { "kernel's CS", 0x08 },
        { "kernel's SS", 0x10 },
        { "kernel's ESP", 0x7000 },
        { "kernel's EFLAGS", 0x3 },
    };

    LONG64_LOAD(1, fast_calls);
    protected_mode();
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

const struct guest_test fast_call_tests[] = {
    { "SYSENTER and SYSEXIT", fast_calls, NULL },
    { NULL, NULL, NULL },
};
