/* The boot-timer page: its first byte marks the timeline, and the rest does nothing. */
#include "core/dev/boot_timer.h"

#include <string.h>

#include "core/base/timeline.h"

static void boot_timer_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    (void)offset;
    memset(data, 0, size);
}

/* Guests write the value at any width; it is always in the first byte. */
static void boot_timer_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct boot_timer *b = (struct boot_timer *)d;
    const uint8_t *bytes = data;

    (void)size;
    if (offset == 0 && bytes[0] == BOOT_TIMER_VALUE)
        timeline_mark(b->timeline, TIMELINE_BOOT_TIMER);
}

static const struct device_ops boot_timer_ops = {
    .name = "boot_timer",
    .read = boot_timer_read,
    .write = boot_timer_write,
};

void boot_timer_init(struct boot_timer *b, struct timeline *timeline)
{
    device_init(&b->device, &boot_timer_ops);
    b->timeline = timeline;
}

void boot_timer_finish(struct boot_timer *b)
{
    device_finish(&b->device);
}
