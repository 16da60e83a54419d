#ifndef UNIT_VIRTIO_MMIO_BALLOON_BALLOON_RIG_H
#define UNIT_VIRTIO_MMIO_BALLOON_BALLOON_RIG_H
/*
 * A balloon between a driver and an accelerator that notes what it is told about guest memory.
 *
 * Each test that is written with ON_BOTH runs once on io_uring and once on epoll.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/balloon/balloon.h"

#define INFLATE 0u
#define DEFLATE 1u
#define STATS   2u
#define REPORT  3u

#define RAM    (UINT64_C(8) << 20)
#define BIT(n) (UINT64_C(1) << (n))

static struct vd d;
static struct balloon *balloon;
static struct balloon_config config;

/* What the accelerator was told last, and how often. */
static unsigned told;
static gpa_t told_gpa;
static uint64_t told_len;

static void note_written(struct accel *a, gpa_t gpa, uint64_t len)
{
    (void)a;
    told++;
    told_gpa = gpa;
    told_len = len;
}

static struct accel_ops accel_ops;

static void balloon_plug(void)
{
    struct err e;

    cr_assert_eq(balloon_create(&balloon, &config, &e), 0, "%s", e.text);
    accel_ops = *d.accel.accel.ops;
    accel_ops.memory_written = note_written;
    d.accel.accel.ops = &accel_ops;
    vd_plug(&d, &balloon->virtio);
}

static void balloon_start(uint64_t without)
{
    balloon_plug();
    vd_start(&d, without);
}

static void balloon_each(void (*body)(void))
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        config = (struct balloon_config){ .ram = RAM, .reporting = true };
        told = 0;
        vd_init(&d, backends[i]);
        body();
        vd_finish(&d);
        balloon_destroy(balloon);
    }
}

#define ON_BOTH(suite, name)   \
    static void name##_(void); \
    Test(suite, name)          \
    {                          \
        balloon_each(name##_); \
    }                          \
    static void name##_(void)

/* How many pages of the range the host has given this process. */
static inline unsigned present(gpa_t gpa, uint32_t len)
{
    uint64_t first = (uintptr_t)vd_at(&d, gpa, len) / 4096;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    unsigned count = 0;

    for (uint64_t i = 0; i < len / 4096; i++) {
        uint64_t entry = 0;
        cr_assert_eq(pread(fd, &entry, 8, (off_t)((first + i) * 8)), 8);
        count += entry >> 63;
    }
    (void)close(fd);
    return count;
}

static inline void fill(gpa_t gpa, uint32_t len)
{
    memset(vd_at(&d, gpa, len), 0xa5, len);
    cr_assert_eq(present(gpa, len), len / 4096);
}

/* Offers a buffer of page numbers in a queue, with a kick. */
static inline void offer_pages(unsigned queue, const uint32_t *numbers, unsigned count)
{
    gpa_t at = vd_alloc(&d, count * 4);

    memcpy(vd_at(&d, at, count * 4), numbers, count * 4);
    (void)vd_chain(&d, queue, &(struct vd_buf){ at, count * 4, 0 }, 1);
    (void)vd_kick(&d, queue);
}

static inline void send_pages(unsigned queue, const uint32_t *numbers, unsigned count)
{
    offer_pages(queue, numbers, count);
    cr_assert_eq(vd_await(&d, queue).len, 0);
}

#endif
