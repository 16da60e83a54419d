#ifndef CORE_BASE_TIMELINE_H
#define CORE_BASE_TIMELINE_H
/*
 * When a machine reached each point of its start and end: what `mote run --timeline` prints.
 *
 * Times are CLOCK_MONOTONIC nanoseconds; 0 is "did not happen". Any thread may mark and read: a
 * guest with several processors can write the boot-timer page from all of them at once.
 */
#include <stdint.h>

enum timeline_mark {
    TIMELINE_START,      /* main was entered */
    TIMELINE_MEMORY,     /* guest memory is mapped */
    TIMELINE_ACCEL,      /* the accelerator is ready */
    TIMELINE_KERNEL,     /* kernel, initrd and tables are in guest memory */
    TIMELINE_GUEST,      /* about to execute the guest's first instruction */
    TIMELINE_BOOT_TIMER, /* the guest wrote the boot-timer page: its init runs */
    TIMELINE_END,        /* the machine stopped */
    TIMELINE_MARKS,
};

struct timeline {
    uint64_t at_ns[TIMELINE_MARKS]; /* atomic */
};

/* Only the first call for a mark counts. */
void timeline_mark(struct timeline *t, enum timeline_mark mark);

/* "process start", ... as printed; "process_start", ... as JSON keys. */
const char *timeline_mark_label(enum timeline_mark mark);
const char *timeline_mark_key(enum timeline_mark mark);

/* Microseconds from TIMELINE_START to mark, or -1 where either did not happen. */
int64_t timeline_us(const struct timeline *t, enum timeline_mark mark);

#endif
