/* The boot-timer page marks the timeline for one value at one place. */
#include "core/dev/boot_timer.h"

#include <string.h>

#include <criterion/criterion.h>

#include "core/base/timeline.h"

static struct boot_timer timer;
static struct timeline timeline;

static void setup(void)
{
    memset(&timeline, 0, sizeof(timeline));
    boot_timer_init(&timer, &timeline);
}

static void teardown(void)
{
    boot_timer_finish(&timer);
}

TestSuite(boot_timer, .init = setup, .fini = teardown);

static uint64_t mark(void)
{
    return timeline.at_ns[TIMELINE_BOOT_TIMER];
}

Test(boot_timer, marks_the_value_at_any_width)
{
    for (unsigned size = 1; size <= 8; size *= 2) {
        uint64_t value = BOOT_TIMER_VALUE;
        memset(&timeline, 0, sizeof(timeline));
        timer.device.ops->write(&timer.device, 0, &value, size);
        cr_assert_neq(mark(), 0, "size %u", size);
    }
}

Test(boot_timer, marks_nothing_else)
{
    for (unsigned value = 0; value < 0x100; value++)
        if (value != BOOT_TIMER_VALUE)
            timer.device.ops->write(&timer.device, 0, &(uint8_t){ (uint8_t)value }, 1);
    timer.device.ops->write(&timer.device, 1, &(uint8_t){ BOOT_TIMER_VALUE }, 1);
    timer.device.ops->write(&timer.device, BOOT_TIMER_LEN - 1, &(uint8_t){ BOOT_TIMER_VALUE }, 1);
    for (unsigned i = 0; i < TIMELINE_MARKS; i++)
        cr_assert_eq(timeline.at_ns[i], 0);
}

Test(boot_timer, reads_as_zero)
{
    uint64_t value = 0x1122334455667788;

    timer.device.ops->read(&timer.device, 0, &value, 4);
    cr_assert_eq(value, 0x1122334400000000);
    cr_assert_eq(mark(), 0);
}
