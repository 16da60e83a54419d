/* The balloon's pages: given up, taken back, reported; and its target. */
#include "virtio-mmio/balloon/balloon.h"

#include "core/base/units.h"
#include "lib/virtio/malformed.h"
#include "unit/virtio-mmio/balloon/balloon_rig.h"

ON_BOTH(balloon, tells_what_it_is)
{
    uint32_t words[3] = { 1, 1, 1 };

    config.target = 5 * MIB;
    config.deflate_on_oom = true;
    balloon_start(0);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_ID), 5);
    cr_assert_eq(d.features, BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
                                 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_BALLOON_F_STATS_VQ) |
                                 BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
                                 BIT(VIRTIO_BALLOON_F_REPORTING));
    vd_config_read(&d, 0, words, sizeof(words));
    cr_assert_eq(words[0], 1280);
    cr_assert_eq(words[1], 0);
    cr_assert_eq(words[2], 0);
}

ON_BOTH(balloon, offers_what_was_asked_for)
{
    config.reporting = false;
    balloon_start(0);
    cr_assert_eq(d.features & 0xffffff, BIT(VIRTIO_BALLOON_F_STATS_VQ));
    vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, REPORT);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}

/* 256 pages as Linux sends them, the last first: the host gets them back by one call. */
ON_BOTH(balloon, pages_given_up_go_back_to_the_host)
{
    uint32_t numbers[256];
    uint32_t why;

    balloon_start(0);
    fill(VD_HIGH, 2 * MIB);
    for (unsigned i = 0; i < 256; i++)
        numbers[i] = (uint32_t)(VD_HIGH / 4096) + 255 - i;
    send_pages(INFLATE, numbers, 256);
    cr_assert_eq(present(VD_HIGH, 2 * MIB), 256);
    cr_assert_eq(present(VD_HIGH + MIB, MIB), 256);
    cr_assert_eq(told, 1);
    cr_assert_eq(told_gpa, VD_HIGH);
    cr_assert_eq(told_len, MIB);
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
    cr_assert_eq(balloon->counters.inflate_count, 1);
    cr_assert_eq(balloon->counters.inflate_freed, MIB);
    cr_assert_eq(balloon->counters.event_fails, 0);
}

ON_BOTH(balloon, pages_taken_back_are_ram_again)
{
    uint32_t number = VD_HIGH / 4096;
    uint8_t *page;

    balloon_start(0);
    fill(VD_HIGH, 8192);
    send_pages(INFLATE, &number, 1);
    send_pages(DEFLATE, &number, 1);
    page = vd_at(&d, VD_HIGH, 8192);
    cr_assert_eq(page[0], 0);
    cr_assert_eq(page[4096], 0xa5);
    page[0] = 1;
    cr_assert_eq(present(VD_HIGH, 8192), 2);
    cr_assert_eq(balloon->counters.deflate_count, 1);
    cr_assert_eq(balloon->counters.event_fails, 0);
}

ON_BOTH(balloon, pages_not_in_ram_change_nothing)
{
    uint32_t numbers[] = { VD_LOW_END / 4096, VD_HIGH / 4096 - 1,  VD_HIGH_END / 4096,
                           UINT32_MAX,        VD_HIGH / 4096 + 7,  VD_HIGH / 4096 + 7,
                           0xc0001,           VD_HIGH / 4096 + 100 };

    balloon_start(0);
    fill(VD_HIGH, 4 * MIB);
    send_pages(INFLATE, numbers, 8);
    cr_assert_eq(present(VD_HIGH, 4 * MIB), 1022);
    cr_assert_eq(present(VD_HIGH + 7 * 4096, 4096), 0);
    cr_assert_eq(balloon->counters.event_fails, 5);
    cr_assert_eq(balloon->counters.inflate_freed, 8192);
    cr_assert_eq(told, 2);
    cr_assert_not(vd_failed(&d));
}

/* A guest that gives up its own rings gets zeroed ones. Nothing worse happens. */
ON_BOTH(balloon, its_own_rings_may_go_too)
{
    uint32_t numbers[8];

    balloon_start(0);
    for (unsigned i = 0; i < 8; i++)
        numbers[i] = 0x10 + i;
    offer_pages(INFLATE, numbers, 8);
    vd_settle(&d);
    cr_assert_eq(balloon->counters.inflate_freed, 8 * 4096);
    vd_start(&d, 0);
    send_pages(INFLATE, numbers + 7, 1);
}

