/* Which interrupt is delivered, and when: the local APIC's priorities, and the instructions that
 * hold interrupts back (SDM 3A, 11.8.3 and 6.8). */
#include <stddef.h>

#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/suite.h"

/* A handler that only notes its vector. */
__asm__(".macro note_and_end vector\n"
        "  note $\\vector\n"
        "  eoi\n"
        "  iretq\n"
        ".endm\n");

GUEST(task_priority, "  apic_start\n"
                     "  handle 0x45, 10f\n"
                     "  handle 0x51, 11f\n"
                     "  handle 0x62, 12f\n"
                     "  mov $5, %eax\n"
                     "  mov %rax, %cr8\n"
                     "  note_apic APIC_TPR\n"
                     "  apic_self 0x45\n"
                     "  apic_self 0x51\n"
                     "  apic_self 0x62\n"
                     "  open\n"
                     "  note_apic APIC_IRR + 0x20\n"
                     "  apic_put APIC_TPR, 0x40\n" /* below the second's class */
                     "  note %cr8\n"
                     "  note_apic APIC_TPR\n"
                     "  note_apic APIC_PPR\n"
                     "  open\n"
                     "  note_apic APIC_IRR + 0x20\n"
                     "  sti\n"
                     "  mov $3, %eax\n"
                     "  mov %rax, %cr8\n" /* lets the last one in */
                     "  note_apic APIC_TPR\n"
                     "  finish\n"
                     "10:\n"
                     "  note_and_end 0x45\n"
                     "11:\n"
                     "  note $0x51\n"
                     "  note_apic APIC_PPR\n"
                     "  eoi\n"
                     "  note_apic APIC_PPR\n"
                     "  iretq\n"
                     "12:\n"
                     "  note $0x62\n"
                     "  note_apic APIC_PPR\n"
                     "  note_apic APIC_ISR + 0x30\n"
                     "  eoi\n"
                     "  note_apic APIC_ISR + 0x30\n"
                     "  iretq\n");

GUEST(order, "  apic_start\n"
             "  handle 0x31, 10f\n"
             "  handle 0x80, 11f\n"
             "  handle 0x81, 12f\n"
             "  handle 0xf1, 13f\n"
             "  apic_self 0x80\n"
             "  apic_self 0xf1\n"
             "  apic_self 0x31\n"
             "  apic_self 0x81\n"
             "  apic_self 0x31\n" /* sent twice, delivered once */
             "  apic_self 0xf1\n"
             "  note_apic APIC_IRR + 0x10\n"
             "  note_apic APIC_IRR + 0x40\n"
             "  note_apic APIC_IRR + 0x70\n"
             "  open\n"
             "  note_apic APIC_IRR + 0x10\n"
             "  finish\n"
             "10:\n"
             "  note_and_end 0x31\n"
             "11:\n"
             "  note_and_end 0x80\n"
             "12:\n"
             "  note_and_end 0x81\n"
             "13:\n"
             "  note_and_end 0xf1\n");

/* While 0x51 is in service, 0x45 and 0x58 have to wait, and 0x62 has not. */
GUEST(nesting, "  apic_start\n"
               "  handle 0x45, 10f\n"
               "  handle 0x51, 11f\n"
               "  handle 0x58, 12f\n"
               "  handle 0x62, 13f\n"
               "  apic_self 0x51\n"
               "  open\n"
               "  note_apic APIC_ISR + 0x20\n"
               "  note_apic APIC_PPR\n"
               "  finish\n"
               "10:\n"
               "  note_and_end 0x45\n"
               "11:\n"
               "  note $0x51\n"
               "  apic_self 0x45\n"
               "  apic_self 0x58\n"
               "  apic_self 0x62\n"
               "  open\n"
               "  note_apic APIC_PPR\n"
               "  note_apic APIC_IRR + 0x20\n"
               "  eoi\n"
               "  open\n" /* takes the two others, still in this handler */
               "  note $0x151\n"
               "  iretq\n"
               "12:\n"
               "  note_and_end 0x58\n"
               "13:\n"
               "  note $0x62\n"
               "  note_apic APIC_PPR\n"
               "  note_apic APIC_ISR + 0x20\n"
               "  note_apic APIC_ISR + 0x30\n"
               "  eoi\n"
               "  note_apic APIC_PPR\n" /* the outer one's again */
               "  iretq\n");

