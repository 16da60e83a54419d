/* A whole machine under a real loop, ended from many sides at once, on both loop backends. */
#include <pthread.h>
#include <stddef.h>

#include "core/base/container.h"
#include "core/vm/vm.h"
#include "core/x86/regs.h"
#include "lib/check.h"
#include "lib/vm/bell.h"
#include "lib/vm/scripted.h"

#define BELL   0x10
#define SWITCH 0x20

/* A device that ends the machine when written, as the i8042's reset line does. */
struct power_switch {
    struct device device;
    struct power *power;
};

static void switch_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    (void)offset;
    (void)size;
    *(uint8_t *)data = 0;
}

static void switch_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct power_switch *s = (struct power_switch *)d;

    (void)offset;
    (void)data;
    (void)size;
    power_end_machine(s->power, POWER_RESET);
}

static const struct device_ops switch_ops = {
    .name = "switch",
    .read = switch_read,
    .write = switch_write,
};

static const struct scripted_step dies[] = { { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };

static const struct scripted_step resets[] = {
    { SCRIPTED_OUT, BELL, 1, 1 },
    { SCRIPTED_OUT, SWITCH, 1, 1 },
    { SCRIPTED_REPEAT, 0, 0, 0 }, /* a guest may go on writing until it is stopped */
};

static const struct scripted_step works[] = {
    { SCRIPTED_OUT, BELL, 1, 1 },
    { SCRIPTED_SLEEP, 0, 0, 0 },
    { SCRIPTED_REPEAT, 0, 0, 0 },
};

struct machine {
    struct vm vm; /* first member: on_end finds the rest */
    struct loop *loop;
    struct timeline timeline;
    struct bell bell;
    struct power_switch power_switch;
    unsigned ends;
    /* Pauses and resumes from the loop, posting itself again until the machine is over. */
    struct loop_post toggle;
    unsigned toggles;
};

static void machine_on_end(struct vm *vm)
{
    struct machine *m = (struct machine *)vm;

    m->ends++;
    loop_stop(m->loop);
}

static void machine_toggle(struct loop_post *post)
{
    struct machine *m = container_of(post, struct machine, toggle);

    if (m->vm.state == VM_RUNNING)
        CHECK(vm_pause(&m->vm, NULL) == 0);
    else if (m->vm.state == VM_PAUSED)
        CHECK(vm_resume(&m->vm, NULL) == 0);
    m->toggles++;
    if (m->vm.state != VM_ENDED)
        loop_post(m->loop, post);
}

static void machine_init(struct machine *m, enum loop_backend backend, unsigned vcpu_count)
{
    struct vm_config config = {
        .mem = { .size = 1 << 20, .gap_start = 2 << 20, .gap_end = 4 << 20 },
        .vcpu_count = vcpu_count,
        .accel = &scripted_accel,
    };

    *m = (struct machine){ .toggle = { .call = machine_toggle } };
    CHECK(loop_create(&m->loop, backend, NULL) == 0);
    CHECK(vm_init(&m->vm, &config, m->loop, &m->timeline, NULL) == 0);
    m->vm.on_end = machine_on_end;

    bell_init(&m->bell);
    CHECK(bus_add(&m->vm.ports, BELL, BELL_LEN, &m->bell.device, NULL) == 0);
    m->power_switch.power = &m->vm.power;
    device_init(&m->power_switch.device, &switch_ops);
    CHECK(bus_add(&m->vm.ports, SWITCH, 1, &m->power_switch.device, NULL) == 0);
}

static void machine_start(struct machine *m)
{
    static const struct vcpu_regs bsp = { .rip = 0x1000 };

    CHECK(vm_start(&m->vm, &bsp, NULL) == 0);
}

/* Finishes the devices before the machine, without their locks, because no processor runs. */
static void machine_finish(struct machine *m)
{
    vm_end(&m->vm, POWER_QUIT);
    CHECK(m->ends == 1);
    device_finish(&m->power_switch.device);
    bell_finish(&m->bell);
    vm_finish(&m->vm);
    loop_destroy(m->loop);
    CHECK(atomic_load(&scripted_alive) == 0);
}

static void script_all(struct machine *m, const struct scripted_step *even,
                       const struct scripted_step *odd)
{
    for (unsigned i = 0; i < m->vm.vcpus.count; i++)
        scripted_vcpu(m->vm.accel, i)->script = i % 2 ? odd : even;
}

/* All processors end the machine at once, some through a device. */
static void ends_from_all_sides(enum loop_backend backend, unsigned vcpu_count)
{
    for (int round = 0; round < 10; round++) {
        struct machine m;

        machine_init(&m, backend, vcpu_count);
        script_all(&m, dies, resets);
        machine_start(&m);
        CHECK(loop_run(m.loop) == 0);
        CHECK(m.vm.state == VM_ENDED);
        CHECK(m.vm.ended == POWER_TRIPLE_FAULT || m.vm.ended == POWER_RESET);
        machine_finish(&m);
    }
}

/* The loop pauses and resumes without end, until a processor dies or resets. */
static void pause_races_with_the_end(enum loop_backend backend, unsigned vcpu_count)
{
    for (int round = 0; round < 10; round++) {
        struct machine m;

        machine_init(&m, backend, vcpu_count);
        script_all(&m, round % 2 ? dies : resets, works);
        machine_start(&m);
        loop_post(m.loop, &m.toggle);
        CHECK(loop_run(m.loop) == 0);
        CHECK(m.vm.state == VM_ENDED);
        machine_finish(&m);
    }
}

struct outsider {
    pthread_t thread;
    struct machine *machine;
};

static void *outsider_main(void *arg)
{
    struct outsider *o = arg;

    bell_wait(&o->machine->bell);
    power_end_machine(&o->machine->vm.power, POWER_OFF);
    return NULL;
}

/* Threads outside the machine ask for the end while the processors work. */
static void ends_from_outside(enum loop_backend backend, unsigned vcpu_count)
{
    struct outsider outsiders[4];
    struct machine m;

    machine_init(&m, backend, vcpu_count);
    script_all(&m, works, works);
    for (int i = 0; i < 4; i++) {
        outsiders[i].machine = &m;
        CHECK(pthread_create(&outsiders[i].thread, NULL, outsider_main, &outsiders[i]) == 0);
    }
    machine_start(&m);
    CHECK(loop_run(m.loop) == 0);
    CHECK(m.vm.ended == POWER_OFF);
    for (int i = 0; i < 4; i++)
        (void)sem_post(&m.bell.rung); /* for those whose ring never came */
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(outsiders[i].thread, NULL) == 0);
    machine_finish(&m);
}

/* The operator quits while the guest dies: there is one end, with the reason that came first. */
static void quit_races_with_death(enum loop_backend backend, unsigned vcpu_count)
{
    for (int round = 0; round < 20; round++) {
        struct machine m;

        machine_init(&m, backend, vcpu_count);
        script_all(&m, dies, dies);
        machine_start(&m);
        vm_end(&m.vm, POWER_QUIT);
        CHECK(m.vm.ended == POWER_QUIT || m.vm.ended == POWER_TRIPLE_FAULT);
        machine_finish(&m);
    }
}

int main(void)
{
    static const unsigned counts[] = { 1, 2, 8, VCPUS_MAX };
    static const enum loop_backend backends[] = { LOOP_AUTO, LOOP_EPOLL };

    for (size_t b = 0; b < sizeof(backends) / sizeof(backends[0]); b++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            ends_from_all_sides(backends[b], counts[i]);
            pause_races_with_the_end(backends[b], counts[i]);
            ends_from_outside(backends[b], counts[i]);
            quit_races_with_death(backends[b], counts[i]);
        }
    }
    return 0;
}
