#ifndef EMU_X86_CPU_MACHINE_H
#define EMU_X86_CPU_MACHINE_H
/*
 * What the software processors of one machine share. It is set while the machine is built and
 * constant while the machine runs, except for fields marked atomic or guarded by a lock.
 */
#include <pthread.h>
#include <stdint.h>

#include "core/base/lock.h"
#include "core/vm/accel.h"

struct bus;
struct ioapic;
struct legacy;
struct mem;
struct cpu;

struct doorbell {
    gpa_t addr;
    uint64_t value;
    unsigned size;
    int eventfd;
};

#define DOORBELLS_MAX 64u

struct emu {
    struct accel accel; /* first member */
    const struct mem *mem;
    const struct bus *ports;
    const struct bus *mmio;
    struct ioapic *ioapic;
    struct legacy *legacy;
    struct cpu *cpus[VCPUS_MAX];
    unsigned cpu_count; /* created so far; vcpu_count when the guest starts */
    unsigned vcpu_count;
    uint32_t lines;     /* bit n: GSI n has a line */
    uint32_t tsc_khz;   /* atomic; read through the function tsc_khz */
    uint64_t tsc_start; /* tsc_init's sample: the TSC, and CLOCK_MONOTONIC in ns */
    uint64_t tsc_start_ns;

    struct doorbell doorbells[DOORBELLS_MAX];
    unsigned doorbell_count;

    struct lock code_lock; /* taken with priority by threads other than vCPUs' (code_pages.c) */
    uint8_t *code_holds;   /* atomic; one byte per page of guest RAM, in the order of mem.regions */
    uint32_t code_epoch;   /* atomic; written only with code_lock held */

    /* Guards cpu.kvmclock, cpu.kvmclock_version, and the structures that kvmclock.c writes. */
    pthread_mutex_t kvmclock_lock;

    /* Atomic; the processor that all others wait for (exclusive.h), or NULL. */
    struct cpu *exclusive;
    pthread_mutex_t exclusive_lock;
};

#endif
