/* Address spaces of device windows: sorted as they are added, searched on every access. */
#include "core/vm/bus.h"

#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/device.h"

void bus_init(struct bus *b, const char *name)
{
    *b = (struct bus){ .name = name };
}

/* How many windows begin at or below addr. Only the last of those can hold addr. */
static unsigned windows_upto(const struct bus *b, uint64_t addr)
{
    unsigned low = 0;
    unsigned high = b->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (b->windows[middle].base <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int bus_refuse_overlap(const struct bus *b, uint64_t base, uint64_t last,
                              const struct device *d, const struct bus_window *other, struct err *e)
{
    return err_set(e, EEXIST, "%s bus: %s at 0x%llx-0x%llx overlaps %s at 0x%llx-0x%llx", b->name,
                   d->ops->name, (unsigned long long)base, (unsigned long long)last,
                   other->device->ops->name, (unsigned long long)other->base,
                   (unsigned long long)(other->base + (other->len - 1)));
}

int bus_add(struct bus *b, uint64_t base, uint64_t len, struct device *d, struct err *e)
{
    uint64_t last = base + (len - 1); /* inclusive: a window may end where the address space does */
    struct bus_window *at = &b->windows[windows_upto(b, base)];
    struct bus_window *end = &b->windows[b->count];

    if (len == 0 || last < base)
        return err_set(e, EINVAL, "%s bus: %s cannot have %llu bytes at 0x%llx", b->name,
                       d->ops->name, (unsigned long long)len, (unsigned long long)base);
    if (b->count == BUS_WINDOWS_MAX)
        return err_set(e, ENOSPC, "%s bus: no room for %s beside %u other devices", b->name,
                       d->ops->name, b->count);
    if (at > b->windows && base - at[-1].base < at[-1].len)
        return bus_refuse_overlap(b, base, last, d, &at[-1], e);
    if (at < end && at->base <= last)
        return bus_refuse_overlap(b, base, last, d, at, e);

    memmove(at + 1, at, (size_t)(end - at) * sizeof(*at));
    *at = (struct bus_window){ .base = base, .len = len, .device = d };
    b->count++;
    return 0;
}

/* The window that holds all of the access, or NULL. */
static const struct bus_window *window_find(const struct bus *b, uint64_t addr, unsigned size)
{
    unsigned upto = windows_upto(b, addr);
    const struct bus_window *w;
    uint64_t offset;

    if (upto == 0 || (size & (size - 1)) != 0)
        return NULL;
    w = &b->windows[upto - 1];
    offset = addr - w->base;
    return offset < w->len && size <= w->len - offset ? w : NULL;
}

bool bus_read(const struct bus *b, uint64_t addr, void *data, unsigned size)
{
    const struct bus_window *w = window_find(b, addr, size);

    if (!w) {
        memset(data, 0xff, size);
        return false;
    }
    lock_take(&w->device->lock);
    w->device->ops->read(w->device, addr - w->base, data, size);
    lock_release(&w->device->lock);
    return true;
}

bool bus_write(const struct bus *b, uint64_t addr, const void *data, unsigned size)
{
    const struct bus_window *w = window_find(b, addr, size);

    if (!w)
        return false;
    lock_take(&w->device->lock);
    w->device->ops->write(w->device, addr - w->base, data, size);
    lock_release(&w->device->lock);
    return true;
}
