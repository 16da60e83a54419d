/* The block device where the driver breaks the rules or the host fails: statuses, not hangs. */
#include "virtio-mmio/blk/blk.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log/log.h"
#include "lib/stuck.h"
#include "unit/virtio-mmio/blk/disk_rig.h"

/* The driver */

BOTH(a_request_without_room_for_a_status_fails_the_device)
{
    struct ask a;

    disk_open(plain(), 0);
    a = ask(VIRTIO_BLK_T_OUT, 0, "", 0);
    (void)vd_chain(&d, 0, (struct vd_buf[]){ { a.header_at, 16, 0 } }, 1);
    (void)ask(VIRTIO_BLK_T_IN, 0, NULL, BLK_SECTOR);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    vd_start(&d, 0);
    cr_assert(sector_is(1, sector_byte(1)), "a reset makes it good");
    disk_close();
}

BOTH(malformed_chains_fail_the_device)
{
    static const struct vring_desc bad[] = {
        { VD_HIGH_END, 16, 0, 0 },                    /* out of RAM */
        { VD_LOW_END - 8, 16, 0, 0 },                 /* across its end */
        { UINT64_MAX - 7, 16, 0, 0 },                 /* wraps */
        { VD_BUFFERS, UINT32_MAX, VD_WRITE, 0 },      /* longer than RAM */
        { VD_BUFFERS, 16, VRING_DESC_F_NEXT, 0 },     /* a loop */
        { VD_BUFFERS, 16, VRING_DESC_F_NEXT, 60000 }, /* to nowhere */
        { VD_BUFFERS, 15, VRING_DESC_F_INDIRECT, 0 }, /* no whole table */
        { VD_BUFFERS, 0, 0, 0 },                      /* nothing at all, no status either */
    };

    disk_open(plain(), 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        vd_start(&d, 0);
        vd_desc(&d, 0, 0, bad[i]);
        vd_offer(&d, 0, 0);
        vd_publish(&d, 0);
        vd_kick_hard(&d, 0);
        vd_settle(&d);
        cr_assert(vd_failed(&d), "%u", i);
    }
    vd_start(&d, 0);
    cr_assert(sector_is(2, sector_byte(2)));
    disk_close();
}

BOTH(more_buffers_than_offered_fail_the_device)
{
    struct vd_buf bufs[BLK_IOV + 1];
    gpa_t at;

    disk_open(plain(), 0);
    at = vd_alloc(&d, 16);
    bufs[0] = (struct vd_buf){ at, 16, 0 };
    for (unsigned i = 1; i <= BLK_IOV; i++)
        bufs[i] = (struct vd_buf){ VD_HIGH + i * BLK_SECTOR, BLK_SECTOR, VD_WRITE };
    bufs[BLK_IOV - 1].len = 1;
    (void)vd_chain(&d, 0, bufs,
                   BLK_IOV); /* 126 data buffers just fit, but the disk has only 64 sectors */
    vd_kick_hard(&d, 0);
    (void)vd_await(&d, 0);
    cr_assert_eq(*(uint8_t *)vd_at(&d, bufs[BLK_IOV - 1].at, 1), VIRTIO_BLK_S_IOERR);
    (void)vd_chain(&d, 0, bufs, BLK_IOV + 1);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    disk_close();
}

BOTH(a_request_of_many_buffers)
{
    struct vd_buf bufs[SECTORS + 2];
    struct virtio_blk_outhdr *header;
    gpa_t at;

    disk_open(plain(), 0);
    at = vd_alloc(&d, 17);
    header = vd_at(&d, at, 16);
    *header = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN };
    bufs[0] = (struct vd_buf){ at, 16, 0 };
    for (unsigned i = 0; i < SECTORS; i++) /* backwards in memory */
        bufs[1 + i] = (struct vd_buf){ VD_HIGH + (SECTORS - i) * 1024, BLK_SECTOR, VD_WRITE };
    bufs[SECTORS + 1] = (struct vd_buf){ at + 16, 1, VD_WRITE };
    (void)vd_chain(&d, 0, bufs, SECTORS + 2);
    (void)vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, SECTORS * BLK_SECTOR + 1);
    for (unsigned i = 0; i < SECTORS; i++)
        cr_assert(all_are(vd_at(&d, bufs[1 + i].at, BLK_SECTOR), BLK_SECTOR, sector_byte(i)));
    disk_close();
}

