/*
 * A disk with any driver: one byte that configures it, then steps of eight bytes, the first of
 * which says what to do.
 *
 * Steps make whole requests, scribble on descriptors, headers and rings, kick, reset, and change
 * the file under the device. Whatever they do, all that is in flight ends by itself, a reset ends
 * with nothing in flight, and a read-only file stays as it was.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/blk/blk.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEP      8u
#define STEPS_MAX 256u
#define FILE_SIZE (16u * 4096u)
#define BUFFERS   (VD_BUFFERS + 0x100000) /* where raw descriptors may point */

enum config_bits {
    READ_ONLY = 1,
    WRITEBACK = 2,
    DISCARD = 4,
    DIRECT = 8,
    LIMITED = 16,
    NO_EVENTS = 32,
    NO_ALLOCATION = 64, /* as if the host's filesystem had no holes */
    URING = 128,
};

static struct vd d;
static struct blk *disk;
static int files[2];
static char paths[2][32];

static void file_fill(int fd)
{
    uint8_t block[4096];

    NEED(ftruncate(fd, FILE_SIZE) == 0);
    for (unsigned i = 0; i < FILE_SIZE / sizeof(block); i++) {
        memset(block, (int)i + 1, sizeof(block));
        NEED(pwrite(fd, block, sizeof(block), i * (off_t)sizeof(block)) == sizeof(block));
    }
}

static bool file_is_untouched(int fd)
{
    uint8_t block[4096];

    for (unsigned i = 0; i < FILE_SIZE / sizeof(block); i++) {
        NEED(pread(fd, block, sizeof(block), i * (off_t)sizeof(block)) == sizeof(block));
        for (unsigned j = 0; j < sizeof(block); j++)
            if (block[j] != (uint8_t)(i + 1))
                return false;
    }
    return true;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    for (unsigned i = 0; i < 2; i++) {
        files[i] = memfd_create("disk", MFD_CLOEXEC);
        NEED(files[i] >= 0);
        (void)snprintf(paths[i], sizeof(paths[i]), "/proc/self/fd/%d", files[i]);
        file_fill(files[i]);
    }
    return 0;
}

static void settle(void)
{
    struct vd_used used;

    vd_settle(&d);
    while (vd_reap(&d, 0, &used))
        ;
}

/* What the limiter holds back is still in the queue and does not count. */
static bool is_idle(void *arg)
{
    (void)arg;
    return disk->in_flight == 0;
}

static void start(uint8_t config)
{
    vd_start(&d, config & NO_EVENTS ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0);
    NEED(disk->in_flight == 0 && !disk->waiting && !disk->io.bouncing);
}

/* A length that a driver may well choose, or an odd one. */
static uint32_t length(uint8_t b)
{
    return b < 192 ? (b & 31u) * BLK_SECTOR : b * UINT32_C(41);
}

static void request(const uint8_t *b)
{
    static const uint32_t types[] = { /* at odd places, those whose data come from the driver */
                                      VIRTIO_BLK_T_IN,           VIRTIO_BLK_T_OUT,
                                      VIRTIO_BLK_T_GET_ID,       VIRTIO_BLK_T_DISCARD,
                                      VIRTIO_BLK_T_FLUSH,        VIRTIO_BLK_T_WRITE_ZEROES,
                                      VIRTIO_BLK_T_SECURE_ERASE, VIRTIO_BLK_T_OUT
    };
    struct virtio_blk_discard_write_zeroes range = { b[2], b[3] * UINT32_C(3), b[4] >> 6 };
    struct virtio_blk_outhdr header = { .type = types[b[1] & 7],
                                        .sector = b[2] | (b[5] & 3u) << 8 };
    uint16_t direction = b[1] & 1 ? 0 : VD_WRITE;
    uint32_t len = length(b[3]);
    struct vd_buf bufs[4];
    gpa_t at;

    d.free = VD_BUFFERS;
    at = vd_alloc(&d, 16);
    memcpy(vd_at(&d, at, 16), &header, sizeof(header));
    bufs[0] = (struct vd_buf){ at, 16, 0 };
    if (header.type == VIRTIO_BLK_T_DISCARD || header.type == VIRTIO_BLK_T_WRITE_ZEROES)
        len = sizeof(range);
    at = vd_alloc(&d, len + 8) + (b[6] & 7);
    if (len == sizeof(range))
        memcpy(vd_at(&d, at, sizeof(range)), &range, sizeof(range));
    bufs[1] = (struct vd_buf){ at, len / 2, direction };
    bufs[2] = (struct vd_buf){ at + len / 2, len - len / 2, direction };
    bufs[3] = (struct vd_buf){ vd_alloc(&d, 1), 1, VD_WRITE };
    (void)(b[1] & 128 ? vd_indirect : vd_chain)(&d, 0, bufs, 4);
    if (b[1] & 64)
        (void)vd_kick(&d, 0);
}

