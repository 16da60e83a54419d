/* The block device on real files: what a driver that keeps the rules gets. */
#include "virtio-mmio/blk/blk.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "core/base/clock.h"
#include "unit/virtio-mmio/blk/disk_rig.h"

BOTH(reads_and_writes)
{
    uint8_t data[4 * BLK_SECTOR];
    struct ask a;

    disk_open(plain(), 0);
    a = ask(VIRTIO_BLK_T_IN, 5, NULL, 3 * BLK_SECTOR);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(a.used, 3 * BLK_SECTOR + 1);
    for (unsigned i = 0; i < 3; i++)
        cr_assert(all_are(a.data + i * BLK_SECTOR, BLK_SECTOR, sector_byte(5 + i)));

    memset(data, 0xab, sizeof(data));
    a = ask(VIRTIO_BLK_T_OUT, SECTORS - 4, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(a.used, 1);
    cr_assert_eq(image_byte((SECTORS - 4) * BLK_SECTOR - 1), sector_byte(SECTORS - 5));
    cr_assert_eq(image_byte((SECTORS - 4) * BLK_SECTOR), 0xab);
    cr_assert_eq(image_byte(SECTORS * BLK_SECTOR - 1), 0xab);
    cr_assert_eq(ask_flush(), VIRTIO_BLK_S_OK);
    cr_assert_eq(disk->counters.reads, 1);
    cr_assert_eq(disk->counters.read_bytes, 3 * BLK_SECTOR);
    cr_assert_eq(disk->counters.writes, 1);
    cr_assert_eq(disk->counters.write_bytes, 4 * BLK_SECTOR);
    cr_assert_eq(disk->counters.flushes, 1);
    disk_close();
}

static void sleep_done(struct loop_op *op, int res)
{
    (void)op, (void)res;
    loop_stop(d.loop);
}

/* The loop runs until it has slept for a while. */
static void loop_sleep(void)
{
    struct loop_op timer = { .done = sleep_done };

    loop_timer(d.loop, &timer, clock_now_ns() + 1000000);
    cr_assert_eq(loop_run(d.loop), 0);
}

static void kicks_are_for_a_sleeping_loop(uint64_t without)
{
    struct ask a;

    disk_open(plain(), without);
    for (unsigned i = 0; i < 300; i++) {
        a = ask(VIRTIO_BLK_T_IN, 7, NULL, BLK_SECTOR);
        (void)vd_await(&d, 0); /* the loop is awake and looks for it */
        cr_assert_eq(*a.status, VIRTIO_BLK_S_OK);
    }
    for (unsigned i = 0; i < 3; i++) {
        loop_sleep();
        a = ask(VIRTIO_BLK_T_IN, 7, NULL, BLK_SECTOR);
        cr_assert(vd_kick(&d, 0), "it slept");
        (void)vd_await(&d, 0);
        cr_assert_eq(*a.status, VIRTIO_BLK_S_OK);
        vd_settle(&d);
        a = ask(VIRTIO_BLK_T_IN, 7, NULL, BLK_SECTOR);
        cr_assert_not(vd_kick(&d, 0), "it has not slept since");
        (void)vd_await(&d, 0);
        cr_assert_eq(*a.status, VIRTIO_BLK_S_OK);
    }
    disk_close();
}

BOTH(kicks_are_for_a_sleeping_loop_by_index)
{
    kicks_are_for_a_sleeping_loop(0);
}

BOTH(kicks_are_for_a_sleeping_loop_by_flag)
{
    kicks_are_for_a_sleeping_loop(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
}

BOTH(many_requests_are_under_way_and_answered_with_few_interrupts)
{
    struct ask asks[80];
    unsigned interrupts = 0;
    struct vd_used used;

    indirect = true;
    disk_open(plain(), 0);
    for (unsigned i = 0; i < 80; i++)
        asks[i] = ask(VIRTIO_BLK_T_IN, i % SECTORS, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    for (unsigned i = 0; i < 80; i++)
        used = vd_await(&d, 0);
    (void)used;
    for (unsigned i = 0; i < 80; i++) {
        cr_assert_eq(*asks[i].status, VIRTIO_BLK_S_OK);
        cr_assert(all_are(asks[i].data, BLK_SECTOR, sector_byte(i % SECTORS)));
    }
    interrupts = vd_interrupts(&d, NULL);
    cr_assert_leq(interrupts, 8, "%u", interrupts);
    disk_close();
    indirect = false;
}

BOTH(serial_number_is_padded_or_cut)
{
    struct blk_config config = plain();
    struct ask a;

    disk_open(config, 0);
    a = ask(VIRTIO_BLK_T_GET_ID, 0, NULL, VIRTIO_BLK_ID_BYTES);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(a.used, VIRTIO_BLK_ID_BYTES + 1);
    cr_assert_eq(memcmp(a.data, "vol\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20), 0);
    disk_close();

    config.serial = "0123456789abcdefghijklmn";
    disk_open(config, 0);
    a = ask(VIRTIO_BLK_T_GET_ID, 0, NULL, VIRTIO_BLK_ID_BYTES);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(memcmp(a.data, "0123456789abcdefghij", 20), 0);
    disk_close();
}

BOTH(configuration_tells_what_the_disk_is)
{
    struct virtio_blk_config config;

    disk_open(plain(), 0);
    vd_config_read(&d, 0, &config, sizeof(config));
    cr_assert_eq(config.capacity, SECTORS);
    cr_assert_eq(config.seg_max, BLK_SEG_MAX);
    cr_assert_eq(config.blk_size, 512);
    cr_assert_eq(config.physical_block_exp, 3);
    cr_assert_eq(config.max_discard_seg, 1);
    cr_assert_gt(config.max_discard_sectors, 0);
    cr_assert_gt(config.discard_sector_alignment, 0);
    cr_assert_eq(config.write_zeroes_may_unmap, 1);
    cr_assert(d.features >> VIRTIO_BLK_F_FLUSH & 1);
    cr_assert(d.features >> VIRTIO_BLK_F_DISCARD & 1);
    cr_assert(d.features >> VIRTIO_BLK_F_WRITE_ZEROES & 1);
    cr_assert_not(d.features >> VIRTIO_BLK_F_RO & 1);
    disk_close();
}

BOTH(without_writeback_there_is_nothing_to_flush)
{
    struct blk_config config = plain();

    config.writeback = config.discard = false;
    disk_open(config, 0);
    cr_assert_not(d.features >> VIRTIO_BLK_F_FLUSH & 1);
    cr_assert_not(d.features >> VIRTIO_BLK_F_DISCARD & 1);
    cr_assert_eq(ask_flush(), VIRTIO_BLK_S_UNSUPP);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
    cr_assert(sector_is(7, 0));
    cr_assert(sector_is(8, sector_byte(8)));
    disk_close();
}

BOTH(read_only_disks_take_no_change)
{
    struct blk_config config = plain();
    uint8_t data[BLK_SECTOR] = { 0 };
    struct ask a;

    config.read_only = true;
    disk_open(config, 0);
    cr_assert(d.features >> VIRTIO_BLK_F_RO & 1);
    a = ask(VIRTIO_BLK_T_OUT, 0, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
    cr_assert(sector_is(0, sector_byte(0)));
    cr_assert_eq(disk->counters.failed, 3);
    cr_assert_eq(image_byte(0), sector_byte(0));
    disk_close();
}

BOTH(discard_gives_blocks_back_and_they_read_zero)
{
    struct stat before, after;

    image_make(image, 64 * 4096);
    disk_open(plain(), 0);
    cr_assert_eq(stat(image, &before), 0);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_DISCARD, 64, 256, 0), VIRTIO_BLK_S_OK);
    cr_assert_eq(stat(image, &after), 0);
    cr_assert_lt(after.st_blocks, before.st_blocks);
    cr_assert_eq(after.st_size, before.st_size);
    cr_assert(sector_is(63, sector_byte(63)));
    cr_assert(sector_is(64, 0));
    cr_assert(sector_is(319, 0));
    cr_assert(sector_is(320, sector_byte(320)));
    cr_assert_eq(disk->counters.discards, 1);
    disk_close();
}

BOTH(zeroes_are_written_mapped_or_not)
{
    disk_open(plain(), 0);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 3, 2, 0), VIRTIO_BLK_S_OK);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 9, 30, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
                 VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < SECTORS; i++)
        cr_assert(sector_is(i, i == 3 || i == 4 || (i >= 9 && i < 39) ? 0 : sector_byte(i)));
    disk_close();
}

/* A request for each descriptor, as a driver with indirect tables may have them, all in flight. */
BOTH(a_full_queue_is_served)
{
    struct ask asks[VIRTQ_SIZE_MAX];

    indirect = true;
    disk_open(plain(), 0);
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
        asks[i] = ask(VIRTIO_BLK_T_IN, i * 5 % SECTORS, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
        (void)vd_await(&d, 0);
    for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++) {
        cr_assert_eq(*asks[i].status, VIRTIO_BLK_S_OK);
        cr_assert(all_are(asks[i].data, BLK_SECTOR, sector_byte(i * 5 % SECTORS)));
    }
    disk_close();
    indirect = false;
}

/* What the host's filesystem cannot do is done another way. */
BOTH(zeroes_come_without_any_fallocate)
{
    disk_open(plain(), 0);
    disk->io.file.can_zero = false;
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 1, 2, 0), VIRTIO_BLK_S_OK);
    disk->io.file.can_punch = false;
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 5, 58, 0), VIRTIO_BLK_S_OK);
    for (unsigned i = 0; i < SECTORS; i++)
        cr_assert(sector_is(i, i == 1 || i == 2 || (i >= 5 && i < 63) ? 0 : sector_byte(i)));
    disk_close();
}

BOTH(a_write_is_durable_where_the_driver_cannot_flush)
{
    uint8_t data[BLK_SECTOR] = { 1 };
    struct ask a;

    disk_open(plain(), UINT64_C(1) << VIRTIO_BLK_F_FLUSH);
    cr_assert(disk->io.through);
    a = ask(VIRTIO_BLK_T_OUT, 0, data, sizeof(data));
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 3, 2, 0), VIRTIO_BLK_S_OK);
    cr_assert(sector_is(1, sector_byte(1)));
    vd_reset(&d);
    vd_start(&d, 0);
    cr_assert_not(disk->io.through);
    disk_close();
}
