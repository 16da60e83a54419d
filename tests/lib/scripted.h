#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H
/*
 * An accelerator whose processors follow a script instead of a guest, so that whatever stands on
 * the accelerator table can be tested without /dev/kvm.
 *
 * It keeps the contract of core/vm/accel.h to the letter and no more: a sleeping processor is woken by
 * VCPU_SIGNAL only, and only if the kick came first. A kick from outside is taken by the steps that
 * wait and by REPEAT, not between others: once a script's OUT was seen, the next kick ends the
 * SLEEP after it. One from within a step's own device access ends the run behind that step.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/vm/accel.h"

/* One step of a script; a processor without one halts at once. */
enum scripted_op {
    SCRIPTED_HALT,   /* sleeps in each run: the end of a script, hence 0 */
    SCRIPTED_IN,     /* from port addr; another value than `value` counts as a surprise */
    SCRIPTED_OUT,    /* value to port addr */
    SCRIPTED_LOAD,   /* as IN, from guest memory or the MMIO bus */
    SCRIPTED_STORE,  /* as OUT, to a doorbell, guest memory or the MMIO bus */
    SCRIPTED_SLEEP,  /* in a system call until kicked; the next run goes on */
    SCRIPTED_SPIN,   /* executes until kicked; the next run goes on */
    SCRIPTED_REPEAT, /* from the first step */
    SCRIPTED_TRIPLE_FAULT,
    SCRIPTED_FAIL,
};

struct scripted_step {
    enum scripted_op op;
    uint64_t addr;
    unsigned size;
    uint64_t value;
};

#define SCRIPTED_MIPS      4711 /* as the probe says */
#define SCRIPTED_GSIS      24
#define SCRIPTED_DOORBELLS 12

struct scripted;

struct scripted_vcpu {
    struct accel_vcpu vcpu;
    struct scripted *accel;
    const struct scripted_step *script; /* the test's, set while parked; NULL: halt */
    size_t at;                          /* next step; the test's while parked */
    atomic_bool kicked;
    bool kicked_itself;     /* its thread's own */
    atomic_bool inside;     /* run, right now */
    atomic_uint runs;       /* calls of run */
    atomic_uint kicks;      /* calls of kick */
    atomic_ulong steps;     /* done */
    atomic_uint surprises;  /* reads that gave something else */
    unsigned regs_sets;     /* calls of regs_set that succeeded */
    unsigned probes;        /* calls of probe */
    pthread_t probed_by;    /* the thread of the last one */
    struct vcpu_regs *regs; /* the last ones set, or NULL */
};

struct scripted_doorbell {
    gpa_t addr;
    unsigned size;
    uint64_t value;
    int eventfd;
};

struct scripted {
    struct accel accel;
    struct accel_config config;
    struct scripted_vcpu *vcpu[VCPUS_MAX];
    bool gsi_taken[SCRIPTED_GSIS];
    struct scripted_doorbell doorbells[SCRIPTED_DOORBELLS];
    unsigned doorbell_count;
};

extern const struct accel_ops scripted_accel;

/* What is to go wrong from now on, each with -EIO and a sentence. One for the process: create has
 * no argument by which a test could ask. */
struct scripted_faults {
    bool create;
    bool irq;
    bool doorbell;
    bool regs_set;
    bool probe;       /* the processor is not usable */
    bool probe_hangs; /* it says so only when kicked */
    bool vcpu;        /* creation of vcpu_id */
    unsigned vcpu_id;
};
extern struct scripted_faults scripted_faults;

/* Accelerators, processors and lines that exist. */
extern atomic_int scripted_alive;

/* Processor id's, while it is parked or to read its atomics. */
struct scripted_vcpu *scripted_vcpu(struct accel *a, unsigned id);

/* How often the line was raised since the last call. */
uint64_t scripted_raises(struct irq_line *line);

#endif
