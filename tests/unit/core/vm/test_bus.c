/* Buses: windows sorted and disjoint, accesses delivered whole and under the device's lock. */
#include "core/vm/bus.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/device.h"

/* A device that remembers the last access and answers with its own mark. */
struct probe {
    struct device device;
    uint8_t mark;
    unsigned reads, writes;
    uint64_t offset;
    unsigned size;
    uint8_t written[8];
    int lock_free; /* what trylock returned during the access */
};

static void probe_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct probe *p = (struct probe *)d;

    p->reads++;
    p->offset = offset;
    p->size = size;
    p->lock_free = pthread_mutex_trylock(&d->lock.mutex);
    memset(data, p->mark, size);
}

static void probe_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct probe *p = (struct probe *)d;

    p->writes++;
    p->offset = offset;
    p->size = size;
    p->lock_free = pthread_mutex_trylock(&d->lock.mutex);
    memcpy(p->written, data, size);
}

static const struct device_ops probe_ops = {
    .name = "probe",
    .read = probe_read,
    .write = probe_write,
};

static void probe_init(struct probe *p, uint8_t mark)
{
    *p = (struct probe){ .mark = mark };
    device_init(&p->device, &probe_ops);
}

static uint64_t read_of(const struct bus *b, uint64_t addr, unsigned size, bool claimed)
{
    uint64_t value = 0;

    cr_assert_eq(bus_read(b, addr, &value, size), claimed, "0x%llx", (unsigned long long)addr);
    return value;
}

Test(bus, delivers_to_the_window_with_its_offset)
{
    struct bus b;
    struct probe p;
    uint32_t value = 0x11223344;

    bus_init(&b, "mmio");
    probe_init(&p, 0x5a);
    cr_assert_eq(bus_add(&b, 0x1000, 0x100, &p.device, NULL), 0);

    cr_assert_eq(read_of(&b, 0x1010, 2, true), 0x5a5a);
    cr_assert_eq(p.offset, 0x10);
    cr_assert_eq(p.size, 2);
    cr_assert_eq(p.lock_free, EBUSY, "read runs under the lock");

    cr_assert(bus_write(&b, 0x10fc, &value, 4));
    cr_assert_eq(p.offset, 0xfc);
    cr_assert_eq(memcmp(p.written, &value, 4), 0);
    cr_assert_eq(p.lock_free, EBUSY, "so does write");
    cr_assert_eq(pthread_mutex_trylock(&p.device.lock.mutex), 0, "and the lock is released");
    (void)pthread_mutex_unlock(&p.device.lock.mutex);
    device_finish(&p.device);
}

Test(bus, empty_bus_claims_nothing)
{
    struct bus b;

    bus_init(&b, "port");
    cr_assert_eq(read_of(&b, 0, 8, false), UINT64_MAX);
    cr_assert_not(bus_write(&b, UINT64_MAX, "x", 1));
}

Test(bus, unclaimed_reads_are_all_ones)
{
    struct bus b;
    struct probe p;

    bus_init(&b, "port");
    probe_init(&p, 0);
    cr_assert_eq(bus_add(&b, 0x60, 5, &p.device, NULL), 0);

    cr_assert_eq(read_of(&b, 0x5f, 1, false), 0xff);
    cr_assert_eq(read_of(&b, 0x65, 4, false), 0xffffffff);
    cr_assert_eq(read_of(&b, 0x5f, 2, false), 0xffff, "begins below the window");
    cr_assert_eq(read_of(&b, 0x64, 2, false), 0xffff, "ends above the window");
    cr_assert_eq(read_of(&b, 0x5f, 8, false), UINT64_MAX, "contains the window");
    cr_assert_not(bus_write(&b, 0x64, "xy", 2));
    cr_assert_eq(p.reads + p.writes, 0);
    device_finish(&p.device);
}

Test(bus, nobody_claims_an_odd_size)
{
    struct bus b;
    struct probe p;

    bus_init(&b, "mmio");
    probe_init(&p, 0);
    cr_assert_eq(bus_add(&b, 0, 0x1000, &p.device, NULL), 0);
    for (unsigned size = 1; size <= 8; size++) {
        bool whole = size == 1 || size == 2 || size == 4 || size == 8;

        (void)read_of(&b, 0x10, size, whole);
        cr_assert_eq(bus_write(&b, 0x10, "\0\0\0\0\0\0\0", size), whole);
    }
    cr_assert_eq(p.reads, 4);
    cr_assert_eq(p.writes, 4);
    device_finish(&p.device);
}

