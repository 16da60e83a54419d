/* What changes about a disk while the guest runs: size, file, limits; and direct I/O. */
#include "virtio-mmio/blk/blk.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "unit/virtio-mmio/blk/disk_rig.h"

#include "core/base/clock.h"

static struct err e;

static uint64_t capacity(void)
{
    uint64_t sectors;

    vd_config_read(&d, 0, &sectors, sizeof(sectors));
    return sectors;
}

/* Size */

BOTH(a_grown_file_is_a_larger_disk)
{
    uint32_t generation, why;

    disk_open(plain(), 0);
    generation = vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION);
    (void)vd_interrupts(&d, NULL);
    cr_assert_eq(truncate(image, 100 * BLK_SECTOR), 0);
    cr_assert_not(sector_is(99, 0), "it is not yet told");
    (void)vd_interrupts(&d, NULL);
    cr_assert_eq(blk_resize(disk, &e), 0, "%s", e.text);
    cr_assert_eq(capacity(), 100);
    cr_assert_neq(vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION), generation);
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
    cr_assert(sector_is(99, 0));
    disk_close();
}

BOTH(a_file_too_small_for_a_disk_changes_nothing)
{
    disk_open(plain(), 0);
    cr_assert_eq(truncate(image, 1), 0);
    cr_assert_eq(blk_resize(disk, &e), -EINVAL);
    cr_assert(strstr(e.text, "block.vol"), "%s", e.text);
    cr_assert_eq(capacity(), SECTORS);
    disk_close();
}

/* Another file */

static char other[64];

BOTH(a_swap_shows_the_other_file)
{
    struct blk_file was;
    uint32_t why;

    disk_open(plain(), 0);
    image_make(other, 10 * BLK_SECTOR);
    cr_assert_eq(truncate(other, 20 * BLK_SECTOR), 0);
    (void)vd_interrupts(&d, NULL);
    cr_assert_eq(blk_swap(disk, other, &e), 0, "%s", e.text);
    vd_settle(&d);
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
    cr_assert_eq(capacity(), 20);
    cr_assert(sector_is(9, sector_byte(9)));
    cr_assert(sector_is(10, 0));
    cr_assert_not(sector_is(30, sector_byte(30)), "behind its end");
    cr_assert_eq(blk_file_open(&was, image, (struct blk_file_mode){ 0 }, &e), 0, "%s", e.text);
    blk_file_close(&was);
    disk_close();
    unlink(other);
}

BOTH(a_swap_waits_for_what_is_under_way)
{
    struct ask asks[16];

    disk_open(plain(), 0);
    image_make(other, SECTORS * BLK_SECTOR);
    cr_assert_eq(truncate(other, 0), 0);
    cr_assert_eq(truncate(other, SECTORS * BLK_SECTOR), 0);
    for (unsigned i = 0; i < 16; i++)
        asks[i] = ask(VIRTIO_BLK_T_IN, 32, NULL, BLK_SECTOR);
    disk->virtio.ops->kick(&disk->virtio, 0);
    cr_assert_eq(disk->in_flight, 16);
    cr_assert_eq(blk_swap(disk, other, &e), 0, "%s", e.text);
    cr_assert_eq(blk_swap(disk, other, &e), -EBUSY);
    cr_assert(strstr(e.text, "not over yet"), "%s", e.text);
    cr_assert_eq(disk->in_flight, 16);
    (void)ask(VIRTIO_BLK_T_IN, 32, NULL, BLK_SECTOR);
    vd_kick_hard(&d, 0);
    for (unsigned i = 0; i < 16; i++) {
        (void)vd_await(&d, 0);
        cr_assert(i > 0 || disk->next.fd >= 0 || disk->in_flight <= 1);
    }
    for (unsigned i = 0; i < 16; i++)
        cr_assert(all_are(asks[i].data, BLK_SECTOR, sector_byte(32)), "the old file's");
    (void)vd_await(&d, 0);
    cr_assert(sector_is(32, 0), "the new one's");
    disk_close();
    unlink(other);
}

BOTH(a_swap_in_a_reset_happens_before_it_is_over)
{
    disk_open(plain(), 0);
    image_make(other, 10 * BLK_SECTOR);
    for (unsigned i = 0; i < 4; i++)
        (void)ask(VIRTIO_BLK_T_IN, i, NULL, BLK_SECTOR);
    disk->virtio.ops->kick(&disk->virtio, 0);
    cr_assert_eq(blk_swap(disk, other, &e), 0, "%s", e.text);
    vd_reset(&d);
    cr_assert_eq(disk->next.fd, -1);
    vd_start(&d, 0);
    cr_assert_eq(capacity(), 10);
    cr_assert(sector_is(3, sector_byte(3)));
    disk_close();
    unlink(other);
}

