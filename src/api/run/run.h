#ifndef API_RUN_RUN_H
#define API_RUN_RUN_H
/*
 * `mote run`: one machine from its configuration to its end, its console on this process's stdin
 * and stdout.
 */
#include "core/vm/power.h"

struct accel_ops;
struct err;
struct machine_config;
struct timeline;

/* How it went. */
struct run_end {
    enum power_end why;
    int signal; /* what mote should die of, or 0 */
};

/* The calling thread becomes the loop thread. The configuration has passed config_check; accels
 * ends with NULL. 0: the guest ran, *end says how it ended. Negative: it never did, the sentence
 * says why. The terminal is as it was either way. */
int run(const struct machine_config *config, const struct accel_ops *const *accels,
        struct timeline *timeline, struct run_end *end, struct err *e);

#endif
