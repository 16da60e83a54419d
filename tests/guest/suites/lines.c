/*
 * Interrupts of devices: edge and level entries of the I/O APIC, their masks and remote IRR, and
 * where they are sent.
 *
 * A guest raises a line by writing its number to the port. On KVM a kernel thread delivers the
 * interrupt, some time later: so guests wait until they see the effect.
 */
#include <stddef.h>

#include "core/vm/irq.h"
#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/suite.h"
#include "lib/check.h"

#define LINES 2u

/* The I/O APIC's input of each line. */
static const unsigned gsi[LINES] = { 22, 23 };

static struct irq_line lines[LINES];

__asm__(".set ENTRY_22, 0x10 + 2 * 22\n"
        ".set ENTRY_23, 0x10 + 2 * 23\n"
        ".set LEVEL, 0x8000\n"
        ".set MASKED, 0x10000\n"
        ".set LOGICAL, 0x800\n"
        ".macro raise line\n"
        "  mov $\\line, %eax\n"
        "  mov $0x100, %edx\n"
        "  out %al, %dx\n"
        ".endm\n"
        /* ioapic_put writes a constant to a register of the I/O APIC, ioapic_read loads %eax. */
        ".macro ioapic_put register, value\n"
        "  mov $\\register, %eax\n"
        "  movabs %eax, 0xfec00000\n"
        "  mov $\\value, %eax\n"
        "  movabs %eax, 0xfec00010\n"
        ".endm\n"
        ".macro ioapic_read register\n"
        "  mov $\\register, %eax\n"
        "  movabs %eax, 0xfec00000\n"
        "  movabs 0xfec00010, %eax\n"
        ".endm\n"
        /* Waits until that bit of the interrupt request register is set. */
        ".macro await_request register, bit\n"
        "776:\n"
        "  pause\n"
        "  apic_read \\register\n"
        "  bt $\\bit, %eax\n"
        "  jnc 776b\n"
        ".endm\n"
        ".macro note_entry register\n"
        "  ioapic_read \\register\n"
        "  mov %eax, %eax\n"
        "  stosq\n"
        ".endm\n");

/* Line 0 has vector 0x31 and line 1 vector 0x51, unless a guest changes its entry. */
#define BEGIN                        \
    "  apic_start\n"                 \
    "  handle 0x31, 10f\n"           \
    "  handle 0x51, 11f\n"           \
    "  xor %ebx, %ebx\n"             \
    "  ioapic_put ENTRY_22, 0x31\n"  \
    "  ioapic_put ENTRY_22 + 1, 0\n" \
    "  ioapic_put ENTRY_23 + 1, 0\n"

/* Handlers: %ebx counts all interrupts. */
#define NOTE_BOTH    \
    "10:\n"          \
    "  inc %ebx\n"   \
    "  note $0x31\n" \
    "  eoi\n"        \
    "  iretq\n"      \
    "11:\n"          \
    "  inc %ebx\n"   \
    "  note $0x51\n" \
    "  eoi\n"        \
    "  iretq\n"

/* Two edges before the first interrupt is taken make one interrupt; each later edge makes one. */
GUEST(edge, BEGIN "  ioapic_put ENTRY_23, 0x51\n"
                  "  raise 1\n"
                  "  await_request APIC_IRR + 0x20, 17\n"
                  "  raise 1\n"
                  "  raise 0\n"
                  "  await_request APIC_IRR + 0x10, 17\n"
                  "  note_apic APIC_TMR + 0x20\n"
                  "  await %ebx, 2\n"
                  "  raise 1\n"
                  "  await %ebx, 3\n"
                  "  note_entry ENTRY_23\n"
                  "  finish\n" NOTE_BOTH);

/* An edge that finds its entry masked is lost. */
GUEST(masked, BEGIN "  note_entry ENTRY_23\n" /* as after reset */
                    "  ioapic_put ENTRY_23, MASKED | 0x51\n"
                    "  raise 1\n"
                    "  raise 0\n"
                    "  await_request APIC_IRR + 0x10, 17\n"
                    "  ioapic_put ENTRY_23, 0x51\n"
                    "  await %ebx, 1\n"
                    "  raise 1\n"
                    "  await %ebx, 2\n"
                    "  note_entry ENTRY_23\n"
                    "  finish\n" NOTE_BOTH);

/* A level-triggered entry delivers nothing until the EOI of its last interrupt; by then the line is
 * low again. */