/* %ebx counts instructions and %ebp interrupts; the handler notes how many instructions came before
 * it. */
GUEST(held_back, "  apic_start\n"
                 "  handle 0x51, 10f\n"
                 "  xor %ebx, %ebx\n"
                 "  xor %ebp, %ebp\n"
                 "  apic_self 0x51\n"
                 "  sti\n" /* the next instruction comes first */
                 "  inc %ebx\n"
                 "  inc %ebx\n"
                 "  cli\n"
                 "  note $0xa1\n"
                 "  apic_self 0x51\n"
                 "  sti\n" /* and if that is CLI, the interrupt stays pending */
                 "  cli\n"
                 "  note %rbp\n"
                 "  xor %ebx, %ebx\n"
                 "  pushf\n"
                 "  orl $0x200, (%rsp)\n"
                 "  popf\n" /* POPF knows no such delay */
                 "  inc %ebx\n"
                 "  cli\n"
                 "  note $0xa2\n"
                 "  apic_self 0x51\n"
                 "  xor %ebx, %ebx\n"
                 "  sti\n"
                 "  hlt\n" /* the interrupt ends it */
                 "  inc %ebx\n"
                 "  cli\n"
                 "  note $0xa3\n"
                 "  apic_self 0x51\n"
                 "  xor %ebx, %ebx\n"
                 "  push $0x10\n"
                 "  lea (%rsp), %rcx\n"
                 "  push %rcx\n"
                 "  push $0x202\n"
                 "  push $0x08\n"
                 "  lea 1f(%rip), %rcx\n"
                 "  push %rcx\n"
                 "  iretq\n" /* nor does IRET */
                 "1:\n"
                 "  inc %ebx\n"
                 "  cli\n"
                 "  note %rbp\n"
                 "  finish\n"
                 "10:\n"
                 "  inc %ebp\n"
                 "  note %rbx\n"
                 "  eoi\n"
                 "  iretq\n");

/* The local APIC knows nothing of INT: it puts no vector in service, and an EOI in its handler ends
 * whatever else is in service. */
GUEST(by_instruction, "  apic_start\n"
                      "  handle 0x51, 10f\n"
                      "  handle 0x52, 11f\n"
                      "  mov $0xf, %eax\n"
                      "  mov %rax, %cr8\n"
                      "  int $0x51\n"
                      "  mov $0, %eax\n"
                      "  mov %rax, %cr8\n"
                      "  apic_self 0x52\n"
                      "  open\n"
                      "  finish\n"
                      "10:\n"
                      "  note $0x51\n"
                      "  note_apic APIC_ISR + 0x20\n"
                      "  eoi\n"
                      "  iretq\n"
                      "11:\n"
                      "  note_apic APIC_ISR + 0x20\n"
                      "  int $0x51\n" /* its EOI ends 0x52 */
                      "  note_apic APIC_ISR + 0x20\n"
                      "  iretq\n");

/* A second NMI waits for the IRET of the first, and a third merges with the second. IF does not
 * matter. */
GUEST(nmi, "  apic_start\n"
           "  handle 2, 10f\n"
           "  handle 0x51, 11f\n"
           "  xor %ebx, %ebx\n"
           "  apic_send ICR_NMI\n"
           "  nop\n"
           "  jmp 1f\n"
           "1:\n"
           "  note %rbx\n"
           "  finish\n"
           "10:\n"
           "  inc %ebx\n"
           "  note %rbx\n"
           "  cmp $1, %ebx\n"
           "  ja 2f\n"
           "  apic_send ICR_NMI\n"
           "  apic_send ICR_NMI\n"
           "  apic_self 0x51\n"
           "  open\n" /* an interrupt may nest, an NMI not */
           "  note $0xa1\n"
           "2:\n"
           "  iretq\n"
           "11:\n"
           "  note $0x51\n"
           "  eoi\n"
           "  mov (%rsp), %rcx\n" /* returns without IRET, which would unblock the second NMI */
           "  mov 24(%rsp), %rsp\n"
           "  jmp *%rcx\n");