ON_BOTH(balloon, buffers_of_another_shape_do_nothing)
{
    struct vd_buf bufs[2];
    gpa_t at;

    balloon_start(0);
    fill(VD_HIGH, MIB);
    at = vd_alloc(&d, 8192);
    for (unsigned queue = INFLATE; queue <= DEFLATE; queue++) {
        for (unsigned i = 0; i < 2048; i++)
            ((uint32_t *)vd_at(&d, at, 8192))[i] = VD_HIGH / 4096;
        bufs[0] = (struct vd_buf){ at, 4, 0 };
        bufs[1] = (struct vd_buf){ at, 4, VD_WRITE };
        (void)vd_chain(&d, queue, &(struct vd_buf){ at, 6, 0 }, 1);
        (void)vd_chain(&d, queue, &(struct vd_buf){ at, 0, 0 }, 1);
        (void)vd_chain(&d, queue, &(struct vd_buf){ at, 4100, 0 }, 1);
        (void)vd_chain(&d, queue, bufs, 2);
        (void)vd_kick(&d, queue);
        for (unsigned i = 0; i < 4; i++)
            cr_assert_eq(vd_await(&d, queue).len, 0);
    }
    cr_assert_eq(balloon->counters.event_fails, 8);
    cr_assert_eq(present(VD_HIGH, MIB), 256);
    cr_assert_eq(told, 0);
    cr_assert_not(vd_failed(&d));
}

ON_BOTH(balloon, reported_pages_go_back_to_the_host)
{
    struct vd_buf bufs[3];

    balloon_start(0);
    fill(VD_HIGH, 4 * MIB);
    bufs[0] = (struct vd_buf){ VD_HIGH, MIB, VD_WRITE };
    bufs[1] = (struct vd_buf){ VD_HIGH + 2 * MIB, MIB, VD_WRITE };
    bufs[2] = (struct vd_buf){ VD_HIGH + 3 * MIB + 100, 4096, VD_WRITE }; /* no whole page */
    (void)vd_indirect(&d, REPORT, bufs, 3);
    vd_kick(&d, REPORT);
    cr_assert_eq(vd_await(&d, REPORT).len, 0);
    cr_assert_eq(present(VD_HIGH, 4 * MIB), 512);
    cr_assert_eq(told, 2);
    cr_assert_eq(told_gpa, VD_HIGH + 2 * MIB);
    cr_assert_eq(balloon->counters.free_page_report_count, 3);
    cr_assert_eq(balloon->counters.free_page_report_freed, 2 * MIB);
    cr_assert_eq(balloon->counters.free_page_report_fails, 1);
}

ON_BOTH(balloon, a_report_with_readable_buffers_is_refused)
{
    struct vd_buf bufs[2] = { { VD_HIGH, MIB, 0 }, { VD_HIGH, MIB, VD_WRITE } };

    balloon_start(0);
    fill(VD_HIGH, MIB);
    (void)vd_chain(&d, REPORT, bufs, 2);
    vd_kick(&d, REPORT);
    cr_assert_eq(vd_await(&d, REPORT).len, 0);
    cr_assert_eq(present(VD_HIGH, MIB), 256);
    cr_assert_eq(balloon->counters.event_fails, 1);
}

/* Without the statistics feature its queue does not exist, and the next one has its number. */
ON_BOTH(balloon, queue_numbers_follow_the_accepted_features)
{
    balloon_start(BIT(VIRTIO_BALLOON_F_STATS_VQ));
    fill(VD_HIGH, MIB);
    (void)vd_chain(&d, 2, &(struct vd_buf){ VD_HIGH, MIB, VD_WRITE }, 1);
    vd_kick(&d, 2);
    cr_assert_eq(vd_await(&d, 2).len, 0);
    cr_assert_eq(present(VD_HIGH, MIB), 0);
    vd_kick_hard(&d, 3); /* does not exist */
    vd_settle(&d);
    cr_assert_not(vd_failed(&d));
}

ON_BOTH(balloon, shared_memory_goes_back_too)
{
    const struct mem_config shared = {
        .size = RAM, .gap_start = VD_LOW_END, .gap_end = VD_HIGH, .shared = true
    };
    uint32_t number = VD_HIGH / 4096;
    struct stat before, after;

    mem_finish(&d.mem);
    cr_assert_eq(mem_init(&d.mem, &shared, NULL), 0);
    balloon_start(0);
    fill(VD_HIGH, MIB);
    cr_assert_eq(fstat(d.mem.fd, &before), 0);
    send_pages(INFLATE, &number, 1);
    cr_assert_eq(fstat(d.mem.fd, &after), 0);
    cr_assert_eq(present(VD_HIGH, MIB), 255);
    cr_assert_eq(balloon->counters.inflate_freed, 4096);
    cr_assert_leq(after.st_blocks, before.st_blocks); /* its own buffer may be a new page */
}

