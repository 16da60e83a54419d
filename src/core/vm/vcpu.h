#ifndef CORE_VM_VCPU_H
#define CORE_VM_VCPU_H
/*
 * The vCPU threads: one a processor, started, parked, resumed and stopped together.
 *
 * A thread runs its processor until kicked, then looks at what is wanted of all. Kicking is the
 * accelerator's kick plus a signal, VCPU_SIGNAL, whose handler does nothing: a system call that
 * sleeps returns with EINTR. Every other signal is blocked there and so reaches the loop thread.
 */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/accel.h"

struct err;
struct power;
struct timeline;

#define VCPU_SIGNAL (SIGRTMIN)

/*
 *   PROBING <---> PARKED <---> RUNNING     vcpus_probe, and back by itself;
 *                      \       /            vcpus_pause, vcpus_resume
 *                       STOPPED            vcpus_finish, for good
 *
 * What the loop thread wants of all. A thread follows when it next looks; one whose processor
 * triple-faulted or failed runs no more, whatever is wanted.
 */
enum vcpus_want {
    VCPUS_PARKED,
    VCPUS_PROBING, /* processor 0 alone */
    VCPUS_RUNNING,
    VCPUS_STOPPED,
};

struct vcpus;

struct vcpu {
    struct vcpus *all;
    struct accel_vcpu *accel; /* owned */
    pthread_t thread;
    bool running;  /* all->lock; in run, or about to be, or judging why it came back */
    unsigned held; /* all->lock; gates it waits at */
    bool dead;     /* its thread's own */
};

/*
 * What a vCPU waits at when a register access is not over before the loop thread has done its part:
 * a device that is reset, say, while the host still moves data into guest memory.
 *
 *   vCPU's thread                           loop thread
 *   the access, device lock held:
 *       vcpu_gate_hold   kicks itself
 *       loop_post ----------------------->  the post: begins its part
 *   the access returns, lock released           .
 *   run returns VCPU_KICKED before the          .   vcpus_pause, vcpus_finish: find it parked
 *   guest's next instruction                    .   like any other, with no lock held and no
 *   parks, as in a pause                        .   access open
 *       .                                   the part is done, device lock held:
 *   runs on, if RUNNING is wanted <-------      vcpu_gate_open
 *
 * So nobody waits inside a device: the one wait is the one that pauses use, and stopping ends it
 * whether or not the gate ever opens. A gate that is forgotten leaves nothing behind but a
 * processor that stands still.
 *
 * Guarded by the device's lock, which is taken before vcpus.lock. Zeroed: nobody waits.
 */
struct vcpu_gate {
    struct vcpus *all; /* whose processors wait */
    uint32_t held;     /* bit n: processor n does */
};
static_assert(VCPUS_MAX <= 32, "a bit each in vcpu_gate.held");

struct vcpus {
    struct vcpu vcpu[VCPUS_MAX];
    unsigned count;
    struct power *power;
    struct timeline *timeline;
    pthread_mutex_t lock;
    pthread_cond_t wanted; /* want changed: the threads wait */
    pthread_cond_t idle;   /* running fell to 0: the loop thread waits */
    struct err *probe_err; /* lock; where a probe leaves its sentence... */
    uint64_t *probe_mips;  /* lock; ...the speed... */
    int probe_ret;         /* lock; ...and its answer */
    enum vcpus_want want;  /* lock */
    unsigned running;      /* lock; vCPUs with that flag */
};

/* Loop thread, never inside a device's lock. */

/* Creates the processors and their threads, named "fc_vcpu N" as orchestrators that pin them
 * expect; all start parked. A processor that triple-faults or fails ends the machine through
 * `power`; TIMELINE_GUEST is marked right before processor 0's first run. `count` is 1 to
 * VCPUS_MAX. Needs *v zeroed; on failure nothing is left. */
int vcpus_init(struct vcpus *v, struct accel *a, unsigned count, struct power *power,
               struct timeline *t, struct err *e);

/* Asks processor 0 whether a guest can live on it (accel_vcpu_ops.probe), on its own thread: KVM
 * charges a grace period of RCU for a processor that changes its thread. Its answer, or
 * -EOPNOTSUPP where it has none after `limit_ns`; 0 where the accelerator has no probe. *mips as
 * the probe leaves it. Before the first vcpus_resume. */
int vcpus_probe(struct vcpus *v, uint64_t limit_ns, uint64_t *mips, struct err *e);

/* The threads set off; does not wait for them. */
void vcpus_resume(struct vcpus *v);

/* Returns once no processor is executing guest code or device accesses. */
void vcpus_pause(struct vcpus *v);

/* Ends and joins the threads, destroys the processors. Accepts a zeroed struct. */
void vcpus_finish(struct vcpus *v);

/* That vCPU's thread, in a device access: the guest goes on only once the gate is open. On a thread
 * that is no vCPU's it holds nobody. */
void vcpu_gate_hold(struct vcpu_gate *g);

/* Any thread. Whoever waits there goes on, now or when the machine does. */
void vcpu_gate_open(struct vcpu_gate *g);

#endif