static void descriptor(const uint8_t *b)
{
    static const gpa_t places[] = { BUFFERS,         VD_LOW_END - 16, VD_HIGH, VD_HIGH_END - 16,
                                    UINT64_MAX - 15, 0x10000,         0,       VD_LOW_END };
    struct vring_desc desc = { places[b[2] & 7] + b[3], length(b[4]) + (b[2] >> 5), b[5] & 7u,
                               b[6] };

    if (b[2] & 8)
        desc.len = UINT32_MAX - b[4];
    if (b[2] & 16)
        memcpy(vd_at(&d, BUFFERS + b[3] * 16u, 16), &desc, 16); /* into an indirect table */
    else
        vd_desc(&d, 0, b[1], desc);
}

/* Writes a header where raw descriptors may point. */
static void header(const uint8_t *b)
{
    struct virtio_blk_outhdr h = { .type = b[1] & 15, .sector = b[2] };

    if (b[3] & 1)
        h.sector = UINT64_MAX - b[2];
    memcpy(vd_at(&d, BUFFERS + b[4], 16), &h, 16);
}

static void change(const uint8_t *b, uint8_t config)
{
    const struct rate slow = { .per_s = b[2], .burst = b[3] };

    switch (b[1] & 3) {
    case 0:
        if (!(config & READ_ONLY))
            NEED(ftruncate(files[0], (b[2] | b[3] << 8) * 2) == 0);
        (void)blk_resize(disk, NULL);
        break;
    case 1:
        (void)blk_swap(disk, paths[b[2] & 1], NULL);
        break;
    case 2:
        blk_limit(disk, slow, (struct rate){ .per_s = b[4] });
        break;
    case 3:
        blk_limit(disk, (struct rate){ 0 }, (struct rate){ 0 });
        break;
    }
}

static void step(const uint8_t *b, uint8_t config)
{
    switch (b[0] & 7) {
    case 0:
    case 1:
        request(b);
        break;
    case 2:
        descriptor(b);
        break;
    case 3:
        header(b);
        break;
    case 4:
        vd_offer(&d, 0, b[1]);
        d.queue[0].offered = (uint16_t)(d.queue[0].offered + (b[2] & 128 ? b[2] : 0));
        vd_publish(&d, 0);
        vd_kick_hard(&d, 0);
        break;
    case 5:
        settle();
        break;
    case 6:
        start(b[1] & 1 ? config : config ^ NO_EVENTS);
        break;
    case 7:
        change(b, config);
        break;
    }
}

static bool disk_open(uint8_t bits)
{
    struct blk_config config = { .id = "fuzz",
                                 .path = paths[0],
                                 .read_only = bits & READ_ONLY,
                                 .direct = bits & DIRECT,
                                 .writeback = bits & WRITEBACK,
                                 .discard = bits & DISCARD };

    if (bits & LIMITED)
        config.bandwidth = (struct rate){ .per_s = 1, .burst = 100000 };
    if (blk_create(&disk, &config, NULL) < 0)
        return false;
    if (bits & NO_ALLOCATION)
        disk->io.file.can_punch = disk->io.file.can_zero = false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || !disk_open(data[0]))
        return 0;
    vd_init(&d, data[0] & URING ? LOOP_URING : LOOP_EPOLL);
    d.hostile = true;
    vd_plug(&d, &disk->virtio);
    d.device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
    start(data[0]);
    for (size_t i = 1; i + STEP <= size && i < 1 + STEP * STEPS_MAX; i += STEP)
        step(data + i, data[0]);
    vd_run_until(&d, is_idle, NULL);
    vd_finish(&d);
    blk_destroy(disk);
    if (data[0] & READ_ONLY)
        NEED(file_is_untouched(files[0]) && file_is_untouched(files[1]));
    else
        for (unsigned i = 0; i < 2; i++)
            file_fill(files[i]);
    return 0;
}
