#ifndef API_MACHINE_MACHINE_H
#define API_MACHINE_MACHINE_H
/*
 * A machine with its devices, from a configuration.
 *
 * Loop thread, all of it.
 */
#include "api/config/config.h"
#include "core/vm/power.h"

struct accel_ops;
struct devices;
struct err;
struct guest_arch;
struct loop;
struct machine;
struct metrics;
struct serial;
struct serial_sink;
struct timeline;

/* Who made the machine; embedded in the maker's own struct. */
struct machine_owner {
    /* Once, from the loop, when the machine is over and its processors stand still. */
    void (*ended)(struct machine_owner *o, enum power_end why);
};

/* What a machine is built on; all of it outlives the machine. */
struct machine_host {
    struct loop *loop;
    struct timeline *timeline;
    struct choice choice; /* of accelerators */
    struct serial_sink *console;
    struct machine_owner *owner;
    struct devices *devices; /* virtio's, made and not plugged */
    struct metrics *metrics; /* where their counters are listed, or NULL */
};

/* Builds it and loads the kernel. The configuration has passed config_check and is not needed
 * afterwards. On failure nothing is left behind. */
int machine_create(const struct machine_config *config, const struct machine_host *host,
                   struct machine **out, struct err *e);

/* Makes the smallest machine of this architecture, without devices, and takes it apart again: 0
 * where this accelerator gives such a one and it passes its probe, which sets *mips as
 * accel_vcpu_ops.probe. */
int machine_try(const struct guest_arch *arch, const struct accel_ops *accel, uint64_t *mips,
                struct err *e);

/* The guest runs. */
int machine_start(struct machine *m, struct err *e);

/* In any state, without a call of ended; runs the loop until the devices are off it. Accepts NULL.
 * Negative, as devices_unplug: where a device stays so does the machine, for the process's life. */
int machine_destroy(struct machine *m);

struct serial *machine_serial(struct machine *m);

/* What ends the machine: power_end_machine. */
struct power *machine_power(struct machine *m);

#endif
