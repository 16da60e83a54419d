#ifndef API_CONFIG_CONFIG_H
#define API_CONFIG_CONFIG_H
/*
 * What machine the operator asks for: plain values that a command line or a request body fills, and
 * the judgement whether such a machine can be. Pure.
 *
 * Strings belong to whoever filled them in and outlive the configuration.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/config/device_config.h"
#include "core/vm/mem.h"

struct accel_ops;
struct err;
struct guest_arch;

struct machine_config {
    const struct guest_arch *arch; /* what it is judged by */
    const char *kernel;            /* path */
    const char *initrd;            /* path, or NULL */
    const char *cmdline;           /* instead of the architecture's, or NULL */
    const char *append;            /* behind the architecture's, or NULL */
    uint64_t mem_size;             /* bytes */
    uint64_t vcpu_count;
    enum mem_huge huge;
    const char *accel; /* its name, or NULL for "auto" */
    struct device_config devices;
    bool virtio_cmdline; /* announce them on the command line too: virtio_mmio.device= */
};

#define CHOICE_MAX 4u

/* The accelerators that would do, in the order of preference. */
struct choice {
    const struct accel_ops *accels[CHOICE_MAX];
    unsigned count; /* 1 where the operator chose */
};

/* Every value that has a default gets it. */
void config_init(struct machine_config *c, const struct guest_arch *arch);

/* -EINVAL with a sentence about the first value that no machine can have. Paths are not looked at
 * (boot_files.h, devices.h). */
int config_check(const struct machine_config *c, struct err *e);

/* "none", "transparent" or "2M", in any case. */
int config_huge_parse(const char *word, enum mem_huge *huge, struct err *e);

/* Which of `accels`, which ends with NULL, c->accel leaves to choose from: all that have processors
 * of the machine's architecture, or the one of them that it names. -EINVAL with a sentence where
 * there is none. */
int config_accel(const struct machine_config *c, const struct accel_ops *const *accels,
                 struct choice *choice, struct err *e);

/* The kernel command line, with the root drive in it where the operator left that to the model
 * (nothing given instead, no root= behind it). Returns its length without the NUL and, as snprintf,
 * writes no more than `size` bytes of it. */
size_t config_cmdline(const struct machine_config *c, char *to, size_t size);

#endif