/* One turn of the loop takes only some of many costly buffers. In the end all are answered. */
static bool has_begun(void *arg)
{
    (void)arg;
    return balloon->counters.inflate_count > 0;
}

ON_BOTH(balloon, a_turn_is_bounded)
{
    uint32_t numbers[512];

    balloon_start(0);
    for (unsigned i = 0; i < 512; i++)
        numbers[i] = VD_HIGH / 4096 + 2 * i; /* a call each */
    for (unsigned i = 0; i < 100; i++) {
        gpa_t at = vd_alloc(&d, sizeof(numbers));
        memcpy(vd_at(&d, at, sizeof(numbers)), numbers, sizeof(numbers));
        (void)vd_chain(&d, INFLATE, &(struct vd_buf){ at, sizeof(numbers), 0 }, 1);
    }
    fill(VD_HIGH, 4 * MIB);
    vd_kick(&d, INFLATE);
    vd_run_until(&d, has_begun, NULL);
    cr_assert_leq(balloon->counters.inflate_count, 2);
    for (unsigned i = 0; i < 100; i++)
        (void)vd_await(&d, INFLATE);
    vd_settle(&d);
    cr_assert_not(balloon->waiting);
    cr_assert_eq(present(VD_HIGH, 4 * MIB), 512);
    offer_pages(INFLATE, numbers, 1);
    (void)vd_await(&d, INFLATE);
}

/* A report may be all of memory, in one chain. Each turn of the loop gives some of it back, twice
 * at most: when the loop looks at the queue, and when the timer is due that the device sets. */
static uint64_t freed, freed_turn;
static bool counts;

static void count_freed(struct loop_post *post)
{
    uint64_t is = balloon->counters.free_page_report_freed + balloon->report.freed;

    cr_assert_leq(is - freed, (loop_turn(d.loop) - freed_turn) * 2 * 36 * MIB);
    freed = is;
    freed_turn = loop_turn(d.loop);
    if (counts)
        loop_post(d.loop, post);
}

ON_BOTH(balloon, a_turn_gives_back_a_bounded_amount)
{
    struct loop_post post = { .call = count_freed };
    struct vd_buf bufs[32];

    for (unsigned i = 0; i < 32; i++)
        bufs[i] = (struct vd_buf){ VD_HIGH, 4 * MIB, VD_WRITE };
    balloon_start(0);
    freed = 0;
    counts = true;
    freed_turn = loop_turn(d.loop);
    fill(VD_HIGH, 4 * MIB);
    (void)vd_indirect(&d, REPORT, bufs, 32);
    vd_kick(&d, REPORT);
    loop_post(d.loop, &post);
    cr_assert_eq(vd_await(&d, REPORT).len, 0);
    counts = false;
    vd_settle(&d);
    cr_assert_eq(freed, 32 * 4 * MIB);
    cr_assert_eq(balloon->counters.free_page_report_count, 32);
    cr_assert_eq(present(VD_HIGH, 4 * MIB), 0);
}

ON_BOTH(balloon, a_reset_stops_what_is_under_way)
{
    uint32_t numbers[512];

    balloon_start(0);
    for (unsigned i = 0; i < 512; i++)
        numbers[i] = VD_HIGH / 4096 + 2 * i;
    for (unsigned i = 0; i < 20; i++)
        offer_pages(INFLATE, numbers, 512);
    vd_run_until(&d, has_begun, NULL);
    vd_reset(&d);
    cr_assert_lt(balloon->counters.inflate_count, 20);
    fill(VD_HIGH, 4 * MIB);
    vd_settle(&d);
    cr_assert_eq(present(VD_HIGH, 4 * MIB), 1024);
    vd_start(&d, 0);
    send_pages(INFLATE, numbers, 1);
    cr_assert_eq(present(VD_HIGH, 4 * MIB), 1023);
}

static void expect_target(uint32_t pages)
{
    uint32_t is;

    vd_config_read(&d, 0, &is, sizeof(is));
    cr_assert_eq(is, pages);
}

