/* A device's life between a driver and the loop: coming up, working, failing, resetting. */
#include "virtio-mmio/virtio.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"

#define EVENTS    (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECTS (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)

static struct vd d;
static struct echo echo;

static void set_up_on(enum loop_backend backend)
{
    echo_init(&echo, 2, 64);
    vd_init(&d, backend);
    vd_plug(&d, &echo.virtio);
}

static void set_up(void)
{
    set_up_on(LOOP_AUTO);
}

static void tear_down(void)
{
    vd_finish(&d);
}

TestSuite(virtio, .init = set_up, .fini = tear_down);

/* Offers a request with this text and room for the answer. Returns where the answer will be. */
static const char *ask(unsigned queue, const char *text)
{
    uint32_t len = (uint32_t)strlen(text) + 1;
    gpa_t at = vd_alloc(&d, len);
    gpa_t answer = vd_alloc(&d, len);

    memcpy(vd_at(&d, at, len), text, len);
    (void)vd_chain(&d, queue, (struct vd_buf[]){ { at, len, 0 }, { answer, len, VD_WRITE } }, 2);
    return vd_at(&d, answer, len);
}

static void expect_echo(unsigned queue)
{
    const char *answer = ask(queue, "hello");

    vd_kick_hard(&d, queue);
    cr_assert_eq(vd_await(&d, queue).len, 6);
    cr_assert_str_eq(answer, "hello");
}

/* Every way to negotiate, kick and wait. */

struct way {
    enum loop_backend backend;
    bool by_register;
    uint64_t without;
};

ParameterizedTestParameters(virtio_ways, echoes)
{
    static struct way ways[] = {
        { LOOP_URING, false, 0 },
        { LOOP_URING, true, EVENTS },
        { LOOP_EPOLL, false, EVENTS | INDIRECTS },
        { LOOP_EPOLL, true, 0 },
    };

    return cr_make_param_array(struct way, ways, sizeof(ways) / sizeof(ways[0]));
}

ParameterizedTest(struct way *way, virtio_ways, echoes)
{
    uint32_t why;

    set_up_on(way->backend);
    d.by_register = way->by_register;
    vd_start(&d, way->without);
    cr_assert_eq(echo.activated, 1);
    for (unsigned i = 0; i < 500; i++) {
        unsigned queue = i % 2;
        const char *answer = ask(queue, "hello");
        cr_assert(vd_kick(&d, queue), "the device waits for it");
        cr_assert_eq(vd_await(&d, queue).len, 6);
        cr_assert_str_eq(answer, "hello");
        cr_assert_eq(vd_interrupts(&d, &why), 1);
        cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
    }
    cr_assert_eq(echo.virtio.counters.kicks, 500);
    cr_assert_eq(echo.virtio.counters.interrupts, 500);
    tear_down();
}

Test(virtio, takes_all_that_a_kick_finds)
{
    struct vd_used used;

    vd_start(&d, 0);
    for (unsigned i = 0; i < 32; i++)
        (void)ask(0, "x");
    cr_assert(vd_kick(&d, 0));
    for (unsigned i = 0; i < 32; i++)
        cr_assert_eq(vd_await(&d, 0).len, 2);
    cr_assert_not(vd_reap(&d, 0, &used));
    cr_assert_eq(vd_interrupts(&d, NULL), 1, "one for all of them");
}

Test(virtio, answers_late_and_out_of_order)
{
    uint16_t heads[3];

    vd_start(&d, 0);
    echo.hold = true;
    for (unsigned i = 0; i < 3; i++) {
        heads[i] = d.queue[0].next_desc & 63;
        (void)ask(0, "late");
    }
    vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert_eq(echo.held_count, 3);
    cr_assert_eq(vd_interrupts(&d, NULL), 0);
    echo_release(&echo);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(vd_await(&d, 0).head, heads[2 - i]);
    cr_assert_eq(vd_interrupts(&d, NULL), 1);
}

Test(virtio, indirect_chains)
{
    gpa_t at = vd_alloc(&d, 8);
    gpa_t answer = vd_alloc(&d, 8);

    vd_start(&d, 0);
    memcpy(vd_at(&d, at, 8), "indirect", 8);
    (void)vd_indirect(
        &d, 1,
        (struct vd_buf[]){
            { at, 3, 0 }, { at + 3, 5, 0 }, { answer, 1, VD_WRITE }, { answer + 1, 7, VD_WRITE } },
        4);
    vd_kick(&d, 1);
    cr_assert_eq(vd_await(&d, 1).len, 8);
    cr_assert_eq(memcmp(vd_at(&d, answer, 8), "indirect", 8), 0);
}

Test(virtio, no_interrupt_where_none_is_wanted)
{
    vd_start(&d, EVENTS);
    d.queue[0].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    expect_echo(0);
    cr_assert_eq(vd_interrupts(&d, NULL), 0);
    cr_assert_eq(echo.virtio.counters.interrupts, 0);
}

/* Coming up. */

