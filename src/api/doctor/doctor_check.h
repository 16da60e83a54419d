#ifndef API_DOCTOR_DOCTOR_CHECK_H
#define API_DOCTOR_DOCTOR_CHECK_H
/*
 * What `mote doctor` examines: a table with one row for each fact about the host.
 */
#include "api/doctor/doctor_finding.h"

/* In the order in which they are examined and printed. */
enum doctor_check {
    DOCTOR_KVM_DEVICE,
    DOCTOR_KVM_INTERFACE,
    DOCTOR_KVM,
    DOCTOR_EMU,
    DOCTOR_CPU_FEATURES,
    DOCTOR_IO_URING,
    DOCTOR_SECCOMP,
    DOCTOR_USER_NAMESPACES,
    DOCTOR_CGROUP,
    DOCTOR_TUN,
    DOCTOR_TRANSPARENT_HUGE_PAGES,
    DOCTOR_HUGE_PAGES_2M,
    DOCTOR_CHECKS,
};

struct doctor_row {
    const char *key;   /* in JSON */
    const char *label; /* for people */
    const char *accel; /* the accelerator that needs it, or NULL */
    /* Fills *f, in which doctor_examine has put this row's fix; replaces the fix by a better one if
     * it knows one. */
    void (*look)(const struct doctor_host *h, struct doctor_finding *f);
    const char *fix; /* what helps in general, one sentence */
};

extern const struct doctor_row doctor_rows[DOCTOR_CHECKS];

/* Runs every row's look, in order. A finding that is not DOCTOR_LACKING has no fix. */
void doctor_examine(const struct doctor_host *h, struct doctor_finding found[DOCTOR_CHECKS]);

#endif
