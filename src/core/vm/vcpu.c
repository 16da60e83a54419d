/*
 * vCPU threads: each runs its processor, or waits until it is wanted.
 *
 * One lock guards one flag for each vCPU: a thread sets `running` before it releases the lock to
 * run, and clears it when it is back. So the holder of the lock knows exactly which threads to
 * kick. A thread may be kicked after it has set the flag and before it enters the guest; the
 * accelerator promises that the run which follows returns at once.
 *
 * A thread that is held at a gate has kicked itself, so that its run returns. Until the gate opens
 * it rests, as if the loop thread wanted it parked.
 *
 * A thread whose processor died asks for the end of the machine without the lock and before it
 * clears its flag. That cannot deadlock with a pause that waits for the flag: power_end_machine
 * posts and never blocks.
 */
#include "core/vm/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/timeline.h"
#include "core/vm/power.h"

/* Bytes. The default (RLIMIT_STACK, 8 MiB) is large enough for the kernel to back the stack with a
 * transparent huge page: 2 MiB resident for each thread, of which it uses a few KiB. */
#define VCPU_STACK (512u << 10)

/* The vCPU of this thread; NULL on other threads. vcpu_gate_hold needs it: a device access comes
 * through the accelerator and a bus, and neither says which processor makes it. */
static _Thread_local struct vcpu *self;

static void vcpu_signal_ignore(int signal)
{
    (void)signal; /* the signal's arrival makes a sleeping system call return */
}

/* Without SA_RESTART, or the system call would go on sleeping. */
static void vcpu_signal_install(void)
{
    struct sigaction action = { .sa_handler = vcpu_signal_ignore };

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(VCPU_SIGNAL, &action, NULL);
}

/* Call with the lock held. Whether there is nothing for this thread to do. */
static bool vcpu_rests(const struct vcpu *v)
{
    switch (v->all->want) {
    case VCPUS_PROBING:
        return v->accel->id != 0;
    case VCPUS_RUNNING:
        return v->dead || v->held > 0;
    case VCPUS_STOPPED:
        return false;
    case VCPUS_PARKED:
        break;
    }
    return true;
}

/* Call with the lock held, when the thread is back from running or probing. */
static void vcpu_clear_running(struct vcpu *v)
{
    struct vcpus *all = v->all;

    if (!v->running)
        return;
    v->running = false;
    if (--all->running == 0)
        (void)pthread_cond_signal(&all->idle);
}

/* Parks the thread until it has something to do. Returns what is wanted then. */
static enum vcpus_want vcpu_wait(struct vcpu *v)
{
    struct vcpus *all = v->all;
    enum vcpus_want want;

    (void)pthread_mutex_lock(&all->lock);
    vcpu_clear_running(v);
    while (vcpu_rests(v))
        (void)pthread_cond_wait(&all->wanted, &all->lock);
    want = all->want;
    if (want != VCPUS_STOPPED) {
        v->running = true;
        all->running++;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return want;
}

static void vcpu_run_probe(struct vcpu *v)
{
    struct vcpus *all = v->all;
    struct err e;
    int ret = v->accel->ops->probe(v->accel, all->probe_mips, &e);

    (void)pthread_mutex_lock(&all->lock);
    all->probe_ret = ret;
    if (ret < 0)
        *all->probe_err = e;
    all->want = VCPUS_PARKED;
    (void)pthread_mutex_unlock(&all->lock);
}

static void vcpu_run_guest(struct vcpu *v)
{
    enum vcpu_exit why;

    if (v->accel->id == 0)
        timeline_mark(v->all->timeline, TIMELINE_GUEST); /* only the first call counts */
    why = v->accel->ops->run(v->accel);
    if (why == VCPU_KICKED)
        return;
    v->dead = true;
    power_end_machine(v->all->power, why == VCPU_TRIPLE_FAULT ? POWER_TRIPLE_FAULT : POWER_FAILED);
}

static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;
    char name[16]; /* the kernel's limit, NUL included */
    enum vcpus_want want;

    (void)snprintf(name, sizeof(name), "fc_vcpu %u", v->accel->id);
    (void)pthread_setname_np(pthread_self(), name);
    self = v;

    while ((want = vcpu_wait(v)) != VCPUS_STOPPED) {
        if (want == VCPUS_PROBING)
            vcpu_run_probe(v);
        else
            vcpu_run_guest(v);
    }
    return NULL;
}

/* The signals of faults stay unblocked: a fault whose signal is blocked kills the process without
 * calling its handler. */
