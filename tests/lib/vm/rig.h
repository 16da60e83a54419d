#ifndef TESTS_RIG_H
#define TESTS_RIG_H
/*
 * Everything that vCPU threads need: a little memory, two buses with a bell on the port bus, a
 * scripted accelerator, and a power that counts how often the machine was ended.
 */
#include <semaphore.h>
#include <stdatomic.h>

#include "core/base/timeline.h"
#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "core/vm/power.h"
#include "core/vm/vcpu.h"
#include "lib/vm/bell.h"
#include "lib/vm/scripted.h"

#define RIG_BELL 0x10u /* port */

struct rig {
    struct power power; /* first member: power.end finds the rig through it */
    sem_t ended;        /* posted by each end */
    atomic_uint ends;
    _Atomic(enum power_end) why; /* of the last end */
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct bell bell;
    struct timeline timeline;
    struct accel *accel;
    struct vcpus vcpus;
};

/* rig_init makes all but the vCPU threads, rig_start those too. */
void rig_init(struct rig *r, unsigned vcpu_count);
void rig_start(struct rig *r, unsigned vcpu_count);

/* Also CHECKs that nothing of the accelerator is left. */
void rig_finish(struct rig *r);

#endif
