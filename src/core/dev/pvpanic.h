#ifndef CORE_DEV_PVPANIC_H
#define CORE_DEV_PVPANIC_H
/*
 * The port at which a guest's kernel says that it has panicked: QEMU's pvpanic ("pvpanic device" in
 * its specifications), which stock kernels find through ACPI as QEMU0001.
 *
 * Reading it tells which events the host takes, writing it that some of them happened. A panic that
 * nobody in the guest deals with ends the machine at once; one that the guest's crash kernel deals
 * with is only kept, for whoever asks when the machine ends.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/device.h"

struct err;
struct power;
struct state_reader;
struct state_writer;

#define PVPANIC_LEN 1u

enum pvpanic_event { /* bits */
                     PVPANIC_PANICKED = 1,
                     PVPANIC_CRASH_LOADED = 2,
};

struct pvpanic {
    struct device device;
    struct power *power;
    uint8_t seen; /* enum pvpanic_event; under the device's lock, or with the vCPUs at rest */
};

/* The power is the caller's and outlives the device. */
void pvpanic_init(struct pvpanic *p, struct power *power);
void pvpanic_finish(struct pvpanic *p);

/* No vCPU runs, for the rest of them. */

/* Whether the guest's kernel has panicked, whoever dealt with it. */
static inline bool pvpanic_seen(const struct pvpanic *p)
{
    return p->seen != 0;
}

/* The section "pvpanic". Restoring refuses what no guest can have written, with -EINVAL or -ENOTSUP
 * and a sentence; nothing has changed then. */
void pvpanic_save(const struct pvpanic *p, struct state_writer *w);
int pvpanic_restore(struct pvpanic *p, struct state_reader *r, struct err *e);

#endif
