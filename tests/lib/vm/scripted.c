/* The scripted accelerator: a processor is an index into an array of steps. */
#include "lib/vm/scripted.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/vm/bus.h"
#include "core/vm/irq.h"
#include "core/vm/vcpu.h"
#include "core/x86/regs.h"

/* The processor whose run this thread is in. */
static _Thread_local struct scripted_vcpu *running;

struct scripted_faults scripted_faults;
atomic_int scripted_alive;

static int fault(const char *what, struct err *e)
{
    return err_set(e, EIO, "the script says that %s fails", what);
}

static int scripted_create(const struct accel_config *config, struct accel **out, struct err *e)
{
    struct scripted *s;

    if (scripted_faults.create)
        return fault("the accelerator", e);
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_sys(e, "no scripted accelerator");
    s->accel.ops = &scripted_accel;
    s->config = *config;
    *out = &s->accel;
    atomic_fetch_add(&scripted_alive, 1);
    return 0;
}

static void scripted_destroy(struct accel *a)
{
    atomic_fetch_sub(&scripted_alive, 1);
    free(a);
}

static void eventfd_ring(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != sizeof(one))
        abort();
}

static void line_raise(struct irq_line *line)
{
    eventfd_ring(line->fd);
}

static int scripted_irq_init(struct accel *a, struct irq_line *line, unsigned gsi, struct err *e)
{
    struct scripted *s = (struct scripted *)a;
    int fd;

    if (scripted_faults.irq)
        return fault("the interrupt line", e);
    if (gsi >= SCRIPTED_GSIS)
        return err_set(e, EINVAL, "there is no gsi %u", gsi);
    if (s->gsi_taken[gsi])
        return err_set(e, EEXIST, "gsi %u has a line", gsi);
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return err_sys(e, "no eventfd for gsi %u", gsi);
    s->gsi_taken[gsi] = true;
    *line = (struct irq_line){ .raise = line_raise, .gsi = gsi, .fd = fd };
    atomic_fetch_add(&scripted_alive, 1);
    return 0;
}

static void scripted_irq_finish(struct accel *a, struct irq_line *line)
{
    struct scripted *s = (struct scripted *)a;

    s->gsi_taken[line->gsi] = false;
    (void)close(line->fd);
    *line = (struct irq_line){ .fd = -1 };
    atomic_fetch_sub(&scripted_alive, 1);
}

