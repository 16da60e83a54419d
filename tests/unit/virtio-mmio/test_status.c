/* Status and features: every order in which a driver can add its bits, and the ways back. */
#include "virtio-mmio/status.h"

#include <criterion/criterion.h>
#include <linux/virtio_config.h>

#define ACK         VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED

#define VERSION_1 (UINT64_C(1) << VIRTIO_F_VERSION_1)

static struct virtio_status fresh(void)
{
    return (struct virtio_status){ .offered = VERSION_1 | 0x30 };
}

static struct virtio_status negotiated(void)
{
    struct virtio_status s = fresh();

    status_accept(&s, 1, 1);
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER | FEATURES_OK);
    return s;
}

Test(status, comes_up_in_order)
{
    struct virtio_status s = fresh();

    cr_assert_eq(status_write(&s, ACK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK);
    cr_assert_eq(status_write(&s, ACK | DRIVER), STATUS_NOTHING);
    status_accept(&s, 0, 0x20);
    status_accept(&s, 1, 1);
    cr_assert_eq(s.accepted, VERSION_1 | 0x20);
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK), STATUS_NOTHING);
    cr_assert(status_has(&s, FEATURES_OK));
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK | DRIVER_OK), STATUS_READY);
    cr_assert(status_has(&s, DRIVER_OK));
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK | DRIVER_OK), STATUS_NOTHING,
                 "ready once");
}

Test(status, offers_in_halves)
{
    struct virtio_status s = fresh();

    cr_assert_eq(status_offered(&s, 0), 0x30);
    cr_assert_eq(status_offered(&s, 1), 1);
    for (uint32_t window = 2; window != 0; window = window << 1)
        cr_assert_eq(status_offered(&s, window), 0);
    cr_assert_eq(status_offered(&s, UINT32_MAX), 0);
}

Test(status, accepts_in_halves)
{
    struct virtio_status s = fresh();

    status_accept(&s, 0, 0xffffffff);
    status_accept(&s, 1, 3);
    status_accept(&s, 0, 0x10);
    cr_assert_eq(s.accepted, UINT64_C(0x300000010));
    status_accept(&s, 2, 0xffff);
    status_accept(&s, UINT32_MAX, 0xffff);
    cr_assert_eq(s.accepted, UINT64_C(0x300000010));
}

Test(status, refuses_features_it_does_not_have)
{
    struct virtio_status s = fresh();

    status_accept(&s, 0, 0x70);
    status_accept(&s, 1, 1);
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER);
    status_accept(&s, 0, 0x30); /* the driver may try again */
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER | FEATURES_OK);
}

Test(status, refuses_drivers_before_version_1)
{
    struct virtio_status s = fresh();

    status_accept(&s, 0, 0x30);
    (void)status_write(&s, ACK | DRIVER | FEATURES_OK);
    cr_assert_not(status_has(&s, FEATURES_OK));
}

Test(status, features_are_final)
{
    struct virtio_status s = negotiated();

    status_accept(&s, 0, 0x20);
    cr_assert_eq(s.accepted, VERSION_1);
}

Test(status, ready_needs_features)
{
    struct virtio_status s = fresh();

    cr_assert_eq(status_write(&s, ACK | DRIVER | DRIVER_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER);
    status_accept(&s, 0, 0xffffffff);
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK | DRIVER_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER, "neither bit: the features do not agree");
    status_accept(&s, 0, 0);
    status_accept(&s, 1, 1);
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK | DRIVER_OK), STATUS_READY);
}

Test(status, bits_are_never_taken_away)
{
    struct virtio_status s = negotiated();

    cr_assert_eq(status_write(&s, ACK | DRIVER), STATUS_NOTHING);
    cr_assert_eq(status_write(&s, FEATURES_OK | DRIVER_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER | FEATURES_OK);
}

Test(status, unknown_bits_are_not_kept)
{
    struct virtio_status s = fresh();

    (void)status_write(&s, 0xffffff30 | NEEDS_RESET);
    cr_assert_eq(s.bits, 0, "nor is the device's own bit the driver's to set");
    (void)status_write(&s, 0xffffff00 | ACK | FAILED);
    cr_assert_eq(s.bits, ACK | FAILED);
}

Test(status, needs_reset_survives_the_drivers_writes)
{
    struct virtio_status s = negotiated();

    s.bits |= NEEDS_RESET;
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK | DRIVER_OK), STATUS_READY);
    cr_assert(status_has(&s, NEEDS_RESET));
}

Test(status, reset_before_features_is_at_once)
{
    struct virtio_status s = fresh();

    cr_assert_eq(status_write(&s, 0), STATUS_CLEAR);
    (void)status_write(&s, ACK | DRIVER);
    status_accept(&s, 0, 0x10);
    cr_assert_eq(status_write(&s, 0), STATUS_CLEAR);
    status_clear(&s);
    cr_assert_eq(s.bits, 0);
    cr_assert_eq(s.accepted, 0);
    cr_assert_eq(s.offered, VERSION_1 | 0x30);
}

Test(status, reset_takes_its_time)
{
    struct virtio_status s = negotiated();

    cr_assert_eq(status_write(&s, 0), STATUS_DRAIN);
    cr_assert(s.resetting);
    cr_assert_eq(s.bits, ACK | DRIVER | FEATURES_OK, "not over yet");
    cr_assert_eq(status_write(&s, ACK | DRIVER | FEATURES_OK | DRIVER_OK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK | DRIVER | FEATURES_OK);
    status_accept(&s, 0, 0x10);
    cr_assert_eq(s.accepted, VERSION_1);
    cr_assert_eq(status_write(&s, 0), STATUS_DRAIN, "another processor waits too");
    status_clear(&s);
    cr_assert_not(s.resetting);
    cr_assert_eq(status_write(&s, ACK), STATUS_NOTHING);
    cr_assert_eq(s.bits, ACK);
}

Test(status, is_set_to_what_a_driver_could_have_made_it)
{
    static const struct {
        uint8_t bits;
        uint64_t accepted;
        bool possible;
    } cases[] = {
        { 0, 0, true },
        { 0, UINT64_MAX, true }, /* not agreed on yet */
        { ACK | DRIVER, VERSION_1, true },
        { ACK | DRIVER | FEATURES_OK, VERSION_1 | 0x10, true },
        { ACK | DRIVER | FEATURES_OK | DRIVER_OK, VERSION_1, true },
        { VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED, 0, true },
        { ACK | DRIVER | DRIVER_OK, VERSION_1, false },
        { ACK | DRIVER | FEATURES_OK, 0x10, false },
        { ACK | DRIVER | FEATURES_OK, VERSION_1 | 0x40, false },
        { 0x10, 0, false },
        { 0x20, 0, false },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct virtio_status s = fresh(), before = s;
        cr_assert_eq(status_restore(&s, cases[i].bits, cases[i].accepted), cases[i].possible, "%u",
                     i);
        cr_assert_eq(s.bits, cases[i].possible ? cases[i].bits : before.bits);
        cr_assert_eq(s.accepted, cases[i].possible ? cases[i].accepted : before.accepted);
        cr_assert_eq(s.offered, before.offered);
        cr_assert_not(s.resetting);
    }
}