BOTH(refused_requests_are_answered_and_the_device_goes_on)
{
    struct ask a;

    disk_open(plain(), 0);
    a = ask(VIRTIO_BLK_T_IN, SECTORS, NULL, BLK_SECTOR);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(a.used, 0, "the status lies behind data that was not written");
    a = ask(VIRTIO_BLK_T_IN, 0, NULL, 100);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    a = ask(VIRTIO_BLK_T_SECURE_ERASE, 0, "x", 1);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_UNSUPP);
    cr_assert_eq(a.used, 1);
    cr_assert_eq(disk->counters.failed, 3);
    cr_assert_not(vd_failed(&d));
    cr_assert(sector_is(0, sector_byte(0)));
    disk_close();
}

BOTH(configuration_is_not_the_driver_s_to_write)
{
    struct virtio_blk_config before, after;
    uint64_t ones = UINT64_MAX;

    disk_open(plain(), 0);
    vd_config_read(&d, 0, &before, sizeof(before));
    for (uint32_t at = 0; at < sizeof(before) + 16; at++)
        cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG + at, &ones, 1));
    vd_config_read(&d, 0, &after, sizeof(after));
    cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0);
    disk_close();
}

/* The host */

BOTH(a_file_that_has_shrunk)
{
    struct ask a;

    disk_open(plain(), 0);
    cr_assert_eq(truncate(image, 10 * BLK_SECTOR), 0);
    a = ask(VIRTIO_BLK_T_IN, 8, NULL, 4 * BLK_SECTOR);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(a.used, 2 * BLK_SECTOR, "so much was there");
    a = ask(VIRTIO_BLK_T_IN, 20, NULL, BLK_SECTOR);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert(sector_is(9, sector_byte(9)));
    disk_close();
}

