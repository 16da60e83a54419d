/*
 * Any bytes as a balloon's state, and after them the contents of the memory where the driver's
 * queues are. One byte in front chooses the event loop and whether the device ends at rest.
 *
 * Whatever is restored goes on, comes to rest and is saved, and a second device can be restored
 * from that. Unless it ends at rest, a good driver then resets the first one and is served.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "lib/virtio/virtio_snapshot.h"
#include "virtio-mmio/balloon/balloon.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define RAM       (VD_LOW_END + VD_HIGH_END - VD_HIGH)
#define QUEUES_AT 0x10000u
#define QUEUES    0x10000u /* bytes */

enum config_bits {
    URING = 1,
    UNPLUGGED_AT_REST = 2,
};

static struct vd d, to;
static struct balloon *balloon, *other;
static struct state_writer w;
static struct err e;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    return 0;
}

static void plug(struct vd *driver, struct balloon **b, uint8_t bits)
{
    const struct balloon_config config = { .ram = RAM,
                                           .reporting = true,
                                           .stats_interval_s = 100000 };

    NEED(balloon_create(b, &config, NULL) == 0);
    vd_init(driver, bits & URING ? LOOP_URING : LOOP_EPOLL);
    driver->hostile = true;
    vd_plug(driver, &(*b)->virtio);
    driver->device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
}

static bool restore(const uint8_t *data, size_t size)
{
    static struct state_reader r;
    uint64_t len = 0;

    if (state_open(&r, data, size, &e) < 0)
        return false;
    memcpy(&len, data + 16, sizeof(len));
    data += len;
    size -= len;
    memcpy(vd_at(&d, QUEUES_AT, QUEUES), data, size < QUEUES ? size : QUEUES);
    if (virtio_restore(d.device, &r, &e) < 0) {
        NEED(e.text[0] != '\0' && !d.device->held && d.device->status.bits == 0);
        return false;
    }
    return true;
}

static void go_on(uint8_t bits)
{
    virtio_resume(d.device);
    vd_settle(&d);
    vd_quiesce(&d);
    vd_save(&d, &w);
    plug(&to, &other, bits);
    vd_move(&to, &d);
    NEED(vd_restore(&to, &w, &e) == 0);
    virtio_resume(to.device);
    vd_settle(&to);
    vd_finish(&to);
    balloon_destroy(other);
    state_free(&w);
    if (!(bits & UNPLUGGED_AT_REST))
        virtio_resume(d.device);
}

static void behave(void)
{
    uint32_t number = VD_HIGH / BALLOON_PAGE;

    vd_start(&d, 0);
    d.free = VD_BUFFERS;
    memcpy(vd_at(&d, vd_alloc(&d, 4), 4), &number, 4);
    (void)vd_chain(&d, 0, &(struct vd_buf){ VD_BUFFERS, 4, 0 }, 1);
    (void)vd_kick(&d, 0);
    NEED(vd_await(&d, 0).len == 0 && !vd_failed(&d));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool restored;

    if (size < 1)
        return 0;
    plug(&d, &balloon, data[0]);
    restored = restore(data + 1, size - 1);
    if (restored)
        go_on(data[0]);
    if (!restored || !(data[0] & UNPLUGGED_AT_REST))
        behave();
    vd_finish(&d);
    balloon_destroy(balloon);
    return 0;
}