/* Chains and kicks from before DRIVER_OK, which a driver should not send so early, are not lost. */
Test(virtio, kick_before_ready)
{
    const char *answer;

    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, 0, 0);
    answer = ask(0, "early");
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert_eq(d.queue[0].used->idx, 0, "nothing before DRIVER_OK");
    cr_assert_eq(echo.activated, 0);
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
    (void)vd_await(&d, 0);
    cr_assert_str_eq(answer, "early");
}

Test(virtio, queue_that_is_not_set_up)
{
    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, 0, 16);
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
    vd_settle(&d);
    vd_kick_hard(&d, 1);
    vd_settle(&d);
    cr_assert_not(vd_failed(&d));
    expect_echo(0);
}

Test(virtio, ready_needs_features_ok)
{
    vd_reset(&d);
    vd_write(&d, VIRTIO_MMIO_STATUS, 3);
    vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, 0);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, 16);
    vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_READY), 0);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 3);
}

static void write_ring(uint32_t reg, gpa_t at)
{
    vd_write(&d, reg, (uint32_t)at);
    vd_write(&d, reg + 4, (uint32_t)(at >> 32));
}

/* The Status register tells it at once, an interrupt as soon as the driver may get one. */
Test(virtio, misplaced_rings)
{
    static const struct {
        uint32_t reg;
        gpa_t at;
    } bad[] = {
        { VIRTIO_MMIO_QUEUE_USED_LOW, VD_WINDOW }, { VIRTIO_MMIO_QUEUE_USED_LOW, VD_LOW_END - 8 },
        { VIRTIO_MMIO_QUEUE_USED_LOW, 0x10002 },   { VIRTIO_MMIO_QUEUE_AVAIL_LOW, UINT64_MAX - 1 },
        { VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x10001 },  { VIRTIO_MMIO_QUEUE_DESC_LOW, VD_HIGH_END },
        { VIRTIO_MMIO_QUEUE_DESC_LOW, 0x10008 },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t why;
        cr_assert(vd_negotiate(&d, 0));
        vd_queue_set_up(&d, 0, 16);
        vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 0);
        cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_READY), 0);
        write_ring(bad[i].reg, bad[i].at);
        vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 1);
        cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_READY), 0);
        cr_assert(vd_failed(&d));
        vd_settle(&d);
        cr_assert_eq(vd_interrupts(&d, NULL), 0);
        vd_write(&d, VIRTIO_MMIO_STATUS, 15);
        vd_settle(&d);
        cr_assert_eq(vd_interrupts(&d, &why), 1);
        cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
        cr_assert_eq(echo.activated, 0);
    }
    vd_start(&d, 0);
    expect_echo(0);
}

Test(virtio, bad_queue_sizes)
{
    static const uint32_t bad[] = { 0, 3, 128, 0x10040 };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert(vd_negotiate(&d, 0));
        vd_queue_set_up(&d, 0, 16);
        vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 0);
        vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, bad[i]);
        vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 1);
        cr_assert(vd_failed(&d));
    }
    cr_assert_eq(echo.virtio.counters.faults, sizeof(bad) / sizeof(bad[0]));
}

/* Failing. */

Test(virtio, malformed_chain_needs_reset)
{
    struct vd_used used;
    uint32_t why;

    vd_start(&d, 0);
    vd_desc(&d, 0, 0, (struct vring_desc){ VD_WINDOW, 64, VD_WRITE, 0 });
    vd_offer(&d, 0, 0);
    vd_publish(&d, 0);
    vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
    cr_assert_eq(echo.virtio.counters.faults, 1);

    (void)ask(1, "never");
    vd_kick_hard(&d, 0);
    vd_kick_hard(&d, 1);
    vd_settle(&d);
    cr_assert_not(vd_reap(&d, 1, &used), "no queue works any more");
    cr_assert_eq(echo.virtio.counters.faults, 1, "and nothing is said twice");
    vd_start(&d, 0);
    cr_assert_not(vd_failed(&d));
    expect_echo(0);
    expect_echo(1);
}

Test(virtio, device_that_fails_says_so_once)
{
    vd_start(&d, 0);
    virtio_fail(&echo.virtio, "its own rules");
    virtio_fail(&echo.virtio, "its own rules");
    cr_assert(vd_failed(&d));
    cr_assert_eq(vd_interrupts(&d, NULL), 1);
    cr_assert_eq(echo.virtio.counters.faults, 1);
}

/* The device's loop over its queues comes to an end although chains are left. */
Test(virtio, failed_device_that_looks_for_chains)
{
    vd_start(&d, 0);
    (void)ask(0, "left");
    (void)ask(1, "left");
    virtio_fail(&echo.virtio, "its own rules");
    echo.virtio.ops->kick(&echo.virtio, 0);
    echo.virtio.ops->kick(&echo.virtio, 1);
    cr_assert_eq(d.queue[0].used->idx + d.queue[1].used->idx, 0);
}

