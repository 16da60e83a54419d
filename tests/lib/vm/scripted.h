#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H
/*
 * An accelerator whose processors follow a script instead of a guest, so that whatever is built on
 * the accelerator table can be tested without /dev/kvm.
 *
 * It keeps the contract of core/vm/accel.h to the letter and no more: a sleeping processor is woken
 * by VCPU_SIGNAL only, and only if the kick came first. The steps that wait, and REPEAT, take a
 * kick from outside; the other steps do not, so a kick that comes after the test has seen a
 * script's OUT ends the SLEEP behind it. A kick from within a step's own device access ends the run
 * behind that step.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/vm/accel.h"

/* One step of a script; a processor without one halts at once. */
enum scripted_op {
    SCRIPTED_HALT,   /* sleeps in each run; 0, so that it ends every script */
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

#define SCRIPTED_MIPS      4711 /* what the probe reports */
#define SCRIPTED_GSIS      24
#define SCRIPTED_DOORBELLS 12

struct scripted;

struct scripted_vcpu {
    struct accel_vcpu vcpu;
    struct scripted *accel;
    const struct scripted_step *script; /* the test's, set while parked; NULL: halt */
    size_t at;                          /* next step; the test's while parked */
    atomic_bool kicked;
    bool kicked_itself;     /* in its own device access; its thread only */
    atomic_bool inside;     /* in run right now */
    atomic_uint runs;       /* calls of run */
    atomic_uint kicks;      /* calls of kick */
    atomic_ulong steps;     /* done */
    atomic_uint surprises;  /* reads that gave another value than the script's */
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

/* What fails from now on, with -EIO and a sentence. There is one for the whole process, since
 * create has no argument by which a test could ask for it. */
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

/* The number of accelerators, processors and lines that exist. */
extern atomic_int scripted_alive;

/* Processor `id`, to be used while it is parked, or to read its atomics. */
struct scripted_vcpu *scripted_vcpu(struct accel *a, unsigned id);

/* How often the line was raised since the last call. */
uint64_t scripted_raises(struct irq_line *line);

#endif
