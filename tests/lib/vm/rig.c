/* Sets up and tears down what vCPU threads need, and checks each step. */
#include "lib/vm/rig.h"

#include <string.h>

#include "lib/check.h"

static void rig_end(struct power *p, enum power_end why)
{
    struct rig *r = (struct rig *)p;

    atomic_store(&r->why, why);
    atomic_fetch_add(&r->ends, 1);
    (void)sem_post(&r->ended);
}

void rig_init(struct rig *r, unsigned vcpu_count)
{
    struct mem_config mem = { .size = 1 << 20, .gap_start = 2 << 20, .gap_end = 4 << 20 };
    struct accel_config accel = {
        .mem = &r->mem,
        .ports = &r->ports,
        .mmio = &r->mmio,
        .vcpu_count = vcpu_count,
    };

    memset(r, 0, sizeof(*r));
    r->power.end = rig_end;
    CHECK(sem_init(&r->ended, 0, 0) == 0);
    CHECK(mem_init(&r->mem, &mem, NULL) == 0);
    bus_init(&r->ports, "port");
    bus_init(&r->mmio, "mmio");
    bell_init(&r->bell);
    CHECK(bus_add(&r->ports, RIG_BELL, BELL_LEN, &r->bell.device, NULL) == 0);
    CHECK(scripted_accel.create(&accel, &r->accel, NULL) == 0);
}

void rig_start(struct rig *r, unsigned vcpu_count)
{
    rig_init(r, vcpu_count);
    CHECK(vcpus_init(&r->vcpus, r->accel, vcpu_count, &r->power, &r->timeline, NULL) == 0);
}

void rig_finish(struct rig *r)
{
    vcpus_finish(&r->vcpus);
    r->accel->ops->destroy(r->accel);
    bell_finish(&r->bell);
    mem_finish(&r->mem);
    (void)sem_destroy(&r->ended);
    CHECK(atomic_load(&scripted_alive) == 0);
}