ON_BOTH(balloon, the_target_changes_while_the_guest_runs)
{
    struct balloon_status status;
    uint32_t generation, why;

    balloon_start(0);
    generation = vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION);
    cr_assert_eq(balloon_set_target(balloon, 3 * MIB, NULL), 0);
    expect_target(768);
    cr_assert_neq(vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION), generation);
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
    balloon_status(balloon, &status);
    cr_assert_eq(status.target, 3 * MIB);
    cr_assert_eq(balloon_set_target(balloon, RAM, NULL), 0);
    cr_assert_eq(balloon_set_target(balloon, 0, NULL), 0);
    expect_target(0);
}

ON_BOTH(balloon, a_target_beyond_the_guest_is_refused)
{
    struct err e;

    config.target = 2 * MIB;
    balloon_start(0);
    cr_assert_eq(balloon_set_target(balloon, RAM + 4096, &e), -EINVAL);
    cr_assert_str_eq(e.text, "a balloon of 8 MiB does not fit into a guest of 8 MiB");
    cr_assert_eq(balloon_set_target(balloon, UINT64_MAX - 4095, &e), -EINVAL);
    cr_assert_eq(balloon_set_target(balloon, 4097, &e), -EINVAL);
    cr_assert_str_eq(e.text, "a balloon of 4097 bytes is not a whole number of pages");
    expect_target(512);
    cr_assert_eq(vd_interrupts(&d, NULL), 0);
}

Test(balloon, is_not_made_with_a_target_beyond_the_guest)
{
    const struct balloon_config bad = { .ram = RAM, .target = 9 * MIB };
    struct balloon *none = NULL;
    struct err e;

    cr_assert_eq(balloon_create(&none, &bad, &e), -EINVAL);
    cr_assert_str_eq(e.text, "a balloon of 9 MiB does not fit into a guest of 8 MiB");
    cr_assert_null(none);
}

static void write_config(uint32_t offset, uint32_t value, unsigned size)
{
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG + offset, &value, size));
}

/* The guest may write `actual` and nothing else, and a reset clears it. */
ON_BOTH(balloon, the_guest_tells_how_much_it_gave)
{
    struct balloon_status status;

    config.target = 2 * MIB;
    balloon_start(0);
    write_config(4, 400, 4);
    write_config(0, 7, 4);
    write_config(8, 7, 4);
    write_config(6, 0x7777, 4); /* half of it lies beyond the end */
    expect_target(512);
    balloon_status(balloon, &status);
    cr_assert_eq(status.actual, 400 * 4096);
    write_config(4, UINT32_MAX, 4);
    balloon_status(balloon, &status);
    cr_assert_eq(status.actual, UINT64_C(0xffffffff) * 4096);
    vd_reset(&d);
    balloon_status(balloon, &status);
    cr_assert_eq(status.actual, 0);
    cr_assert_eq(status.target, 2 * MIB);
}

ON_BOTH(balloon, malformed_chains_fail_the_device)
{
    struct vd_used used;

    balloon_plug();
    for (unsigned i = 0; i < 4 * MALFORMED; i++) {
        unsigned queue = i % 4, kind = i / 4;
        d.free = VD_BUFFERS;
        vd_start(&d, 0);
        malformed_offer(&d, queue, kind, queue == REPORT ? VD_WRITE : 0);
        vd_settle(&d);
        cr_assert(vd_failed(&d), "queue %u: %s", queue, malformed_name(kind));
        cr_assert_not(vd_reap(&d, queue, &used));
        for (unsigned k = 0; k < 4; k++)
            vd_kick_hard(&d, k);
        vd_settle(&d);
    }
    cr_assert_eq(told, 0);
    vd_start(&d, 0);
    send_pages(INFLATE, (uint32_t[]){ VD_HIGH / 4096 }, 1);
}

/* Kicks by register, no events, all the way round the ring. */
ON_BOTH(balloon, works_for_a_plain_driver)
{
    d.by_register = true;
    balloon_start(BIT(VIRTIO_RING_F_EVENT_IDX));
    for (unsigned i = 0; i < 600; i++) {
        uint32_t number = VD_HIGH / 4096 + i % 7;
        d.free = VD_BUFFERS;
        send_pages(INFLATE, &number, 1);
        d.free = VD_BUFFERS;
        send_pages(DEFLATE, &number, 1);
    }
    cr_assert_eq(balloon->counters.inflate_count, 600);
    cr_assert_eq(balloon->counters.deflate_count, 600);
}

Test(balloon, destroys_nothing)
{
    balloon_destroy(NULL);
}