BOTH(a_swap_with_itself_is_a_resize)
{
    disk_open(plain(), 0);
    cr_assert_eq(truncate(image, 80 * BLK_SECTOR), 0);
    cr_assert_eq(blk_swap(disk, image, &e), 0, "%s", e.text);
    cr_assert_eq(capacity(), 80);
    disk_close();
}

BOTH(a_swap_that_fails_changes_nothing)
{
    struct blk_file holder;

    disk_open(plain(), 0);
    cr_assert_eq(blk_swap(disk, "/nowhere/at/all", &e), -ENOENT);
    cr_assert(strstr(e.text, "/nowhere/at/all"), "%s", e.text);
    image_make(other, 10 * BLK_SECTOR);
    cr_assert_eq(blk_file_open(&holder, other, (struct blk_file_mode){ 0 }, &e), 0);
    cr_assert_eq(blk_swap(disk, other, &e), -EAGAIN);
    blk_file_close(&holder);
    disk->rules.block = 256;
    cr_assert_eq(blk_swap(disk, other, &e), -EINVAL);
    cr_assert(strstr(e.text, "the guest knows blocks of 256"), "%s", e.text);
    disk->rules.block = BLK_SECTOR;
    cr_assert_eq(blk_file_open(&holder, other, (struct blk_file_mode){ 0 }, &e), 0,
                 "and left it unlocked");
    blk_file_close(&holder);
    cr_assert_eq(capacity(), SECTORS);
    cr_assert(sector_is(0, sector_byte(0)));
    disk_close();
    unlink(other);
}

/* Limits */

BOTH(a_limited_disk_waits_and_goes_on)
{
    struct blk_config config = plain();

    config.ops = (struct rate){ .per_s = 200 };
    disk_open(config, 0);
    rate_limit_take(&disk->limiter, 0, 200);
    for (unsigned i = 0; i < 10; i++)
        cr_assert(sector_is(i, sector_byte(i)));
    cr_assert_gt(disk->counters.limited, 0);
    disk_close();
}

