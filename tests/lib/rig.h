#ifndef TESTS_RIG_H
#define TESTS_RIG_H
/*
 * Everything that vCPU threads stand on: a little memory, two buses with a bell on the port one, a
 * scripted accelerator, and a power that counts who ended the machine.
 */
#include <semaphore.h>
#include <stdatomic.h>

#include "core/base/timeline.h"
#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "core/vm/power.h"
#include "core/vm/vcpu.h"
#include "lib/bell.h"
#include "lib/scripted.h"

#define RIG_BELL 0x10u /* port */

struct rig {
    struct power power; /* first member: how end finds the rest */
    sem_t ended;        /* posted by each end */
    atomic_uint ends;
    _Atomic(enum power_end) why; /* the last one */
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct bell bell;
    struct timeline timeline;
    struct accel *accel;
    struct vcpus vcpus;
};

/* Without and with the vCPU threads. */
void rig_init(struct rig *r, unsigned vcpu_count);
void rig_start(struct rig *r, unsigned vcpu_count);

/* CHECKs that nothing of the accelerator is left. */
void rig_finish(struct rig *r);

#endif