static void task_priority_run(void)
{
    static const struct long64_left expected[] = {
        { "TPR, CR8 being 5", 0x50 },
        { "comes first", 0x62 },
        { "its PPR", 0x60 },
        { "its ISR", 0x4 },
        { "ISR after its EOI", 0 },
        { "IRR with the two that wait", 0x20020 },
        { "CR8, TPR being 0x40", 4 },
        { "TPR", 0x40 },
        { "PPR", 0x40 },
        { "comes second", 0x51 },
        { "its PPR", 0x50 },
        { "PPR after its EOI", 0x40 },
        { "IRR with the one that waits", 0x20 },
        { "comes third", 0x45 },
        { "TPR, CR8 being 3", 0x30 },
    };

    APIC_IN_BOTH_MODES(task_priority, expected);
}

static void order_run(void)
{
    static const struct long64_left expected[] = {
        { "IRR from 0x20", 0x20000 }, { "IRR from 0x80", 0x3 },
        { "IRR from 0xe0", 0x20000 }, { "first", 0xf1 },
        { "second", 0x81 },           { "third", 0x80 },
        { "fourth", 0x31 },           { "IRR from 0x20", 0 },
    };

    APIC_IN_BOTH_MODES(order, expected);
}

static void nesting_run(void)
{
    static const struct long64_left expected[] = {
        { "outer", 0x51 },
        { "inside", 0x62 },
        { "PPR inside", 0x60 },
        { "ISR from 0x40", 0x20000 },
        { "ISR from 0x60", 0x4 },
        { "PPR after the inner EOI", 0x50 },
        { "PPR in the outer", 0x50 },
        { "IRR, two waiting", 0x1000020 },
        { "after its EOI", 0x58 },
        { "then", 0x45 },
        { "the outer one ends", 0x151 },
        { "ISR", 0 },
        { "PPR", 0 },
    };

    APIC_IN_BOTH_MODES(nesting, expected);
}

static void held_back_run(void)
{
    static const struct long64_left expected[] = {
        { "instructions after STI", 1 },
        { "mark", 0xa1 },
        { "interrupts after STI, CLI", 1 },
        { "instructions after POPF", 0 },
        { "mark", 0xa2 },
        { "instructions after STI, HLT", 0 },
        { "mark", 0xa3 },
        { "instructions after IRET", 0 },
        { "interrupts", 4 },
    };

    APIC_IN_BOTH_MODES(held_back, expected);
}

static void by_instruction_run(void)
{
    static const struct long64_left expected[] = {
        { "by INT", 0x51 }, { "ISR", 0 },       { "ISR in an interrupt's handler", 0x40000 },
        { "by INT", 0x51 }, { "ISR", 0x40000 }, { "ISR after the EOI there", 0 },
    };

    APIC_IN_BOTH_MODES(by_instruction, expected);
}

static void nmi_run(void)
{
    static const struct long64_left expected[] = {
        { "NMI", 1 }, { "interrupt inside", 0x51 }, { "mark", 0xa1 },
        { "NMI", 2 }, { "NMIs in all", 2 },
    };

    APIC_IN_BOTH_MODES(nmi, expected);
}

const struct guest_test interrupt_tests[] = {
    { "task priority", task_priority_run, NULL },
    { "order of pending interrupts", order_run, NULL },
    { "nested interrupts", nesting_run, NULL },
    { "interrupts held back", held_back_run, NULL },
    { "interrupts by instruction", by_instruction_run, NULL },
    { "NMI", nmi_run, NULL },
    { NULL, NULL, NULL },
};
