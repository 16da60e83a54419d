#ifndef CORE_VM_BUS_H
#define CORE_VM_BUS_H
/*
 * An address space of device windows. A machine has one for port I/O and one for MMIO.
 *
 * A bus is filled while the machine is built and never changes afterwards, so vCPU threads search
 * it without a lock.
 */
#include <stdbool.h>
#include <stdint.h>

struct device;
struct err;

#define BUS_WINDOWS_MAX 48

struct bus_window {
    uint64_t base;
    uint64_t len;
    struct device *device;
};

struct bus {
    const char *name;                           /* "port" or "mmio" */
    struct bus_window windows[BUS_WINDOWS_MAX]; /* ascending, disjoint */
    unsigned count;
};

void bus_init(struct bus *b, const char *name);

/* Call while the machine is built. The bus keeps the pointer, so the device must live as long as
 * processors run. -EEXIST where windows would overlap, -ENOSPC where the bus is full, -EINVAL for a
 * window that is empty or goes past the end of the address space. */
int bus_add(struct bus *b, uint64_t base, uint64_t len, struct device *d, struct err *e);

/* A vCPU's thread. size is 1 to 8. Where no device claims the whole access, a read gives all ones,
 * a write goes nowhere, and both return false. No device claims a size other than 1, 2, 4 or 8,
 * which a guest can cause by an access across a page boundary. */
bool bus_read(const struct bus *b, uint64_t addr, void *data, unsigned size);
bool bus_write(const struct bus *b, uint64_t addr, const void *data, unsigned size);

#endif
