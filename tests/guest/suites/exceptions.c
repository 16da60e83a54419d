/* Exceptions in 64-bit mode: the error code and the state that the handler finds, by vector. */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"

#define GATE_PRESENT (1ull << 47)

/* Tries an instruction in ring 3 with RFLAGS.AC, on a stack that is not aligned to 8 bytes. */
__asm__(".macro try_unaligned insn:vararg\n"
        "  lea 771f(%rip), %r15\n"
        "  push $0x23\n"
        "  push $0x147ffc\n"
        "  push $0x40002\n"
        "  push $0x2b\n"
        "  lea 772f + 0x100000(%rip), %rax\n"
        "  push %rax\n"
        "  iretq\n"
        "772:\n"
        "  \\insn\n"
        "771:\n"
        ".endm\n");

GUEST(faults, "  xor %ecx, %ecx\n"
              "  xor %edx, %edx\n"
              "  mov $1, %eax\n"
              "  try div %ecx\n"
              "  lea 1f(%rip), %r15\n"
              "  pushf\n"
              "  orl $0x100, (%rsp)\n"
              "  popf\n"
              "  nop\n"
              "1:\n"
              "  try int3\n"
              "  try int $4\n"
              "  try ud2\n"
              "  try .byte 0x06\n" /* push %es, in other modes */
              "  mov %cr0, %rax\n"
              "  or $8, %rax\n"
              "  mov %rax, %cr0\n"
              "  try fld1\n"
              "  try movaps %xmm0, %xmm1\n"
              "  clts\n"
              "  fninit\n"
              "  push $0x33b\n" /* division by zero unmasked */
              "  fldcw (%rsp)\n"
              "  fld1\n"
              "  fldz\n"
              "  fdivrp\n"
              "  try fwait\n"
              "  fninit\n"
              "  mov $-1, %ecx\n"
              "  mov $0x80000000, %eax\n"
              "  cdq\n"
              "  try idiv %ecx\n" /* the quotient is too large */
              "  finish\n");

/* INT1, and exceptions that have to be enabled: unmasked SIMD exceptions, which are #UD instead of
 * #XM without CR4.OSXMMEXCPT; and alignment checks, in ring 3 with CR0.AM and RFLAGS.AC, which come
 * after page faults. */
GUEST(unmasked, "  try .byte 0xf1\n" /* int1 */
                "  push $0x1d80\n"   /* division by zero */
                "  ldmxcsr (%rsp)\n"
                "  mov $0x3f800000, %eax\n"
                "  movd %eax, %xmm0\n"
                "  xorps %xmm1, %xmm1\n"
                "  try divss %xmm1, %xmm0\n"
                "  push $0\n"
                "  try divss (%rsp), %xmm0\n"
                "  mov %cr4, %rax\n"
                "  btr $10, %rax\n" /* OSXMMEXCPT */
                "  mov %rax, %cr4\n"
                "  try divss %xmm1, %xmm0\n"
                "  mov %cr0, %rax\n"
                "  bts $18, %rax\n" /* AM */
                "  mov %rax, %cr0\n"
                "  mov $0x184000, %ebx\n"
                "  mov $0x80002, %ecx\n" /* on an absent page, and not aligned */
                "  try_unaligned mov 2(%rbx), %eax\n"
                "  try_unaligned mov %ax, 3(%rbx)\n"
                "  try_unaligned lock incq 4(%rbx)\n"
                "  try_unaligned movups %xmm0, 8(%rbx)\n"
                "  try_unaligned push 8(%rbx)\n"
                "  try_unaligned mov (%rcx), %eax\n"
                "  try_unaligned ud2\n"
                "  finish\n");

GUEST(selectors, "  mov $0x40, %eax\n"
                 "  try mov %eax, %ds\n"
                 "  try mov %eax, %ss\n"
                 "  mov $0x58, %eax\n"
                 "  try mov %eax, %ds\n"
                 "  movabs $0x4000000000000000, %rbx\n"
                 "  try mov (%rbx), %rax\n"
                 "  mov %cr0, %rax\n"
                 "  btr $0, %rax\n"
                 "  try mov %rax, %cr0\n"
                 "  mov $0x30, %eax\n"
                 "  try ltr %ax\n" /* busy */
                 "  mov $0x48, %eax\n"
                 "  ltr %ax\n"
                 "  try int $0x40\n" /* the TSS is too short to hold its IST entry */
                 "  finish\n");

GUEST(double_fault, "  mov $0x58, %eax\n"
                    "  try mov %eax, %ds\n"
                    "  finish\n");

