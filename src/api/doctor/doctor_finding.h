#ifndef API_DOCTOR_DOCTOR_FINDING_H
#define API_DOCTOR_DOCTOR_FINDING_H
/*
 * What one look at the host finds.
 */
#include <stdint.h>

struct accel_ops;

enum doctor_verdict {
    DOCTOR_GOOD,
    DOCTOR_LACKING,
    DOCTOR_UNKNOWN, /* it could not be looked at; the text says why, or a row before does */
};

struct doctor_finding {
    enum doctor_verdict verdict;
    char text[512];  /* what there is, no newline */
    const char *fix; /* one sentence where it is lacking, else NULL */
    uint64_t mips;   /* of an accelerator, once measured; else 0 */
};

/* Which host is looked at. */
struct doctor_host {
    const char *root;                      /* in front of /dev, /proc and /sys; "" but in tests */
    const struct accel_ops *const *accels; /* by name; ends with NULL */
};

/* Sets the verdict and its text; the fix and the speed stay. */
void doctor_find(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
