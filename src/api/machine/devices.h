#ifndef API_MACHINE_DEVICES_H
#define API_MACHINE_DEVICES_H
/*
 * A machine's virtio devices, from the operator's configuration to their end.
 *
 *   devices_open_drives   opens the drives' files
 *   devices_create        opens sockets and taps; now all devices are made
 *   devices_plug          puts device n into window n, on its interrupt (core/vm/guest_arch.h)
 *                         ... the guest runs ...
 *   devices_quiesce       brings them to rest while the machine is paused
 *   devices_resume        sets them going again
 *   devices_unplug        takes them out once no processor runs; memory and accelerator go later
 *   devices_destroy       frees them
 *
 * A host may never answer an operation of a device, as when the server behind a disk is gone.
 * Nothing can cancel the operation, and the kernel may still carry it out at any time. So a pause
 * and the end wait for it no longer than the configuration's patience. If the machine ends without
 * the answer, whatever the operation can reach (guest memory, the device, the loop) is kept for the
 * rest of the process.
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
    bool plugged;
    bool leaving;  /* virtio_unplug was called, and the device has not left yet */
    bool restless; /* virtio_quiesce was called, and the device is not at rest yet */
};

struct devices {
    struct device_entry entry[DEVICES_MAX]; /* entry n is in window n */
    unsigned count;
    struct vm *vm; /* while plugged */
    uint64_t patience_ns;
    unsigned missing;     /* how many devices the wait is for */
    struct loop_op limit; /* the timer that ends the wait, at limit_at_ns */
    uint64_t limit_at_ns;
    bool limit_runs;
    bool ending; /* devices_unplug was called */
    /* The callback of a devices_quiesce that is not over; or NULL. */
    void (*rested)(struct devices *d, int ret);
};

/* Make the devices; call the first before the second. The configuration must have passed
 * config_check; it is not needed afterwards. *d must not be moved. On failure nothing is left
 * behind.
 *
 * Drives come first because opening a file may hang for ever, when its server is gone. A process
 * that is killed then leaves nothing behind, whereas a vsock that was already made would leave its
 * socket's path. */
int devices_open_drives(struct devices *d, const struct machine_config *machine, struct err *e);
int devices_create(struct devices *d, const struct machine_config *machine, struct err *e);

/* Plugs every device into a machine that is being built. The machine must stay until devices_unplug
 * has succeeded. `metrics` may be NULL. After a failure some devices may be plugged: call
 * devices_unplug. */
int devices_plug(struct devices *d, struct vm *vm, struct metrics *metrics, struct err *e);

/* Brings all devices to rest; call it while no processor runs. Calls `rested` once, from here or
 * later from the loop: with 0, or with -ETIMEDOUT if a device got no answer from the host. After a
 * timeout all devices have gone on already, and the log names those that did not rest. `rested` is
 * not called if devices_unplug comes first. */
void devices_quiesce(struct devices *d, void (*rested)(struct devices *d, int ret));

/* Sets all devices going again, after devices_quiesce has brought them to rest. */
void devices_resume(struct devices *d);

/* Takes every device out of the machine, and runs the loop until all have left. Does nothing if
 * devices_plugged is false. Returns -ETIMEDOUT if a device got no answer from the host, and the log
 * names it; or the loop's error. After a failure, devices that have not left still use the machine
 * and the loop, until another call succeeds or for the rest of the process. */
int devices_unplug(struct devices *d);

/* Whether devices_plug was called and devices_unplug has not succeeded since. While this is true,
 * the loop and the machine must stay. */
static inline bool devices_plugged(const struct devices *d)
{
    return d->vm != NULL;
}

/* Destroys the devices that are not plugged. Accepts a zeroed struct. */
void devices_destroy(struct devices *d);

#endif