BOTH(a_reset_ends_the_limiter_s_wait)
{
    struct blk_config config = plain();

    config.bandwidth = (struct rate){ .per_s = 1 };
    disk_open(config, 0);
    rate_limit_take(&disk->limiter, 1u << 30, 1);
    (void)ask(VIRTIO_BLK_T_IN, 0, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert(disk->waiting);
    cr_assert_eq(disk->in_flight, 0);
    vd_reset(&d);
    cr_assert_not(disk->waiting);
    vd_start(&d, 0);
    cr_assert_not(disk->waiting, "for nothing");
    (void)ask(VIRTIO_BLK_T_IN, 0, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert(disk->waiting, "its debts stay");
    disk_close();
}

BOTH(new_limits_end_the_wait_of_the_old)
{
    struct blk_config config = plain();
    struct ask a;

    config.ops = (struct rate){ .per_s = 1 };
    disk_open(config, 0);
    rate_limit_take(&disk->limiter, 0, 1000000);
    a = ask(VIRTIO_BLK_T_IN, 0, NULL, BLK_SECTOR);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert(disk->waiting);
    blk_limit(disk, (struct rate){ 0 }, (struct rate){ 0 });
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    disk_close();
}

/* Direct I/O */

static void direct_open(uint32_t mem_align, uint32_t block)
{
    struct blk_config config = plain();

    image_make(image, 64 * 4096);
    config.direct = true;
    disk_open(config, 0);
    /* Like a host that wants a larger alignment than this one. */
    if (disk->io.file.mem_align < mem_align)
        disk->io.file.mem_align = mem_align;
    if (disk->io.file.block < block)
        disk->io.file.block = block;
}

/* A request with buffers that direct I/O never takes: at odd addresses and of odd lengths. */
static struct ask ask_odd(uint32_t type, uint64_t sector, uint8_t fill, uint32_t len)
{
    struct ask a = { .header_at = vd_alloc(&d, sizeof(struct virtio_blk_outhdr)),
                     .data_at = vd_alloc(&d, len + 3) + 3,
                     .status_at = vd_alloc(&d, 1),
                     .len = len };
    struct virtio_blk_outhdr *header = vd_at(&d, a.header_at, sizeof(*header));
    uint16_t flags = type == VIRTIO_BLK_T_IN ? VD_WRITE : 0;

    *header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
    a.data = vd_at(&d, a.data_at, len);
    a.status = vd_at(&d, a.status_at, 1);
    *a.status = 0xee;
    memset(a.data, fill, len);
    a.head = vd_chain(&d, 0,
                      (struct vd_buf[]){ { a.header_at, 16, 0 },
                                         { a.data_at, 1000, flags },
                                         { a.data_at + 1000, len - 1000, flags },
                                         { a.status_at, 1, VD_WRITE } },
                      4);
    return a;
}

BOTH(direct_io_takes_buffers_that_are_not_aligned)
{
    struct ask a;

    direct_open(4096, 512);
    a = ask_odd(VIRTIO_BLK_T_IN, 8, 0, 5 * 4096);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(a.used, 5 * 4096 + 1);
    for (unsigned i = 0; i < 5 * 8; i++)
        cr_assert(all_are(a.data + i * BLK_SECTOR, BLK_SECTOR, sector_byte(8 + i)));
    a = ask_odd(VIRTIO_BLK_T_OUT, 16, 0x77, 2 * 4096);
    cr_assert_eq(answer(&a), VIRTIO_BLK_S_OK);
    cr_assert_eq(image_byte(16 * BLK_SECTOR - 1), sector_byte(15));
    cr_assert_eq(image_byte(16 * BLK_SECTOR), 0x77);
    cr_assert_eq(image_byte(32 * BLK_SECTOR - 1), 0x77);
    cr_assert_eq(image_byte(32 * BLK_SECTOR), sector_byte(32));
    disk_close();
}

BOTH(unaligned_requests_take_turns)
{
    struct ask asks[4];

    direct_open(4096, 512);
    for (unsigned i = 0; i < 4; i++)
        asks[i] = ask_odd(i % 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, i * 80, (uint8_t)i, 40960);
    vd_kick_hard(&d, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)vd_await(&d, 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(*asks[i].status, VIRTIO_BLK_S_OK);
    cr_assert(all_are(asks[2].data, BLK_SECTOR, sector_byte(160)));
    cr_assert_eq(image_byte(80 * BLK_SECTOR), 1);
    cr_assert_eq(image_byte(240 * BLK_SECTOR), 3);
    cr_assert_null(disk->io.bouncing);
    disk_close();
}

BOTH(a_reset_drains_unaligned_requests)
{
    direct_open(4096, 512);
    for (unsigned i = 0; i < 8; i++)
        (void)ask_odd(VIRTIO_BLK_T_IN, i * 8, 0, 8 * 4096);
    disk->virtio.ops->kick(&disk->virtio, 0);
    cr_assert_eq(disk->in_flight, 8);
    vd_reset(&d);
    cr_assert_eq(disk->in_flight, 0);
    cr_assert_null(disk->io.bouncing);
    cr_assert_null(disk->io.waiting);
    vd_start(&d, 0);
    cr_assert(sector_is(0, sector_byte(0)));
    disk_close();
}

BOTH(a_failing_write_through_the_bounce_buffer)
{
    struct ask a, b;
    int own;

    direct_open(4096, 512);
    own = disk->io.file.fd;
    disk->io.file.fd = open("/dev/full", O_RDWR);
    a = ask_odd(VIRTIO_BLK_T_OUT, 0, 1, 4096);
    b = ask_odd(VIRTIO_BLK_T_OUT, 8, 1, 4096);
    (void)a, (void)b;
    vd_kick_hard(&d, 0);
    (void)vd_await(&d, 0);
    (void)vd_await(&d, 0);
    cr_assert_eq(*a.status, VIRTIO_BLK_S_IOERR);
    cr_assert_eq(*b.status, VIRTIO_BLK_S_IOERR);
    close(disk->io.file.fd);
    disk->io.file.fd = own;
    disk_close();
}

/* Creation */

Test(blk_create, what_cannot_be_opened_is_one_sentence)
{
    struct blk_config config = plain();

    config.path = "/nowhere/disk.img";
    cr_assert_eq(blk_create(&disk, &config, &e), -ENOENT);
    cr_assert_str_eq(e.text, "drive vol: /nowhere/disk.img: cannot be opened: No such file or "
                             "directory");
    blk_destroy(NULL);
}

Test(blk_create, what_was_never_plugged_is_destroyed)
{
    struct blk_config config = plain();

    image_make(image, BLK_SECTOR);
    config.path = image;
    cr_assert_eq(blk_create(&disk, &config, &e), 0);
    blk_destroy(disk);
    cr_assert_eq(blk_create(&disk, &config, &e), 0, "and unlocked");
    blk_destroy(disk);
    unlink(image);
}