Test(virtio, draining_device_that_looks_for_chains)
{
    vd_start(&d, 0);
    echo.hold = true;
    (void)ask(0, "held");
    vd_kick(&d, 0);
    vd_settle(&d);
    (void)ask(0, "left");
    (void)ask(1, "left");
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    echo.virtio.ops->kick(&echo.virtio, 0);
    echo.virtio.ops->kick(&echo.virtio, 1);
    cr_assert_eq(echo.held_count, 1);
    echo_release(&echo);
    echo.virtio.ops->kick(&echo.virtio, 1); /* this queue is not set up any more */
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
}

/* Chains that were taken before are still answered. */
Test(virtio, failure_with_chains_in_flight)
{
    vd_start(&d, 0);
    echo.hold = true;
    (void)ask(0, "good");
    vd_kick(&d, 0);
    vd_settle(&d);
    vd_offer(&d, 0, 999);
    vd_publish(&d, 0);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    echo_release(&echo);
    cr_assert_eq(vd_await(&d, 0).len, 5);
    vd_reset(&d);
    cr_assert_eq(echo.resets, 1);
}

/* Resetting. */

Test(virtio, reset_clears_everything)
{
    vd_start(&d, 0);
    expect_echo(0);
    vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, 1);
    vd_write(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    vd_reset(&d);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_QUEUE_READY), 0);
    cr_assert_eq(echo.virtio.queue_sel, 0);
    cr_assert_eq(echo.virtio.device_features_sel, 0);
    cr_assert_eq(echo.virtio.status.accepted, 0);
    cr_assert_eq(echo.virtio.queue[0].ring.size, 0);
    cr_assert_eq(echo.virtio.phase, VIRTIO_SETUP);
    cr_assert_eq(echo.virtio.counters.resets, 1);
    vd_start(&d, 0);
    expect_echo(0);
}

Test(virtio, reset_before_features_asks_nobody)
{
    vd_write(&d, VIRTIO_MMIO_STATUS, 3);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0, "without the loop");
    cr_assert_eq(echo.resets, 0);
}

/* The driver's writes to the configuration space may already have reached the device. */
Test(virtio, reset_before_ready)
{
    uint32_t value = 7;

    cr_assert(vd_negotiate(&d, 0));
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG, &value, 4));
    cr_assert_eq(echo.config.driver, 7);
    vd_reset(&d);
    cr_assert_eq(echo.resets, 1);
    cr_assert_eq(echo.activated, 0);
    cr_assert_eq(echo.config.driver, ECHO_FIRST);
}

Test(virtio, reset_overtakes_ready)
{
    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, 0, 0);
    vd_write(&d, VIRTIO_MMIO_STATUS, 15);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    cr_assert_eq(echo.activated, 0, "the loop never saw it ready");
    vd_start(&d, 0);
    expect_echo(0);
}

/* Until the device has let go of its buffers the driver sees the old one, which ignores writes. */
Test(virtio, reset_waits_for_what_is_in_flight)
{
    vd_start(&d, 0);
    echo.hold = true;
    (void)ask(0, "old");
    vd_kick(&d, 0);
    vd_settle(&d);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 15);
    cr_assert_eq(echo.virtio.phase, VIRTIO_DRAINING);

    vd_write(&d, VIRTIO_MMIO_STATUS, 1);
    vd_write(&d, VIRTIO_MMIO_QUEUE_READY, 0);
    vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, 2);
    vd_write(&d, VIRTIO_MMIO_CONFIG, 2);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    (void)ask(0, "new");
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert_eq(echo.resets, 1);
    cr_assert_eq(echo.held_count, 1, "no chain comes");
    cr_assert_eq(echo.virtio.queue[0].ring.size, 64);
    cr_assert_eq(echo.config.driver, ECHO_FIRST);

    echo_release(&echo);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    cr_assert_eq(vd_interrupts(&d, NULL), 0, "and the old answers raise no interrupt");
    echo.hold = false;
    vd_start(&d, 0);
    expect_echo(0);
}

/* Configuration space. */

Test(virtio, configuration_changes)
{
    uint32_t before = vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION);
    uint32_t value = 0x12345678;
    uint32_t why;

    virtio_config_update(&echo.virtio, 4, &value, sizeof(value));
    cr_assert_eq(vd_interrupts(&d, NULL), 0, "nobody is ready to hear it");
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION), before + 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_CONFIG + 4), value);
    vd_start(&d, 0);
    before = vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION);
    value = 1;
    virtio_config_update(&echo.virtio, 4, &value, 1);
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION), before + 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_CONFIG + 4), 0x12345601);
}

Test(virtio, features)
{
    vd_start(&d, INDIRECTS);
    cr_assert(virtio_has(&echo.virtio, 5));
    cr_assert(virtio_has(&echo.virtio, VIRTIO_RING_F_EVENT_IDX));
    cr_assert_not(virtio_has(&echo.virtio, VIRTIO_RING_F_INDIRECT_DESC));
    cr_assert_not(echo.virtio.queue[0].ring.indirect);
    cr_assert(echo.virtio.queue[0].ring.event_idx);
}
