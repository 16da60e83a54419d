/* A device's life between a driver and the loop: coming up, working, failing, resetting, leaving.
 */
#include "virtio-mmio/virtio.h"

#include <criterion/criterion.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "lib/echo.h"
#include "lib/virtio_driver.h"

static struct vd d;
static struct echo echo;

static void set_up(void)
{
    echo_init(&echo, 2, 64);
    vd_init(&d, LOOP_AUTO);
    vd_plug(&d, &echo.virtio);
}

static void tear_down(void)
{
    vd_finish(&d);
}

TestSuite(virtio, .init = set_up, .fini = tear_down);

/* One request of `len` bytes on its way; returns where the answer will be. */
static const char *ask(unsigned queue, const char *text)
{
    uint32_t len = (uint32_t)strlen(text) + 1;
    gpa_t at = vd_alloc(&d, len);
    gpa_t answer = vd_alloc(&d, len);

    memcpy(vd_at(&d, at, len), text, len);
    (void)vd_chain(&d, queue, (struct vd_buf[]){ { at, len, 0 }, { answer, len, VD_WRITE } }, 2);
    return vd_at(&d, answer, len);
}

Test(virtio, echoes)
{
    const char *answer;
    struct vd_used used;
    uint32_t why;

    vd_start(&d, 0);
    cr_assert_eq(echo.activated, 1);
    answer = ask(0, "hello");
    cr_assert(vd_kick(&d, 0));
    used = vd_await(&d, 0);
    cr_assert_eq(used.len, 6);
    cr_assert_str_eq(answer, "hello");
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
}
