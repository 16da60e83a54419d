/* Rest, save and restore of a device that does as little as one can. */
#include "virtio-mmio/virtio_state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "core/base/err.h"
#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_snapshot.h"

#define LEN 40u

static struct vd d, to;
static struct echo echo, other;
static struct state_writer w;
static struct err e;

static void set_up(void)
{
    vd_init(&d, LOOP_AUTO);
    vd_init(&to, LOOP_AUTO);
    echo_init(&echo, 2, 16);
    echo_init(&other, 2, 16);
    vd_plug(&d, &echo.virtio);
    vd_plug(&to, &other.virtio);
}

static void tear_down(void)
{
    echo_release(&echo);
    echo_release(&other);
    vd_finish(&d);
    vd_finish(&to);
    state_free(&w);
}

TestSuite(virtio_state, .init = set_up, .fini = tear_down);

/* Brings d's device to rest and saves it, and lets the other one go on from there. */
static void fork_it(void)
{
    vd_quiesce(&d);
    vd_save(&d, &w);
    vd_move(&to, &d);
    cr_assert_eq(vd_restore(&to, &w, &e), 0, "%s", e.text);
    virtio_resume(&other.virtio);
    vd_settle(&to);
}

static gpa_t ask(struct vd *driver, unsigned queue, uint8_t number)
{
    gpa_t at = vd_alloc(driver, 2 * LEN);

    memset(vd_at(driver, at, LEN), number, LEN);
    (void)vd_chain(driver, queue, (struct vd_buf[]){ { at, LEN, 0 }, { at + LEN, LEN, VD_WRITE } },
                   2);
    return at + LEN;
}

static void expect_answer(struct vd *driver, unsigned queue, gpa_t at, uint8_t number)
{
    const uint8_t *is = vd_at(driver, at, LEN);

    cr_assert_eq(vd_await(driver, queue).len, LEN);
    for (unsigned i = 0; i < LEN; i++)
        cr_assert_eq(is[i], number);
}

static void use(struct vd *driver, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        gpa_t at = ask(driver, i % 2, (uint8_t)(i + 1));
        (void)vd_kick(driver, i % 2);
        expect_answer(driver, i % 2, at, (uint8_t)(i + 1));
    }
}

/* Both of them go on, from the middle of the rings and with chains that nobody had taken. */
Test(virtio_state, two_devices_go_on_from_one)
{
    gpa_t at[2];

    vd_start(&d, 0);
    use(&d, 51);
    vd_quiesce(&d);
    for (unsigned queue = 0; queue < 2; queue++) {
        at[queue] = ask(&d, queue, (uint8_t)(7 + queue));
        (void)vd_kick(&d, queue);
    }
    vd_settle(&d);
    vd_save(&d, &w);
    vd_move(&to, &d);
    cr_assert_eq(vd_restore(&to, &w, &e), 0, "%s", e.text);
    vd_settle(&to);
    cr_assert_eq(other.activated, 0);
    virtio_resume(&other.virtio);
    virtio_resume(&echo.virtio);
    for (unsigned queue = 0; queue < 2; queue++) {
        expect_answer(&d, queue, at[queue], (uint8_t)(7 + queue));
        expect_answer(&to, queue, at[queue], (uint8_t)(7 + queue));
    }
    cr_assert_eq(other.activated, 1);
    cr_assert_eq(echo.activated, 1);
    use(&d, 50);
    use(&to, 50);
    vd_start(&to, 0);
    use(&to, 50);
}

