#ifndef CORE_VM_VCPU_H
#define CORE_VM_VCPU_H
/*
 * The vCPU threads: one for each processor, started, parked, resumed and stopped together.
 *
 * A thread runs its processor until it is kicked, then looks at what the loop thread wants of all
 * threads (enum vcpus_want). A kick is the accelerator's kick plus a signal, VCPU_SIGNAL. The
 * signal's handler does nothing; the signal makes a system call that sleeps return with EINTR. The
 * vCPU threads block all other signals except those of faults, so that the loop thread gets them.
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
 *            vcpus_probe             vcpus_resume
 *           <------------           ------------->
 *   PROBING               PARKED                   RUNNING
 *           ------------>   |       <-------------    |
 *           probe is over   |        vcpus_pause      |
 *                           +------------+------------+
 *                                        | vcpus_finish
 *                                        v
 *                                     STOPPED
 *
 * What the loop thread wants of all threads. A thread complies when it next looks. A thread whose
 * processor triple-faulted or failed does not run again, whatever is wanted. The thread of
 * processor 0 makes PROBING into PARKED when its probe is over.
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
    bool running;  /* all->lock; from just before run or probe until the result is dealt with */
    unsigned held; /* all->lock; number of gates that hold it */
    bool dead;     /* its own thread only; the processor triple-faulted or failed */
};

/*
 * A gate holds a vCPU after a register access until the loop thread has done its part of the work.
 * For example, a guest resets a device while the host still moves data into guest memory: the vCPU
 * must not go on before the host has stopped.
 *
 *   vCPU's thread                               loop thread
 *
 *   in the access, device lock held:
 *     vcpu_gate_hold, which kicks the vCPU
 *     loop_post ------------------------------> the post is called; its part begins
 *   the access returns, lock released             .
 *   run returns VCPU_KICKED before the            .   vcpus_pause and vcpus_finish find the
 *     guest's next instruction                    .   thread parked like any other: it holds
 *   the thread parks, as in a pause               .   no lock and is in no access
 *     .                                           .
 *     .                                         its part is over; device lock held:
 *   runs on, if RUNNING is wanted <------------   vcpu_gate_open
 *
 * So no thread waits inside a device. A held thread parks as in a pause, and vcpus_finish ends it
 * even if the gate never opens: such a gate stops one processor, and holds up nothing else.
 *
 * Guarded by the device's lock, which is taken before vcpus.lock. A zeroed gate holds no vCPU.
 */
struct vcpu_gate {
    struct vcpus *all; /* whose processors it holds */
    uint32_t held;     /* bit n: it holds processor n */
};
static_assert(VCPUS_MAX <= 32, "vcpu_gate.held has a bit for each processor");

struct vcpus {
    struct vcpu vcpu[VCPUS_MAX];
    unsigned count;
    struct power *power;
    struct timeline *timeline;
    pthread_mutex_t lock;
    pthread_cond_t wanted; /* want changed, or a gate opened; the threads wait for it */
    pthread_cond_t idle;   /* `running` fell to 0; the loop thread waits for it */
    struct err *probe_err; /* lock; where the probe puts its sentence */
    uint64_t *probe_mips;  /* lock; where the probe puts the speed */
    int probe_ret;         /* lock; what the probe returned */
    enum vcpus_want want;  /* lock */
    unsigned running;      /* lock; number of vCPUs that have the flag set */
};

/* Loop thread, never while it holds a device's lock. */

/* Creates the processors and their threads. All threads start parked. They are named "fc_vcpu N",
 * which orchestrators that pin them expect. A processor that triple-faults or fails ends the
 * machine through `power`. TIMELINE_GUEST is marked right before processor 0's first run. `count`
 * is 1 to VCPUS_MAX. *v must be zeroed. A failure leaves nothing behind. */
int vcpus_init(struct vcpus *v, struct accel *a, unsigned count, struct power *power,
               struct timeline *t, struct err *e);

/* Call before the first vcpus_resume. Probes processor 0 (accel_vcpu_ops.probe) on its own thread,
 * because on KVM a processor that changes threads costs an RCU grace period. A probe that is not
 * over after `limit_ns` is kicked. Returns the probe's result, and *mips is what the probe made it.
 * Returns 0 where the accelerator has no probe, and leaves *mips alone. */
int vcpus_probe(struct vcpus *v, uint64_t limit_ns, uint64_t *mips, struct err *e);

/* Lets the threads run; does not wait for them. */
void vcpus_resume(struct vcpus *v);

/* Returns once no processor is executing guest code or device accesses. */
void vcpus_pause(struct vcpus *v);

/* Ends and joins the threads, destroys the processors. Accepts a zeroed struct. */
void vcpus_finish(struct vcpus *v);

/* A vCPU's thread, in a device access. The thread's processor does not go on after the access until
 * the gate is opened. On any other thread this does nothing. */
void vcpu_gate_hold(struct vcpu_gate *g);

/* Any thread. The processors that the gate holds go on now, or when the machine is resumed, unless
 * another gate holds them. */
void vcpu_gate_open(struct vcpu_gate *g);

#endif