static void vcpu_attr_init(pthread_attr_t *attr)
{
    static const int unblocked[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
    sigset_t blocked;

    (void)sigfillset(&blocked);
    (void)sigdelset(&blocked, VCPU_SIGNAL);
    for (size_t i = 0; i < sizeof(unblocked) / sizeof(unblocked[0]); i++)
        (void)sigdelset(&blocked, unblocked[i]);

    (void)pthread_attr_init(attr);
    (void)pthread_attr_setsigmask_np(attr, &blocked);
    (void)pthread_attr_setstacksize(attr, VCPU_STACK);
}

static int vcpu_start(struct vcpu *v, struct accel *a, unsigned id, const pthread_attr_t *attr,
                      struct err *e)
{
    int ret = a->ops->vcpu_create(a, id, &v->accel, e);

    if (ret < 0)
        return err_wrap(e, ret, "vCPU %u", id);
    ret = pthread_create(&v->thread, attr, vcpu_main, v);
    if (ret > 0) {
        v->accel->ops->destroy(v->accel);
        return err_set(e, ret, "vCPU %u: cannot start its thread: %s", id, strerror(ret));
    }
    return 0;
}

/* Fails where a seccomp filter refuses futexes, because the C library's locks would then end the
 * process at the first wait. */
static int futex_try(struct err *e)
{
    uint32_t word = 0;

    if (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 0)
        return err_sys(e, "cannot use futexes, with which threads wait for each other");
    return 0;
}

int vcpus_init(struct vcpus *v, struct accel *a, unsigned count, struct power *power,
               struct timeline *t, struct err *e)
{
    pthread_attr_t attr;
    int ret = futex_try(e);

    assert(count >= 1 && count <= VCPUS_MAX);
    if (ret < 0)
        return ret;
    v->power = power;
    v->timeline = t;
    (void)pthread_mutex_init(&v->lock, NULL);
    (void)pthread_cond_init(&v->wanted, NULL);
    (void)pthread_cond_init(&v->idle, NULL);
    vcpu_signal_install();

    vcpu_attr_init(&attr);
    for (unsigned id = 0; id < count && ret == 0; id++) {
        v->vcpu[id].all = v;
        ret = vcpu_start(&v->vcpu[id], a, id, &attr, e);
        if (ret == 0)
            v->count++;
    }
    (void)pthread_attr_destroy(&attr);
    if (ret < 0)
        vcpus_finish(v);
    return ret;
}

/* Call with the lock held. Waits until the probe is over, and kicks it when the limit has passed.
 * If the kick comes before the probe has begun, the probe ends as soon as it begins. */
static void probe_await(struct vcpus *v, uint64_t limit_ns)
{
    const struct vcpu *first = &v->vcpu[0];
    uint64_t end_ns = clock_now_ns() + limit_ns;
    const struct timespec end = { .tv_sec = (time_t)(end_ns / NS_PER_S),
                                  .tv_nsec = (long)(end_ns % NS_PER_S) };
    int ret = 0;

    while (v->want == VCPUS_PROBING && ret != ETIMEDOUT)
        ret = pthread_cond_clockwait(&v->idle, &v->lock, CLOCK_MONOTONIC, &end);
    if (v->want == VCPUS_PROBING) {
        first->accel->ops->kick(first->accel);
        (void)pthread_kill(first->thread, VCPU_SIGNAL);
    }
    while (v->want == VCPUS_PROBING || v->running > 0)
        (void)pthread_cond_wait(&v->idle, &v->lock);
}

int vcpus_probe(struct vcpus *v, uint64_t limit_ns, uint64_t *mips, struct err *e)
{
    struct err answer;
    int ret;

    if (!v->vcpu[0].accel->ops->probe)
        return 0;
    (void)pthread_mutex_lock(&v->lock);
    v->probe_err = &answer;
    v->probe_mips = mips;
    v->want = VCPUS_PROBING;
    (void)pthread_cond_broadcast(&v->wanted);
    probe_await(v, limit_ns);
    ret = v->probe_ret;
    (void)pthread_mutex_unlock(&v->lock);
    return ret < 0 ? err_set(e, -ret, "%s", answer.text) : 0;
}

void vcpus_resume(struct vcpus *v)
{
    (void)pthread_mutex_lock(&v->lock);
    v->want = VCPUS_RUNNING;
    (void)pthread_cond_broadcast(&v->wanted);
    (void)pthread_mutex_unlock(&v->lock);
}

/* Tells all threads to park or to stop, and returns once none is running. The kick comes before the
 * signal: a thread that the signal wakes must find the kick, or it would go back to sleep. */
static void vcpus_halt(struct vcpus *v, enum vcpus_want want)
{
    (void)pthread_mutex_lock(&v->lock);
    v->want = want;
    (void)pthread_cond_broadcast(&v->wanted);
    for (unsigned i = 0; i < v->count; i++) {
        struct vcpu *vcpu = &v->vcpu[i];

        if (!vcpu->running)
            continue;
        vcpu->accel->ops->kick(vcpu->accel);
        (void)pthread_kill(vcpu->thread, VCPU_SIGNAL);
    }
    while (v->running > 0)
        (void)pthread_cond_wait(&v->idle, &v->lock);
    (void)pthread_mutex_unlock(&v->lock);
}

void vcpus_pause(struct vcpus *v)
{
    vcpus_halt(v, VCPUS_PARKED);
}

void vcpus_finish(struct vcpus *v)
{
    if (!v->power)
        return;
    vcpus_halt(v, VCPUS_STOPPED);
    for (unsigned i = 0; i < v->count; i++)
        (void)pthread_join(v->vcpu[i].thread, NULL);
    for (unsigned i = 0; i < v->count; i++)
        v->vcpu[i].accel->ops->destroy(v->vcpu[i].accel);
    (void)pthread_cond_destroy(&v->idle);
    (void)pthread_cond_destroy(&v->wanted);
    (void)pthread_mutex_destroy(&v->lock);
    memset(v, 0, sizeof(*v));
}

/* Does not hold up the access itself: the kick makes run return after the access. */
void vcpu_gate_hold(struct vcpu_gate *g)
{
    uint32_t bit;

    if (!self)
        return;
    bit = UINT32_C(1) << self->accel->id;
    if (g->held & bit)
        return;
    g->all = self->all;
    g->held |= bit;
    (void)pthread_mutex_lock(&self->all->lock);
    self->held++;
    (void)pthread_mutex_unlock(&self->all->lock);
    self->accel->ops->kick(self->accel);
}

void vcpu_gate_open(struct vcpu_gate *g)
{
    struct vcpus *all = g->all;

    if (g->held == 0)
        return;
    (void)pthread_mutex_lock(&all->lock);
    for (unsigned i = 0; i < all->count; i++)
        all->vcpu[i].held -= g->held >> i & 1;
    g->held = 0;
    (void)pthread_cond_broadcast(&all->wanted);
    (void)pthread_mutex_unlock(&all->lock);
}
