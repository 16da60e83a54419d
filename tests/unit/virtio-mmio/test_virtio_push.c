/* What a device wrote is told to the accelerator before the driver hears of it. */
#include "virtio-mmio/virtio.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lib/virtio/echo.h"
#include "lib/virtio/virtio_driver.h"

#define QUEUE 0

static struct vd d;
static struct echo echo;

/* What the accelerator was told. */
static struct {
    unsigned count;
    struct {
        gpa_t gpa;
        uint64_t len;
        uint16_t used; /* the used index that the driver saw by then */
        char first;    /* the first byte that was written */
    } part[8];
} told;

static const struct accel_ops *of_driver; /* vd_reap checks by it that nothing is left out */

static void memory_written(struct accel *a, gpa_t gpa, uint64_t len)
{
    of_driver->memory_written(a, gpa, len);
    cr_assert_lt(told.count, 8u);
    told.part[told.count].gpa = gpa;
    told.part[told.count].len = len;
    told.part[told.count].used = d.queue[QUEUE].used->idx;
    told.part[told.count].first = *(const char *)vd_at(&d, gpa, 1);
    told.count++;
}

static struct accel_ops listening;

static void listen(void)
{
    of_driver = d.accel.accel.ops;
    listening = *of_driver;
    listening.memory_written = memory_written;
    d.accel.accel.ops = &listening;
}

static void set_up(void)
{
    echo_init(&echo, 1, 64);
    vd_init(&d, LOOP_AUTO);
    vd_plug(&d, &echo.virtio);
    memset(&told, 0, sizeof(told));
}

static void tear_down(void)
{
    vd_finish(&d);
}

TestSuite(virtio_push, .init = set_up, .fini = tear_down);

static struct vd_used send(const struct vd_buf *bufs, unsigned count)
{
    (void)vd_chain(&d, QUEUE, bufs, count);
    vd_kick(&d, QUEUE);
    return vd_await(&d, QUEUE);
}

Test(virtio_push, tells_what_was_written_and_no_more)
{
    gpa_t at = vd_alloc(&d, 32);
    gpa_t first = vd_alloc(&d, 16), second = VD_HIGH + 0x100, third = vd_alloc(&d, 16);
    const struct vd_buf bufs[] = {
        { at, 24, 0 }, { first, 16, VD_WRITE }, { second, 16, VD_WRITE }, { third, 16, VD_WRITE }
    };

    memcpy(vd_at(&d, at, 24), "abcdefghijklmnopqrstuvw", 24);
    vd_start(&d, 0);
    listen();
    cr_assert_eq(send(bufs, 4).len, 24);
    cr_assert_eq(told.count, 2);
    cr_assert_eq(told.part[0].gpa, first);
    cr_assert_eq(told.part[0].len, 16);
    cr_assert_eq(told.part[0].first, 'a', "the bytes are there");
    cr_assert_eq(told.part[0].used, 0, "the answer is not");
    cr_assert_eq(told.part[1].gpa, second);
    cr_assert_eq(told.part[1].len, 8);
    cr_assert_eq(told.part[1].first, 'q');
    cr_assert_eq(told.part[1].used, 0);
}

Test(virtio_push, has_nothing_to_tell_of_what_was_only_read)
{
    gpa_t at = vd_alloc(&d, 16);

    vd_start(&d, 0);
    listen();
    cr_assert_eq(send((struct vd_buf[]){ { at, 16, 0 } }, 1).len, 0);
    cr_assert_eq(told.count, 0);
}

Test(virtio_push, works_where_the_accelerator_need_not_know)
{
    gpa_t at = vd_alloc(&d, 16), answer = vd_alloc(&d, 16);

    memcpy(vd_at(&d, at, 16), "0123456789abcde", 16);
    vd_start(&d, 0);
    listen();
    listening.memory_written = NULL;
    cr_assert_eq(send((struct vd_buf[]){ { at, 16, 0 }, { answer, 16, VD_WRITE } }, 2).len, 16);
    cr_assert_str_eq(vd_at(&d, answer, 16), "0123456789abcde");
}
