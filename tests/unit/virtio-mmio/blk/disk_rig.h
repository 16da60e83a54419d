#ifndef UNIT_VIRTIO_MMIO_BLK_DISK_RIG_H
#define UNIT_VIRTIO_MMIO_BLK_DISK_RIG_H
/*
 * What the block device's unit tests share: an image file whose every sector is known, a driver in
 * front of the disk, and each test on both loop backends.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/blk/blk.h"

/* BOTH(name) { ... } is two tests, blk_io_uring and blk_epoll. */
#define BOTH(name)            \
    static void name(void);   \
    Test(blk_io_uring, name)  \
    {                         \
        backend = LOOP_URING; \
        name();               \
    }                         \
    Test(blk_epoll, name)     \
    {                         \
        backend = LOOP_EPOLL; \
        name();               \
    }                         \
    static void name(void)

#define SECTORS 64u /* of an image */

static enum loop_backend backend;
static struct vd d;
static struct blk *disk;
static bool indirect; /* chains go through indirect tables */
static char image[64];

static inline uint8_t sector_byte(uint64_t sector)
{
    return (uint8_t)(sector * 7 + 1);
}

/* A file of so many bytes, each sector filled with its byte; its path goes to `path`, 64 bytes. */
static inline void image_make(char *path, size_t size)
{
    uint8_t sector[BLK_SECTOR];
    int fd;

    strcpy(path, "/tmp/test_blk.XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    for (size_t at = 0; at < size; at += sizeof(sector)) {
        size_t piece = size - at < sizeof(sector) ? size - at : sizeof(sector);
        memset(sector, sector_byte(at / sizeof(sector)), sizeof(sector));
        cr_assert_eq(write(fd, sector, piece), (ssize_t)piece);
    }
    close(fd);
}

static inline uint8_t image_byte(uint64_t offset)
{
    uint8_t byte = 0;
    int fd = open(image, O_RDONLY);

    cr_assert_eq(pread(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
    return byte;
}

static inline struct blk_config plain(void)
{
    return (struct blk_config){ .id = "vol", .path = image, .writeback = true, .discard = true };
}

/* The disk on a fresh image, its driver ready. */
static inline void disk_open(struct blk_config config, uint64_t without)
{
    struct err e = { 0 };

    if (!image[0])
        image_make(image, SECTORS * BLK_SECTOR);
    config.path = image;
    cr_assert_eq(blk_create(&disk, &config, &e), 0, "%s", e.text);
    vd_init(&d, backend);
    vd_plug(&d, &disk->virtio);
    vd_start(&d, without);
}

static inline void disk_close(void)
{
    vd_finish(&d);
    blk_destroy(disk);
    unlink(image);
    image[0] = 0;
}

struct ask {
    uint8_t *data; /* the driver's */
    uint8_t *status;
    gpa_t header_at, data_at, status_at;
    uint32_t len;
    uint16_t head;
    uint32_t used; /* once answered */
};

static inline void ask_chain(struct ask *a, uint16_t flags)
{
    struct vd_buf bufs[3] = { { a->header_at, sizeof(struct virtio_blk_outhdr), 0 } };
    unsigned count = 1;

    if (a->len > 0)
        bufs[count++] = (struct vd_buf){ a->data_at, a->len, flags };
    bufs[count++] = (struct vd_buf){ a->status_at, 1, VD_WRITE };
    a->head = (indirect ? vd_indirect : vd_chain)(&d, 0, bufs, count);
}

/* Offers a request, without a kick. */
static inline struct ask ask(uint32_t type, uint64_t sector, const void *data, uint32_t len)
{
    struct ask a = { .header_at = vd_alloc(&d, sizeof(struct virtio_blk_outhdr)),
                     .data_at = vd_alloc(&d, len),
                     .status_at = vd_alloc(&d, 1),
                     .len = len };
    struct virtio_blk_outhdr header = { .type = type, .sector = sector };

    memcpy(vd_at(&d, a.header_at, sizeof(header)), &header, sizeof(header));
    a.data = vd_at(&d, a.data_at, len);
    a.status = vd_at(&d, a.status_at, 1);
    *a.status = 0xee;
    if (data)
        memcpy(a.data, data, len);
    ask_chain(&a, data ? 0 : VD_WRITE);
    return a;
}

/* Kicks and waits for the answer. No other request is under way. */
static inline uint8_t answer(struct ask *a)
{
    struct vd_used used;

    (void)vd_kick(&d, 0);
    used = vd_await(&d, 0);
    cr_assert_eq(used.head, a->head);
    a->used = used.len;
    return *a->status;
}

static inline uint8_t ask_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    struct virtio_blk_discard_write_zeroes range = { sector, sectors, flags };
    struct ask a = ask(type, 0, &range, sizeof(range));

    return answer(&a);
}

static inline uint8_t ask_flush(void)
{
    struct ask a = ask(VIRTIO_BLK_T_FLUSH, 0, NULL, 0);

    return answer(&a);
}

static inline bool all_are(const uint8_t *bytes, size_t len, uint8_t byte)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != byte)
            return false;
    return true;
}

/* Whether the driver reads a sector that is all this byte. */
static inline bool sector_is(uint64_t sector, uint8_t byte)
{
    struct ask a = ask(VIRTIO_BLK_T_IN, sector, NULL, BLK_SECTOR);

    return answer(&a) == VIRTIO_BLK_S_OK && all_are(a.data, BLK_SECTOR, byte);
}

#endif
