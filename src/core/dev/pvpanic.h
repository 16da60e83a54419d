#ifndef CORE_DEV_PVPANIC_H
#define CORE_DEV_PVPANIC_H
/*
 * The port by which a guest's kernel reports that it has panicked: QEMU's pvpanic ("pvpanic device"
 * in its specifications), which stock kernels find through ACPI as QEMU0001.
 *
 * A read returns the events that the device knows; a write reports which of them have happened. A
 * panic that nothing in the guest handles ends the machine at once. One that the guest's crash
 * kernel handles is only recorded; the machine looks at the record when it ends.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/device.h"

struct err;
struct power;
struct state_reader;
struct state_writer;

#define PVPANIC_LEN 1u

/* Bits of the register. */
enum pvpanic_event {
    PVPANIC_PANICKED = 1,
    PVPANIC_CRASH_LOADED = 2, /* panicked, with a crash kernel that takes over */
};

struct pvpanic {
    struct device device;
    struct power *power;
    uint8_t seen; /* enum pvpanic_event; needs the device's lock unless no vCPU runs */
};

/* `power` stays the caller's and must outlive the device. */
void pvpanic_init(struct pvpanic *p, struct power *power);
void pvpanic_finish(struct pvpanic *p);

/* Call the rest only while no vCPU runs. */

/* Whether the guest's kernel has panicked, no matter who handled it. */
static inline bool pvpanic_seen(const struct pvpanic *p)
{
    return p->seen != 0;
}

/* The snapshot section is "pvpanic". Restoring refuses a value that no guest can have written.
 * -EINVAL or -ENOTSUP and a sentence; nothing has changed then. */
void pvpanic_save(const struct pvpanic *p, struct state_writer *w);
int pvpanic_load(struct pvpanic *p, struct state_reader *r, struct err *e);

#endif
