/*
 * A virtio device that is reset with I/O in flight into guest memory, again and again, while the
 * machine is paused, resumed and ended around it.
 *
 * Processor 0 brings the device up, gives it a chain, waits until the device holds the chain, and
 * resets it. A thread of its own does the I/O, as the kernel would: it writes into the guest's
 * buffer when the reset has begun, and only then is the device drained. After its store of 0 the
 * guest expects Status to be 0 and the buffer to be its own; ThreadSanitizer sees if it is not. The
 * other processors read registers and reset the device too.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <string.h>

#include "core/base/container.h"
#include "core/vm/irq.h"
#include "core/vm/vm.h"
#include "core/x86/regs.h"
#include "lib/check.h"
#include "lib/virtio/echo.h"
#include "lib/vm/scripted.h"
#include "virtio-mmio/plug.h"

#define WINDOW  UINT64_C(0xc0001000)
#define DESC    0x1000u
#define AVAIL   0x2000u
#define USED    0x3000u
#define REQUEST 0x4000u
#define ANSWER  0x5000u
#define MARK    UINT64_C(0x6d796f776e627566)
#define BARRIER 0x20u /* port */
#define CYCLES  20u   /* pauses of a round */

#define STORE(reg, value)                                    \
    {                                                        \
        SCRIPTED_STORE, WINDOW + VIRTIO_MMIO_##reg, 4, value \
    }
#define LOAD(reg, value)                                    \
    {                                                       \
        SCRIPTED_LOAD, WINDOW + VIRTIO_MMIO_##reg, 4, value \
    }

#define BRING_UP                                                                                  \
    STORE(STATUS, 1), STORE(STATUS, 3), STORE(DRIVER_FEATURES_SEL, 1), STORE(DRIVER_FEATURES, 1), \
        STORE(STATUS, 11), STORE(QUEUE_SEL, 0), STORE(QUEUE_NUM, 8), STORE(QUEUE_DESC_LOW, DESC), \
        STORE(QUEUE_AVAIL_LOW, AVAIL), STORE(QUEUE_USED_LOW, USED), STORE(QUEUE_READY, 1),        \
        STORE(STATUS, 15), STORE(QUEUE_NOTIFY, 0)

