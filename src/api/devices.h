#ifndef API_DEVICES_H
#define API_DEVICES_H
/*
 * A machine's virtio devices: made from what the operator asked for before anything else is made,
 * plugged into the machine's windows, taken off again.
 *
 *   devices_create     files, sockets and taps are open
 *   devices_plug       device n in window n, on its interrupt (model.h)
 *   the guest runs
 *   devices_unplug     once no processor runs; then interrupt controllers and memory may go
 *   devices_destroy
 *
 * Loop thread, all of it.
 */
#include <stdbool.h>
#include <stddef.h>

#include "api/device_config.h"
#include "core/irq.h"

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
};

struct devices {
    struct device_entry entry[DEVICES_MAX]; /* in the order of the windows */
    unsigned count;
    unsigned leaving; /* unplugged and not gone */
    struct vm *vm;    /* while plugged */
};

/* The configuration has passed config_check and is not needed afterwards. The struct stays
 * where it is. On failure nothing is left behind. */
int devices_create(struct devices *d, const struct machine_config *machine, struct err *e);

/* While the machine is built; it outlives the plug. metrics: or NULL. After a failure some devices
 * may be plugged: devices_unplug. */
int devices_plug(struct devices *d, struct vm *vm, struct metrics *metrics, struct err *e);

/* Runs the loop until no device has anything under way. Nothing to do where none is plugged.
 * Negative where the loop fails: the devices then hold on to machine and loop for good. */
int devices_unplug(struct devices *d);

/* Whether devices_unplug is still to come, or failed: loop and machine have to stay. */
static inline bool devices_plugged(const struct devices *d)
{
    return d->vm != NULL;
}

/* Nothing where they are plugged. Accepts a zeroed struct. */
void devices_destroy(struct devices *d);

#endif
