/* The timeline of one machine: its marks, and their names. */
#include "core/base/timeline.h"

#include <assert.h>
#include <stdbool.h>

#include "core/base/clock.h"

static const struct {
    const char *label;
    const char *key;
} names[] = {
    [TIMELINE_START] = { "process start", "process_start" },
    [TIMELINE_MEMORY] = { "memory mapped", "memory_mapped" },
    [TIMELINE_ACCEL] = { "accelerator ready", "accelerator_ready" },
    [TIMELINE_KERNEL] = { "kernel loaded", "kernel_loaded" },
    [TIMELINE_GUEST] = { "first guest instruction", "first_guest_instruction" },
    [TIMELINE_BOOT_TIMER] = { "boot-timer write", "boot_timer_write" },
    [TIMELINE_END] = { "end", "end" },
};
static_assert(sizeof(names) / sizeof(names[0]) == TIMELINE_MARKS, "one name for each mark");

void timeline_mark(struct timeline *t, enum timeline_mark mark)
{
    uint64_t unset = 0;

    assert(mark < TIMELINE_MARKS);
    (void)__atomic_compare_exchange_n(&t->at_ns[mark], &unset, clock_now_ns(), false,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

const char *timeline_mark_label(enum timeline_mark mark)
{
    assert(mark < TIMELINE_MARKS);
    return names[mark].label;
}

const char *timeline_mark_key(enum timeline_mark mark)
{
    assert(mark < TIMELINE_MARKS);
    return names[mark].key;
}

int64_t timeline_us(const struct timeline *t, enum timeline_mark mark)
{
    uint64_t start_ns = __atomic_load_n(&t->at_ns[TIMELINE_START], __ATOMIC_RELAXED);
    uint64_t at_ns;

    assert(mark < TIMELINE_MARKS);
    at_ns = __atomic_load_n(&t->at_ns[mark], __ATOMIC_RELAXED);
    if (start_ns == 0 || at_ns == 0)
        return -1;
    return (int64_t)(at_ns - start_ns) / 1000;
}
