#ifndef API_MACHINE_MACHINE_H
#define API_MACHINE_MACHINE_H
/*
 * A machine with its devices, made from a configuration.
 *
 * This room turns a configuration into a machine. It is the only one that makes virtio devices; it
 * must not know where the configuration came from, nor what an architecture's board holds.
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

/* Whoever made the machine embeds this in a struct of its own. */
struct machine_owner {
    /* The machine has ended and its processors have stopped. Called once, by the loop. */
    void (*ended)(struct machine_owner *o, enum power_end why);
};

/* What the maker provides. Whatever it points to must outlive the machine. */
struct machine_host {
    struct loop *loop;
    struct timeline *timeline;
    struct choice choice; /* of accelerators */
    struct serial_sink *console;
    struct machine_owner *owner;
    struct devices *devices; /* the virtio devices, made but not plugged */
    struct metrics *metrics; /* where the devices list their counters; or NULL */
};

/* Builds the machine and loads the kernel. The configuration must have passed config_check; it is
 * not needed afterwards. On failure nothing is left behind. */
int machine_create(const struct machine_config *config, const struct machine_host *host,
                   struct machine **out, struct err *e);

/* Makes the smallest machine of this architecture, without devices, on this accelerator, probes it
 * and takes it apart again. Returns 0 where the accelerator can be used. The probe sets *mips
 * (accel_vcpu_ops.probe). */
int machine_try(const struct guest_arch *arch, const struct accel_ops *accel, uint64_t *mips,
                struct err *e);

/* Starts the guest. */
int machine_start(struct machine *m, struct err *e);

/* Ends the machine, whatever its state, without calling `ended`; runs the loop until the devices
 * have left it, and frees it. Accepts NULL. If devices_unplug fails, returns its error, and the
 * machine stays for the rest of the process. */
int machine_destroy(struct machine *m);

/* The serial port that is the guest's console. */
struct serial *machine_serial(struct machine *m);

/* For whoever has to end the machine (core/vm/power.h). */
struct power *machine_power(struct machine *m);

#endif