/* A disk on a memfd that is sealed against growing: writes beyond its end fail. */
BOTH(a_host_that_fails_writes)
{
    int sealed = memfd_create("full", MFD_ALLOW_SEALING), own;
    uint8_t data[4 * BLK_SECTOR] = { 0 };
    struct ask a;

    disk_open(plain(), 0);
    own = disk->io.file.fd;
    cr_assert_eq(ftruncate(sealed, 10 * BLK_SECTOR), 0);
    cr_assert_eq(fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW), 0);
    disk->io.file.fd = sealed;
    a = ask(VIRTIO_BLK_T_OUT, 20, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    a = ask(VIRTIO_BLK_T_OUT, 6, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
    a = ask(VIRTIO_BLK_T_OUT, 6, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(disk->counters.failed, 3);
    disk->io.file.fd = own;
    close(sealed);
    disk_close();
}

/* /dev/full: each write is ENOSPC; a flush of it EINVAL; it cannot be punched. */
BOTH(a_host_without_room)
{
    uint8_t data[BLK_SECTOR] = { 0 };
    struct ask a;
    int own;

    disk_open(plain(), 0);
    own = disk->io.file.fd;
    disk->io.file.fd = open("/dev/full", O_RDWR);
    a = ask(VIRTIO_BLK_T_OUT, 0, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(ask_flush(), VIRTIO_BLK_S_IOERR);
    cr_assert_neq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_OK);
    cr_assert_neq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
    close(disk->io.file.fd);
    disk->io.file.fd = own;
    cr_assert(sector_is(0, sector_byte(0)));
    disk_close();
}

static char log_path[] = "/tmp/test_blk_faults.XXXXXX";

static void log_to_a_file(void)
{
    struct log_config config = { .path = log_path, .level = LOG_WARN };

    (void)close(mkstemp(log_path));
    cr_assert_eq(log_open(&config, NULL), 0);
}

static void expect_in_log(const char *sentence)
{
    char text[4096] = "";
    int fd = open(log_path, O_RDONLY);

    (void)unlink(log_path);
    cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
    cr_assert_not_null(strstr(text, sentence), "%s", text);
    (void)close(fd);
}

/* RLIMIT_FSIZE cuts a write in two: the rest is tried, and fails. */
BOTH(a_write_of_which_only_a_part_gets_through)
{
    const struct rlimit limit = { 10 * BLK_SECTOR, RLIM_INFINITY };
    uint8_t data[4 * BLK_SECTOR];
    struct ask a;

    log_to_a_file();
    signal(SIGXFSZ, SIG_IGN);
    disk_open(plain(), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    memset(data, 0xcd, sizeof(data));
    a = ask(VIRTIO_BLK_T_OUT, 8, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(a.used, 1);
    cr_assert_eq(image_byte(10 * BLK_SECTOR - 1), 0xcd);
    cr_assert_eq(image_byte(10 * BLK_SECTOR), sector_byte(10));
    expect_in_log(
        "an I/O error for the guest: the transfer failed at byte 5120, with 1024 to go: File too "
        "large\n");
    disk_close();
}

/* A filesystem without holes and zeroed ranges, which is found out by trying. */
BOTH(ranges_are_learned_to_be_unsupported)
{
    int own;

    disk_open(plain(), 0);
    own = disk->io.file.fd;
    disk->io.file.fd = open("/proc/self/oom_score_adj", O_RDWR);
    cr_assert_geq(disk->io.file.fd, 0);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
    cr_assert_not(disk->io.file.can_punch);
    cr_assert(disk->io.file.can_zero);
    (void)ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0);
    cr_assert_not(disk->io.file.can_zero);
    close(disk->io.file.fd);
    disk->io.file.fd = own;
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
    cr_assert(sector_is(7, 0));
    disk_close();
}

/* When a server does not answer, even a non-blocking call may sleep. */
BOTH(the_loop_thread_does_not_wait_for_a_remote_file)
{
    struct stuck stuck;
    struct ask a;

    disk_open(plain(), 0);
    disk->io.file.remote = true;
    cr_assert(sector_is(5, sector_byte(5)));
    cr_assert_eq(ask_flush(), VIRTIO_BLK_S_OK);
    stuck_begin(&stuck, d.loop, stuck_file);
    a = ask(VIRTIO_BLK_T_IN, 0, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert_eq(stuck.count, 1);
    cr_assert(stuck.op[0]->remote);
    stuck_end(&stuck, stuck.op[0], -EIO);
    vd_settle(&d);
    cr_assert_eq(*a.status, VIRTIO_BLK_S_IOERR);
    disk_close();
}

/* Reset */

/* Makes reads that do not end: from a pipe, which has no offsets and so is read as a stream.
 * Returns the disk's own descriptor. */
static int stall(int pipes[2])
{
    int own = disk->io.file.fd;

    cr_assert_eq(pipe(pipes), 0);
    disk->io.file.fd = pipes[0];
    return own;
}

BOTH(a_reset_drains_what_is_under_way)
{
    struct ask asks[8];
    uint8_t data[BLK_SECTOR];

    memset(data, 0x55, sizeof(data));
    for (unsigned round = 0; round < 20; round++) {
        if (round == 0)
            disk_open(plain(), 0);
        for (unsigned i = 0; i < 8; i++)
            asks[i] =
                ask(i % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, i, i % 2 ? data : NULL, BLK_SECTOR);
        vd_kick_hard(&d, 0);
        if (round % 2)
            vd_settle(&d);
        vd_reset(&d);
        cr_assert_eq(disk->in_flight, 0);
        for (unsigned i = 0; i < 8; i += 2)
            memset(asks[i].data, 0xee, BLK_SECTOR);
        vd_settle(&d);
        for (unsigned i = 0; i < 8; i += 2)
            cr_assert(all_are(asks[i].data, BLK_SECTOR, 0xee), "nobody writes any more");
        vd_start(&d, 0);
    }
    cr_assert(sector_is(0, sector_byte(0)));
    disk_close();
}

/* On io_uring alone: the other backend reads files inside the call. */
Test(blk_io_uring, a_reset_cancels_what_would_take_forever)
{
    struct ask a;
    int pipes[2], own;

    backend = LOOP_URING;
    disk_open(plain(), 0);
    own = stall(pipes);
    a = ask(VIRTIO_BLK_T_IN, 0, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert_eq(disk->in_flight, 1);
    cr_assert_eq(*a.status, 0xee);
    vd_reset(&d);
    cr_assert_eq(disk->in_flight, 0);
    disk->io.file.fd = own;
    close(pipes[0]), close(pipes[1]);
    vd_start(&d, 0);
    cr_assert(sector_is(0, sector_byte(0)));
    disk_close();
}

BOTH(unplugging_drains_too)
{
    disk_open(plain(), 0);
    for (unsigned i = 0; i < 16; i++)
        (void)ask(VIRTIO_BLK_T_IN, i, NULL, BLK_SECTOR);
    vd_kick_hard(&d, 0);
    disk_close();
}