Test(bus, access_across_neighbours_is_nobodys)
{
    struct bus b;
    struct probe low;
    struct probe high;

    bus_init(&b, "mmio");
    probe_init(&low, 1);
    probe_init(&high, 2);
    cr_assert_eq(bus_add(&b, 0x2000, 0x1000, &high.device, NULL), 0);
    cr_assert_eq(bus_add(&b, 0x1000, 0x1000, &low.device, NULL), 0);

    cr_assert_eq(read_of(&b, 0x1ffe, 4, false), 0xffffffff);
    cr_assert_eq(read_of(&b, 0x1ffc, 4, true), 0x01010101);
    cr_assert_eq(read_of(&b, 0x2000, 4, true), 0x02020202);
    device_finish(&low.device);
    device_finish(&high.device);
}

Test(bus, finds_every_one_of_many)
{
    struct bus b;
    struct probe p[BUS_WINDOWS_MAX];
    struct err e = { 0 };

    bus_init(&b, "mmio");
    for (unsigned i = 0; i < BUS_WINDOWS_MAX; i++) {
        unsigned slot = (i * 29 + 5) % BUS_WINDOWS_MAX; /* in no order */

        probe_init(&p[slot], (uint8_t)slot);
        cr_assert_eq(bus_add(&b, slot * 0x20, 0x10, &p[slot].device, NULL), 0);
    }
    for (unsigned i = 0; i < BUS_WINDOWS_MAX; i++) {
        cr_assert_eq(read_of(&b, i * 0x20, 1, true), i);
        cr_assert_eq(read_of(&b, i * 0x20 + 0xf, 1, true), i);
        cr_assert_eq(read_of(&b, i * 0x20 + 0x10, 1, false), 0xff);
        cr_assert_eq(b.windows[i].base, i * 0x20, "ascending");
    }

    cr_assert_eq(bus_add(&b, 0x10000, 1, &p[0].device, &e), -ENOSPC);
    cr_assert(strstr(e.text, "mmio bus: no room for probe beside 48"), "%s", e.text);
    for (unsigned i = 0; i < BUS_WINDOWS_MAX; i++)
        device_finish(&p[i].device);
}

Test(bus, windows_never_overlap)
{
    static const struct {
        uint64_t base, len;
        int ret;
    } rows[] = {
        { 0x100, 0x10, -EEXIST }, /* the same */
        { 0xff, 2, -EEXIST },     /* its first byte */
        { 0x10f, 2, -EEXIST },    /* its last */
        { 0x108, 1, -EEXIST },    /* inside */
        { 0, 0x1000, -EEXIST },   /* around */
        { 0xf0, 0x10, 0 },        /* right before */
        { 0x110, 0x10, 0 },       /* right after */
    };
    struct probe p;

    probe_init(&p, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bus b;
        struct err e = { 0 };

        bus_init(&b, "port");
        cr_assert_eq(bus_add(&b, 0x100, 0x10, &p.device, NULL), 0);
        cr_assert_eq(bus_add(&b, rows[i].base, rows[i].len, &p.device, &e), rows[i].ret);
        cr_assert_eq(b.count, rows[i].ret == 0 ? 2 : 1);
        if (rows[i].ret != 0)
            cr_assert(strstr(e.text, "overlaps probe at 0x100-0x10f"), "%s", e.text);
    }
    device_finish(&p.device);
}

Test(bus, windows_neither_empty_nor_wrapping)
{
    struct bus b;
    struct probe p;
    struct err e = { 0 };

    bus_init(&b, "mmio");
    probe_init(&p, 7);
    cr_assert_eq(bus_add(&b, 0x100, 0, &p.device, &e), -EINVAL);
    cr_assert(strstr(e.text, "0 bytes at 0x100"), "%s", e.text);
    cr_assert_eq(bus_add(&b, 0, 0, &p.device, &e), -EINVAL);
    cr_assert_eq(bus_add(&b, UINT64_MAX, 2, &p.device, &e), -EINVAL);
    cr_assert_eq(b.count, 0);

    cr_assert_eq(bus_add(&b, UINT64_MAX - 7, 8, &p.device, &e), 0, "up to the very end");
    cr_assert_eq(read_of(&b, UINT64_MAX - 7, 8, true), 0x0707070707070707);
    cr_assert_eq(read_of(&b, UINT64_MAX, 1, true), 0x07);
    cr_assert_eq(read_of(&b, UINT64_MAX, 2, false), 0xffff, "an access that wraps");
    device_finish(&p.device);
}
