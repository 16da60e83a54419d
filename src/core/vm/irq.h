#ifndef CORE_VM_IRQ_H
#define CORE_VM_IRQ_H
/*
 * An interrupt line as a device sees it: something to raise.
 *
 * Lines are edge-triggered: one raise is one interrupt. If a line is raised again before the guest
 * has taken the interrupt, the two may merge into one. The accelerator fills in the struct
 * (accel.h); a device cannot tell which accelerator did.
 */
#include <stdint.h>

struct accel;

struct irq_line {
    /* Any thread, never blocks. */
    void (*raise)(struct irq_line *line);
    struct accel *accel; /* whose interrupt controller the line leads to */
    unsigned gsi;        /* global system interrupt, as ACPI numbers them */
    /* An eventfd. Writing it raises the line, so that code in the kernel can. -1: there is none. */
    int fd;
};

static inline void irq_line_raise(struct irq_line *line)
{
    line->raise(line);
}

#endif
