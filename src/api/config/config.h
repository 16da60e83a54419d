#ifndef API_CONFIG_CONFIG_H
#define API_CONFIG_CONFIG_H
/*
 * The machine that the operator asks for, as plain values, and a check of whether such a machine is
 * possible. Pure.
 *
 * A command line or a request body fills the values in. Strings belong to whoever filled them in,
 * and must outlive the configuration.
 *
 * This room holds what an operator may ask for and judges it. It must not open a file, a device or
 * a socket, and must not make anything; api/machine does.
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
    const struct guest_arch *arch; /* of the guest; sets the limits */
    const char *kernel;            /* path */
    const char *initrd;            /* path, or NULL */
    const char *cmdline;           /* replaces the architecture's default, or NULL */
    const char *append;            /* appended to the command line, or NULL */
    uint64_t mem_size;             /* bytes */
    uint64_t vcpu_count;
    enum mem_huge huge;
    const char *accel; /* an accelerator's name, or NULL for "auto" */
    struct device_config devices;
    bool virtio_cmdline; /* announce the devices on the command line too: virtio_mmio.device= */
};

#define CHOICE_MAX 4u

/* The accelerators to try for a machine, the preferred one first. */
struct choice {
    const struct accel_ops *accels[CHOICE_MAX];
    unsigned count; /* 1 where the operator named one */
};

/* Sets every value to its default, or to zero where it has none. */
void config_init(struct machine_config *c, const struct guest_arch *arch);

/* Returns 0, or -EINVAL with a sentence about the first value that no machine can have. What the
 * paths name is checked later (boot_files.h, devices.h). */
int config_check(const struct machine_config *c, struct err *e);

/* Takes "none", "boot", "transparent" and "2M", in upper or lower case. */
int config_huge_parse(const char *word, enum mem_huge *huge, struct err *e);

/* Sets *choice to those accelerators of `accels`, a list that ends with NULL, that have processors
 * of the machine's architecture. If c->accel names one of them, sets it to that one alone. If there
 * is none, returns -EINVAL with a sentence and leaves *choice alone. */
int config_accel(const struct machine_config *c, const struct accel_ops *const *accels,
                 struct choice *choice, struct err *e);

/* Writes the kernel command line. If there is a drive, the line names the root drive, unless the
 * operator replaced the line or appended a root= to it. Returns the length without the NUL; like
 * snprintf, writes no more than `size` bytes. */
size_t config_cmdline(const struct machine_config *c, char *to, size_t size);

#endif
