#ifndef API_RUN_REPORT_H
#define API_RUN_REPORT_H
/*
 * What mote tells the operator when a run is over: when each step was reached, and how the run
 * ended. Pure.
 */
#include <stddef.h>

#include "core/base/timeline.h"
#include "core/vm/power.h"

enum report_form {
    REPORT_NONE,
    REPORT_TEXT, /* one line per step: "kernel loaded: 5210 us", "boot-timer write: not reached" */
    REPORT_JSON, /* one line, {"timeline_us":{"kernel_loaded":5210,"boot_timer_write":null,...}} */
};

#define REPORT_MAX 1024u

struct report_text {
    char text[REPORT_MAX]; /* ends with a newline unless empty */
};

struct report_text report_timeline(const struct timeline *t, enum report_form form);

/* mote's exit status, and the sentence that explains it, or NULL if nothing went wrong. */
int report_status(enum power_end why);
const char *report_sentence(enum power_end why);

#endif
