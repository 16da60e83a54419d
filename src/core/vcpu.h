#ifndef CORE_VCPU_H
#define CORE_VCPU_H
/*
 * The vCPU threads: one a processor, started, parked, resumed and stopped together.
 *
 * A thread runs its processor until kicked, then looks at what is wanted of all. Kicking is the
 * accelerator's kick plus a signal, VCPU_SIGNAL, whose handler does nothing: a sleeping system call
 * returns, and one not yet entered does not sleep.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "core/accel.h"

struct err;
struct power;
struct timeline;

#define VCPU_SIGNAL (SIGRTMIN)

/*
 *   PARKED <-> RUNNING        vcpus_pause, vcpus_resume; every vCPU is in the state before the call
 * returns \         / STOPPED               vcpus_stop, for good
 */
enum vcpus_want {
    VCPUS_PARKED,
    VCPUS_RUNNING,
    VCPUS_STOPPED,
};

struct vcpus;

struct vcpu {
    struct vcpus *all;
    struct accel_vcpu *accel; /* owned */
    pthread_t thread;
    bool started;
};

struct vcpus {
    struct vcpu vcpu[VCPUS_MAX];
    unsigned count;
    struct power *power;
    struct timeline *timeline;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum vcpus_want want; /* lock */
    unsigned parked;      /* lock; threads that run no guest code */
};

/* All on the loop thread, never inside a device's lock. */

/* Creates the processors and their threads, named "fc_vcpu N" as orchestrators that pin them
 * expect; all start parked. A processor that triple-faults or fails ends the machine through
 * `power`. On failure nothing is left. */
int vcpus_init(struct vcpus *v, struct accel *a, unsigned count, struct power *power,
               struct timeline *t, struct err *e);

void vcpus_resume(struct vcpus *v);

/* Returns once no processor is executing guest code or device accesses. */
void vcpus_pause(struct vcpus *v);

/* Ends and joins the threads, destroys the processors. Accepts a zeroed struct. */
void vcpus_finish(struct vcpus *v);

#endif
