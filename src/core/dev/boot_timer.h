#ifndef CORE_DEV_BOOT_TIMER_H
#define CORE_DEV_BOOT_TIMER_H
/*
 * The boot-timer page: a guest writes 123 to its first byte when its init starts.
 */
#include "core/vm/device.h"

struct timeline;

#define BOOT_TIMER_LEN   0x1000u
#define BOOT_TIMER_VALUE 123u

struct boot_timer {
    struct device device;
    struct timeline *timeline;
};

/* `timeline` stays the caller's and must outlive the device. */
void boot_timer_init(struct boot_timer *b, struct timeline *timeline);
void boot_timer_finish(struct boot_timer *b);

#endif
