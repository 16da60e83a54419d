#ifndef CORE_VM_GUEST_ARCH_H
#define CORE_VM_GUEST_ARCH_H
/*
 * A guest architecture as a table: what turns a machine that has only memory, buses and processors
 * (vm.h) into one on which an operating system of that architecture boots.
 *
 * One binary can hold several. Outside the folders of an architecture, code knows it only by this
 * table. main.c names the tables.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/vm/accel.h"
#include "core/vm/mem.h"
#include "core/vm/power.h"

struct board;
struct err;
struct serial;
struct serial_sink;
struct vcpu_regs;
struct vm;

/* Virtio device n has a window of `size` bytes at gpa + n * size and the interrupt gsi + n. */
struct guest_virtio {
    unsigned max; /* devices */
    gpa_t gpa;
    uint64_t size; /* bytes */
    unsigned gsi;
};

/* What the guest finds when it starts. The strings are not needed after board_load. */
struct guest_boot {
    const char *kernel;    /* path */
    const char *initrd;    /* path, or NULL */
    const char *cmdline;   /* less than cmdline_max bytes */
    unsigned virtio_count; /* number of virtio windows that have a device, from the first one on */
};

struct guest_arch {
    const char *name; /* as uname -m has it */

    /* Limits and defaults of a configuration. */
    uint64_t mem_min, mem_max, mem_default; /* bytes */
    unsigned cmdline_max;                   /* bytes, the terminating NUL included */
    const char *cmdline;                    /* the kernel command line if the operator gives none */

    /* The layout of guest physical memory: RAM is from 0 to gap_start and from gap_end on. */
    gpa_t gap_start, gap_end;
    struct guest_virtio virtio;

    /* The board: the devices that every machine of this architecture has besides the virtio
     * devices. Call these functions on the loop thread. */

    /* Makes the devices and their interrupt lines, and puts the devices on the buses of a machine
     * that is being built. The machine outlives the board. What the guest writes to its console
     * goes to `console`. On failure nothing is left behind. */
    int (*board_create)(struct vm *vm, struct serial_sink *console, struct board **out,
                        struct err *e);

    /* After the last processor has stopped. */
    void (*board_destroy)(struct board *b);

    /* Puts the kernel, the initrd and the tables that describe the machine into guest memory and
     * fills the registers at board.start. On failure guest memory may have been written. */
    int (*board_load)(struct board *b, const struct guest_boot *boot, struct err *e);

    /* Returns why the machine really ended. `why` is the reason that the device or processor gave
     * when it ended the machine; a reset may turn out to be the end of a panic. */
    enum power_end (*board_judge)(const struct board *b, enum power_end why);
};

/* Each architecture has a board of its own, which embeds this struct as its first member. */
struct board {
    struct serial *console;
    const struct vcpu_regs *start; /* where processor 0 starts, once board_load has filled it */
};

/* Any thread. Whether the accelerator has processors of this architecture. */
static inline bool guest_arch_runs_on(const struct guest_arch *arch, const struct accel_ops *accel)
{
    return !accel->guest || strcmp(accel->guest, arch->name) == 0;
}

#endif
