/*
 * The whole register window with the echo device behind it, as a driver and a loop that do anything
 * in any order: steps of four bytes (what, where, two of value).
 *
 * At every step the device is in a state that its phase allows; afterwards a well-behaved driver
 * must get on with it.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "lib/echo.h"
#include "lib/virtio_driver.h"
#include "virtio-mmio/mmio.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEPS_MAX 128u

static struct vd d;
static struct echo echo;

/* Registers first, then whatever the offset is. */
static uint32_t where(uint8_t at, uint16_t value)
{
    return at < 0xe0 ? at & ~3u : (at * 0x80u + (value >> 8)) % MMIO_WINDOW_SIZE;
}

static void access_window(bool write, uint8_t at, uint16_t value)
{
    uint64_t data = at & 1 ? (uint64_t)value << 32 | value : value;
    uint32_t offset = where(at, value);
    unsigned size = at < 0xe0 ? 4 : 1u << (value & 3);

    if (write)
        (void)bus_write(&d.bus, VD_WINDOW + offset, &data, size);
    else
        (void)bus_read(&d.bus, VD_WINDOW + offset, &data, size);
}

/* Ring addresses that are often good, and queue memory that is often not. */
static void place_ring(uint8_t at, uint16_t value)
{
    static const uint32_t regs[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
                                     VIRTIO_MMIO_QUEUE_USED_LOW };

    vd_write(&d, regs[at % 3], 0x1000u * (at >> 2 & 7) + (value & 0x801f));
    vd_write(&d, regs[at % 3] + 4, value == 0xffff ? 1 : 0);
}

static void scribble(uint8_t at, uint16_t value)
{
    uint8_t *byte = vd_at(&d, 0x1000u * (at >> 5) + (at & 31) * 2u, 2);

    memcpy(byte, &value, sizeof(value));
}

static void progress(uint8_t at, uint16_t value)
{
    switch (at & 3) {
    case 0:
        vd_settle(&d);
        break;
    case 1:
        echo.hold = value & 1;
        break;
    case 2:
        echo_release(&echo);
        break;
    case 3:
        virtio_config_update(&echo.virtio, value & 7, &value, 1);
        break;
    }
}

static void bring_up(uint8_t at, uint16_t value)
{
    if (echo.virtio.status.resetting && echo.held_count > 0)
        return; /* vd_reset would wait for it */
    vd_settle(&d);
    echo_release(&echo);
    NEED(vd_negotiate(&d, value));
    vd_queue_set_up(&d, 0, (uint16_t)(1u << (at & 5)));
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
}

static void offer(uint8_t at, uint16_t value)
{
    const struct vd_buf bufs[] = { { VD_BUFFERS, value, 0 }, { VD_BUFFERS, at, VD_WRITE } };

    if (d.queue[0].size < 2)
        return;
    (void)vd_chain(&d, 0, bufs, 2);
    vd_kick_hard(&d, 0);
}

static void check(void)
{
    const struct virtio_device *v = &echo.virtio;

    NEED(v->phase != VIRTIO_LIVE || v->status.bits & VIRTIO_CONFIG_S_DRIVER_OK);
    NEED(v->phase != VIRTIO_DRAINING || v->status.resetting);
    NEED(!(v->status.bits & VIRTIO_CONFIG_S_DRIVER_OK) ||
         v->status.bits & VIRTIO_CONFIG_S_FEATURES_OK);
    NEED(!(v->status.bits & VIRTIO_CONFIG_S_FEATURES_OK) ||
         (v->status.accepted & ~v->status.offered) == 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct virtq *q = &v->queue[i].ring;
        NEED(!q->ready || (q->size <= 64 && q->desc && q->avail && q->used));
        NEED(q->in_flight <= q->size);
        NEED(q->size_max == 64);
    }
}

static void step(const uint8_t *b)
{
    uint16_t value = (uint16_t)(b[2] | b[3] << 8);

    switch (b[0] & 7) {
    case 0:
    case 1:
        access_window(b[0] & 1, b[1], value);
        break;
    case 2:
        place_ring(b[1], value);
        break;
    case 3:
        scribble(b[1], value);
        break;
    case 4:
        progress(b[1], value);
        break;
    case 5:
        vd_write(&d, VIRTIO_MMIO_STATUS, b[1]);
        break;
    case 6:
        bring_up(b[1], value);
        break;
    case 7:
        offer(b[1], value);
        break;
    }
    check();
}

/* After all of that. */
static void behave(void)
{
    const struct vd_buf bufs[] = { { VD_BUFFERS, 4, 0 }, { VD_BUFFERS + 64, 4, VD_WRITE } };

    echo.hold = false;
    vd_settle(&d);
    echo_release(&echo);
    vd_start(&d, 0);
    memcpy(vd_at(&d, VD_BUFFERS, 4), "good", 4);
    (void)vd_chain(&d, 1, bufs, 2);
    (void)vd_kick(&d, 1);
    NEED(vd_await(&d, 1).len == 4);
    NEED(memcmp(vd_at(&d, VD_BUFFERS + 64, 4), "good", 4) == 0);
    NEED(vd_interrupts(&d, NULL) >= 1 && !vd_failed(&d));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct log_config quiet = { .level = LOG_OFF };
    static bool started;

    if (!started)
        (void)log_open(&quiet, NULL);
    started = true;
    echo_init(&echo, 2, 64);
    vd_init(&d, LOOP_EPOLL);
    d.hostile = true;
    vd_plug(&d, &echo.virtio);
    for (size_t i = 0; i + 4 <= size && i < 4 * STEPS_MAX; i += 4)
        step(data + i);
    behave();
    vd_finish(&d);
    return 0;
}
