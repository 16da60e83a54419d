#ifndef API_MACHINE_DEVICES_H
#define API_MACHINE_DEVICES_H
/*
 * A machine's virtio devices: made from what the operator asked for before anything else is made,
 * plugged into the machine's windows, taken off again.
 *
 *   devices_open_drives, devices_create     files, and then sockets and taps, are open
 *   devices_plug       device n in window n, on its interrupt (core/vm/guest_arch.h)
 *   the guest runs
 *   devices_quiesce, devices_resume     while the machine is paused
 *   devices_unplug     once no processor runs; then interrupt controllers and memory may go
 *   devices_destroy
 *
 * A host may leave a device without an answer: a disk on a server that is gone. Nothing can end
 * such an operation, and the kernel may carry it out at any time. So nobody waits for it longer
 * than the configuration's patience, and what it can reach (guest memory, the device, the loop) is
 * left alone for the rest of the process.
 *
 * Loop thread, all of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/config/device_config.h"
#include "core/loop/loop.h"
#include "core/vm/irq.h"

struct devices;
struct machine_config;
struct metrics;
struct vm;

/* One device and its interrupt. */
struct device_entry {
    struct devices *owner;
    struct virtio_device *virtio;
    void (*destroy)(struct virtio_device *v);
    struct irq_line line;
    bool has_line;
    bool plugged, leaving; /* not gone; and to be so */
    bool restless;         /* its rest was asked for and has not come */
};

struct devices {
    struct device_entry entry[DEVICES_MAX]; /* in the order of the windows */
    unsigned count;
    struct vm *vm; /* while plugged */
    uint64_t patience_ns;
    unsigned missing;     /* devices that are waited for */
    struct loop_op limit; /* how long */
    uint64_t limit_at_ns;
    bool limit_runs;
    bool ending;                                /* they are being unplugged */
    void (*rested)(struct devices *d, int ret); /* set: a rest is to come */
};

/* The configuration has passed config_check and is not needed after the second of these. The struct
 * stays where it is. On failure nothing is left behind.
 *
 * The drives come first: a server that is gone may never let their files be opened, and of them
 * nothing outlives a process that is killed meanwhile, as the path of a socket would. */
int devices_open_drives(struct devices *d, const struct machine_config *machine, struct err *e);
int devices_create(struct devices *d, const struct machine_config *machine, struct err *e);

/* While the machine is built; it outlives the plug. metrics: or NULL. After a failure some devices
 * may be plugged: devices_unplug. */
int devices_plug(struct devices *d, struct vm *vm, struct metrics *metrics, struct err *e);

/* Brings all to rest, no processor running. `rested` is called once, from here or by the loop: with
 * 0, or -ETIMEDOUT where the log says which has no answer from the host; all go on then. It is not
 * called where they are unplugged meanwhile. */
void devices_quiesce(struct devices *d, void (*rested)(struct devices *d, int ret));

/* All go on; they are at rest. */
void devices_resume(struct devices *d);

/* Runs the loop until no device has anything under way. Nothing to do where none is plugged.
 * -ETIMEDOUT where the log says which has no answer from the host, or as the loop fails: those
 * devices then hold on to machine and loop, for good or until another call succeeds. */
int devices_unplug(struct devices *d);

/* Whether devices_unplug is still to come, or failed: loop and machine have to stay. */
static inline bool devices_plugged(const struct devices *d)
{
    return d->vm != NULL;
}

/* Those that are not plugged, or gone. Accepts a zeroed struct. */
void devices_destroy(struct devices *d);

#endif
