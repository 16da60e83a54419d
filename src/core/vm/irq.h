#ifndef CORE_VM_IRQ_H
#define CORE_VM_IRQ_H
/*
 * An interrupt line as a device sees it: something to raise.
 *
 * Lines are edge-triggered: one raise is one interrupt, raises that come before the guest took the
 * first may fold into one. The accelerator fills the struct (accel.h); a device cannot tell which
 * one did.
 */
#include <stdint.h>

struct accel;

struct irq_line {
    /* Any thread, never blocks. */
    void (*raise)(struct irq_line *line);
    struct accel *accel; /* whose interrupt controller it ends in */
    unsigned gsi;        /* global system interrupt, as ACPI numbers them */
    int fd; /* eventfd that raises the line when written, or -1: lets a kernel-side backend do it */
};

static inline void irq_line_raise(struct irq_line *line)
{
    line->raise(line);
}

#endif
