/* How often a driver may reset its device. */
#include <criterion/criterion.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "core/base/clock.h"
#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/virtio_state.h"

#define AT_ONCE 100u
#define PER_S   100u

static struct vd d;
static struct echo echo;

/* BOTH(name) { ... } runs on both loop backends. */
#define BOTH(name)                                                              \
    static void name##_(void);                                                  \
    Test(reset_pace, name)                                                      \
    {                                                                           \
        static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL }; \
        for (unsigned i = 0; i < 2; i++) {                                      \
            vd_init(&d, backends[i]);                                           \
            echo_init(&echo, 1, 8);                                             \
            vd_plug(&d, &echo.virtio);                                          \
            name##_();                                                          \
            vd_finish(&d);                                                      \
        }                                                                       \
    }                                                                           \
    static void name##_(void)

/* The clock says how many resets there may have been, whether this thread is fast or slow. */
BOTH(a_driver_that_resets_without_end_has_a_pace)
{
    uint64_t began_ns = clock_now_ns(), took_ns;

    for (unsigned i = 0; i < AT_ONCE + 20; i++)
        cr_assert(vd_negotiate(&d, 0));
    vd_reset(&d);
    took_ns = clock_now_ns() - began_ns;
    cr_assert_geq(echo.virtio.counters.resets, AT_ONCE + 20);
    cr_assert_leq(echo.virtio.counters.resets, AT_ONCE + 1 + took_ns / (NS_PER_S / PER_S));
}

/* Begins a reset that the pace lets end in an hour. */
static void exhaust(void)
{
    cr_assert(vd_negotiate(&d, 0));
    rate_limit_take(&echo.virtio.resets, 0, AT_ONCE + 3600 * PER_S);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert(echo.virtio.paced);
    cr_assert_neq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
}

/* The device has drained at once, and the loop goes on meanwhile. */
BOTH(a_reset_that_waits_keeps_nobody)
{
    exhaust();
    cr_assert_eq(echo.resets, 1);
    cr_assert_eq(echo.virtio.phase, VIRTIO_DRAINING);
    vd_write(&d, VIRTIO_MMIO_STATUS, 0);
    vd_settle(&d);
    cr_assert_eq(echo.resets, 1, "it is still the same one");
    /* vd_finish, which comes next, does not wait for an hour */
}

static bool is_quiet;

static void quiet(struct virtio_device *v)
{
    (void)v;
    is_quiet = true;
}

static bool has_come(void *arg)
{
    (void)arg;
    return is_quiet;
}

/* A device that is brought to rest does not wait for the pace. */
BOTH(a_device_to_be_saved_waits_for_no_pace)
{
    is_quiet = false;
    exhaust();
    virtio_quiesce(&echo.virtio, quiet);
    vd_run_until(&d, has_come, NULL);
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_STATUS), 0);
    virtio_resume(&echo.virtio);
    vd_settle(&d);
}