uint64_t scripted_raises(struct irq_line *line)
{
    uint64_t count = 0;

    return read(line->fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static int scripted_doorbell_add(struct accel *a, gpa_t addr, unsigned size, uint64_t value,
                                 int eventfd, struct err *e)
{
    struct scripted *s = (struct scripted *)a;

    if (scripted_faults.doorbell)
        return fault("the doorbell", e);
    if (s->doorbell_count == SCRIPTED_DOORBELLS)
        return err_set(e, ENOSPC, "no more doorbells");
    s->doorbells[s->doorbell_count++] = (struct scripted_doorbell){
        .addr = addr, .size = size, .value = value, .eventfd = eventfd
    };
    return 0;
}

static bool doorbell_rings(const struct scripted *s, const struct scripted_step *step)
{
    for (unsigned i = 0; i < s->doorbell_count; i++) {
        const struct scripted_doorbell *d = &s->doorbells[i];

        if (d->addr == step->addr && d->size == step->size && d->value == step->value) {
            eventfd_ring(d->eventfd);
            return true;
        }
    }
    return false;
}

static void step_write(struct scripted *s, const struct scripted_step *step)
{
    if (step->op == SCRIPTED_OUT)
        (void)bus_write(s->config.ports, step->addr, &step->value, step->size);
    else if (!doorbell_rings(s, step) &&
             !mem_write(s->config.mem, step->addr, &step->value, step->size))
        (void)bus_write(s->config.mmio, step->addr, &step->value, step->size);
}

static void step_read(struct scripted_vcpu *v, const struct scripted_step *step)
{
    const struct accel_config *config = &v->accel->config;
    uint64_t value = 0;

    if (step->op == SCRIPTED_IN)
        (void)bus_read(config->ports, step->addr, &value, step->size);
    else if (!mem_read(config->mem, step->addr, &value, step->size))
        (void)bus_read(config->mmio, step->addr, &value, step->size);
    if (value != step->value)
        atomic_fetch_add(&v->surprises, 1);
}

/* The signal is unblocked during ppoll only, so that none is lost between the look at `kicked` and
 * the sleep. */
static void step_sleep(struct scripted_vcpu *v)
{
    sigset_t kick;
    sigset_t before;
    sigset_t asleep;

    (void)sigemptyset(&kick);
    (void)sigaddset(&kick, VCPU_SIGNAL);
    (void)pthread_sigmask(SIG_BLOCK, &kick, &before);
    asleep = before;
    (void)sigdelset(&asleep, VCPU_SIGNAL);
    while (!atomic_exchange(&v->kicked, false))
        (void)ppoll(NULL, 0, NULL, &asleep);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void step_spin(struct scripted_vcpu *v)
{
    while (!atomic_exchange(&v->kicked, false))
        (void)sched_yield();
}

static void step_wait(struct scripted_vcpu *v, enum scripted_op op)
{
    if (op == SCRIPTED_SPIN)
        step_spin(v);
    else
        step_sleep(v);
}

/* Does one step. False: run has to return *why. */
static bool step_do(struct scripted_vcpu *v, enum vcpu_exit *why)
{
    static const struct scripted_step halt = { .op = SCRIPTED_HALT };
    const struct scripted_step *step = v->script ? &v->script[v->at] : &halt;
    bool on = true;

    *why = VCPU_KICKED;
    switch (step->op) {
    case SCRIPTED_HALT:
        step_sleep(v);
        return false;
    case SCRIPTED_REPEAT:
        v->at = 0;
        return !atomic_exchange(&v->kicked, false);
    case SCRIPTED_TRIPLE_FAULT:
        *why = VCPU_TRIPLE_FAULT;
        return false;
    case SCRIPTED_FAIL:
        *why = VCPU_FAILED;
        return false;
    case SCRIPTED_IN:
    case SCRIPTED_LOAD:
        step_read(v, step);
        break;
    case SCRIPTED_OUT:
    case SCRIPTED_STORE:
        step_write(v->accel, step);
        break;
    case SCRIPTED_SLEEP:
    case SCRIPTED_SPIN:
        step_wait(v, step->op);
        on = false;
        break;
    }
    v->at++;
    atomic_fetch_add(&v->steps, 1);
    on = on && !v->kicked_itself;
    v->kicked_itself = false;
    return on;
}

static enum vcpu_exit scripted_run(struct accel_vcpu *vcpu)
{
    struct scripted_vcpu *v = (struct scripted_vcpu *)vcpu;
    enum vcpu_exit why;

    atomic_fetch_add(&v->runs, 1);
    running = v;
    atomic_store(&v->inside, true);
    while (step_do(v, &why))
        ;
    running = NULL;
    atomic_store(&v->inside, false);
    return why;
}

static void scripted_kick(struct accel_vcpu *vcpu)
{
    struct scripted_vcpu *v = (struct scripted_vcpu *)vcpu;

    atomic_fetch_add(&v->kicks, 1);
    if (running == v)
        v->kicked_itself = true;
    else
        atomic_store(&v->kicked, true);
}

static int scripted_regs_set(struct accel_vcpu *vcpu, const struct vcpu_regs *regs, struct err *e)
{
    struct scripted_vcpu *v = (struct scripted_vcpu *)vcpu;

    if (scripted_faults.regs_set)
        return fault("setting registers", e);
    if (!v->regs)
        v->regs = malloc(sizeof(*v->regs));
    if (!v->regs)
        return err_sys(e, "no room for registers");
    *v->regs = *regs;
    v->regs_sets++;
    return 0;
}

static int scripted_regs_get(struct accel_vcpu *vcpu, struct vcpu_regs *regs, struct err *e)
{
    struct scripted_vcpu *v = (struct scripted_vcpu *)vcpu;

    if (!v->regs)
        return err_set(e, ENODATA, "no registers were set");
    *regs = *v->regs;
    return 0;
}

static int scripted_probe(struct accel_vcpu *vcpu, uint64_t *mips, struct err *e)
{
    struct scripted_vcpu *v = (struct scripted_vcpu *)vcpu;

    v->probes++;
    v->probed_by = pthread_self();
    *mips = SCRIPTED_MIPS;
    if (scripted_faults.probe_hangs)
        step_sleep(v);
    return scripted_faults.probe || scripted_faults.probe_hangs ? fault("the probe", e) : 0;
}

static void scripted_vcpu_destroy(struct accel_vcpu *vcpu)
{
    struct scripted_vcpu *v = (struct scripted_vcpu *)vcpu;

    v->accel->vcpu[vcpu->id] = NULL;
    atomic_fetch_sub(&scripted_alive, 1);
    free(v->regs);
    free(v);
}

static const struct accel_vcpu_ops scripted_vcpu_ops = {
    .destroy = scripted_vcpu_destroy,
    .regs_set = scripted_regs_set,
    .regs_get = scripted_regs_get,
    .probe = scripted_probe,
    .run = scripted_run,
    .kick = scripted_kick,
};

static int scripted_vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out,
                                struct err *e)
{
    struct scripted *s = (struct scripted *)a;
    struct scripted_vcpu *v;

    if (scripted_faults.vcpu && scripted_faults.vcpu_id == id)
        return fault("the processor", e);
    v = calloc(1, sizeof(*v));
    if (!v)
        return err_sys(e, "no scripted processor");
    v->vcpu = (struct accel_vcpu){ .ops = &scripted_vcpu_ops, .id = id };
    v->accel = s;
    s->vcpu[id] = v;
    *out = &v->vcpu;
    atomic_fetch_add(&scripted_alive, 1);
    return 0;
}

struct scripted_vcpu *scripted_vcpu(struct accel *a, unsigned id)
{
    return ((struct scripted *)a)->vcpu[id];
}

const struct accel_ops scripted_accel = {
    .name = "scripted",
    .create = scripted_create,
    .destroy = scripted_destroy,
    .irq_init = scripted_irq_init,
    .irq_finish = scripted_irq_finish,
    .doorbell_add = scripted_doorbell_add,
    .vcpu_create = scripted_vcpu_create,
};
