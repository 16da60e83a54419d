#ifndef API_DOCTOR_DOCTOR_REPORT_H
#define API_DOCTOR_DOCTOR_REPORT_H
/*
 * What `mote doctor` says about its findings. Pure but for the stream it prints to.
 */
#include <stdio.h>

#include "api/doctor/doctor_check.h"

/* What --accel auto chooses on this host. */
struct doctor_choice {
    const char *accel;      /* NULL: no machine can run */
    const char *instead_of; /* the better accelerator that cannot be used, or NULL */
    /* A finding's text: what accel does; or why instead_of cannot be used; or, without an accel,
     * why none can. */
    const char *why;
};

struct doctor_choice doctor_choose(const struct doctor_finding found[DOCTOR_CHECKS]);

/* Prints at most two lines per finding, and then the choice. */
void doctor_print(const struct doctor_finding found[DOCTOR_CHECKS], FILE *to);

/* { "version": "0.1.0", "runs": true,
 *   "auto": { "accel": "emu", "instead_of": "kvm", "why": "there is no /dev/kvm" },
 *   "checks": { "kvm": { "ok": false, "found": "...", "fix": "..." or null, "mips": 1 or null } } }
 *
 * "accel" and "instead_of" may be null; "ok" is null if something could not be examined. */
void doctor_print_json(const struct doctor_finding found[DOCTOR_CHECKS], FILE *to);

#endif
