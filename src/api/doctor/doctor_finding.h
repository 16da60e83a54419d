#ifndef API_DOCTOR_DOCTOR_FINDING_H
#define API_DOCTOR_DOCTOR_FINDING_H
/*
 * What one check of the host found.
 */
#include <stdint.h>

struct accel_ops;
struct guest_arch;

enum doctor_verdict {
    DOCTOR_GOOD,
    DOCTOR_LACKING,
    DOCTOR_UNKNOWN, /* could not be examined; the text or an earlier finding says why */
};

struct doctor_finding {
    enum doctor_verdict verdict;
    char text[512];  /* what was found, without a newline */
    const char *fix; /* one sentence if it is lacking, else NULL */
    uint64_t mips;   /* an accelerator's measured speed, or 0 */
};

/* The host that is examined. */
struct doctor_host {
    const char *root;                      /* prefix of /dev, /proc and /sys; "" except in tests */
    const struct guest_arch *arch;         /* of the guest that is to run */
    const struct accel_ops *const *accels; /* what --accel auto chooses from; ends with NULL */
};

/* Sets the verdict and the text, which is cut if too long; leaves the fix and mips. */
void doctor_find(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