GUEST(stacks, "  try ud2\n"
              "  try int3\n"
              "  sub $8, %rsp\n" /* the handler's stack is aligned all the same */
              "  try int3\n"
              "  try_user ud2\n"
              "  try_user int3\n"
              "  try_user hlt\n"
              "  try_user cli\n"
              "  try_user mov %cr0, %rax\n"
              "  finish\n");

GUEST(gates, "  try int $0x41\n"
             "  try_user int $0x42\n"
             "  movabs $0x4000000000000000, %rbp\n"
             "  try mov (%rbp), %rax\n"
             "  finish\n");

static void faults(void)
{
    static const struct long64_expected expected[] = {
        { "#DE", 0, 0, 0 },     { "#DB single step", 1, 0, 0 },
        { "#BP", 3, 0, 0 },     { "#OF", 4, 0, 0 },
        { "#UD", 6, 0, 0 },     { "#UD not in 64-bit mode", 6, 0, 0 },
        { "#NM x87", 7, 0, 0 }, { "#NM SSE", 7, 0, 0 },
        { "#MF", 16, 0, 0 },    { "#DE overflow", 0, 0, 0 },
    };

    LONG64_LOAD(1, faults);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

/* Not for KVM: the bed's interpreter has none of these. */
static void unmasked(void)
{
    static const struct long64_expected expected[] = {
        { "#DB by INT1", 1, 0, 0 },
        { "#XM", 19, 0, 0 },
        { "#XM, from memory", 19, 0, 0 },
        { "#UD for #XM", 6, 0, 0 },
        { "#AC read", 17, 0, 0 },
        { "#AC write", 17, 0, 0 },
        { "#AC locked", 17, 0, 0 },
        { "#AC 16 bytes", 17, 0, 0 },
        { "#AC stack", 17, 0, 0 },
        { "#PF before #AC", 14, 4, 0x80002 },
        { "#UD", 6, 0, 0 },
    };

    LONG64_LOAD(1, unmasked);
    long64_page(0x80000, 0);
    long64_page(LONG64_USER + 0x80000, 0);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void selectors(void)
{
    static const struct long64_expected expected[] = {
        { "#NP segment", 11, LONG64_ABSENT, 0 },
        { "#SS segment", 12, LONG64_ABSENT, 0 },
        { "#GP beyond the GDT", 13, 0x58, 0 },
        { "#GP not canonical", 13, 0, 0 },
        { "#GP paging without protection", 13, 0, 0 },
        { "#GP busy TSS", 13, LONG64_TR, 0 },
        { "#TS", 10, LONG64_SHORT, 0 },
    };

    LONG64_LOAD(1, selectors);
    long64_ist(0x40, 1);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

/* The index in the error code is the vector (SDM 3A 6.13), and a non-canonical stack address is #SS
 * (6.15). Not for KVM: the bed's interpreter gives twice the vector, and #GP. */
static void gates(void)
{
    static const struct long64_expected expected[] = {
        { "#NP gate", 11, 0x41 * 8 + 2, 0 },
        { "#GP gate of the kernel", 13, 0x42 * 8 + 2, 0 },
        { "#SS not canonical", 12, 0, 0 },
    };

    LONG64_LOAD(1, gates);
    long64_gate(0x41, GATE_PRESENT, 0);
    long64_gate(0x42, 3ull << 45, 0); /* its DPL */
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

/* Not for KVM: the bed's interpreter delivers the second fault as itself. */
static void double_fault(void)
{
    static const struct long64_expected expected[] = { { "#DF", 8, 0, 0 } };

    LONG64_LOAD(1, double_fault);
    long64_gate(13, GATE_PRESENT, 0);
    long64_ist(8, 7);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void stacks(void)
{
    static const struct long64_expected expected[] = {
        { "on its own stack", 6, 0, 0 },
        { "on the current stack", 3, 0, 0 },
        { "on the current stack, not aligned", 3, 0, 0 },
        { "from ring 3 on its own stack", 6, 0, 0 },
        { "from ring 3", 3, 0, 0 },
        { "#GP privileged", 13, 0, 0 },
        { "#GP I/O privilege", 13, 0, 0 },
        { "#GP control register", 13, 0, 0 },
    };

    LONG64_LOAD(1, stacks);
    long64_ist(6, 2);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

const struct guest_test exception_tests[] = {
    { "exceptions of instructions", faults, NULL },
    { "exceptions that have to be enabled", unmasked, "emu" },
    { "exceptions with a selector", selectors, NULL },
    { "exceptions of gates and of the stack", gates, "emu" },
    { "double fault", double_fault, "emu" },
    { "interrupt stacks and ring 3", stacks, NULL },
    { NULL, NULL, NULL },
};