static const struct scripted_step cycle[] = {
    BRING_UP,
    { SCRIPTED_OUT, BARRIER, 4, 0 },
    STORE(STATUS, 0),
    LOAD(STATUS, 0),
    { SCRIPTED_STORE, ANSWER, 8, MARK },
    { SCRIPTED_LOAD, ANSWER, 8, MARK },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

static const struct scripted_step looker[] = {
    { SCRIPTED_LOAD, WINDOW + VIRTIO_MMIO_STATUS, 4, 0 },
    { SCRIPTED_LOAD, WINDOW + VIRTIO_MMIO_CONFIG, 8, 0 },
    STORE(INTERRUPT_ACK, 3),
    STORE(CONFIG, 5),
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

static const struct scripted_step resetter[] = {
    STORE(STATUS, 0),
    STORE(QUEUE_NOTIFY, 0),
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

struct machine {
    struct vm vm; /* first member */
    struct loop *loop;
    struct timeline timeline;
    struct irq_line line;
    struct echo echo;

    /* The port at which processor 0 waits until the device holds its chain. */
    struct device barrier;
    struct vcpu_gate barrier_gate;
    struct loop_post barrier_post;
    unsigned barrier_turns;

    /* The I/O. */
    pthread_t disk;
    sem_t begun;       /* a reset has begun */
    _Atomic bool late; /* the I/O ends only after the machine */
    _Atomic bool closing;
    sem_t over; /* the machine has ended */
    struct loop_post finished;
    bool late_begun;

    struct loop_post life; /* what the loop does with the machine */
    unsigned pauses;
    bool gone;
};

/* The barrier. */

static void barrier_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    (void)offset;
    memset(data, 0, size);
}

static void barrier_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct machine *m = container_of(d, struct machine, barrier);

    (void)offset;
    (void)data;
    (void)size;
    m->barrier_turns = 0;
    vcpu_gate_hold(&m->barrier_gate);
    loop_post(m->loop, &m->barrier_post);
}

static const struct device_ops barrier_ops = {
    .name = "barrier",
    .read = barrier_read,
    .write = barrier_write,
};

/* Opens the barrier once the device holds the chain, or after 100 turns: if another processor's
 * reset came first, the chain never comes. */
static void barrier_look(struct loop_post *post)
{
    struct machine *m = container_of(post, struct machine, barrier_post);

    device_lock(&m->barrier);
    if (m->echo.held_count > 0 || m->barrier_turns++ > 100)
        vcpu_gate_open(&m->barrier_gate);
    else if (m->vm.state != VM_ENDED)
        loop_post(m->loop, post);
    device_unlock(&m->barrier);
}

/* The I/O. */

static void disk_finished(struct loop_post *post)
{
    echo_release(&(container_of(post, struct machine, finished))->echo);
}

static void *disk_main(void *arg)
{
    struct machine *m = arg;
    uint8_t *to = mem_at(&m->vm.mem, ANSWER, 64);

    for (;;) {
        CHECK(sem_wait(&m->begun) == 0);
        if (m->closing)
            return NULL;
        if (m->late)
            CHECK(sem_wait(&m->over) == 0);
        memset(to, 0x55, 64);
        loop_post(m->loop, &m->finished);
    }
}

static void reset_begun(struct echo *e)
{
    struct machine *m = container_of(e, struct machine, echo);

    if (!e->draining)
        return;
    m->late_begun = true;
    CHECK(sem_post(&m->begun) == 0);
}

/* The machine. */

static void machine_on_end(struct vm *vm)
{
    loop_stop(((struct machine *)vm)->loop);
}

static void memory_fill(struct machine *m)
{
    struct vring_desc *desc = mem_at(&m->vm.mem, DESC, 128);
    struct vring_avail *avail = mem_at(&m->vm.mem, AVAIL, 32);

    desc[0] = (struct vring_desc){ REQUEST, 64, VRING_DESC_F_NEXT, 1 };
    desc[1] = (struct vring_desc){ ANSWER, 64, VRING_DESC_F_WRITE, 0 };
    avail->idx = 1;
}

static void devices_init(struct machine *m)
{
    struct virtio_slot slot = { .mmio = &m->vm.mmio,
                                .gpa = WINDOW,
                                .accel = m->vm.accel,
                                .irq = &m->line,
                                .loop = m->loop,
                                .mem = &m->vm.mem };

    CHECK(m->vm.accel->ops->irq_init(m->vm.accel, &m->line, 5, NULL) == 0);
    echo_init(&m->echo, 1, 8);
    m->echo.hold = true;
    m->echo.on_reset = reset_begun;
    CHECK(virtio_plug(&m->echo.virtio, &slot, NULL) == 0);
    device_init(&m->barrier, &barrier_ops);
    CHECK(bus_add(&m->vm.ports, BARRIER, 4, &m->barrier, NULL) == 0);
}

static void machine_init(struct machine *m, enum loop_backend backend, unsigned vcpu_count)
{
    struct vm_config config = {
        .mem = { .size = 1 << 20, .gap_start = 2 << 20, .gap_end = 4 << 20 },
        .vcpu_count = vcpu_count,
        .accel = &scripted_accel,
    };

    memset(m, 0, sizeof(*m));
    m->barrier_post.call = barrier_look;
    m->finished.call = disk_finished;
    CHECK(loop_create(&m->loop, backend, NULL) == 0);
    CHECK(vm_init(&m->vm, &config, m->loop, &m->timeline, NULL) == 0);
    m->vm.on_end = machine_on_end;
    memory_fill(m);
    devices_init(m);
    CHECK(sem_init(&m->begun, 0, 0) == 0 && sem_init(&m->over, 0, 0) == 0);
    CHECK(pthread_create(&m->disk, NULL, disk_main, m) == 0);
}

static void machine_start(struct machine *m)
{
    static const struct vcpu_regs bsp = { .rip = 0x1000 };

    for (unsigned i = 0; i < m->vm.vcpus.count; i++)
        scripted_vcpu(m->vm.accel, i)->script = i == 0 ? cycle : i % 2 ? looker : resetter;
    CHECK(vm_start(&m->vm, &bsp, NULL) == 0);
}

static void gone(struct virtio_device *v)
{
    struct machine *m = container_of(v, struct machine, echo.virtio);

    m->gone = true;
    loop_stop(m->loop);
}

/* In the order that vm.h and plug.h demand. */
static void machine_finish(struct machine *m)
{
    struct accel *a = m->vm.accel;

    CHECK(m->vm.state == VM_ENDED);
    CHECK(sem_post(&m->over) == 0);
    CHECK(atomic_load(&scripted_vcpu(a, 0)->surprises) == 0);
    CHECK(virtio_unplug(&m->echo.virtio, gone));
    while (!m->gone)
        CHECK(loop_run(m->loop) == 0);
    device_finish(&m->barrier);
    m->closing = true;
    CHECK(sem_post(&m->begun) == 0);
    CHECK(pthread_join(m->disk, NULL) == 0);
    a->ops->irq_finish(a, &m->line);
    vm_finish(&m->vm);
    loop_destroy(m->loop);
    CHECK(atomic_load(&scripted_alive) == 0);
    (void)sem_destroy(&m->begun);
    (void)sem_destroy(&m->over);
}

/* What happens to the machine: each of these posts itself until it ends the machine. */

/* Pauses and resumes. */
static void pause_and_resume(struct loop_post *post)
{
    struct machine *m = container_of(post, struct machine, life);

    if (m->vm.state == VM_RUNNING)
        CHECK(vm_pause(&m->vm, NULL) == 0);
    else if (m->vm.state == VM_PAUSED)
        CHECK(vm_resume(&m->vm, NULL) == 0);
    if (++m->pauses > 2 * CYCLES)
        vm_end(&m->vm, POWER_QUIT);
    else
        loop_post(m->loop, post);
}

/* Only waits for a number of resets. */
static void leave_alone(struct loop_post *post)
{
    struct machine *m = container_of(post, struct machine, life);

    if (m->echo.virtio.counters.resets >= 2 * CYCLES)
        vm_end(&m->vm, POWER_QUIT);
    else
        loop_post(m->loop, post);
}

/* The I/O outlives the machine: pause, resume and end all come while the guest is held, and none of
 * them waits for it. */
static void end_before_the_io(struct loop_post *post)
{
    struct machine *m = container_of(post, struct machine, life);

    if (!m->late_begun) {
        loop_post(m->loop, post);
        return;
    }
    CHECK(vm_pause(&m->vm, NULL) == 0);
    CHECK(vm_resume(&m->vm, NULL) == 0);
    CHECK(vm_pause(&m->vm, NULL) == 0);
    vm_end(&m->vm, POWER_QUIT);
    CHECK(m->echo.virtio.phase == VIRTIO_DRAINING);
}

static void live(enum loop_backend backend, unsigned vcpu_count,
                 void (*life)(struct loop_post *post))
{
    static struct machine m;

    machine_init(&m, backend, vcpu_count);
    m.late = life == end_before_the_io;
    m.life.call = life;
    machine_start(&m);
    loop_post(m.loop, &m.life);
    CHECK(loop_run(m.loop) == 0);
    machine_finish(&m);
}

int main(void)
{
    static const unsigned counts[] = { 1, 2, 6 };
    static const enum loop_backend backends[] = { LOOP_AUTO, LOOP_EPOLL };

    for (size_t b = 0; b < sizeof(backends) / sizeof(backends[0]); b++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            live(backends[b], counts[i], leave_alone);
            live(backends[b], counts[i], pause_and_resume);
            live(backends[b], counts[i], end_before_the_io);
        }
    }
    return 0;
}
