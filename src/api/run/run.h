#ifndef API_RUN_RUN_H
#define API_RUN_RUN_H
/*
 * `mote run`: one machine from its configuration to its end, its console on this process's stdin
 * and stdout.
 *
 * This room is the process around a machine: its terminal, its signals, its console and its report.
 * It knows the event loop, the log and the serial port's two rings; it must not know the command
 * line, an accelerator by name, or which virtio devices there are.
 */
#include "core/vm/power.h"

struct accel_ops;
struct err;
struct machine_config;
struct timeline;

/* How the run ended. */
struct run_end {
    enum power_end why;
    int signal; /* the signal that mote should die of, or 0 */
};

/* Runs a machine on the calling thread, which becomes the loop thread. The configuration has passed
 * config_check; accels ends with NULL. Returns 0 if the guest ran; *end then says how it ended.
 * Returns a negative errno, with a sentence, if the guest never ran. The terminal is restored
 * either way. */
int run(const struct machine_config *config, const struct accel_ops *const *accels,
        struct timeline *timeline, struct run_end *end, struct err *e);

#endif