Test(virtio_state, goes_on_without_events_and_with_few_descriptors)
{
    d.by_register = true;
    cr_assert(vd_negotiate(&d, UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX));
    vd_queue_set_up(&d, 0, 4);
    vd_queue_set_up(&d, 1, 2);
    vd_write(&d, VIRTIO_MMIO_STATUS, vd_read(&d, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
    use(&d, 33);
    fork_it();
    use(&to, 33);
    cr_assert_eq(vd_read(&to, VIRTIO_MMIO_STATUS), 15);
    cr_assert_not(other.virtio.queue[0].ring.event_idx);
    cr_assert_eq(other.virtio.queue[1].ring.size, 2);
}

static unsigned quiets;

static void count_quiet(struct virtio_device *v)
{
    cr_assert_eq(v, &echo.virtio);
    quiets++;
}

Test(virtio_state, rest_waits_for_what_is_in_flight)
{
    gpa_t at, later;

    vd_start(&d, 0);
    echo.hold = true;
    at = ask(&d, 0, 1);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert_eq(echo.held_count, 1);
    virtio_quiesce(&echo.virtio, count_quiet);
    later = ask(&d, 0, 2);
    vd_kick_hard(&d, 0);
    vd_settle(&d);
    cr_assert_eq(quiets, 0);
    cr_assert_eq(echo.held_count, 1, "nothing is taken any more");
    echo_release(&echo);
    cr_assert_eq(quiets, 1);
    expect_answer(&d, 0, at, 1);
    echo.hold = false;
    virtio_resume(&echo.virtio);
    expect_answer(&d, 0, later, 2);
    cr_assert_eq(quiets, 1);
}

/* A snapshot after each step of bringing the device up. The driver then takes the other steps. */
Test(virtio_state, a_driver_goes_on_setting_up)
{
    for (unsigned step = 0; step <= 3; step++) {
        uint32_t status;
        vd_finish(&d);
        vd_finish(&to);
        set_up();
        if (step >= 1)
            vd_write(&d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
        if (step >= 2)
            cr_assert(vd_negotiate(&d, 0));
        if (step >= 3)
            vd_queue_set_up(&d, 0, 8);
        vd_write(&d, VIRTIO_MMIO_QUEUE_SEL, 1);
        vd_write(&d, VIRTIO_MMIO_QUEUE_NUM, 3); /* not valid, and may still change */
        status = vd_read(&d, VIRTIO_MMIO_STATUS);
        fork_it();
        cr_assert_eq(vd_read(&to, VIRTIO_MMIO_STATUS), status);
        cr_assert_eq(other.virtio.queue_sel, 1);
        cr_assert_eq(other.virtio.queue[1].ring.size, 3);
        cr_assert_eq(other.activated, 0);
        if (step < 2) {
            vd_start(&to, 0);
            use(&to, 4);
        } else {
            if (step < 3)
                vd_queue_set_up(&to, 0, 8);
            vd_write(&to, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
            use(&to, 1);
        }
    }
}

/* The loop had not seen DRIVER_OK yet when the machine stopped. */
Test(virtio_state, a_driver_just_ready_finds_the_device_at_work)
{
    gpa_t at;

    cr_assert(vd_negotiate(&d, 0));
    vd_queue_set_up(&d, 0, 0);
    vd_write(&d, VIRTIO_MMIO_STATUS, vd_read(&d, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
    at = ask(&d, 0, 3);
    (void)vd_kick(&d, 0);
    fork_it();
    cr_assert_eq(echo.activated, 0, "it is held");
    expect_answer(&to, 0, at, 3);
    virtio_resume(&echo.virtio);
    expect_answer(&d, 0, at, 3);
}

Test(virtio_state, a_device_that_failed_stays_so_until_its_reset)
{
    vd_start(&d, 0);
    use(&d, 5);
    (void)vd_chain(&d, 0, &(struct vd_buf){ UINT64_MAX, 4, 0 }, 1);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert(vd_failed(&d));
    fork_it();
    cr_assert(vd_failed(&to));
    (void)ask(&to, 1, 1);
    vd_kick_hard(&to, 1);
    vd_settle(&to);
    cr_assert_eq(other.activated, 0);
    vd_start(&to, 0);
    cr_assert_not(vd_failed(&to));
    use(&to, 20);
}

/* The rest waits for the reset, which waits for the chain in flight. */
Test(virtio_state, a_reset_under_way_ends_first)
{
    vd_start(&d, 0);
    echo.hold = true;
    (void)ask(&d, 0, 1);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    virtio_quiesce(&echo.virtio, count_quiet);
    vd_settle(&d);
    cr_assert_eq(quiets, 0);
    echo_release(&echo);
    vd_settle(&d);
    cr_assert_eq(quiets, 1);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    vd_save(&d, &w);
    vd_move(&to, &d);
    cr_assert_eq(vd_restore(&to, &w, &e), 0, "%s", e.text);
    virtio_resume(&other.virtio);
    vd_start(&to, 0);
    use(&to, 3);
}

Test(virtio_state, interrupts_that_wait_are_raised_again)
{
    struct vd_used used;
    uint32_t why;

    vd_start(&d, 0);
    (void)ask(&d, 0, 1);
    (void)vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert_eq(d.interrupts, 1);
    fork_it();
    cr_assert_eq(vd_interrupts(&to, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
    cr_assert(vd_reap(&to, 0, &used));
}

Test(virtio_state, one_that_needs_no_interrupt_gets_none)
{
    vd_start(&d, 0);
    (void)vd_interrupts(&d, NULL);
    fork_it();
    cr_assert_eq(to.interrupts, 0);
}

/* The device's part of the configuration is the new device's. The driver's part comes along. */
Test(virtio_state, a_configuration_that_differs_is_told)
{
    uint32_t words[2], value = 0x55555555, why, generation;

    vd_start(&d, 0);
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG, &value, sizeof(value)));
    generation = vd_read(&d, VIRTIO_MMIO_CONFIG_GENERATION);
    other.config.device = 0x44444444;
    fork_it();
    vd_config_read(&to, 0, words, sizeof(words));
    cr_assert_eq(words[0], value);
    cr_assert_eq(words[1], 0x44444444);
    cr_assert_eq(vd_read(&to, VIRTIO_MMIO_CONFIG_GENERATION), generation + 1);
    cr_assert_eq(vd_interrupts(&to, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_CONFIG);
}

Test(virtio_state, a_device_at_rest_may_be_unplugged)
{
    vd_start(&d, 0);
    use(&d, 3);
    vd_quiesce(&d);
    vd_save(&d, &w);
    vd_move(&to, &d);
    cr_assert_eq(vd_restore(&to, &w, &e), 0, "%s", e.text);
}

Test(virtio_state, every_device_has_its_own_section)
{
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    vd_quiesce(&d);
    state_begin(&w);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    cr_assert_eq(vd_restore(&to, &w, &e), -EINVAL);
    cr_assert_str_eq(e.text, "the machine's state has no section 'echo'");
}

/* Untrusted states: a sound one with a field changed. */

static const struct change {
    uint16_t field;
    uint64_t value;
    const char *text;
} changes[] = {
    { 1, 2, "section 'echo': it was saved by another kind of device" },
    { 2, 0x10, "section 'echo': its status is one that no driver can bring about" },
    { 2, 7, "section 'echo': its status is one that no driver can bring about" },
    { 2, 3, "section 'echo': a queue is ready although features are not agreed on" },
    { 2, 0x100, "section 'echo': field 2 is out of range" },
    { 3, 0, "section 'echo': its status is one that no driver can bring about" },
    { 3, UINT64_MAX, "section 'echo': its driver uses features that this device does not have" },
    { 5, 4, "section 'echo': field 5 is out of range" },
    { 8, UINT64_C(1) << 32, "section 'echo': field 8 is out of range" },
    { 0x100, 3, "section 'echo': the queue's size is not a power of two, or too large" },
    { 0x100, 32, "section 'echo': the queue's size is not a power of two, or too large" },
    { 0x100, 0, "section 'echo': the queue's size is not a power of two, or too large" },
    { 0x101, 2, "section 'echo': field 257 is out of range" },
    { 0x102, 8, "section 'echo': a ring is misaligned or not in RAM" },
    { 0x103, VD_LOW_END, "section 'echo': a ring is misaligned or not in RAM" },
    { 0x104, UINT64_MAX - 3, "section 'echo': a ring is misaligned or not in RAM" },
    { 0x204, VD_HIGH_END - 4, "section 'echo': a ring is misaligned or not in RAM" },
    { 0x105, 0x10000, "section 'echo': field 261 is out of range" },
    { 0x206, 0x10000, "section 'echo': field 518 is out of range" },
};

/* Writes d's state again, with one field changed or left out. */
static void state_write(const struct change *c, bool without)
{
    static struct state_reader r;
    struct state_fields f;
    struct state_writer copy = { 0 };

    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0, "%s", e.text);
    f = state_find(&r, "echo", 1, &e);
    state_begin(&copy);
    state_section(&copy, "echo", 1, 0);
    for (uint16_t i = 0; i < 0x300; i++) {
        size_t len;
        const void *at = state_has(&f, i) ? state_get_blob(&f, i, 4096, &len) : NULL;
        if (at && i != c->field)
            state_put(&copy, i, at, len);
        else if (at && !without)
            state_put_u64(&copy, i, c->value);
    }
    cr_assert_eq(state_end(&copy, 0, &e), 0);
    state_free(&w);
    w = copy;
}

static void expect_untouched(void)
{
    cr_assert_eq(vd_read(&to, VIRTIO_MMIO_STATUS), 0);
    cr_assert_eq(other.config.driver, ECHO_FIRST);
    cr_assert_eq(other.virtio.queue[0].ring.desc, NULL);
    cr_assert_not(other.virtio.held);
    vd_start(&to, 0);
    use(&to, 5);
    vd_reset(&to);
}

Test(virtio_state, what_no_driver_could_bring_about_is_refused)
{
    vd_start(&d, 0);
    use(&d, 5);
    vd_quiesce(&d);
    vd_move(&to, &d);
    for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const struct change *c = &changes[i];
        vd_save(&d, &w);
        state_write(c, false);
        cr_assert_eq(vd_restore(&to, &w, &e), -EINVAL, "%u", i);
        cr_assert_str_eq(e.text, c->text);
        expect_untouched();
    }
}

Test(virtio_state, a_field_that_is_missing_is_refused)
{
    static const uint16_t fields[] = { 1,     2,     3,     4,     5,     6,     7,     8,
                                       9,     0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106,
                                       0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206 };

    vd_start(&d, 0);
    vd_quiesce(&d);
    vd_move(&to, &d);
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct change without = { .field = fields[i] };
        vd_save(&d, &w);
        state_write(&without, true);
        cr_assert_eq(vd_restore(&to, &w, &e), -EINVAL, "%u", fields[i]);
        cr_assert(strstr(e.text, "is missing") || strstr(e.text, "another kind"), "%s", e.text);
        expect_untouched();
    }
}

Test(virtio_state, a_device_may_refuse)
{
    uint32_t value = ECHO_REFUSED;

    vd_start(&d, 0);
    cr_assert(bus_write(&d.bus, VD_WINDOW + VIRTIO_MMIO_CONFIG, &value, sizeof(value)));
    vd_quiesce(&d);
    vd_save(&d, &w);
    vd_move(&to, &d);
    cr_assert_eq(vd_restore(&to, &w, &e), -EINVAL);
    cr_assert_str_eq(e.text, "section 'echo': the device does not like it");
    expect_untouched();
}

/* Positions that disagree with guest memory are the guest's fault: the device needs a reset. */
Test(virtio_state, positions_are_judged_when_they_are_used)
{
    const struct change ahead = { .field = 0x105, .value = 1000 };

    vd_start(&d, 0);
    vd_quiesce(&d);
    vd_save(&d, &w);
    state_write(&ahead, false);
    vd_move(&to, &d);
    cr_assert_eq(vd_restore(&to, &w, &e), 0, "%s", e.text);
    virtio_resume(&other.virtio);
    vd_settle(&to);
    cr_assert(vd_failed(&to));
    vd_start(&to, 0);
    use(&to, 3);
}