GUEST(level, BEGIN "  ioapic_put ENTRY_22, 0x61\n"
                   "  handle 0x61, 12f\n"
                   "  ioapic_put ENTRY_23, LEVEL | 0x51\n"
                   "  raise 1\n"
                   "  await %ebx, 2\n"
                   "  note_entry ENTRY_23\n"
                   "  raise 1\n"
                   "  await %ebx, 4\n"
                   "  note %rbx\n"
                   "  finish\n"
                   "10:\n"
                   "11:\n"
                   "  inc %ebx\n"
                   "  note $0x51\n"
                   "  note_apic APIC_TMR + 0x20\n"
                   "  note_entry ENTRY_23\n"
                   "  raise 1\n"
                   "  raise 0\n"
                   "  mov %ebx, %esi\n"
                   "  inc %esi\n"
                   "1:\n"
                   "  cmp %esi, %ebx\n" /* line 0 nests; by then line 1's pulse has had no effect */
                   "  je 2f\n"
                   "  sti\n"
                   "  pause\n"
                   "  cli\n"
                   "  jmp 1b\n"
                   "2:\n"
                   "  note_entry ENTRY_23\n"
                   "  eoi\n"
                   "  note_entry ENTRY_23\n"
                   "  iretq\n"
                   "12:\n"
                   "  inc %ebx\n"
                   "  note $0x61\n"
                   "  eoi\n"
                   "  iretq\n");

/* By logical mask, to an APIC id that nobody has, to everybody, and as NMI. */
GUEST(line_destinations,
      BEGIN "  handle 2, 12f\n"
            "  mov $2 << 24, %eax\n" /* the logical id; in x2APIC mode it is fixed */
            "  testb $1, 0x30008\n"
            "  jnz 1f\n"
            "  apic_write APIC_LDR\n"
            "1:\n"
            "  ioapic_put ENTRY_23, LOGICAL | 0x51\n"
            "  ioapic_put ENTRY_23 + 1, 3 << 24\n"
            "  raise 1\n"
            "  await %ebx, 1\n"
            "  ioapic_put ENTRY_23, 0x51\n" /* physical: there is no such processor */
            "  raise 1\n"
            "  raise 0\n"
            "  await %ebx, 2\n"
            "  ioapic_put ENTRY_23 + 1, 0xff << 24\n" /* everybody */
            "  raise 1\n"
            "  await %ebx, 3\n"
            "  ioapic_put ENTRY_23, ICR_NMI | 0x51\n"
            "  raise 1\n"
            "  await %ebx, 4\n"
            "  note_entry ENTRY_23 + 1\n"
            "  finish\n"
            "12:\n"
            "  inc %ebx\n"
            "  note $2\n"
            "  iretq\n" NOTE_BOTH);

static void raise_written(struct probe *p)
{
    const uint8_t line = p->written[--p->written_len];

    CHECK(line < LINES);
    irq_line_raise(&lines[line]);
}

static void lines_init(void)
{
    m.port.on_write = raise_written;
    for (unsigned i = 0; i < LINES; i++)
        must(m.accel->ops->irq_init(m.accel, &lines[i], gsi[i], &e));
}

static void lines_finish(void)
{
    for (unsigned i = 0; i < LINES; i++)
        m.accel->ops->irq_finish(m.accel, &lines[i]);
}

static void edge_run(void)
{
    static const struct long64_left expected[] = {
        { "TMR", 0 },          { "line 1, from two edges", 0x51 },
        { "line 0", 0x31 },    { "line 1", 0x51 },
        { "its entry", 0x51 },
    };

    APIC_IN_BOTH_MODES(edge, expected, .init = lines_init, .finish = lines_finish);
}

static void masked_run(void)
{
    static const struct long64_left expected[] = {
        { "an entry after reset", 0x10000 },
        { "line 0", 0x31 },
        { "line 1, unmasked", 0x51 },
        { "its entry", 0x51 },
    };

    APIC_IN_BOTH_MODES(masked, expected, .init = lines_init, .finish = lines_finish);
}

static void level_run(void)
{
    static const struct long64_left expected[] = {
        { "line 1", 0x51 },
        { "TMR", 0x20000 },
        { "its entry in service", 0xc051 },
        { "line 0 nests", 0x61 },
        { "its entry in service", 0xc051 },
        { "its entry after the EOI", 0x8051 },
        { "its entry", 0x8051 },
        { "line 1", 0x51 },
        { "TMR", 0x20000 },
        { "its entry in service", 0xc051 },
        { "line 0 nests", 0x61 },
        { "its entry in service", 0xc051 },
        { "its entry after the EOI", 0x8051 },
        { "interrupts", 4 },
    };

    APIC_IN_BOTH_MODES(level, expected, .init = lines_init, .finish = lines_finish);
}

static void destinations_run(void)
{
    static const struct long64_left expected[] = {
        { "to a logical mask", 0x51 }, { "line 0, while line 1 goes to nobody", 0x31 },
        { "to everybody", 0x51 },      { "NMI", 2 },
        { "destination", 0xff000000 },
    };

    APIC_IN_BOTH_MODES(line_destinations, expected, .init = lines_init, .finish = lines_finish);
}

const struct guest_test line_tests[] = {
    { "edges", edge_run, NULL },   { "masked edges", masked_run, NULL },
    { "levels", level_run, NULL }, { "destinations of a line", destinations_run, NULL },
    { NULL, NULL, NULL },
};
