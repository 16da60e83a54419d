/* The balloon's statistics: what is kept, and when the guest is asked. */
#include "virtio-mmio/balloon/balloon.h"

#include "core/base/clock.h"
#include "unit/virtio-mmio/balloon/balloon_rig.h"

/* One statistic in a buffer of its own; the device gives it back when it wants the next. */
static void tell(uint16_t tag, uint64_t value)
{
    gpa_t at = vd_alloc(&d, 10);

    memcpy(vd_at(&d, at, 2), &tag, 2);
    memcpy(vd_at(&d, at + 2, 8), &value, 8);
    (void)vd_chain(&d, STATS, &(struct vd_buf){ at, 10, 0 }, 1);
    (void)vd_kick(&d, STATS);
    vd_settle(&d);
}

static struct balloon_stats stats(void)
{
    struct balloon_status status;

    balloon_status(balloon, &status);
    return status.stats;
}

static bool is_asked(void)
{
    struct vd_used used;

    vd_settle(&d);
    return vd_reap(&d, STATS, &used);
}

ON_BOTH(balloon_polls, the_first_statistics_are_kept)
{
    balloon_start(0);
    cr_assert_eq(stats().known, 0);
    tell(BALLOON_FREE_MEMORY, 12345);
    cr_assert_eq(stats().known, 1u << BALLOON_FREE_MEMORY);
    cr_assert_eq(stats().value[BALLOON_FREE_MEMORY], 12345);
    cr_assert_eq(balloon->counters.stats_updates_count, 1);
    cr_assert_not(is_asked());
    cr_assert_not(balloon->timing); /* nobody wants to know, so no timer runs */
}

ON_BOTH(balloon_polls, the_guest_is_asked_each_interval)
{
    config.stats_interval_s = 1;
    balloon_start(0);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at_ns = clock_now_ns();
        tell(BALLOON_SWAP_IN, i);
        cr_assert_eq(vd_await(&d, STATS).len, 0);
        cr_assert_geq(clock_now_ns() - at_ns, NS_PER_S);
        cr_assert_not(balloon->timing); /* until it has answered */
        cr_assert_eq(stats().value[BALLOON_SWAP_IN], i);
    }
    cr_assert_geq(vd_interrupts(&d, NULL), 1);
}

ON_BOTH(balloon_polls, the_interval_changes_at_once)
{
    config.stats_interval_s = 100000;
    balloon_start(0);
    tell(BALLOON_SWAP_IN, 1);
    cr_assert_not(is_asked());
    balloon_set_interval(balloon, 0);
    vd_settle(&d);
    cr_assert_not(balloon->timing);
    cr_assert_not(is_asked());
    balloon_set_interval(balloon, 1);
    cr_assert(balloon->timing);
    balloon_set_interval(balloon, 100000);
    balloon_set_interval(balloon, 1);
    (void)vd_await(&d, STATS);
}

ON_BOTH(balloon_polls, an_interval_set_early_waits_for_the_driver)
{
    balloon_plug();
    balloon_set_interval(balloon, 100000);
    cr_assert_not(balloon->timing);
    vd_start(&d, 0);
    tell(BALLOON_SWAP_IN, 1);
    cr_assert(balloon->timing);
}

/* The first one comes back at once; only one is ever kept. */
ON_BOTH(balloon_polls, a_second_buffer_replaces_the_first)
{
    struct vd_used used;

    balloon_start(0);
    tell(BALLOON_SWAP_IN, 1);
    cr_assert_not(is_asked());
    for (unsigned i = 2; i < 300; i++) {
        d.free = VD_BUFFERS;
        tell(BALLOON_SWAP_IN, i);
        cr_assert(vd_reap(&d, STATS, &used));
        cr_assert_not(vd_reap(&d, STATS, &used));
        cr_assert_eq(stats().value[BALLOON_SWAP_IN], i);
    }
}

ON_BOTH(balloon_polls, bad_statistics_are_counted)
{
    balloon_start(0);
    tell(BALLOON_SWAP_IN, 1);
    (void)vd_chain(&d, STATS, &(struct vd_buf){ VD_BUFFERS, 11, 0 }, 1);
    (void)vd_kick(&d, STATS);
    vd_settle(&d);
    (void)vd_chain(&d, STATS, &(struct vd_buf){ VD_BUFFERS, 10, VD_WRITE }, 1);
    (void)vd_kick(&d, STATS);
    vd_settle(&d);
    cr_assert_eq(balloon->counters.stats_update_fails, 2);
    cr_assert_eq(balloon->counters.stats_updates_count, 3);
    cr_assert_eq(stats().known, 1u << BALLOON_SWAP_IN);
    cr_assert_not(vd_failed(&d));
}

ON_BOTH(balloon_polls, a_reset_forgets_statistics_and_buffer)
{
    config.stats_interval_s = 100000;
    balloon_start(0);
    tell(BALLOON_SWAP_IN, 1);
    vd_reset(&d);
    cr_assert_not(balloon->timing);
    cr_assert_not(balloon->holds);
    cr_assert_eq(stats().known, 0);
    vd_start(&d, 0);
    tell(BALLOON_SWAP_OUT, 2);
    cr_assert_eq(stats().known, 1u << BALLOON_SWAP_OUT);
}

/* A device that failed asks nobody. */
ON_BOTH(balloon_polls, a_failed_device_keeps_quiet)
{
    config.stats_interval_s = 1;
    balloon_start(0);
    tell(BALLOON_SWAP_IN, 1);
    (void)vd_chain(&d, INFLATE, &(struct vd_buf){ VD_LOW_END, 4, 0 }, 1);
    (void)vd_kick(&d, INFLATE);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    while (balloon->timing)
        vd_settle(&d);
    cr_assert_not(is_asked());
    vd_start(&d, 0);
    tell(BALLOON_SWAP_IN, 1);
}
